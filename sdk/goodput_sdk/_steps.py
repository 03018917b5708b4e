"""Step numbers are plain integers: reading a tensor would wait for a GPU."""

from __future__ import annotations


def as_step(value: object) -> int | None:
    """
    Return a step number, or None for what cannot be read without a device.

    NumPy's integers live on the host and are taken; a tensor is not, because
    ``int()`` of one on a GPU waits for everything queued there.
    """
    if type(value) is int:
        return value
    if type(value).__module__ == "numpy" and hasattr(value, "__index__"):
        return value.__index__()  # type: ignore[no-any-return]  # numpy is not imported here
    return None
