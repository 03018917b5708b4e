"""Making many frozen values quickly."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, field, fields, make_dataclass
from typing import Any

Change = Callable[[Any], None]
"""Changes a value that nobody has seen yet."""
Maker = Callable[[Iterable[tuple[Any, ...]], Change | None], list[Any]]
"""Makes values of rows of the same fields, and changes each at once."""


def maker_of(of: type[Any], names: tuple[str, ...]) -> Maker:
    """
    Return what makes values of one slotted dataclass out of rows.

    Args:
        of: The dataclass.
        names: The fields of a row, in its order; the others have their defaults.

    A frozen dataclass sets each field through ``object.__setattr__``: 3.5 us for
    a GPU's 28 fields, where an open one takes 0.3 us, for every GPU of every node.
    So a value is made as an open twin with the same slots, and becomes one of its
    own class before anybody sees it, which Python allows between equal layouts.
    """
    is_frozen = of.__dataclass_params__.frozen
    is_whole = names == tuple(each.name for each in fields(of) if each.init)
    is_twin = is_frozen or not is_whole
    twin = _open_twin(of, names) if is_twin else of

    def make(rows: Iterable[tuple[Any, ...]], change: Change | None) -> list[Any]:
        values = [twin(*row) for row in rows]
        if change is not None:
            for value in values:
                change(value)
        if is_twin:
            for value in values:
                value.__class__ = of
        return values

    return make


def _open_twin(of: type[Any], names: tuple[str, ...]) -> type[Any]:
    """Return a dataclass of the same slots that takes the fields of a row first."""
    known = {each.name: each for each in fields(of)}
    others = [each for name, each in known.items() if name not in names]
    return make_dataclass(
        of.__name__,
        [
            *((name, known[name].type) for name in names),
            *((each.name, each.type, _default_of(each)) for each in others),
        ],
        slots=True,
    )


def _default_of(one: Field[Any]) -> Any:  # noqa: ANN401 - of any field
    if one.default_factory is not MISSING:
        return field(default_factory=one.default_factory, init=one.init)
    return field(default=one.default, init=one.init)
