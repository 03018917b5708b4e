"""Wire v1, message by message; what is golden here is kept for ever."""

from __future__ import annotations

import json

import pytest

from goodput_sdk._messages import SHED, encode
from tests.sdk.rig import Message, Rig

REQUIRED = {"v", "t", "inc", "seq", "up", "ph", "pa", "cum"}
KNOWN = REQUIRED | {
    "run", "rank", "ws", "lr", "lws", "role", "rg", "st", "stl", "sa", "sn", "ss",
    "rs", "cs", "cd", "tk", "sm", "sc", "fl", "ma", "ok", "mo", "wa", "src", "sdk",
    "fw", "model", "fpt", "tps", "dt", "par", "gpu", "gas", "pk",
}  # fmt: skip


def train_a_little(rig: Rig) -> None:
    """Describe a model, restore step 4, and complete step 5."""
    rig.hb.model(
        params=8.03e9,
        active_params=1e9,
        layers=32,
        hidden=4096,
        heads=32,
        head_dim=128,
        seq_len=8192,
        flops_per_token=5e10,
        tokens_per_step=4_194_304,
        grad_accumulation=4,
        dtype="bf16",
        parallelism={"tp": 2, "dp": 4, "zz": 9},
        gpu_uuids=["GPU-1"],
    )
    with rig.hb.phase("checkpoint_restore"):
        rig.pass_s(1.5)
    rig.hb.restored(4)
    with rig.hb.step(5, tokens=100, samples=10, flops=2.5e12):
        rig.pass_s(2)
    with rig.hb.checkpoint(5):
        rig.pass_s(0.25)
    rig.pass_s(0.125)


def test_a_hello_carries_state_and_facts() -> None:
    """The first message says who, how, and what is being trained."""
    rig = Rig()
    train_a_little(rig)

    assert rig.beat() == {
        "v": 1, "t": "hello", "inc": "0000000000000001", "seq": 1,
        "run": "ml/llama", "rank": 3, "ws": 8, "lr": 1, "lws": 4,
        "role": "trainer", "src": "sdk",
        "up": 3.875, "ph": "idle", "pa": 0.125,
        "cum": {
            "checkpoint_restore": 1.5, "train_step": 2.0, "checkpoint_save": 0.25,
            "idle": 0.125,
        },
        "st": 5, "sa": 0.375, "sn": 1, "ss": [1, 2.0, 2.0, 2.0], "rs": 4,
        "cs": 5, "cd": 5, "tk": 100, "sm": 10, "sc": "g", "fl": 2.5e12,
        "mo": 8.875, "wa": 1_700_000_000.5,
        "sdk": "0.1.0", "fpt": 5e10, "tps": 4_194_304, "gas": 4, "dt": "bf16",
        "model": {
            "params": 8.03e9, "active": 1e9, "layers": 32, "hidden": 4096,
            "heads": 32, "head_dim": 128, "seq": 8192,
        },
        "par": {"tp": 2, "dp": 4}, "gpu": ["GPU-1"],
    }  # fmt: skip


def test_a_heartbeat_carries_state_alone() -> None:
    """Facts are not repeated every other second."""
    rig = Rig()
    rig.beat()
    rig.pass_s(2)

    assert rig.beat() == {
        "v": 1, "t": "hb", "inc": "0000000000000001", "seq": 2,
        "run": "ml/llama", "rank": 3, "ws": 8, "lr": 1, "lws": 4,
        "role": "trainer", "src": "sdk",
        "up": 2.0, "ph": "init", "pa": 2.0, "cum": {"init": 2.0}, "sa": 2.0, "sn": 0,
        "mo": 7.0, "wa": 1_700_000_000.5,
    }  # fmt: skip


@pytest.mark.parametrize(("ok", "sent"), [(None, 1), (True, 1), (False, 0)])
def test_a_goodbye_says_how_it_ended(ok: bool | None, sent: int) -> None:  # noqa: FBT001  # a case, not a switch
    """It is the last message, and its phase is the end."""
    rig = Rig()
    rig.beat()
    rig.pass_s(1)
    rig.hb.close(ok=ok)
    rig.hb.close(ok=True)
    rig.sender.tick()

    last = rig.wire.messages[-1]

    assert (last["t"], last["ok"], last["ph"], last["seq"]) == (
        "bye",
        sent,
        "finalize",
        2,
    )
    assert last["cum"] == {"init": 1.0}


def test_an_exception_on_its_way_makes_the_goodbye_abnormal() -> None:
    """``close()`` in a finally block knows why it runs."""
    rig = Rig()
    rig.beat()
    rig.ended_well = False
    rig.hb.close()

    assert rig.wire.messages[-1]["ok"] == 0


def test_a_goodbye_is_repeated_while_the_queue_is_full() -> None:
    """Each attempt has a number of its own; then the program's exit goes first."""
    rig = Rig()
    rig.beat()
    rig.wire.full = True
    rig.hb.close()

    assert rig.lives[0].seq == 5


def test_a_restart_in_the_process_is_a_new_incarnation() -> None:
    """The old one ends abnormally; the new one knows nothing of its steps."""
    rig = Rig()
    train_a_little(rig)
    rig.beat()
    with rig.hb.step(6):
        rig.hb.reinit()
        rig.pass_s(3)
    rig.sender.tick()

    _, bye, hello = rig.wire.messages

    assert (bye["t"], bye["ok"], bye["inc"]) == ("bye", 0, "0000000000000001")
    assert (hello["t"], hello["inc"], hello["seq"]) == ("hello", "0000000000000002", 1)
    assert (hello["cum"], hello["sn"]) == ({"init": 3.0}, 0)
    assert hello["model"]["layers"] == 32
    assert hello.keys().isdisjoint({"st", "rs", "cs", "cd", "tk"})


def test_a_hello_is_due_every_minute_and_when_facts_change() -> None:
    """An agent that comes back late still learns the model."""
    rig = Rig()
    kinds = []
    for _ in range(4):
        kinds.append(rig.beat()["t"])
        rig.pass_s(30)
    rig.hb.model(layers=2)
    kinds.append(rig.beat()["t"])

    assert kinds == ["hello", "hb", "hello", "hb", "hello"]


def test_a_hello_that_was_dropped_is_due_again() -> None:
    """A full queue costs one interval, not a minute."""
    rig = Rig()
    rig.wire.full = True
    rig.sender.tick()
    rig.wire.full = False
    rig.pass_s(2)

    message = rig.beat()

    assert (message["t"], message["seq"]) == ("hello", 2)


def test_slow_phases_are_announced_at_once_but_no_more_than_five_a_second() -> None:
    """A hang that holds the interpreter's lock has been announced before."""
    rig = Rig()
    rig.beat()
    for _ in range(20):
        with rig.hb.phase("checkpoint_save"):
            rig.pass_s(0.05)
        with rig.hb.step(1):
            rig.pass_s(0.01)

    announced = rig.wire.messages[1:]

    assert {m["ph"] for m in announced} == {"checkpoint_save"}
    assert 5 <= len(announced) <= 6


def test_steps_and_data_are_not_announced() -> None:
    """In steady state the training thread sends nothing."""
    rig = Rig()
    rig.beat()
    for step in rig.hb.data(range(100)):
        rig.pass_s(1)
        with rig.hb.step(step):
            rig.pass_s(1)

    assert len(rig.wire.datagrams) == 1


def test_the_source_port_changes_twice_a_minute() -> None:
    """A new socket may take a path that works; the old one is closed."""
    rig = Rig()
    for _ in range(10):
        rig.beat()
        rig.pass_s(10)

    assert rig.wire.closed == 3


def test_every_key_is_one_of_version_1() -> None:
    """Nothing is sent that the protocol does not know; `pk` is additive."""
    rig = Rig()
    train_a_little(rig)

    assert rig.beat().keys() <= KNOWN
    assert set(SHED) <= KNOWN - REQUIRED


@pytest.mark.parametrize("limit", [1400, 900, 700, 550])
def test_a_message_that_is_too_long_sheds_what_it_can_do_without(limit: int) -> None:
    """Required keys stay, and what goes first is fixed."""
    rig = Rig(run_id="r" * 128)
    train_a_little(rig)
    message = rig.beat()

    datagram = encode(dict(message), limit)

    assert datagram is not None
    assert len(datagram) <= limit
    kept = json.loads(datagram)
    assert kept.keys() >= REQUIRED
    shed = [key for key in SHED if key in message and key not in kept]
    assert shed == [key for key in SHED if key in message][: len(shed)]


def test_a_message_that_cannot_fit_is_not_sent() -> None:
    """Half a message would be another message."""
    rig = Rig()

    assert encode(rig.beat(), 80) is None


def test_the_longest_udp_message_keeps_all_it_must() -> None:
    """Every name at its limit still leaves room for the state."""
    rig = Rig(limit=1400, run_id="r" * 128)
    train_a_little(rig)
    rig.hb.model(gpu_uuids=["GPU-" + "a" * 60] * 16)
    for number in range(6):
        with rig.hb.phase(f"{number}" + "p" * 31):
            rig.pass_s(1.123456789)

    message: Message = rig.beat()

    assert len(rig.wire.datagrams[-1]) <= 1400
    assert message.keys() >= REQUIRED | {"st", "cs", "cd", "rs", "sa", "run"}
