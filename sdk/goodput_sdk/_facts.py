"""What stays true of a model for as long as it trains, in the words of the wire."""

from __future__ import annotations

import math

from goodput_sdk._guard import warn
from goodput_sdk._identity import TEXT_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would double the SDK's import time
    from collections.abc import Mapping

GPUS_LIMIT = 16
MODEL_KEYS = {
    "params": "params",
    "active_params": "active",
    "layers": "layers",
    "hidden": "hidden",
    "heads": "heads",
    "head_dim": "head_dim",
    "seq_len": "seq",
}
OTHER_KEYS = {
    "flops_per_token": "fpt",
    "tokens_per_step": "tps",
    "grad_accumulation": "gas",
}
AXES = ("tp", "pp", "dp", "cp", "ep")


def fact_fields(said: Mapping[str, object]) -> dict[str, object]:
    """
    Return the hello's keys for what a program said of its model.

    A fact that is no finite number is left out and told: an unknown size gives
    no MFU, a wrong one gives a wrong MFU.
    """
    fields: dict[str, object] = {
        key: value
        for name, key in OTHER_KEYS.items()
        if (value := _number(name, said.get(name))) is not None
    }
    model = {
        key: value
        for name, key in MODEL_KEYS.items()
        if (value := _number(name, said.get(name))) is not None
    }
    if model:
        fields["model"] = model
    fields.update(_texts(said))
    fields.update(_parallelism(said.get("parallelism")))
    return fields


def _number(name: str, value: object) -> float | int | None:
    if value is None:
        return None
    # Exact types only: looking into a device tensor would wait for the device.
    plain = type(value) is int or type(value) is float
    if plain and math.isfinite(value) and value >= 0:  # type: ignore[arg-type,operator]  # mypy does not narrow by type()
        return value  # type: ignore[return-value]  # as above
    warn(
        "goodput-sdk: model(%s=...) got a %s and is left out; give a plain, finite, "
        "non-negative int or float",
        name,
        type(value).__name__,
    )
    return None


def _texts(said: Mapping[str, object]) -> dict[str, object]:
    fields: dict[str, object] = {}
    dtype, gpus = said.get("dtype"), said.get("gpu_uuids")
    if dtype is not None:
        fields["dt"] = str(dtype)[:TEXT_LIMIT]
    if isinstance(gpus, (list, tuple)) and gpus:
        fields["gpu"] = [str(uuid)[:TEXT_LIMIT] for uuid in gpus[:GPUS_LIMIT]]
    return fields


def _parallelism(sizes: object) -> dict[str, object]:
    if not isinstance(sizes, dict):
        return {}
    known = {axis: sizes[axis] for axis in AXES if type(sizes.get(axis)) is int}
    return {"par": known} if known else {}
