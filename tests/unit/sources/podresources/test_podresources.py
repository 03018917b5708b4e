"""A kubelet is asked over its socket, and may be in any state when it is."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from goodput_exporter.domain.allocations import Allocation, PodName
from goodput_exporter.domain.holdings import Result
from goodput_exporter.sources.podresources import client
from goodput_exporter.sources.podresources.listing import (
    KubeletError,
    Listing,
    Look,
    Trouble,
)
from goodput_exporter.sources.podresources.socket_paths import (
    SOCKET,
    USUAL_ROOTS,
    find_socket,
    roots,
)
from goodput_exporter.sources.podresources.source import (
    Kubelet,
    Looker,
    PodResourcesSource,
    pause_seconds,
)
from tests.fakes.kubelet import FakeKubelet, kubelet

ROOT = Path(__file__).resolve().parents[4]
FIXTURES = ROOT / "tests/fixtures/podresources"
NOBODY = 65534
NEAR = 10.0


def ticks() -> Callable[[], int]:
    """Return a clock that is a second later whenever it is asked."""
    now = iter(range(0, 10**15, 10**9))
    return lambda: next(now)


@pytest.fixture
def root() -> Iterator[Path]:
    """Yield a directory that other users may enter, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="kubelet-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def fake(root: Path) -> Iterator[FakeKubelet]:
    """Yield a kubelet that listens below *root*."""
    with kubelet(root) as listening:
        yield listening


def looker(*folders: Path, deadline_seconds: float = 2.0) -> Looker:
    """Return what asks the kubelet below the first of *folders* that has one."""
    return Looker(ticks(), folders, deadline_seconds=deadline_seconds)


@contextmanager
def somebody_else() -> Iterator[None]:
    """Be a user whom modes bind; root is bound by none."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_kubelet_lists_what_containers_were_given(
    fake: FakeKubelet, root: Path
) -> None:
    """By device plugins and by claims, over a real gRPC server."""
    fake.gives("a", "GPU-1", "GPU-2")
    fake.gives("b", "node-7/gpu-3", resource="gpu.nvidia.com", claim="one")
    fake.allocatable.devices.add(resource_name="nvidia.com/gpu", device_ids=["GPU-1"])

    look = looker(root).look()

    assert look.trouble is None
    assert look.listing == Listing(
        (
            Allocation(PodName("ml", "a"), "train", "nvidia.com/gpu", "GPU-1"),
            Allocation(PodName("ml", "a"), "train", "nvidia.com/gpu", "GPU-2"),
            Allocation(
                PodName("ml", "b"),
                "train",
                "gpu.nvidia.com",
                "node-7/gpu-3",
                "ml/one",
            ),
        ),
        allocatable=("GPU-1",),
    )


def test_what_kubernetes_own_types_wrote_is_read(fake: FakeKubelet, root: Path) -> None:
    """Recorded with k8s.io/kubelet 0.37.2: every field set, most of them not ours."""
    fake.raw["List"] = (FIXTURES / "list.binpb").read_bytes()
    fake.raw["GetAllocatableResources"] = (FIXTURES / "allocatable.binpb").read_bytes()

    listing = looker(root).look().listing

    assert listing is not None
    uuids = [f"GPU-{at}aaaaaaa-0000-4000-8000-00000000000{at}" for at in (0, 1)]
    assert [
        (one.pod.name, one.container, one.resource, one.device_id, one.claim)
        for one in listing.allocations
    ] == [
        ("trainer-0", "train", "nvidia.com/gpu", uuids[0], None),
        ("trainer-0", "train", "nvidia.com/gpu", uuids[1], None),
        ("trainer-1", "train", "gpu.nvidia.com", "node-7/gpu-2", "ml/one-gpu"),
    ]
    assert [one.share_id is None for one in listing.allocations] == [True, True, False]
    assert listing.allocatable == tuple(uuids)


def test_the_generated_messages_are_fresh(tmp_path: Path) -> None:
    """What is committed is what protoc makes of our definition."""
    environment = os.environ | {"PYTHON": sys.executable}
    subprocess.run([ROOT / ".ci/proto", tmp_path], check=True, env=environment)

    committed = Path(client.__file__).parent
    for name in ("pod_resources_pb2.py", "pod_resources_pb2.pyi"):
        assert (tmp_path / name).read_text() == (committed / name).read_text(), name


def test_a_node_without_a_kubelet_has_no_socket(root: Path) -> None:
    """The message says where was looked, and what may be missing."""
    look = looker(root).look()

    assert look.trouble is Trouble.NO_SOCKET
    assert look.trouble.result is Result.NO_SOCKET
    assert str(root / SOCKET) in look.detail
    assert "kubeletRootDir" in look.detail
    assert look.listing is None


def test_a_socket_that_is_closed_to_us_is_forbidden(
    fake: FakeKubelet, root: Path
) -> None:
    """The kubelet's socket is root's; the message says so."""
    fake.path.chmod(0o600 if os.geteuid() == 0 else 0)

    with somebody_else():
        look = looker(root).look()

    assert look.trouble is Trouble.FORBIDDEN
    assert "uid 0" in look.detail
    assert look.listing is None


def test_a_directory_that_is_closed_to_us_is_forbidden(
    fake: FakeKubelet, root: Path
) -> None:
    """``pod-resources`` has mode 0750 on most nodes: not even a look at the socket."""
    fake.path.parent.chmod(0o700 if os.geteuid() == 0 else 0)
    try:
        with somebody_else():
            look = looker(root).look()
    finally:
        fake.path.parent.chmod(0o755)

    assert look.trouble is Trouble.FORBIDDEN
    assert "uid 0" in look.detail


def test_a_kubelet_that_says_no_is_forbidden(fake: FakeKubelet, root: Path) -> None:
    """A proxy or a later kubelet may check who asks."""
    fake.refusal = (grpc.StatusCode.PERMISSION_DENIED, "not you")

    look = looker(root).look()

    assert look.trouble is Trouble.FORBIDDEN
    assert "not you" in look.detail


def test_a_socket_that_nobody_listens_on_is_none(root: Path) -> None:
    """A kubelet that was killed leaves its socket's file behind."""
    (root / SOCKET).parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(root / SOCKET))

    look = looker(root).look()

    assert look.trouble is Trouble.NO_SOCKET
    assert "does the kubelet run?" in look.detail


def test_a_kubelet_that_does_not_answer_costs_its_deadline(root: Path) -> None:
    """It is under load, or stopped; the wait is bounded."""
    (root / SOCKET).parent.mkdir()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(root / SOCKET))
        silent.listen()
        started = time.monotonic()
        look = looker(root, deadline_seconds=0.2).look()

    assert look.trouble is Trouble.NO_SOCKET
    assert "DEADLINE_EXCEEDED" in look.detail
    assert time.monotonic() - started < NEAR


def test_a_kubelet_before_version_1_counts_as_no_socket(root: Path) -> None:
    """Kubernetes before 1.20 served v1alpha1 only."""
    old = FakeKubelet(root)
    old.methods = set()
    old.start()
    try:
        look = looker(root).look()
    finally:
        old.stop()

    assert look.trouble is Trouble.UNIMPLEMENTED
    assert look.trouble.result is Result.NO_SOCKET
    assert "1.20" in look.detail


def test_a_kubelet_without_allocatable_resources_still_lists(root: Path) -> None:
    """A feature gate kept that call; it is asked for once, not each time."""
    old = FakeKubelet(root)
    old.methods = {"List"}
    old.gives("a", "GPU-1")
    old.start()
    try:
        asking = looker(root)
        looks = [asking.look() for _ in range(2)]
    finally:
        old.stop()

    assert [look.trouble for look in looks] == [None, None]
    assert all(look.listing and look.listing.allocatable is None for look in looks)


@pytest.mark.parametrize("wire", [b"\xff\xff\xff", b"\x0a\x05\x0a\x03\xff\xfe\xfd"])
def test_an_answer_that_is_no_message_is_trouble_and_no_error(
    fake: FakeKubelet, root: Path, wire: bytes
) -> None:
    """Not protobuf at all, and a name that is not UTF-8."""
    fake.raw["List"] = wire

    assert looker(root).look().trouble is Trouble.NO_SOCKET


def test_a_restart_of_the_kubelet_loses_nothing(fake: FakeKubelet, root: Path) -> None:
    """Its last answer stays, with its age, until it is back with a new one."""
    asking = looker(root)
    fake.gives("a", "GPU-1")
    before = asking.look()
    fake.stop()
    during = asking.look()
    fake.gives("b", "GPU-2")
    fake.start()
    after = asking.look()

    assert (before.trouble, during.trouble, after.trouble) == (
        None,
        Trouble.NO_SOCKET,
        None,
    )
    assert (during.listing, during.listed_ns) == (before.listing, before.listed_ns)
    assert [look.number for look in (before, during, after)] == [1, 2, 3]
    assert after.listing is not None
    assert [one.pod.name for one in after.listing.allocations] == ["a", "b"]


def test_an_old_answer_is_no_answer() -> None:
    """After a while nobody knows who holds what."""
    look = Look(7, 100, Trouble.NO_SOCKET, "gone", Listing(()), listed_ns=40)

    assert look.listing_since(40) == Listing(())
    assert look.listing_since(41) is None
    assert Look(1, 0, Trouble.NO_SOCKET, "never").listing_since(-(10**18)) is None


def test_trouble_is_logged_when_it_comes_and_when_it_goes(
    fake: FakeKubelet, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One line each; a year without a kubelet is one line too."""
    caplog.set_level(logging.INFO)
    asking = looker(root)
    fake.stop()
    for _ in range(5):
        asking.look()
    fake.start()
    for _ in range(5):
        asking.look()

    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_the_configured_root_comes_first_and_the_usual_ones_follow(
    fake: FakeKubelet, root: Path, tmp_path: Path
) -> None:
    """Nobody has to set anything on a usual node, and may on an unusual one."""
    assert roots(None) == USUAL_ROOTS
    assert roots(root)[0] == root
    assert roots(USUAL_ROOTS[1]).count(USUAL_ROOTS[1]) == 1
    assert find_socket((tmp_path, root)) == fake.path


def test_what_is_no_socket_is_none(root: Path) -> None:
    """A file where the socket should be, or where its directory should."""
    (root / SOCKET).parent.mkdir()
    (root / SOCKET).touch()
    with pytest.raises(KubeletError, match="no kubelet socket"):
        find_socket((root, root / SOCKET))


def test_a_path_too_long_for_a_socket_is_trouble_and_no_error(root: Path) -> None:
    """The kernel takes 107 bytes."""
    long = root / ("x" * 120)
    asking = Looker(ticks(), (root,), connect=lambda _path, _s: far(long))
    (root / SOCKET).parent.mkdir()
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(str(root / SOCKET))
        look = asking.look()

    assert look.trouble is Trouble.NO_SOCKET


def far(path: Path) -> Kubelet:
    """Return a client for a path, whatever it is."""
    return client.KubeletClient(path, 0.2)


def test_pauses_double_up_to_a_minute() -> None:
    """A restart is noticed within a second, an absent kubelet costs nothing."""
    pauses = [pause_seconds(5.0, failures) for failures in (0, 1, 2, 3, 6, 7, 10**6)]

    assert pauses == [5.0, 1.0, 2.0, 4.0, 32.0, 60.0, 60.0]


WITHOUT_GRPC = """
import sys
from pathlib import Path
sys.modules["grpc"] = None
from goodput_exporter.sources.podresources.source import Looker
print(Looker(lambda: 0, [Path(sys.argv[1])]).look().detail)
"""
WHO_LOADS_GRPC = """
import sys
from pathlib import Path
from goodput_exporter.sources.podresources.attributor import Attributor
from goodput_exporter.sources.podresources.source import Looker
Looker(lambda: 0, [Path(sys.argv[1])]).look()
print("grpc" in sys.modules)
"""


def told(script: str, root: Path) -> str:
    """Run a script in an interpreter of its own; return what it prints."""
    command = [sys.executable, "-c", script, str(root)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout


def test_an_agent_installed_without_grpc_says_what_to_install(
    fake: FakeKubelet, root: Path
) -> None:
    """The socket is there; the extra is not."""
    said = told(WITHOUT_GRPC, root)

    assert str(fake.path) in said
    assert "goodput-exporter[agent]" in said


def test_a_machine_without_a_kubelet_never_loads_grpc(root: Path) -> None:
    """Its 16 MiB are paid for where they are of use."""
    assert told(WHO_LOADS_GRPC, root).strip() == "False"

    with kubelet(root):
        assert told(WHO_LOADS_GRPC, root).strip() == "True"


class Slow:
    """A kubelet that answers when it is let."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.may_answer = threading.Event()

    def listing(self) -> Listing:
        """Wait for leave, then list nothing."""
        self.asked.set()
        self.may_answer.wait(NEAR)
        return Listing(())


def test_reading_never_waits_for_a_kubelet(fake: FakeKubelet, root: Path) -> None:
    """The tick reads what there is while a look is under way in another thread."""
    slow = Slow()
    asking = Looker(ticks(), (root,), connect=lambda _path, _seconds: slow)
    source = PodResourcesSource(asking, interval_seconds=0.001)
    try:
        assert fake.path.exists()
        assert slow.asked.wait(NEAR)
        under_way = source.read()
        slow.may_answer.set()
        until = time.monotonic() + NEAR
        while source.read().number < 3 and time.monotonic() < until:
            threading.Event().wait(0.001)
        seen = source.read()
    finally:
        source.close()

    assert (under_way.number, under_way.listing) == (0, None)
    assert seen.number >= 3
    assert seen.listing == Listing(())


def test_a_closed_source_leaves_no_thread(root: Path) -> None:
    """Also in the middle of a long pause."""
    source = PodResourcesSource(looker(root), interval_seconds=3_600)

    source.close()

    assert "kubelet" not in {thread.name for thread in threading.enumerate()}
