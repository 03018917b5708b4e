"""What one datagram of wire v1 says, and what of a bad one can be kept."""

from __future__ import annotations

import json

import msgspec
import pytest

from goodput_exporter.domain.observations import ModelFacts, RankReport
from goodput_exporter.domain.states import Phase
from goodput_exporter.sources.datagrams import MAX_BYTES, decode, depth, phases_of
from goodput_exporter.sources.messages import Message
from goodput_exporter.sources.refusals import Flaw, Reason, RefusedError
from tests.fakes.heartbeats import Desk, fields, heartbeat

BAD_FIELDS = [
    ("st", -1, Flaw.FIELD_RANGE),
    ("st", 12.5, Flaw.FIELD_TYPE),
    ("st", "12", Flaw.FIELD_TYPE),
    ("st", True, Flaw.FIELD_TYPE),
    ("st", 10**400, Flaw.FIELD_RANGE),
    ("sn", 10**30, Flaw.FIELD_RANGE),
    ("tk", -5, Flaw.FIELD_RANGE),
    ("fl", float("nan"), Flaw.FIELD_RANGE),
    ("fl", float("inf"), Flaw.FIELD_RANGE),
    ("fl", {"a": 1}, Flaw.FIELD_TYPE),
    ("sa", 11.0, Flaw.FIELD_RANGE),
    ("ma", -0.1, Flaw.FIELD_RANGE),
    ("ma", 99.0, Flaw.FIELD_RANGE),
    ("ss", [1, 2.0, 1.0], Flaw.FIELD_TYPE),
    ("ss", [2, 3.0, 2.0, 1.0], Flaw.FIELD_RANGE),
    ("ss", [1, float("nan"), 1.0, 1.0], Flaw.FIELD_RANGE),
    ("role", "\ud800", Flaw.FIELD_TEXT),
    ("role", 7, Flaw.FIELD_TYPE),
    ("run", "two words", Flaw.FIELD_TEXT),
    ("run", "x" * 129, Flaw.FIELD_TEXT),
    ("run", "", Flaw.FIELD_TEXT),
    ("sc", "x", Flaw.FIELD_TYPE),
    ("mo", -1.0, Flaw.FIELD_RANGE),
    ("gpu", ["GPU-1", "\udfff"], Flaw.FIELD_TEXT),
    ("model", "8B", Flaw.FIELD_TYPE),
]


@pytest.mark.parametrize(
    ("name", "value", "flaw"),
    BAD_FIELDS,
    ids=[f"{name}-{i}" for i, (name, _, _) in enumerate(BAD_FIELDS)],
)
def test_a_bad_field_costs_that_field_only(
    name: str, value: object, flaw: Flaw
) -> None:
    """What a rank says wrongly is left out and counted; the rest still counts."""
    message, drops = decode(heartbeat(**{"cs": 7, name: value}))

    assert drops == ((name, flaw),)
    assert getattr(message, name) is None
    assert (message.cs, message.up) == (7, 10.0)


def test_a_model_with_one_bad_figure_keeps_the_others() -> None:
    """A nested figure is dropped under its own name."""
    message, drops = decode(heartbeat(t="hello", model={"params": 8e9, "layers": -3}))

    assert drops == (("model.layers", Flaw.FIELD_RANGE),)
    assert message.model is not None
    assert (message.model.params, message.model.layers) == (8e9, None)


def test_a_rank_outside_its_world_is_unknown() -> None:
    """Rank 8 of 8 cannot be; who it is stays open."""
    message, drops = decode(heartbeat(rank=8, ws=8))

    assert drops == (("rank", Flaw.FIELD_RANGE),)
    assert (message.rank, message.ws) == (None, 8)


REFUSED = [
    (b"", Reason.MALFORMED),
    (b"\xff\xfe", Reason.MALFORMED),
    (b"[]", Reason.MALFORMED),
    (b"null", Reason.MALFORMED),
    (b'{"v":1', Reason.MALFORMED),
    (b"[" * MAX_BYTES, Reason.DEPTH),
    (b'{"x":' + b"[" * 4 + b"]" * 4 + b"}", Reason.DEPTH),
    (heartbeat(x=[[[[]]]]), Reason.DEPTH),
    (heartbeat() + b" " * MAX_BYTES, Reason.TOO_BIG),
    (b"{}", Reason.VERSION),
    (heartbeat(v=2), Reason.VERSION),
    (heartbeat(v="1"), Reason.VERSION),
    (heartbeat(v=True), Reason.VERSION),
    (heartbeat(v="\ud800" * 99), Reason.VERSION),
    (b'{"v":2,"entirely":{"other":"layout"}}', Reason.VERSION),
    *((heartbeat(**{name: None}), Reason.MISSING) for name in fields() if name != "v"),
    (heartbeat(t="event"), Reason.INVALID),
    (heartbeat(inc="0123"), Reason.INVALID),
    (heartbeat(inc="0123456789ABCDEF"), Reason.INVALID),
    (heartbeat(inc="0123 56789abcdef"), Reason.INVALID),
    (heartbeat(seq=-1), Reason.INVALID),
    (heartbeat(seq=10**400), Reason.INVALID),
    (heartbeat(up=float("nan")), Reason.INVALID),
    (heartbeat(up=float("-inf")), Reason.INVALID),
    (heartbeat(up=1e10), Reason.INVALID),
    (heartbeat(pa=11), Reason.INVALID),
    (heartbeat(ph="\ud83d"), Reason.INVALID),
    (heartbeat(cum={"init": -1}), Reason.INVALID),
    (heartbeat(cum={"init": float("nan")}), Reason.INVALID),
    (heartbeat(cum=[]), Reason.INVALID),
]


@pytest.mark.parametrize(
    ("data", "reason"), REFUSED, ids=[f"{r}-{i}" for i, (_, r) in enumerate(REFUSED)]
)
def test_what_cannot_be_used_is_refused_with_its_reason(
    data: bytes, reason: Reason
) -> None:
    """Each way of being unusable has one name, from a closed set."""
    with pytest.raises(RefusedError) as refusal:
        decode(data)

    assert refusal.value.reason is reason


def test_a_datagram_of_exactly_the_bound_is_read() -> None:
    """8192 bytes are allowed; the next one is not."""
    data = heartbeat()

    message, _ = decode(data + b" " * (MAX_BYTES - len(data)))

    assert message.seq == 1


def test_fields_of_a_later_minor_version_are_ignored() -> None:
    """Adding a field must not need a new exporter first."""
    message, drops = decode(heartbeat(brand_new={"deep": [1]}, lr=0, wa=1.7e9))

    assert (message.seq, drops) == (1, ())


def test_both_ways_of_reading_agree() -> None:
    """A message read field by field says what it says when read in one pass."""
    rest = dict.fromkeys(("rank", "ws", "st", "sn", "cs", "cd", "tk", "rs"), 1)
    rest["ws"] = 2
    data = heartbeat(**rest, run="ml/a", ss=[1, 1.0, 1.0, 1.0], model={"params": 8e9})

    clean, _ = decode(data)
    salvaged, drops = decode(data[:-1] + b',"fl":NaN}')

    assert msgspec.structs.asdict(clean) == msgspec.structs.asdict(salvaged)
    assert drops == (("fl", Flaw.FIELD_RANGE),)


def test_brackets_in_text_are_no_depth() -> None:
    """A run of brackets inside a string nests nothing."""
    assert depth(json.dumps({"a": '[[[["[[[['}).encode()) == 1
    assert depth(b'{"a":[[1],{}]}') == 3


def test_a_jobs_own_phases_are_summed_into_other() -> None:
    """Names that are not ours keep their time and lose their name."""
    message, _ = decode(heartbeat(cum={"init": 4, "warp": 3.5, "weft": 2.5}))

    cum_ns, flaws = phases_of(message)

    assert cum_ns == {Phase.INIT: 4_000_000_000, Phase.OTHER: 6_000_000_000}
    assert flaws == ()


def test_phases_that_do_not_sum_to_the_age_are_noted() -> None:
    """The books scale them later; here it is counted, and nothing is repaired."""
    message, _ = decode(heartbeat(cum={"init": 4, "train_step": 5.5}))

    cum_ns, flaws = phases_of(message)

    assert flaws == (Flaw.CUM_SUM,)
    assert sum(cum_ns.values()) == 9_500_000_000


def test_hundreds_of_phase_names_are_noted_and_their_time_is_kept() -> None:
    """More than 16 names is no phase list, but its time is still time."""
    message, _ = decode(heartbeat(cum={f"p{i}": 0.1 for i in range(100)}))

    cum_ns, flaws = phases_of(message)

    assert flaws == (Flaw.PHASES,)
    assert cum_ns == {Phase.OTHER: 10_000_000_000}


def test_a_full_heartbeat_becomes_a_report() -> None:
    """Seconds become whole nanoseconds; every field arrives under its own name."""
    desk = Desk()

    [report] = desk.hear(
        heartbeat(
            run="ml/llama", rank=3, ws=8, role="eval", rg="slice-1", st=12, stl=1,
            sa=0.25, sn=5, ss=[2, 3.0, 1.25, 1.75], rs=-1, cs=10, cd=8, tk=1000,
            sm=20, sc="r", fl=1e18, ma=0.125, src="hf", ph="warp",
        )
    )  # fmt: skip

    assert report == RankReport(
        incarnation="0123456789abcdef", seq=1, at_ns=desk.clock.now_ns(),
        up_ns=10_000_000_000, phase=Phase.OTHER, phase_age_ns=500_000_000,
        cum_ns={Phase.INIT: 4_000_000_000, Phase.TRAIN_STEP: 6_000_000_000},
        run_id="ml/llama", rank=3, world_size=8, role="eval", replica_group="slice-1",
        step=12, step_is_local=True, step_age_ns=250_000_000, steps_done=5,
        step_spread_ns=(2, 3_000_000_000, 1_250_000_000, 1_750_000_000),
        restored_step=-1, saved_step=10, durable_step=8, tokens=1000, samples=20,
        tokens_are_global=False, flops=1e18, main_thread_age_ns=125_000_000,
        source="auto", verified=True, pid=4711,
    )  # fmt: skip


def test_a_hello_carries_the_facts_and_long_text_is_clipped() -> None:
    """Static facts come once; free text is cut, for nothing depends on its end."""
    model = {"params": 8.03e9, "active": 2e9, "layers": 32, "hidden": 4096,
             "heads": 32, "head_dim": 128, "seq": 8192}  # fmt: skip

    [report] = Desk().hear(
        heartbeat(t="hello", fw="f" * 999, model=model, fpt=5e10, tps=4_194_304,
                  dt="bf16", gpu=["GPU-1", "GPU-2"], pk=989.4, sdk="1.2.3")
    )  # fmt: skip

    assert isinstance(report, RankReport)
    assert report.facts == ModelFacts(
        framework="f" * 64, params=8.03e9, active_params=2e9, layers=32, hidden=4096,
        heads=32, head_dim=128, seq_len=8192, flops_per_token=5e10,
        tokens_per_step=4_194_304, dtype="bf16", gpu_uuids=("GPU-1", "GPU-2"),
        peak_tflops=989.4, sdk="1.2.3",
    )  # fmt: skip


def test_a_bye_says_how_it_ended() -> None:
    """Only ``ok`` 1 is a normal end."""
    ends = [Desk().hear(heartbeat(t="bye", ok=ok))[0] for ok in (1, 0, None)]

    assert [(e.is_bye, e.ok) for e in ends if isinstance(e, RankReport)] == [
        (True, True), (True, False), (True, False),
    ]  # fmt: skip


def test_every_declared_field_is_an_additive_one() -> None:
    """Only what v1 required from its first day may ever be required."""
    required = {f.name for f in msgspec.structs.fields(Message) if f.required}

    assert required == set(fields())
