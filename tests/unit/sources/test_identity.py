"""A pod speaks for itself: by its cgroup or its address, never by its own word."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodput_exporter.domain.allocations import PodName
from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.runs import key_of
from goodput_exporter.sources.identity import PATIENCE_NS, Identities, PodLook
from goodput_exporter.sources.limits import Bucket, Limits
from goodput_exporter.sources.pod_directory import PodDirectory, PodRecord
from goodput_exporter.sources.processes import Process, start_ticks_of
from goodput_exporter.sources.reception import Reception
from goodput_exporter.sources.senders import (
    CREDENTIALS,
    Sender,
    udp_sender,
    unix_sender,
)
from tests.fakes.heartbeats import INC, NOON_NS, StillClock, heartbeat

LLAMA = PodRecord(PodName("ml", "llama-0"), "a" * 8, ("10.0.0.7",))
LLAMA_1 = PodRecord(PodName("ml", "llama-1"), "b" * 8, ("10.0.0.8",))
MALLORY = PodRecord(PodName("games", "mallory"), "c" * 8, ("10.0.0.9",))
RUN = "llama"
SECOND_NS = 10**9


class Known:
    """What a kubelet has said, and how often it was asked to hurry."""

    def __init__(self, *records: PodRecord) -> None:
        self.look = PodLook(PodDirectory(records), NOON_NS)
        self.nudges = 0

    def read(self) -> PodLook:
        """Return what was said last."""
        return self.look

    def nudge(self) -> None:
        """Count the wish."""
        self.nudges += 1

    def learns(self, at_ns: int, *records: PodRecord) -> None:
        """Say something newer."""
        self.look = PodLook(PodDirectory(records), at_ns)


class Node:
    """The reception of a node whose pods are known."""

    def __init__(self, pods: Known, proc: Path = Path("/proc")) -> None:
        self.clock = StillClock()
        self.pods = pods
        self.reception = Reception(self.clock, Limits(), Identities(pods, proc))

    def hear(self, sender: Sender, **changes: object) -> RankReport | None:
        """Take one datagram now; None is one that was refused."""
        data = heartbeat(**{"run": RUN} | changes)
        for seen in self.reception.accept(data, sender, self.clock.now_ns()):
            assert isinstance(seen, RankReport)
            return seen
        return None

    def refused(self) -> dict[str, int]:
        """Return the counts of refused datagrams, without the zeros."""
        counted = self.reception.counted().refused
        return {str(reason): count for reason, count in counted.items() if count}


def at(address: str, met_ns: int = NOON_NS) -> Sender:
    """Return whoever sends over UDP from an address."""
    return udp_sender(address, 40_000, Bucket(Limits(), 0), met_ns)


def run_of(report: RankReport | None) -> str:
    """Return the run that a report is booked to."""
    assert report is not None
    return str(key_of(report, cluster="local", namespace="default"))


def test_the_address_says_which_pod_it_is() -> None:
    """Over UDP a datagram's source is the sender's word that it cannot choose."""
    node = Node(Known(LLAMA, MALLORY))

    heard = node.hear(at("10.0.0.7"))

    assert heard is not None
    assert (heard.pod, heard.verified, heard.pid) == ("ml/llama-0", True, None)
    assert run_of(heard) == "local/ml/llama"


def test_who_claims_anothers_run_is_booked_as_itself() -> None:
    """A pod of another namespace that names the run has a run of its own."""
    node = Node(Known(LLAMA, MALLORY))
    node.hear(at("10.0.0.7"))

    heard = node.hear(at("10.0.0.9"), inc="f" * 16)

    assert run_of(heard) == "local/games/llama"
    assert heard is not None
    assert heard.pod == "games/mallory"


def test_nobody_takes_a_life_of_another_pod() -> None:
    """An incarnation is its pod's; a neighbour and a stranger are refused."""
    node = Node(Known(LLAMA, LLAMA_1))
    node.hear(at("10.0.0.7"), seq=1)

    node.hear(at("10.0.0.8"), seq=2)
    node.hear(at("127.0.0.1"), seq=3)

    assert node.refused() == {"sender": 1, "owner": 1}


def test_pods_of_one_job_share_its_run() -> None:
    """The ranks of a job are pods of one namespace."""
    node = Node(Known(LLAMA, LLAMA_1))

    heard = [node.hear(at("10.0.0.7")), node.hear(at("10.0.0.8"), inc="e" * 16)]

    assert {run_of(one) for one in heard} == {"local/ml/llama"}


def test_the_unverified_do_not_touch_a_verified_run() -> None:
    """Whoever nobody vouches for is in no namespace of pods."""
    node = Node(Known(LLAMA))
    node.hear(at("10.0.0.7"))
    hidden = unix_sender(CREDENTIALS.pack(0, 1000, 1000), Bucket(Limits(), 0))

    heard = node.hear(hidden, inc="d" * 16)

    assert heard is not None
    assert (heard.pod, heard.verified) == (None, False)
    assert run_of(heard) == "local/default/llama"


def test_a_new_pod_is_waited_for() -> None:
    """What it says before the kubelet names it is left, for it will say it again."""
    node = Node(Known())
    sender = at("10.0.0.7", NOON_NS + SECOND_NS)
    before = node.hear(sender, seq=1)
    node.pods.learns(NOON_NS, LLAMA)

    after = node.hear(sender, seq=2)

    assert before is None
    assert node.refused() == {"identity": 1}
    assert node.pods.nudges == 1
    assert run_of(after) == "local/ml/llama"


@pytest.mark.parametrize(
    ("answered_ns", "waited_ns"),
    [(NOON_NS + 10 * SECOND_NS, 11 * SECOND_NS), (None, PATIENCE_NS + 1)],
    ids=["the kubelet does not know it", "the kubelet does not answer"],
)
def test_who_is_no_pod_is_taken_unverified(
    answered_ns: int | None, waited_ns: int
) -> None:
    """A program on the host's network is heard, once it is clear that it is no pod."""
    node = Node(Known())
    node.pods.look = PodLook(PodDirectory(), answered_ns)
    sender = at("192.0.2.1")
    node.clock.forward(waited_ns / SECOND_NS)

    heard = node.hear(sender)

    assert heard is not None
    assert (heard.pod, heard.verified) == (None, False)


def test_what_was_heard_before_the_pod_was_known_becomes_its_own() -> None:
    """A life that began without identity goes on with it."""
    node = Node(Known())
    sender = at("10.0.0.7", NOON_NS - PATIENCE_NS)
    node.clock.forward(1)
    node.hear(sender, seq=1)
    node.pods.learns(NOON_NS + SECOND_NS, LLAMA)

    heard = node.hear(sender, seq=2)

    assert heard is not None
    assert heard.pod == "ml/llama-0"
    assert node.refused() == {}


def test_a_goodbye_is_the_pods_though_it_is_over_by_now() -> None:
    """An answer that is newer than a datagram does not judge it."""
    node = Node(Known(LLAMA))
    sender = at("10.0.0.7")
    node.hear(sender, seq=1)
    node.pods.learns(NOON_NS + SECOND_NS)

    heard = node.hear(sender, seq=2, t="bye", ok=1)

    assert heard is not None
    assert (heard.pod, heard.is_bye) == ("ml/llama-0", True)


def test_an_address_that_is_given_away_is_the_new_pods() -> None:
    """The lives of the pod that had it before stay that pod's."""
    node = Node(Known(LLAMA))
    sender = at("10.0.0.7")
    node.hear(sender, seq=1)
    heir = PodRecord(MALLORY.name, MALLORY.uid, LLAMA.addresses)
    node.pods.learns(NOON_NS, heir)

    stolen = node.hear(sender, seq=2)
    own = node.hear(sender, inc="f" * 16)

    assert stolen is None
    assert own is not None
    assert own.pod == "games/mallory"


def test_the_cgroup_says_which_pod_a_process_is(tmp_path: Path) -> None:
    """With the host's pids the kernel names the process, whatever it says."""
    uid = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
    folder = tmp_path / "1"
    folder.mkdir()
    (folder / "cgroup").write_text(f"0::/kubepods.slice/pod{uid}\n")
    node = Node(Known(PodRecord(LLAMA.name, uid)), tmp_path)
    sender = unix_sender(CREDENTIALS.pack(1, 0, 0), Bucket(Limits(), 0))
    sender.process = Process(1, start_ticks_of(1), None)

    heard = node.hear(sender, inc=INC)

    assert heard is not None
    assert (heard.pod, heard.pid, heard.verified) == ("ml/llama-0", 1, True)
    assert run_of(heard) == "local/ml/llama"
