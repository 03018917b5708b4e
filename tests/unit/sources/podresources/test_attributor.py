"""From a kubelet's socket to holders and counts, with nothing configured."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from goodput_exporter.domain.allocations import PodFacts, PodName
from goodput_exporter.domain.holdings import Attributed, Result
from goodput_exporter.domain.inventory import Gpu
from goodput_exporter.sources.podresources.attributor import Attributor
from goodput_exporter.sources.podresources.listing import Listing, Look, Trouble
from goodput_exporter.sources.podresources.source import Looker
from tests.fakes.kubelet import FakeKubelet, kubelet
from tests.fakes.nodes import given, gpu_uuid, mig_gpu, mig_uuid, node

SECOND_NS = 1_000_000_000
# GPUs 0 to 2, and GPU 3 cut into seven: its instances are 7 to 13.
GPUS = (*(Gpu(gpu_uuid(at), at, minor=at) for at in range(3)), mig_gpu(3, *[1] * 7))

FORMS = {
    "uuid": gpu_uuid(1),
    "device node": "nvidia1",
    "index": "1",
    "GKE replica": "nvidia1/vgpu1",
    "UUID and replica": f"{gpu_uuid(1)}::2",
    "MIG UUID": mig_uuid(3, 8),
    "GPU and instance": "3-8",
}


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeKubelet]:
    """Yield a kubelet that listens below the test's directory."""
    with kubelet(tmp_path) as listening:
        yield listening


def looked(number: int, *ids: str, at_ns: int = 0) -> Look:
    """Return a look that found one pod per id."""
    listing = Listing(tuple(given(f"pod-{at}", one) for at, one in enumerate(ids)))
    return Look(number, at_ns, None, "", listing, at_ns)


def failed(number: int, trouble: Trouble, before: Look | None = None) -> Look:
    """Return a look that found trouble, after one that did not."""
    if before is None:
        return Look(number, 0, trouble, "")
    return Look(number, 0, trouble, "", before.listing, before.listed_ns)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was warned of."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno == logging.WARNING
    ]


def asked(fake: FakeKubelet, tmp_path: Path, attributor: Attributor) -> Attributed:
    """Look once, and attribute."""
    look = Looker(lambda: 0, (tmp_path,)).look()
    attributed = attributor.tick(look, 0, GPUS)
    assert attributed is not None, (look.detail, fake.calls)
    return attributed


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_id_is_attributed_with_nothing_configured(
    fake: FakeKubelet, tmp_path: Path, form: str
) -> None:
    """Seven forms of device plugins; the eighth is DRA's, below."""
    fake.gives("a", FORMS[form])
    attributor = Attributor()

    (only,) = asked(fake, tmp_path, attributor).holdings

    is_mig = only.gpu_uuid == gpu_uuid(3)
    assert only.pod == PodName("ml", "a")
    assert only.gpu_uuid in {gpu_uuid(1), gpu_uuid(3)}
    assert only.parts == ({mig_uuid(3, 8)} if is_mig else set())
    assert only.share == (Fraction(1, 7) if is_mig else 1)
    assert attributor.results[Result.ATTRIBUTED] == 1
    assert attributor.results[Result.UNMATCHED_ID] == 0


def test_a_dra_claim_is_attributed_with_nothing_configured(
    fake: FakeKubelet, tmp_path: Path
) -> None:
    """Its pool and device, as the kubelet lists them."""
    fake.gives("a", "node-7/gpu-1", resource="gpu.nvidia.com", claim="one")
    attributor = Attributor()

    (only,) = asked(fake, tmp_path, attributor).holdings

    assert only.gpu_uuid == gpu_uuid(1)
    assert attributor.results[Result.ATTRIBUTED] == 1


def test_an_unknown_form_is_counted_and_warned_of_once(
    fake: FakeKubelet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A ninth form: one warning with the raw id, however often it comes."""
    fake.gives("a", "quantum-gpu/left")
    attributor = Attributor()

    attributed = asked(fake, tmp_path, attributor)

    assert attributed.holdings == ()
    assert attributor.results[Result.UNMATCHED_ID] == 1
    for number in range(2, 9):
        attributor.tick(looked(number, "quantum-gpu/left"), 0, GPUS)
    (warning,) = warnings(caplog)
    assert "'quantum-gpu/left'" in warning


def test_a_plugin_with_ever_new_ids_fills_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They stay counted."""
    attributor = Attributor()
    for number in range(1, 12):
        ids = (f"odd-{number}-{at}-x" for at in range(100))
        attributor.tick(looked(number, *ids), 0, GPUS)

    assert len(warnings(caplog)) == 1_000
    assert attributor.results[Result.UNMATCHED_ID] == 1_100


def test_a_look_is_counted_once_however_many_ticks_see_it() -> None:
    """Ticks come every second, looks every five."""
    attributor = Attributor()
    for _ in range(5):
        attributor.tick(looked(1, gpu_uuid(0), "odd"), 0, GPUS)

    assert attributor.results == {
        Result.ATTRIBUTED: 1,
        Result.UNMATCHED_ID: 1,
        Result.UNALLOCATED: 3,
        Result.NO_SOCKET: 0,
        Result.FORBIDDEN: 0,
    }


@pytest.mark.parametrize(
    ("trouble", "result"),
    [
        (Trouble.NO_SOCKET, Result.NO_SOCKET),
        (Trouble.FORBIDDEN, Result.FORBIDDEN),
        (Trouble.UNIMPLEMENTED, Result.NO_SOCKET),
    ],
)
def test_without_a_kubelet_nobody_knows_who_holds_what(
    trouble: Trouble, result: Result
) -> None:
    """Not known is not unallocated."""
    attributor = Attributor()

    assert attributor.tick(failed(1, trouble), 0, GPUS) is None
    assert attributor.results[result] == 1
    assert attributor.results.total() == 1


def test_holders_are_kept_through_a_restart_of_the_kubelet_and_no_longer() -> None:
    """Containers run on; after a minute without an answer that is a guess."""
    attributor = Attributor(stale_after_seconds=60.0)
    good = looked(1, gpu_uuid(0))
    attributor.tick(good, 0, GPUS)
    gone = failed(2, Trouble.NO_SOCKET, good)

    assert attributor.tick(gone, 60 * SECOND_NS, GPUS) is not None
    assert attributor.tick(gone, 60 * SECOND_NS + 1, GPUS) is None
    assert attributor.results[Result.ATTRIBUTED] == 1
    assert attributor.results[Result.NO_SOCKET] == 1


def test_a_new_mig_layout_counts_from_the_tick_that_sees_it() -> None:
    """Seven 1g become two 3g between two looks at the kubelet: no crash, no overlap."""
    attributor = Attributor()
    look = looked(1, *(mig_uuid(3, gi) for gi in range(7, 14)))
    before = attributor.tick(look, 0, GPUS)
    relaid = (*GPUS[:3], mig_gpu(3, 3, 3, first_gi=1))
    torn = attributor.tick(look, SECOND_NS, relaid)
    after = attributor.tick(looked(2, mig_uuid(3, 1), mig_uuid(3, 2)), 0, relaid)

    for attributed, held in ((before, 1), (torn, 0), (after, Fraction(6, 7))):
        assert attributed is not None
        assert sum(one.share for one in attributed.holdings) == held
        assert attributed.unallocated[gpu_uuid(3)] == 1 - held


def test_of_two_pods_on_one_gpu_the_later_seen_is_the_newer() -> None:
    """Where no other source knows when pods were created, first sight decides."""
    attributor = Attributor()
    old = given("z-old", gpu_uuid(0))
    new = given("a-new", gpu_uuid(0))
    attributor.tick(Look(1, 0, None, "", Listing((old,)), 0), 0, GPUS)
    attributed = attributor.tick(Look(2, 5, None, "", Listing((old, new)), 5), 5, GPUS)

    assert attributed is not None
    assert [one.pod.name for one in attributed.holdings] == ["a-new"]
    assert attributor.conflicts == 1


def test_a_pod_that_another_source_calls_finished_is_not_charged() -> None:
    """The API or the missing cgroup says so, and the uid comes from there too."""
    known = {
        PodName("ml", "pod-0"): PodFacts("uid-0", 1, is_finished=True),
        PodName("ml", "pod-1"): PodFacts("uid-1", 2),
    }
    look = looked(1, gpu_uuid(0), gpu_uuid(1), gpu_uuid(2))

    attributed = Attributor().tick(look, 0, GPUS, facts_of=known.get)

    assert attributed is not None
    assert [(one.pod.name, one.pod_uid) for one in attributed.holdings] == [
        ("pod-1", "uid-1"),
        ("pod-2", None),
    ]
    assert attributed.finished == 1


def test_a_driver_that_lists_no_gpu_leaves_ids_unmatched() -> None:
    """While it is replaced, nobody is charged for GPUs that nobody sees."""
    attributed = Attributor().tick(looked(1, gpu_uuid(0)), 0, node(0))

    assert attributed is not None
    assert (attributed.holdings, attributed.unallocated) == ((), {})
