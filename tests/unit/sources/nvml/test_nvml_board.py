"""Who is fresh, who is late and who is to blame, on a clock that the test moves."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.observations import GpuLost, GpuSample
from goodput_exporter.sources.nvml.board import Board
from goodput_exporter.sources.nvml.wire import Answered, Began, Failed, Listed

SECOND = 1_000_000_000
OFFSET = 1_700_000_000 * SECOND


def board_of(count: int, now_ns: int = 0) -> Board:
    """Return a board that was just told of *count* GPUs."""
    board = Board(deadline_ns=2 * SECOND, interval_ns=SECOND)
    board.listed(Listed("570", count), now_ns)
    return board


def answer(board: Board, at_ns: int, *indices: int) -> None:
    """Let some GPUs answer at one instant."""
    for index in indices:
        board.began(Began(index, at_ns))
        board.answered(Answered(index, at_ns, f"GPU-{index}", "H100"), OFFSET + at_ns)


def told(board: Board, now_ns: int, silence: str | None = None) -> list[str]:
    """Spell out what the board says: fresh, or why not."""
    seen = board.observations(now_ns, OFFSET + now_ns, silence)
    return [gpu.reason if isinstance(gpu, GpuLost) else "fresh" for gpu in seen]


def test_a_sample_is_dated_when_the_gpu_answered() -> None:
    """Its age shows on the ledger's clock; serving it later does not renew it."""
    board = board_of(1)
    answer(board, SECOND, 0)

    (seen,) = board.observations(3 * SECOND, OFFSET + 3 * SECOND)

    assert seen == GpuSample(0, "GPU-0", "H100", at_ns=OFFSET + SECOND)


def test_a_gpu_just_listed_is_neither_there_nor_lost() -> None:
    """Until its first deadline nothing is known of it, and nothing is said."""
    board = board_of(2)

    assert told(board, SECOND) == []
    assert told(board, 4 * SECOND) == ["hanging", "hanging"]


def test_a_call_past_its_deadline_is_hanging() -> None:
    """Two seconds for the calls on one GPU; its neighbour is not concerned."""
    board = board_of(2)
    answer(board, SECOND, 0, 1)
    board.began(Began(1, 2 * SECOND))
    answer(board, 3 * SECOND, 0)

    assert told(board, 4 * SECOND) == ["fresh", "fresh"]
    assert told(board, 4 * SECOND + 1) == ["fresh", "hanging"]
    assert board.hanging(4 * SECOND + 1) == [1]


def test_silence_is_late_after_an_interval_and_a_deadline() -> None:
    """A child that sends nothing at all cannot pass old samples off as new ones."""
    board = board_of(1)
    answer(board, 0, 0)

    assert told(board, 3 * SECOND) == ["fresh"]
    assert told(board, 3 * SECOND + 1) == ["hanging"]


def test_the_gpu_that_stuck_first_comes_first() -> None:
    """Where several hang, the one whose calls began first is the suspect."""
    board = board_of(3)
    for index, at_ns in ((2, 100), (0, 300), (1, 200)):
        board.began(Began(index, at_ns))

    assert board.hanging(10 * SECOND) == [2, 1, 0]
    assert board.in_flight() == [0, 1, 2]


@pytest.mark.parametrize(
    ("code", "reason"),
    [(15, "lost"), (999, "unknown"), (16, "reset_required"), (29, "error")],
)
def test_a_code_becomes_a_reason(code: int, reason: str) -> None:
    """The GPU is named by the UUID it had, and dated when it failed."""
    board = board_of(1)
    answer(board, SECOND, 0)
    failure = Failed(0, 2 * SECOND, "GPU-0", code, "in NVML's words")
    board.failed(failure, OFFSET + 2 * SECOND)

    (seen,) = board.observations(3 * SECOND, OFFSET + 3 * SECOND)

    assert seen == GpuLost(
        0, OFFSET + 2 * SECOND, "GPU-0", code, reason, "in NVML's words"
    )


def test_a_blamed_gpu_is_left_alone_twice_as_long_each_time() -> None:
    """2, 4, 8 seconds and so on, never more than five minutes."""
    board = board_of(1)
    delays = []
    for _ in range(10):
        board.blame(0, 0, "hanging", "")
        delays.append(board.delays(0)[0])

    assert delays == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert board.delays(300 * SECOND) == {}


def test_a_blamed_gpu_is_lost_until_it_answers_again() -> None:
    """Its old sample is not served, and not asking it is no news of its health."""
    board = board_of(2)
    answer(board, 0, 0, 1)
    board.blame(1, SECOND, "error", "it crashed the child")
    board.restart(SECOND)
    board.listed(Listed("570", 2), SECOND)
    answer(board, 3 * SECOND, 0)

    assert told(board, 3 * SECOND) == ["fresh", "error"]
    answer(board, 4 * SECOND, 1)
    assert told(board, 4 * SECOND) == ["fresh", "fresh"]


def test_a_minute_of_answers_is_forgiveness() -> None:
    """A GPU that behaved for a minute begins with the first delay again."""
    board = board_of(1)
    board.blame(0, 0, "hanging", "")
    board.blame(0, 0, "hanging", "")
    answer(board, 30 * SECOND, 0)
    board.blame(0, 30 * SECOND, "hanging", "")
    assert board.delays(30 * SECOND) == {0: 8.0}

    answer(board, 99 * SECOND, 0)
    board.blame(0, 99 * SECOND, "hanging", "")

    assert board.delays(99 * SECOND) == {0: 2.0}


def test_a_late_gpu_stays_late_over_a_restart() -> None:
    """A new child gives a new deadline, and no new health."""
    board = board_of(2)
    answer(board, 0, 0, 1)
    answer(board, 4 * SECOND, 0)
    board.restart(4 * SECOND)
    board.listed(Listed("570", 2), 4 * SECOND)

    assert told(board, 4 * SECOND) == ["fresh", "hanging"]
    assert board.hanging(4 * SECOND) == []


def test_a_gpu_that_the_driver_no_longer_lists_is_lost_by_its_uuid() -> None:
    """Indices move up when one falls off the bus; the one missing is named."""
    board = board_of(3)
    answer(board, 0, 0, 1, 2)
    board.listed(Listed("570", 2), SECOND)
    board.answered(Answered(1, SECOND, "GPU-2", "H100"), OFFSET + SECOND)
    board.answered(Answered(0, SECOND, "GPU-0", "H100"), OFFSET + SECOND)

    seen = board.observations(SECOND, OFFSET + SECOND)

    assert [(gpu.uuid, type(gpu)) for gpu in seen] == [
        ("GPU-0", GpuSample),
        ("GPU-2", GpuSample),
        ("GPU-1", GpuLost),
    ]


def test_a_failing_index_does_not_claim_a_uuid_that_moved_on() -> None:
    """One UUID is never in two observations."""
    board = board_of(2)
    answer(board, 0, 0, 1)
    board.answered(Answered(0, SECOND, "GPU-1", "H100"), OFFSET + SECOND)
    board.failed(Failed(1, SECOND, None, 15, "GPU is lost"), OFFSET + SECOND)

    uuids = [gpu.uuid for gpu in board.observations(SECOND, OFFSET + SECOND)]

    assert uuids == ["GPU-1", None, "GPU-0"]


def test_without_nvml_old_gpus_are_in_error_once_they_are_late() -> None:
    """The reason is NVML's as a whole, not a hang of each GPU."""
    board = board_of(1)
    answer(board, 0, 0)

    assert told(board, SECOND, "driver gone") == ["fresh"]
    assert told(board, 9 * SECOND, "driver gone") == ["error"]
