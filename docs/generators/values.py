"""Renders docs/reference/values.md from the chart's values and their comments."""

from __future__ import annotations

from typing import Final

from helm.chart_values import values
from helm.generate import CHART, rows

HEAD: Final = """\
# Values of the chart

<!-- Generated from the chart; run `make docs`, do not edit. -->

`helm install` needs none of them. A key that is not listed is refused by its name,
but for those below `global`, which charts share.
What the programs themselves can be told is in [settings](config.md): under `settings`,
`agent.settings` and `aggregator.settings` each is a key, such as
`stall.step_seconds: 120`.

| value | default | meaning |
| --- | --- | --- |
"""


def render() -> str:
    """Return the whole page, its last newline included."""
    found = values((CHART / "values.yaml").read_text(encoding="utf-8"))
    return HEAD + "\n".join(rows(found)) + "\n"
