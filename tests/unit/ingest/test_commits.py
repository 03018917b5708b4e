"""Requests wait for their commit, each as long as it may."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future

import pytest

from goodput_exporter.ingest.commits import Commits
from goodput_exporter.ingest.inbox import Fate

LONG_S, SHORT_S = 30.0, 0.01


def pending() -> Future[Fate]:
    """Return a commit that has not come."""
    return Future()


def test_all_who_wait_for_a_commit_go_on_with_it() -> None:
    """It comes from the tick's thread; some wait for an earlier one as well."""
    first, second = pending(), pending()
    commits = Commits(LONG_S)

    def commit() -> None:
        first.set_result("applied")
        second.set_result("applied")

    async def requests() -> None:
        waiting = [
            *(commits.wait([first]) for _ in range(100)),
            *(commits.wait([first, second]) for _ in range(100)),
        ]
        tasks = [asyncio.ensure_future(each) for each in waiting]
        await asyncio.sleep(0)
        threading.Thread(target=commit).start()
        await asyncio.gather(*tasks)

    asyncio.run(requests())

    assert first.done()
    assert second.done()


def test_a_commit_that_is_there_is_not_waited_for() -> None:
    """A duplicate is answered at once."""
    there = pending()
    there.set_result("duplicate")

    asyncio.run(Commits(LONG_S).wait([there]))

    assert there.result() == "duplicate"


def test_whoever_waits_too_long_is_let_go_and_may_come_again() -> None:
    """A ledger that hangs costs each request its patience, and no more."""
    late = pending()
    commits = Commits(SHORT_S)

    async def twice() -> None:
        await asyncio.gather(commits.wait([late]), commits.wait([late]))
        await commits.wait([late])

    asyncio.run(twice())

    assert not late.done()


def test_a_request_that_is_gone_leaves_the_others_waiting() -> None:
    """An agent that hangs up takes nobody with it."""
    awaited = pending()
    commits = Commits(LONG_S)

    async def one_goes() -> None:
        gone, stays = (asyncio.ensure_future(commits.wait([awaited])) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert not stays.done()
        awaited.set_result("applied")
        await stays

    asyncio.run(one_goes())

    assert awaited.done()


def test_a_commit_after_the_servers_end_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The last tick comes when nobody listens any more; another server may."""
    late = pending()
    commits = Commits(SHORT_S)
    asyncio.run(commits.wait([late]))

    async def another() -> None:
        waiting = asyncio.ensure_future(Commits(LONG_S).wait([late]))
        await asyncio.sleep(0)
        late.set_result("applied")
        await waiting

    with caplog.at_level(logging.DEBUG):
        asyncio.run(another())

    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []
