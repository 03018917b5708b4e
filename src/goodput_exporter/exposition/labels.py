"""
Label values made fit to print: valid UTF-8, bounded, escaped, still distinct.

What a job calls itself comes from outside. A value that has to be changed
gets a suffix from the hash of what it was, so that two runs never melt into
one series because their names were bad in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

MAX_LENGTH: Final = 256
"""Characters; a Kubernetes name has 253, and the page repeats a run's name often."""

_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def clean(value: object) -> str:
    """
    Return a label value that any parser of the text format accepts.

    Lone surrogates (they come out of JSON escapes) are replaced, and what is
    longer than ``MAX_LENGTH`` is cut; both mark the value with a hash of the
    original. None becomes the empty value, which Prometheus takes for absent;
    anything else than text is shown as it prints, because a page with an odd
    label is better than no page.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        return clean(str(value))
    if value.isascii() and len(value) <= MAX_LENGTH:
        return value
    text = _SURROGATE.sub(_REPLACEMENT, value)
    if text == value and len(value) <= MAX_LENGTH:
        return value
    raw = value.encode("utf-8", "surrogatepass")
    mark = f"~{blake2b(raw, digest_size=6).hexdigest()}"
    return text[: MAX_LENGTH - len(mark)] + mark


def prefix(name: str, labels: Sequence[str], values: Sequence[object]) -> str:
    """
    Return everything of a sample's line that stands before its value.

    Raises:
        ValueError: There are more or fewer values than labels.
    """
    if not labels and not values:
        return f"{name} "
    pairs = ",".join(
        f'{label}="{clean(value).translate(_ESCAPES)}"'
        for label, value in zip(labels, values, strict=True)
    )
    return f"{name}{{{pairs}}} "
