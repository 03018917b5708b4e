"""``POST /v1/observations`` as a bare ASGI application: no framework on this path."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from goodput_exporter.ingest.at_once import AtOnce
from goodput_exporter.ingest.inbox import FullError
from goodput_exporter.ingest.intake import Intake, Pending, Take, retry_after
from goodput_exporter.ingest.limits import Limits
from goodput_exporter.ingest.reading import frames_of
from goodput_exporter.ingest.refusals import Counts, Reason, RefusedError
from goodput_exporter.ingest.requests import (
    App,
    Headers,
    Receive,
    Scope,
    Send,
    caller_of,
    checked_length,
    headers_of,
    read_body,
    respond,
)
from goodput_exporter.ingest.senders import Caller, Refusal, Sender, Who
from goodput_exporter.wire.answers import PATH, Outcome


def ingest_app(  # noqa: PLR0913 - the edges of one application, each named
    *,
    take: Take,
    who: Who,
    now_ns: Callable[[], int],
    limits: Limits | None = None,
    leader: Callable[[], str | None] = lambda: None,
    counts: Counts | None = None,
) -> Ingest:
    """
    Return the application that takes agents' pushes.

    Args:
        take: Where batches go; a request is answered when all of its are committed.
        who: Answers who sends.
        now_ns: The ledger's clock; agents measure theirs against it.
        limits: What senders may cost.
        leader: None while this replica takes pushes; else the name of the one that
            does, empty where nobody knows.
        counts: Where to count; for metrics.
    """
    intake = Intake(take, now_ns, limits or Limits(), leader, counts or Counts())
    return Ingest(intake, who)


def beside(ingest: App, others: App) -> App:
    """Return an application that gives pushes to *ingest* and the rest to *others*."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        is_push = scope["type"] == "http" and scope["path"] == PATH
        await (ingest if is_push else others)(scope, receive, send)

    return route


class Ingest:
    """
    One request from its head to its answer.

    Args:
        intake: What all pushes go through.
        who: Answers who sends.

    Attributes:
        at_once: The short way, for a server that has a request in one piece.
    """

    def __init__(self, intake: Intake, who: Who) -> None:
        self._intake = intake
        self._who = who
        self.at_once = AtOnce(intake, who)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        intake = self._intake
        received_ns = intake.now_ns()
        headers = headers_of(scope)
        caller = caller_of(scope, headers)
        try:
            length = checked_length(scope, headers, intake.limits)
            intake.check_leads()
            sender = await self._known(caller)
            intake.charge(sender, caller, length, received_ns)
            intake.hold(length)
            try:
                body = await read_body(receive, length, intake.limits)
                outcomes, detail = await self._book(body, sender, headers)
            finally:
                intake.let_go(length)
        except RefusedError as refusal:
            reply = intake.refused(refusal, caller)
        else:
            reply = intake.taken(outcomes, detail, length, received_ns)
        await respond(send, reply.status, reply.body, reply.headers)

    async def _known(self, caller: Caller) -> Sender:
        known = await self._who(caller)
        if isinstance(known, Refusal):
            challenge = ((b"www-authenticate", b"Bearer"),)
            raise RefusedError(Reason.SENDER, known.detail, challenge, known.status)
        return known

    async def _book(
        self, body: bytes, sender: Sender, headers: Headers
    ) -> tuple[list[Outcome], str]:
        """Hand on every batch, wait for their commits, and say what became of each."""
        pending: list[Pending] = []
        detail = ""
        for frame in frames_of(body, sender):
            if pending:
                await asyncio.sleep(0)  # a long body must not keep others waiting
            try:
                pending.append(self._intake.accept(frame, headers))
            except FullError as exc:
                detail = str(exc)
                break
        # In order, for the ledger takes them in order.
        await self._intake.commits.wait(
            [each.future for each in pending if each.future is not None]
        )
        outcomes = self._prefix(pending)
        if pending and len(outcomes) < len(pending):
            uncommitted = self._intake.uncommitted()
            if not outcomes:
                raise uncommitted
            return outcomes, uncommitted.detail
        if detail and not outcomes:
            raise RefusedError(Reason.BUSY, detail, retry_after(1))
        return outcomes, detail

    def _prefix(self, pending: Sequence[Pending]) -> list[Outcome]:
        """Return what became of the first batches, up to one that is still open."""
        outcomes: list[Outcome] = []
        for each in pending:
            if not each.is_settled:
                break
            outcomes.append(self._intake.outcome(each))
        return outcomes
