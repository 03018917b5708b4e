"""
Pushes that wait for nothing but their commit: no task, no timers, no messages.

Nearly every push is one batch of an agent that was known a few seconds ago, and lies
in one piece in the socket. Such a one is taken by a plain call. Everything else, and
whatever is to be refused, goes through the application in ``app``, which says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from goodput_exporter.ingest.inbox import FullError
from goodput_exporter.ingest.intake import Intake, Pending, Reply
from goodput_exporter.ingest.reading import frames_of
from goodput_exporter.ingest.refusals import RefusedError
from goodput_exporter.ingest.requests import (
    Scope,
    caller_of,
    checked_length,
    headers_of,
)
from goodput_exporter.ingest.senders import Caller, Who

Answer = Callable[[Reply], None]
"""Sends an answer, if there is still somebody to send it to."""

FORWARDED: Final = frozenset({b"x-forwarded-for", b"x-forwarded-proto"})
"""Headers by which a proxy says for whom it speaks; uvicorn's to judge."""


class Push(NamedTuple):
    """
    A push that was handed on, until it is answered.

    Args:
        intake: Through which it went.
        pending: Its one batch.
        caller, length, received_ns: Of its request.
        answer: Where its answer goes.
    """

    intake: Intake
    pending: Pending
    caller: Caller
    length: int
    received_ns: int
    answer: Answer

    def settle(self, is_committed: bool) -> None:  # noqa: FBT001 - as Told has it
        """Answer, now that its commit came or will not come."""
        intake = self.intake
        intake.let_go(self.length)
        if is_committed:
            outcomes = [intake.outcome(self.pending)]
            self.answer(intake.taken(outcomes, "", self.length, self.received_ns))
        else:
            self.answer(intake.refused(intake.uncommitted(), self.caller))


class AtOnce:
    """
    Takes pushes by plain calls, as far as that goes.

    Args:
        intake: What all pushes go through.
        who: Answers who sends.
    """

    def __init__(self, intake: Intake, who: Who) -> None:
        self._intake = intake
        self._who = who

    def take(
        self,
        scope: Scope,
        body: bytes,
        loop: asyncio.AbstractEventLoop,
        answer: Answer,
    ) -> bool:
        """
        Take a push, to be answered when its batch is committed.

        Args:
            scope: Of its request, as ASGI has it.
            body: All of it.
            loop: Where *answer* is called.
            answer: Sends the answer.

        Returns:
            False if it has to go the long way; then nothing was done.
        """
        headers = headers_of(scope)
        if not FORWARDED.isdisjoint(headers):
            return False
        intake, caller = self._intake, caller_of(scope, headers)
        received_ns = intake.now_ns()
        try:
            length = checked_length(scope, headers, intake.limits)
            intake.check_leads()
            sender = self._who.recall(caller)
            if sender is None:
                return False
            frames = frames_of(body, sender)
            # Others are let in between the batches of a long body.
            if len(frames) != 1:
                return False
            # Of one that finds no room this is taken twice; it is to wait anyway.
            intake.charge(sender, caller, length, received_ns)
            pending = intake.accept(frames[0], headers)
            intake.hold(length)
        except (RefusedError, FullError):
            return False
        push = Push(intake, pending, caller, length, received_ns, answer)
        if pending.future is None or pending.is_settled:
            loop.call_soon(push.settle, True)  # noqa: FBT003 - a callback's one word
        else:
            intake.commits.tell(pending.future, loop, push.settle)
        return True
