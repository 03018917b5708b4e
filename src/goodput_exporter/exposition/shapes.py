"""
What all answers of the API are made of; OpenAPI and the reference page read them.

GPU time and spans are decimal strings of nanoseconds, because a JSON number
is rounded above 2**53 by most readers and these numbers must add up; a field
in seconds stands beside each where a rounded one will do. None is "not
measured", never zero.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

ExactNs = Annotated[
    int,
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^-?[0-9]+$"}),
]
"""Integer nanoseconds (or nanoseconds x devices), written as a string."""

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339 in UTC with nanoseconds."""


class Shape(BaseModel):
    """Base of all: immutable, and nothing that is not named."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(Shape):
    """Why a request was refused."""

    detail: str
    candidates: list[str] = Field(
        default=[], description="Full names that it could mean."
    )
    nearest: str | None = Field(
        default=None, description="The known name that is most alike."
    )


class Share(Shape):
    """One line of an account."""

    name: str = Field(description="A state, or a cause.")
    layer: str | None = Field(
        default=None, description="Whose time it is; None for a cause."
    )
    gpu_ns: ExactNs
    gpu_seconds: float


class Books(Shape):
    """GPU time by state, and the bad part of it by cause; both conserve."""

    states: list[Share]
    causes: list[Share]
    total_gpu_ns: ExactNs


class Layers(Shape):
    """The ratios of the definitions, section 6; None where a part is unknown."""

    infrastructure: float | None
    framework: float | None
    pace: float | None
    goodput: float | None
    model: float | None
    overall: float | None
    ettr: float | None
    coverage: float | None
    goodput_with_evaluation: float | None
