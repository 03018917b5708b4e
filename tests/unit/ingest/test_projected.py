"""Agents are known by their pods' tokens, each for its own node."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from goodput_exporter.errors import SourceUnavailableError
from goodput_exporter.ingest.projected import (
    KEPT_S,
    NODE,
    OUTAGE_S,
    POD,
    POD_UID,
    ProjectedTokens,
    expiry_s,
)
from goodput_exporter.ingest.senders import Caller, Refusal, Sender

AGENT = "system:serviceaccount:goodput:agent"


@dataclass(frozen=True)
class User:
    """Whose a token is."""

    name: str
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    error: str = ""


@dataclass
class Office:
    """An API server that knows some tokens and pods, and two clocks."""

    users: dict[str, User] = field(default_factory=dict)
    nodes: dict[tuple[str, str, str], str] = field(default_factory=dict)
    asked: int = 0
    is_away: bool = False
    now_s: float = 1000.0

    def review(self, token: str) -> User:
        """Say whose a token is."""
        self.asked += 1
        if self.is_away:
            msg = "no answer"
            raise SourceUnavailableError(msg)
        return self.users.get(token, User("", error="nobody's"))

    def who(self, *accounts: str) -> ProjectedTokens:
        """Return the check that rests on it."""
        return ProjectedTokens(
            self.review,
            lambda *pod: self.nodes.get(pod, ""),
            frozenset(accounts or ("goodput/agent",)),
            monotonic=lambda: self.now_s,
            wall=lambda: self.now_s,
        )


def ask(who: ProjectedTokens, token: str) -> Sender | Refusal:
    """Present a token."""

    async def once() -> Sender | Refusal:
        return await who(Caller("10.0.0.1", f"Bearer {token}" if token else ""))

    return asyncio.run(once())


def token_until(second: float) -> str:
    """Return a token that says when it ends."""
    payload = base64.urlsafe_b64encode(json.dumps({"exp": second}).encode())
    return f"e30.{payload.decode().rstrip('=')}.sig"


def bound(node: str = "n1") -> User:
    """Return an agent whose token names its node."""
    return User(AGENT, {NODE: (node,)})


def test_a_token_speaks_for_the_node_of_its_pod() -> None:
    """The name in the log is the account's, and the node's."""
    office = Office({"t": bound()})

    assert ask(office.who(), "t") == Sender("goodput/agent@n1", "n1")


def test_a_token_that_names_a_pod_only_is_looked_up() -> None:
    """Clusters before 1.30 do not write the node into it."""
    office = Office(
        {"t": User(AGENT, {POD: ("agent-x",), POD_UID: ("u1",)})},
        {("goodput", "agent-x", "u1"): "n7"},
    )

    assert ask(office.who(), "t") == Sender("goodput/agent@n7", "n7")


@pytest.mark.parametrize(
    ("token", "user", "status"),
    [
        ("", None, 401),
        ("t", None, 401),
        ("t", User("jane", {NODE: ("n1",)}), 403),
        ("t", User("system:serviceaccount:ml:agent", {NODE: ("n1",)}), 403),
        ("t", User(AGENT), 403),
        ("t", User(AGENT, {NODE: ("n1", "n2")}), 403),
        ("t" * 20_000, bound(), 401),
    ],
)
def test_everybody_else_is_refused(token: str, user: User | None, status: int) -> None:
    """Nobody, a person, another account, a token that is bound to nothing."""
    office = Office({} if user is None else {token: user})

    found = ask(office.who(), token)

    assert isinstance(found, Refusal)
    assert found.status == status


def test_a_namespace_may_be_let_in_as_a_whole() -> None:
    """Those of the aggregator's own, where nothing else is set."""
    office = Office({"t": bound()})

    assert isinstance(ask(office.who("goodput/*"), "t"), Sender)


def test_an_answer_is_kept_for_a_while_and_no_longer() -> None:
    """10,000 agents push every 5 s; a pod that is gone speaks no more."""
    office = Office({"t": bound()})
    who = office.who()
    for _ in range(20):
        ask(who, "t")
    assert office.asked == 1

    office.users.clear()
    office.now_s += KEPT_S

    assert isinstance(ask(who, "t"), Refusal)


def test_a_token_is_not_believed_beyond_its_end() -> None:
    """Even where it was asked for a second before."""
    token = token_until(1010.0)
    office = Office({token: bound()})
    who = office.who()
    assert isinstance(ask(who, token), Sender)

    office.users.clear()
    office.now_s = 1010.0

    assert isinstance(ask(who, token), Refusal)


def test_an_outage_of_the_api_server_does_not_silence_known_agents() -> None:
    """For some minutes; whoever is new has to wait, and is told so."""
    office = Office({"t": bound(), "new": bound("n2")})
    who = office.who()
    ask(who, "t")
    office.is_away = True

    office.now_s += KEPT_S
    assert isinstance(ask(who, "t"), Sender)
    assert getattr(ask(who, "new"), "status", 0) == 503
    office.now_s += OUTAGE_S
    assert getattr(ask(who, "t"), "status", 0) == 503


def test_many_requests_with_one_token_ask_once() -> None:
    """An agent's first pushes come before the first answer."""
    office = Office({"t": bound()})
    who = office.who()

    async def at_once() -> list[Sender | Refusal]:
        caller = Caller(None, "Bearer t")
        return await asyncio.gather(*(who(caller) for _ in range(50)))

    assert len(set(asyncio.run(at_once()))) == 1
    assert office.asked == 1


@pytest.mark.parametrize("token", ["", "a.b", "a.!!.c", "a.bnVsbA.c", "a.e30.c"])
def test_a_token_that_says_no_end_has_none(token: str) -> None:
    """Its form is the API server's business."""
    assert expiry_s(token) is None
