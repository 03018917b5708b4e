"""Whoever pushes is known, within limits, and hears what became of every batch."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.observations import Delivered
from goodput_exporter.ingest.app import beside
from goodput_exporter.ingest.limits import Limits
from goodput_exporter.ingest.reading import Letter
from goodput_exporter.ingest.refusals import Reason
from goodput_exporter.ingest.requests import Receive, Scope, Send, respond
from goodput_exporter.ingest.senders import TokenFile
from goodput_exporter.services.courier import Reply
from goodput_exporter.wire import answers, frames
from goodput_exporter.wire.answers import Answer, decode_answer
from goodput_exporter.wire.kinds import Observation
from tests.fakes.aggregator import Desk, detail_of
from tests.fakes.observations import node, report


def batch(
    sequence: int = 1,
    seen: list[Observation] | None = None,
    **changes: Any,  # noqa: ANN401 - of the header
) -> bytes:
    """Return one batch of a node as it is sent."""
    said = {"agent": "agent", "node": "node-1", "epoch": "e1", "made_ns": 5}
    return frames.encode_frame(
        node(1) if seen is None else seen, sequence=sequence, **{**said, **changes}
    )


def answer(reply: Reply) -> Answer:
    """Return what became of a push that was taken."""
    assert reply.status == 200, reply.body
    return decode_answer(reply.body)


def test_a_push_is_answered_after_its_commit_with_the_fate_of_each_batch() -> None:
    """What the agent lets go of is in the ledger."""
    desk = Desk()

    told = answer(desk.push(batch(1) + batch(2) + batch(1)))

    assert [each.fate for each in told.outcomes] == ["applied", "applied", "duplicate"]
    assert [each.sequence for each in told.outcomes] == [1, 2, 1]
    assert desk.books.observations() == [*node(1), *node(1)]
    assert (desk.counts.requests, desk.counts.observations) == (1, 48)


def test_a_second_delivery_is_acknowledged_and_not_applied() -> None:
    """At least once on the way, exactly once in the books."""
    desk = Desk()
    desk.push(batch(1))

    told = answer(desk.push(batch(1)))

    assert [each.fate for each in told.outcomes] == ["duplicate"]
    assert len(desk.books.applied) == 1


def test_a_push_without_batches_tells_the_time() -> None:
    """An agent that has just begun dates what it sends by it."""
    desk = Desk()

    told = answer(desk.push(b""))

    assert told.received_ns == told.answered_ns == desk.clock.now_ns()
    assert told.outcomes == []


def test_a_push_that_is_not_committed_in_time_is_to_be_sent_again() -> None:
    """The ledger's disk hangs; the agent keeps what it has."""
    desk = Desk(limits=Limits(commit_seconds=0.01), commits=False)

    reply = desk.push(batch(1))

    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert "no commit within 0.01 s" in detail_of(reply)
    desk.commits = True
    assert answer(desk.push(batch(1))).outcomes[0].fate == "applied"
    assert len(desk.books.applied) == 1


@pytest.mark.parametrize(
    ("header", "made", "moved"),
    [({}, None, 0), ({}, -7, -7), ({answers.OFFSET_HEADER: "e1 50"}, -7, 50),
     ({answers.OFFSET_HEADER: "e2 50"}, -7, -7),
     ({answers.OFFSET_HEADER: "e1 x"}, 3, 3),
     ({answers.OFFSET_HEADER: f"e1 {2**63}"}, 3, 3)],
)  # fmt: skip
def test_observations_are_moved_onto_our_clock(
    header: Mapping[str, str], made: int | None, moved: int
) -> None:
    """The newest measurement of the same clock, or the one of the batch."""
    desk = Desk()

    desk.push(batch(1, [Delivered("agent", 1000)], offset_ns=made), headers=header)

    assert desk.books.observations() == [Delivered("agent", 1000 + moved)]


@pytest.mark.parametrize(
    ("request_of", "status", "reason"),
    [({"path": "/v1/else"}, 404, Reason.PATH),
     ({"method": "GET"}, 405, Reason.METHOD),
     ({"headers": {"content-type": "application/json"}}, 415, Reason.CONTENT_TYPE),
     ({"headers": {"content-type": ""}}, 415, Reason.CONTENT_TYPE),
     ({"headers": {"content-length": ""}}, 411, Reason.LENGTH),
     ({"headers": {"content-length": "-1"}}, 411, Reason.LENGTH),
     ({"headers": {"content-length": "9" * 40}}, 411, Reason.LENGTH),
     ({"headers": {"content-length": "1000000000"}}, 413, Reason.TOO_BIG),
     ({"client": ("10.0.0.7", 1)}, 403, Reason.SENDER),
     ({"client": ("not an address", 1)}, 403, Reason.SENDER),
     ({"chunks": [b"x" * 4096]}, 400, Reason.CUT),
     ({"chunks": [b"x"]}, 400, Reason.CUT),
     ({"chunks": [b"x"], "ends": False}, 408, Reason.SLOW)],
)  # fmt: skip
def test_what_is_no_push_is_refused_counted_and_cut_off(
    request_of: dict[str, Any], status: int, reason: Reason
) -> None:
    """Wrong place, wrong type, 1 GB, a stranger, a body that never ends."""
    desk = Desk(limits=Limits(body_seconds=0.01))

    reply = desk.push(batch(1), **request_of)

    assert reply.status == status
    assert reply.headers["connection"] == "close"
    assert json.loads(reply.body)["reason"] == reason
    assert desk.counts.refused[reason] == sum(desk.counts.refused.values()) == 1
    assert desk.books.applied == []


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [(b"junk of some length", 400, Reason.MALFORMED),
     (batch(1)[:-1], 400, Reason.MALFORMED),
     (batch(1) + b"gpw\x09" + bytes(8), 415, Reason.VERSION)],
)  # fmt: skip
def test_of_a_body_that_is_no_row_of_frames_nothing_is_taken(
    body: bytes, status: int, reason: Reason
) -> None:
    """Where a frame ends is not guessed."""
    desk = Desk()

    reply = desk.push(body)

    assert (reply.status, desk.counts.refused[reason]) == (status, 1)
    assert desk.books.applied == []


def test_a_batch_that_can_never_be_read_is_named_and_holds_up_nothing() -> None:
    """A poisoned batch at the head of a spool would block it for ever."""
    desk = Desk()
    good = batch(2)
    bad = bytearray(batch(1))
    bad[-1] ^= 0xFF

    told = answer(desk.push(bytes(bad) + good))

    assert [each.fate for each in told.outcomes] == ["refused", "applied"]
    assert "cannot be unpacked" in told.outcomes[0].detail
    assert desk.counts.unreadable == 1


def test_a_batch_that_holds_more_than_it_says_is_not_taken() -> None:
    """What waits for the tick is bounded by what batches say of themselves."""
    desk = Desk()
    (frame,) = frames.split(batch(1, [Delivered("agent", 1), Delivered("agent", 2)]))
    header = msgspec.msgpack.encode(msgspec.structs.replace(frame.header, count=1))
    prefix = frames.PREFIX.pack(frames.MARK, 2, len(header), len(frame.body))

    told = answer(desk.push(prefix + header + frame.body))

    assert [each.fate for each in told.outcomes] == ["refused"]
    assert "holds 2 observations, and its header announces 1" in told.outcomes[0].detail
    assert (desk.counts.unreadable, desk.books.applied) == (1, [])


@pytest.mark.parametrize("count", [1, 40, 3_000])
def test_a_batch_is_read_to_the_same_at_once_and_in_the_tick(count: int) -> None:
    """A small one waits as it came, packed or not; a large one is read at once."""
    desk = Desk()
    seen: list[Observation] = [report(0, at) for at in range(1, count + 1)]
    body = batch(1, seen)
    (frame,) = frames.split(body)

    desk.push(body, headers={answers.OFFSET_HEADER: "e1 7"})

    read = frames.read_frame(frame, shift_ns=7).observations
    assert (Letter(frame, 7).reading is None) == (count < 3_000)
    assert desk.books.observations() == read
    assert desk.counts.observations == count


def test_a_nodes_agent_speaks_for_its_own_node_only(tmp_path: Path) -> None:
    """A stolen token of one node tells nothing about the others."""
    tokens = tmp_path / "tokens"
    tokens.write_text("# who\n\nsecret-1 node-1\nsecret-any\n")
    desk = Desk(who=TokenFile(tokens))
    far = ("10.0.0.7", 1)

    def push(body: bytes, token: str) -> Reply:
        headers = {"authorization": f"Bearer {token}"}
        return desk.push(body, headers=headers, client=far)

    assert push(batch(1), "secret-1").status == 200
    assert push(batch(1, node="node-2"), "secret-1").status == 403
    assert push(batch(1, node="node-2"), "secret-any").status == 200
    assert push(batch(1), "guess").status == 401
    assert desk.push(batch(1), client=far).headers["www-authenticate"] == "Bearer"
    assert desk.counts.refused[Reason.NODE] == 1
    assert desk.counts.refused[Reason.SENDER] == 2
    assert {each.node for each in desk.books.applied} == {"node-1", "node-2"}


def test_a_token_file_is_read_again_and_missed_once_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Tokens are rotated under a running aggregator."""
    tokens = tmp_path / "tokens"
    tokens.write_text("old")
    desk = Desk(who=TokenFile(tokens))

    def status(token: str) -> int:
        return desk.push(b"", headers={"authorization": f"Bearer {token}"}).status

    assert status("old") == 200
    tokens.write_text("newer")
    assert (status("old"), status("newer")) == (401, 200)
    tokens.unlink()
    assert (status("newer"), status("newer")) == (200, 200)
    assert caplog.text.count("1 tokens hold as before") == 1


def test_what_an_agent_says_of_another_is_left_out_and_counted() -> None:
    """Its deliveries, its node, its GPUs; of pods the cluster's own word decides."""
    own: list[Observation] = [
        Delivered("agent", 9),
        Evidence(1, Kind.XID, "79", "gpu/node-1/0000:04:00"),
        Evidence(1, Kind.LOG, "oom", "pod/ml/llama-0"),
    ]
    foreign: list[Observation] = [
        Delivered("another", 9),
        Evidence(1, Kind.XID, "79", "gpu/node-2/0000:04:00"),
        Evidence(1, Kind.NODE_CONDITION, "Ready=False", "node/node-2"),
    ]
    desk = Desk()

    told = answer(desk.push(batch(1, own + foreign)))

    assert desk.books.observations() == own
    assert told.outcomes[0].skipped == desk.counts.skipped["foreign"] == 3
    assert "not of node-1/agent" in told.outcomes[0].detail


def test_a_sender_that_asks_too_often_waits_and_others_do_not(tmp_path: Path) -> None:
    """One agent in a loop must not cost the others their turn."""
    tokens = tmp_path / "tokens"
    tokens.write_text("one node-1\ntwo node-2")
    limits = Limits(requests_burst=2, requests_per_second=0.5)
    desk = Desk(who=TokenFile(tokens), limits=limits)

    def push(token: str) -> Reply:
        return desk.push(b"", headers={"authorization": f"Bearer {token}"})

    assert [push("one").status for _ in range(3)] == [200, 200, 429]
    assert push("one").headers["retry-after"] == "2"
    assert push("two").status == 200
    desk.clock.forward(2)
    assert push("one").status == 200


def test_a_sender_is_held_to_its_bytes_too() -> None:
    """Few requests may be as much as many."""
    size = len(batch(1))
    desk = Desk(limits=Limits(bytes_burst=size, bytes_per_second=size / 10))

    assert desk.push(batch(1)).status == 200
    assert desk.push(batch(2)).headers["retry-after"] == "10"
    desk.clock.forward(10)
    assert desk.push(batch(2)).status == 200


def test_what_is_held_at_once_is_bounded() -> None:
    """A thousand slow senders of a megabyte each are a gigabyte."""
    desk = Desk(limits=Limits(held_bytes=10))

    reply = desk.push(batch(1))

    assert (reply.status, desk.counts.refused[Reason.BUSY]) == (503, 1)


def test_a_follower_names_the_leader() -> None:
    """The agent's log says where its pushes should go."""
    desk = Desk(leader="aggregator-1")

    reply = desk.push(batch(1))

    assert reply.status == 503
    assert reply.headers[answers.LEADER_HEADER] == "aggregator-1"
    assert desk.counts.refused[Reason.FOLLOWER] == 1


def test_a_sender_is_spoken_of_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A thousand bad pushes are a counter, not a thousand lines."""
    desk = Desk()
    caplog.set_level(logging.WARNING)
    for _ in range(50):
        desk.push(b"junk")
    desk.push(b"junk", client=("127.0.0.9", 1))
    desk.clock.forward(61)
    desk.push(b"junk")

    assert desk.counts.refused[Reason.MALFORMED] == 52
    assert caplog.text.count("a push from 127.0.0.1") == 2
    assert caplog.text.count("a push from 127.0.0.9") == 1


def test_strangers_are_spoken_of_within_bounds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whoever makes up addresses does not fill the disk with our log."""
    desk = Desk(limits=Limits(log_lines_per_minute=10))
    for number in range(100):
        desk.push(b"", client=(f"10.0.0.{number}", 1))

    assert caplog.text.count("a push from") == 10


def test_one_port_serves_pushes_and_the_rest() -> None:
    """Standalone has one address; pushes take none of the framework's time."""

    async def others(_scope: Scope, _receive: Receive, send: Send) -> None:
        await respond(send, 418, b"{}")

    desk = Desk()
    desk.app = beside(desk.app, others)

    assert desk.push(b"").status == 200
    assert desk.push(b"", path="/metrics").status == 418


def test_a_report_arrives_with_every_field() -> None:
    """Over a Unix socket nobody has an address, and the file's mode decides."""
    desk = Desk()

    desk.push(batch(1, [report(3, 7)]), client=None)

    assert desk.books.observations() == [report(3, 7)]


def test_what_a_push_leaves_behind_is_in_no_cycle() -> None:
    """The aggregator's collector looks seldom; commits leave a little, pushes none."""
    pushes = 100
    desk = Desk(commits=False, limits=Limits(requests_burst=2 * pushes))

    async def together(first: int) -> None:
        each = range(first, first + pushes)
        tasks = [asyncio.ensure_future(desk.pushed(batch(n))) for n in each]
        while desk.inbox.waiting < pushes:  # noqa: ASYNC110 - a turn for each of them
            await asyncio.sleep(0)
        desk.books.commit(desk.inbox)
        desk.books.applied.clear()
        await asyncio.gather(*tasks)

    async def garbage() -> int:
        await together(1)
        gc.collect()
        gc.disable()
        try:
            await together(1 + pushes)
            return gc.collect()
        finally:
            gc.enable()

    assert asyncio.run(garbage()) < pushes
