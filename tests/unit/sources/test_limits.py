"""What senders may cost: a rate, a place in the table, a line in the log."""

from __future__ import annotations

from goodput_exporter.sources.limits import Bucket, Limits, LogGate
from goodput_exporter.sources.senders import Senders, udp_key, udp_sender

SECOND = 1_000_000_000
LIMITS = Limits(rate_per_second=20, burst=100, senders=3)


def taken(bucket: Bucket, now_ns: int, tries: int = 1000) -> int:
    """Return how many of many messages at one instant are paid for."""
    return sum(bucket.take(now_ns) for _ in range(tries))


def test_a_sender_gets_its_burst_and_then_its_rate() -> None:
    """100 at once, then 20 a second, whatever it asks for."""
    bucket = Bucket(LIMITS, 0)

    assert [taken(bucket, second * SECOND) for second in (0, 1, 2, 1000)] == [
        100, 20, 20, 100,
    ]  # fmt: skip


def test_a_full_table_forgets_senders_that_lose_nothing_by_it() -> None:
    """A sender whose allowance is full again is a stranger like any other."""
    senders = Senders(LIMITS)
    for port in range(3):
        sender = udp_sender("10.0.0.1", port, Bucket(LIMITS, 0))
        assert sender.bucket.take(0)
        senders.add(str(port), sender)

    assert not senders.has_room(0)
    assert not senders.has_room(SECOND // 2)
    assert senders.has_room(2 * SECOND)
    assert len(senders) == 0


def test_ports_count_only_where_everyone_shares_an_address() -> None:
    """A pod cannot buy a second allowance with a second port."""
    assert udp_key("10.0.0.1", 1) == udp_key("10.0.0.1", 2)
    assert udp_key("127.0.0.1", 1) != udp_key("127.0.0.1", 2)


def test_the_log_is_bounded_also_over_many_senders() -> None:
    """A thousand broken senders get a bounded number of lines a minute."""
    gate = LogGate(lines_per_minute=60)

    first = sum(gate.opens(f"udp {i}", "malformed", 0) for i in range(1000))
    later = sum(gate.opens(f"udp {i}", "malformed", 61 * SECOND) for i in range(1000))

    assert (first, later) == (60, 60)
