"""On one machine its ranks say who holds the GPUs, and the books take it in."""

from __future__ import annotations

from dataclasses import replace

from goodput_exporter.domain.gpu_stands import Category
from goodput_exporter.domain.observations import GpuSample, ModelFacts, RankReport
from goodput_exporter.domain.settings import Rules
from goodput_exporter.ledger.ledger import Ledger
from goodput_exporter.services.bookkeeper import Bookkeeper
from goodput_exporter.services.gpu_bookkeeper import GpuBookkeeper
from goodput_exporter.services.machine_gpus import MachineGpus
from tests.fakes.ledger import MemoryLedger
from tests.fakes.office import RETENTION_S, SILENCE_S
from tests.fakes.ranks import Rank, ns
from tests.fakes.snapshots import gpu_sample
from tests.fakes.stories import START_S, observations

NOW_NS = ns(START_S + 50)


def machine() -> MachineGpus:
    """Return what watches a machine called ``here``."""
    return MachineGpus("local", "default", "here")


def bookkeeper(ledger: Ledger, gpus: GpuBookkeeper) -> Bookkeeper:
    """Return who keeps both books of this machine."""
    return Bookkeeper(
        ledger,
        Rules(),
        cluster="local",
        namespace="default",
        silence_ns=ns(SILENCE_S),
        retention_ns=ns(RETENTION_S),
        gpus=gpus,
    )


def hello(gpu: GpuSample) -> RankReport:
    """Return the first report of a rank that names its GPU."""
    seen = observations([Rank(inc="a" * 16).init(5)])
    report = next(one for one in seen if isinstance(one, RankReport))
    return replace(report, facts=ModelFacts(gpu_uuids=(gpu.uuid,)))


def test_a_gpu_that_a_live_rank_names_is_held_by_its_run() -> None:
    """The other one is free."""
    used, free = gpu_sample(0), gpu_sample(1)
    watched = machine()
    watched.hear([hello(used)])

    (stand,) = watched.look([used, free], ["a" * 16], NOW_NS)
    found = {gpu.uuid: gpu.parts[0][0] for gpu in stand.gpus}
    assert found[used.uuid].category is Category.HELD
    assert str(found[used.uuid].run) == "local/default/story"
    assert found[free.uuid].category is Category.UNALLOCATED


def test_a_gpu_is_free_when_its_rank_has_ended() -> None:
    """Nobody names it any more."""
    gpu = gpu_sample(0)
    watched = machine()
    watched.hear([hello(gpu)])

    (stand,) = watched.look([gpu], [], NOW_NS)
    assert stand.gpus[0].parts[0][0].category is Category.UNALLOCATED


def test_a_machine_without_gpus_is_in_no_book() -> None:
    """There is nothing to say of it."""
    assert machine().look([], [], NOW_NS) == []


def test_the_cluster_book_is_committed_with_the_runs() -> None:
    """A machine's two GPUs add up to the time that they were looked at."""
    gpus, watched = GpuBookkeeper(), machine()
    books = bookkeeper(MemoryLedger(), gpus)
    books.resume(ns(START_S))
    for second in range(200):
        now_ns = ns(START_S + second)
        gpus.take(watched.look([gpu_sample(0), gpu_sample(1)], [], now_ns))
        assert books.tick(now_ns)

    booked = gpus.view().sealed
    assert sum(booked.values()) > 2 * ns(100)


def test_a_rank_keeps_its_gpu_from_its_first_word_on() -> None:
    """It names it in its hello; the next one comes a minute later."""
    watched, books = machine(), bookkeeper(MemoryLedger(), GpuBookkeeper())
    books.resume(ns(START_S))
    seen = observations([Rank(inc="a" * 16).init(40)])
    first, *later = (one for one in seen if isinstance(one, RankReport))
    said = [replace(first, facts=ModelFacts(gpu_uuids=(gpu_sample(0).uuid,))), *later]
    held = []
    for second in range(40):
        now_ns = ns(START_S + second)
        heard = [one for one in said if now_ns - ns(1) < one.at_ns <= now_ns]
        books.take(heard)
        watched.hear(heard)
        (stand,) = watched.look([gpu_sample(0)], books.incarnations(), now_ns)
        held.append(stand.gpus[0].parts[0][0].category)
        assert books.tick(now_ns)

    assert set(held) == {Category.HELD}
