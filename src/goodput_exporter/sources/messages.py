"""Wire v1 as a typed message: which fields are read, their types and their ranges."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(ge=0, le=1e9)]
Instant = Annotated[float, Meta(ge=0, le=1e11)]
Uint = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Step = Annotated[int, Meta(ge=0, le=2**53)]
Restored = Annotated[int, Meta(ge=-1, le=2**53)]
Index = Annotated[int, Meta(ge=-1, le=2**31 - 1)]
Bit = Annotated[int, Meta(ge=0, le=1)]
Flops = Annotated[float, Meta(ge=0, le=1e36)]
Size = Annotated[float, Meta(gt=0, le=1e18)]
Extent = Annotated[int, Meta(gt=0, le=2**40)]


class Model(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """The hello message's ``model`` object."""

    params: Size | None = None
    active: Size | None = None
    layers: Extent | None = None
    hidden: Extent | None = None
    heads: Extent | None = None
    head_dim: Extent | None = None
    seq: Extent | None = None


class Message(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """
    One datagram of wire v1, in the wire's own names and units (seconds).

    Fields of a later minor version are ignored, by the slow path: the strict one
    refuses them, and so knows without counting that nothing nests too deep.
    ``lr``, ``lws``, ``wa``, ``par`` and ``gas`` are declared for its sake and read
    by nobody; ``wa`` above all, for no wall clock is trusted.
    """

    v: Literal[1]
    t: Literal["hello", "hb", "bye"]
    inc: str
    seq: Uint
    up: Seconds
    ph: str
    pa: Seconds
    cum: dict[str, Seconds]
    run: str | None = None
    rank: Index | None = None
    ws: Index | None = None
    role: str | None = None
    rg: str | None = None
    st: Step | None = None
    stl: Bit | None = None
    sa: Seconds | None = None
    sn: Uint | None = None
    ss: tuple[Uint, Seconds, Seconds, Seconds] | None = None
    rs: Restored | None = None
    cs: Step | None = None
    cd: Step | None = None
    tk: Uint | None = None
    sm: Uint | None = None
    sc: Literal["g", "r"] | None = None
    fl: Flops | None = None
    ma: Seconds | None = None
    ok: Bit | None = None
    mo: Seconds | None = None
    src: str | None = None
    sdk: str | None = None
    fw: str | None = None
    model: Model | None = None
    fpt: Flops | None = None
    tps: Extent | None = None
    dt: str | None = None
    gpu: Annotated[list[str], Meta(max_length=64)] | None = None
    pk: Annotated[float, Meta(gt=0, le=1e6)] | None = None
    lr: Index | None = None
    lws: Index | None = None
    wa: Instant | None = None
    par: dict[str, Extent] | None = None
    gas: Extent | None = None
