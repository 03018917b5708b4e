"""Who a pod is, by what can be seen of it on its node."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.allocations import PodFacts, PodName
from goodput_exporter.sources.pod_directory import PodDirectory, PodRecord, canonical

A = PodRecord(PodName("ml", "a"), "uid-a", ("10.0.0.7", "fd00::7"), created_ns=1)


def test_a_pod_is_known_by_uid_address_and_name() -> None:
    """Both of its addresses, as its own socket or a dual-stack one shows them."""
    pods = PodDirectory([A])

    assert pods.by_uid("uid-a") == A
    for address in ("10.0.0.7", "fd00::7", "::ffff:10.0.0.7", "fd00:0::0:7"):
        assert pods.by_address(address) == A
    assert pods.facts(A.name) == PodFacts("uid-a", 1)


def test_the_nodes_own_address_is_no_pods() -> None:
    """Every pod on the host's network sends from it."""
    pods = PodDirectory(
        [PodRecord(PodName("ml", "h"), "uid-h", ("192.0.2.1",), uses_host_network=True)]
    )

    assert pods.by_address("192.0.2.1") is None
    assert pods.by_uid("uid-h") is not None


def test_an_address_goes_to_the_pod_that_runs() -> None:
    """A finished pod's address is given away again."""
    done = PodRecord(PodName("ml", "done"), "uid-d", ("10.0.0.7",), is_finished=True)

    assert PodDirectory([done, A]).by_address("10.0.0.7") == A
    assert PodDirectory([done]).by_address("10.0.0.7") is None


def test_an_address_of_two_running_pods_is_neithers() -> None:
    """A list that is a moment old may say so; nobody speaks for another meanwhile."""
    twin = PodRecord(PodName("ml", "b"), "uid-b", ("10.0.0.7",), created_ns=2)

    assert PodDirectory([A, twin]).by_address("10.0.0.7") is None


def test_a_name_is_the_newest_running_pods() -> None:
    """A StatefulSet's pod comes back under its name while the old one still ends."""
    old = PodRecord(PodName("ml", "a"), "uid-0", created_ns=0)
    done = PodRecord(PodName("ml", "a"), "uid-9", created_ns=9, is_finished=True)

    for order in ([old, A, done], [done, A, old]):
        assert PodDirectory(order).facts(A.name) == PodFacts("uid-a", 1)
    assert PodDirectory([done]).facts(A.name) == PodFacts("uid-9", 9, is_finished=True)


@pytest.mark.parametrize(
    "text", ["", "pod", "10.0.0", "10.0.0.7:9099", "fe80::1%eth0x%"]
)
def test_what_is_no_address_is_nobodys(text: str) -> None:
    """And no error."""
    assert canonical(text) is None
    assert PodDirectory([A]).by_address(text) is None
    assert PodDirectory([PodRecord(A.name, "u", (text,))]).by_uid("u") is not None


def test_an_unknown_pod_is_not_made_up() -> None:
    """By no name, no uid and no address."""
    pods = PodDirectory()

    assert pods.facts(A.name) is None
    assert pods.by_uid("uid-a") is None
    assert pods.by_address("10.0.0.7") is None
