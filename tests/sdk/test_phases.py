"""Which phase an instant belongs to, told as short training loops."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.sdk.rig import Rig


def test_time_before_the_first_step_is_init_and_after_it_idle() -> None:
    """Outside any phase a rank starts up, until it steps; then it does nothing."""
    rig = Rig()
    rig.pass_s(3)
    with rig.hb.phase("checkpoint_restore"):
        rig.pass_s(2)
    rig.pass_s(1)
    with rig.hb.step(1):
        rig.pass_s(5)
    rig.pass_s(4)

    assert rig.beat()["cum"] == {
        "init": 4.0, "checkpoint_restore": 2.0, "train_step": 5.0, "idle": 4.0,
    }  # fmt: skip


def test_an_evaluation_inside_a_step_is_not_step_time() -> None:
    """Nested phases are exclusive: each second has one name."""
    rig = Rig()
    with rig.hb.step(1):
        rig.pass_s(1)
        with rig.hb.phase("eval"):
            rig.pass_s(10)
            with rig.hb.phase("data_loading"):
                rig.pass_s(3)
        rig.pass_s(2)

    message = rig.beat()

    assert message["cum"] == {"train_step": 3.0, "eval": 10.0, "data_loading": 3.0}
    assert message["ss"] == [1, 3.0, 3.0, 3.0]


def test_data_loading_is_the_blocking_part_of_next() -> None:
    """What the loop does with a batch is not time spent waiting for it."""
    rig = Rig()

    def slow_loader() -> list[int]:
        return [1, 2]

    class Loader:
        def __iter__(self) -> object:
            for item in slow_loader():
                rig.pass_s(0.5)
                yield item

    for step in rig.hb.data(Loader()):  # type: ignore[arg-type,var-annotated]  # any iterable will do
        with rig.hb.step(step):
            rig.pass_s(2)

    assert rig.beat()["cum"] == {"data_loading": 1.0, "train_step": 4.0}


def test_a_phase_is_as_old_as_the_last_change_into_it() -> None:
    """Coming back from a nested phase begins the outer one's age anew."""
    rig = Rig()
    with rig.hb.phase("eval"):
        rig.pass_s(5)
        with rig.hb.phase("data_loading"):
            rig.pass_s(1)
        rig.pass_s(2)

        message = rig.beat()

    assert (message["ph"], message["pa"]) == ("eval", 2.0)


def test_entering_the_phase_one_is_in_changes_nothing() -> None:
    """Two words for the same thing are no transition."""
    rig = Rig()
    rig.hb.enter("eval")
    rig.pass_s(5)
    rig.hb.enter("eval")
    with rig.hb.phase("eval"):
        rig.pass_s(1)

    assert rig.beat()["pa"] == 6.0


def test_train_time_after_a_step_end_belongs_to_the_next_step() -> None:
    """In callback form the phase stays what the loop said last."""
    rig = Rig()
    rig.hb.enter("train_step")
    rig.pass_s(2)
    rig.hb.step_end(1)
    rig.pass_s(1)
    first = rig.beat()
    rig.hb.enter("data_loading")
    rig.pass_s(4)
    rig.hb.enter("train_step")
    rig.pass_s(2)
    rig.hb.step_end(2)

    second = rig.beat()

    assert (first["ph"], first["st"], first["sa"]) == ("train_step", 1, 1.0)
    assert first["ss"] == [1, 2.0, 2.0, 2.0]
    assert second["ss"] == [1, 3.0, 3.0, 3.0]
    assert second["cum"] == {"train_step": 5.0, "data_loading": 4.0}


def test_a_loop_that_tells_only_its_steps_trains_between_them() -> None:
    """Two lines in a loop are enough; up to the first step's end it starts up."""
    rig = Rig()
    rig.pass_s(30)
    rig.hb.step_end(1)
    rig.pass_s(2)
    rig.hb.step_end(2)

    message = rig.beat()

    assert message["cum"] == {"init": 30.0, "train_step": 2.0}
    assert (message["st"], message["sn"]) == (2, 2)


@pytest.mark.parametrize("form", ["block", "callback"])
def test_a_skipped_step_was_run_and_did_not_advance(form: str) -> None:
    """An inf in the gradients costs time, raises the count, and completes nothing."""
    rig = Rig()
    with rig.hb.step(7):
        rig.pass_s(2)
    if form == "block":
        with rig.hb.step(8) as step:
            rig.pass_s(3)
            step.skip()
    else:
        rig.hb.enter("train_step")
        rig.pass_s(3)
        rig.hb.step_end(8, skipped=True)
        rig.hb.enter("idle")

    message = rig.beat()

    assert (message["st"], message["sn"], message["sa"]) == (7, 2, 3.0)
    assert message["ss"] == [1, 2.0, 2.0, 2.0]


def out_of_memory(rig: Rig) -> None:
    """Work for two seconds and fail."""
    rig.pass_s(2)
    raise MemoryError


def test_a_step_that_raises_was_never_completed() -> None:
    """Its time is train time still, and the retry is the same step."""
    rig = Rig()
    with pytest.raises(MemoryError), rig.hb.step(1):
        out_of_memory(rig)
    first = rig.beat()
    with rig.hb.step(1):
        rig.pass_s(3)

    second = rig.beat()

    assert "st" not in first
    assert first["sn"] == 0
    assert (second["st"], second["ss"]) == (1, [1, 5.0, 5.0, 5.0])


def test_step_durations_are_told_once() -> None:
    """The spread covers the steps since the last message, and only those."""
    rig = Rig()
    for step, seconds in enumerate((2, 1, 4), start=1):
        with rig.hb.step(step):
            rig.pass_s(seconds)

    assert rig.beat()["ss"] == [3, 7.0, 1.0, 4.0]
    assert "ss" not in rig.beat()


def test_a_writer_thread_moves_no_phase() -> None:
    """A checkpoint uploaded beside the loop does not stop the loop's clock."""
    rig = Rig()

    def write() -> None:
        with rig.hb.phase("checkpoint_save"), rig.hb.step(99):
            rig.hb.enter("eval")
            rig.hb.step_end(99)
        rig.hb.saved(4)
        rig.hb.durable(4)

    with rig.hb.step(5), ThreadPoolExecutor(1) as pool:
        rig.pass_s(1)
        pool.submit(write).result()

    message = rig.beat()

    assert message["cum"] == {"train_step": 1.0}
    assert (message["st"], message["cs"], message["cd"]) == (5, 4, 4)
    assert rig.hb.ignored == 4


def test_a_blocking_checkpoint_is_durable_when_it_returns() -> None:
    """Only the time in the block is checkpoint time."""
    rig = Rig()
    with rig.hb.checkpoint(10):
        rig.pass_s(6)

    message = rig.beat()

    assert message["cum"] == {"checkpoint_save": 6.0}
    assert (message["cs"], message["cd"]) == (10, 10)


def test_an_asynchronous_checkpoint_is_saved_now_and_durable_later() -> None:
    """The future decides, whenever it completes."""
    rig = Rig()
    done: Future[None] = Future()
    with rig.hb.checkpoint(10, async_=True) as block:
        rig.pass_s(1)
    block.committed_when(done)
    before = rig.beat()
    done.set_result(None)

    after = rig.beat()

    assert (before["cs"], before.get("cd")) == (10, None)
    assert after["cd"] == 10


def test_a_failed_or_cancelled_upload_makes_nothing_durable() -> None:
    """Saved is not durable."""
    rig = Rig()
    failed: Future[None] = Future()
    cancelled: Future[None] = Future()
    for future in (failed, cancelled):
        with rig.hb.checkpoint(10, async_=True) as block:
            pass
        block.committed_when(future)
    failed.set_exception(OSError("disk full"))
    cancelled.cancel()

    assert "cd" not in rig.beat()


def test_a_future_in_the_manner_of_torch_is_asked_for_its_value() -> None:
    """It knows neither exception() nor cancelled()."""

    class TorchFuture:
        def __init__(self, error: Exception | None) -> None:
            self.error = error

        def add_done_callback(self, callback: object) -> None:
            callback(self)  # type: ignore[operator]  # as torch calls it

        def value(self) -> None:
            if self.error is not None:
                raise self.error

    rig = Rig()
    for step, error in ((1, None), (2, OSError("quota"))):
        with rig.hb.checkpoint(step, async_=True) as block:
            pass
        block.committed_when(TorchFuture(error))

    assert rig.beat()["cd"] == 1


def test_a_checkpoint_that_raises_saved_nothing() -> None:
    """And the exception is the program's own."""
    rig = Rig()
    with pytest.raises(MemoryError), rig.hb.checkpoint(10):
        out_of_memory(rig)

    message = rig.beat()

    assert message["ph"] == "init"
    assert "cs" not in message


def test_an_older_commit_does_not_undo_a_newer_one() -> None:
    """Uploads may finish in any order."""
    rig = Rig()
    rig.hb.durable(20)
    rig.hb.durable(10)

    assert rig.beat()["cd"] == 20


def test_a_rollback_forgets_the_checkpoints_above_it() -> None:
    """They belong to a branch that is no more."""
    rig = Rig()
    rig.hb.saved(20)
    rig.hb.durable(20)
    rig.hb.restored(10)
    rolled_back = rig.beat()
    rig.hb.durable(15)

    assert rolled_back["rs"] == 10
    assert "cs" not in rolled_back
    assert "cd" not in rolled_back
    assert rig.beat()["cd"] == 15


def test_a_fresh_start_is_said_and_silence_is_unknown() -> None:
    """None is not zero, and not said is not a fresh start."""
    rig = Rig()
    silent = rig.beat()
    rig.hb.restored(None)

    assert "rs" not in silent
    assert rig.beat()["rs"] == -1


def test_amounts_add_up_over_completed_steps() -> None:
    """Tokens of a step that did not advance are not progress."""
    rig = Rig()
    with rig.hb.step(1, tokens=100, samples=2, flops=1e12):
        pass
    with rig.hb.step(2, tokens=100) as step:
        step.skip()
    rig.hb.step_end(2, tokens=50, flops=5e11)

    message = rig.beat()

    assert (message["tk"], message["sm"], message["fl"]) == (150, 2, 1.5e12)
    assert message["sc"] == "g"


def test_a_tensor_is_never_looked_into() -> None:
    """Reading a number off a device would wait for the device."""

    class Tensor:
        def __getattribute__(self, name: str) -> object:
            if name != "__class__":
                raise AssertionError(name)
            return super().__getattribute__(name)

        def __int__(self) -> int:
            raise AssertionError

        __index__ = __float__ = __add__ = __radd__ = __int__

    rig = Rig()
    tensor: int = Tensor()  # type: ignore[assignment]  # what a user might pass
    with rig.hb.step(tensor, tokens=tensor):
        pass
    rig.hb.saved(tensor)
    rig.hb.restored(tensor)

    message = rig.beat()

    assert message["sn"] == 1
    assert message.keys().isdisjoint({"st", "tk", "cs", "rs"})


def test_a_program_may_name_a_few_phases_of_its_own() -> None:
    """Those that no message has room for are told as other."""
    rig = Rig()
    for number in range(8):
        with rig.hb.phase(f"rollout_{number}"):
            rig.pass_s(1)
    with rig.hb.phase("x" * 33):
        rig.pass_s(1)

    cum = rig.beat()["cum"]

    assert cum["rollout_5"] == 1.0
    assert cum["other"] == 3.0
    assert len(cum) == 7


def test_a_handler_that_interrupts_the_clock_is_ignored() -> None:
    """A signal's handler may save in the middle of a transition, and counts nothing."""
    rig = Rig()
    calm = rig.clock.now

    def interrupted() -> int:
        with rig.hb.phase("checkpoint_save"):
            pass
        rig.hb.saved(1)
        return calm()

    rig.clock.now = interrupted
    with rig.hb.step(1):
        rig.pass_s(2)
    rig.clock.now = calm

    message = rig.beat()

    assert message["cum"] == {"train_step": 2.0}
    assert message["cs"] == 1
    assert rig.hb.ignored == 2


def test_an_interrupted_transition_loses_no_time() -> None:
    """A KeyboardInterrupt between two stores passes through, and sums still add up."""
    rig = Rig()
    calm = rig.clock.now

    def interrupted() -> int:
        raise KeyboardInterrupt

    rig.pass_s(1)
    rig.clock.now = interrupted
    with pytest.raises(KeyboardInterrupt), rig.hb.step(1):
        pass
    rig.clock.now = calm
    rig.pass_s(2)

    message = rig.beat()

    assert sum(message["cum"].values()) == message["up"] == 3.0
