"""One kind of objects, followed for ever: list, watch, and list again if need be."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from random import Random
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from urllib3.response import BaseHTTPResponse

from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.sources.kubernetes import watching
from goodput_exporter.sources.kubernetes.backoff import Backoff
from goodput_exporter.sources.kubernetes.changes import Batch, ChangeQueue
from goodput_exporter.sources.kubernetes.chunks import pieces
from goodput_exporter.sources.kubernetes.client import ApiServer, readable
from goodput_exporter.sources.kubernetes.decoding import Page, Reader
from goodput_exporter.sources.kubernetes.discovery import served_version
from goodput_exporter.sources.kubernetes.kinds import Kind
from goodput_exporter.sources.kubernetes.lean import Object, version_of
from goodput_exporter.sources.kubernetes.listing import Query, pages
from goodput_exporter.sources.kubernetes.standing import Standing, State
from goodput_exporter.sources.kubernetes.store import Store
from goodput_exporter.sources.kubernetes.troubles import ApiError, Trouble
from goodput_exporter.sources.kubernetes.verdicts import (
    PASSING,
    VERDICTS,
    Pace,
    Step,
)
from goodput_exporter.sources.kubernetes.waits import Waits

T = TypeVar("T", bound=Object)

_log = logging.getLogger(__name__)

USUAL: Final = frozenset({Trouble.GONE, Trouble.ABSENT})
"""Normal life: nobody has to look. Absent kinds are said once, when it is certain."""
MOST_TRIES: Final = 5
"""For one page of a list, before the whole list begins anew."""
DEFAULT_WAITS: Final = Waits()


class Reflector(Generic[T]):
    """
    Follows one kind in a thread of its own; changes go to a queue.

    The state equals a fresh list after whatever went wrong has passed. Nothing
    is told twice: an object that a list shows unchanged is no change.

    Args:
        server: Whom to ask.
        kind: What to follow.
        queue: Where changes go; when it is full the reading pauses. Close it
            before the reflector, so that nobody waits for room.
        now_ns: The ledger's clock.
        chance: Where jitter comes from.
        waits: Time limits and pauses.
        namespace: The only one to follow; None means all.
    """

    def __init__(  # noqa: PLR0913 - a source takes values, not settings
        self,
        server: ApiServer,
        kind: Kind[T],
        queue: ChangeQueue,
        *,
        now_ns: Callable[[], int],
        chance: Random,
        waits: Waits = DEFAULT_WAITS,
        namespace: str | None = None,
    ) -> None:
        self._server, self._kind, self._queue = server, kind, queue
        self._now_ns, self._chance, self._waits = now_ns, chance, waits
        self._namespace = namespace
        self._batch = Batch(queue)
        self._reader = Reader(kind.type)
        self._store = Store(kind)
        self._backoff = Backoff(waits, chance)
        self._served = kind.versions[0]
        self._version = ""
        self._alive_ns = 0
        self._heard_ns: int | None = None
        self._synced_ns: int | None = None
        self._state = State.RELISTING
        self._lists = self._watches = self._relists = 0
        self._errors = dict.fromkeys(Trouble, 0)
        self._closing = threading.Event()
        self._open: BaseHTTPResponse | None = None
        self._thread = threading.Thread(
            target=self._keep, name=f"watch-{kind.plural}", daemon=True
        )

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end; of several, stop all before closing one."""
        self._closing.set()
        response = self._open
        if response is not None:
            try:
                response.shutdown()  # wakes the read; it ends as a broken one
            except (OSError, RuntimeError, ValueError):
                _log.debug("the watch of %s ended by itself", self._kind.plural)

    def close(self, seconds: float = 5.0) -> bool:
        """
        Stop following; return whether the thread ended within *seconds*.

        One that waits for a silent server's first word does not. It is a
        daemon, holds nothing of worth, and ends with the process.
        """
        self.stop()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def objects(self) -> list[T]:
        """Return what is held now; safe from any thread."""
        return self._store.objects()

    def standing(self) -> Standing:
        """Return how the kind stands now; safe from any thread."""
        store = self._store
        return Standing(
            kind=self._kind.name,
            namespace=self._namespace,
            state=self._state,
            last_event_ns=self._heard_ns,
            synced_ns=self._synced_ns,
            objects=len(store),
            lists=self._lists,
            watches=self._watches,
            relists=self._relists,
            errors=MappingProxyType(dict(self._errors)),
            read=store.read,
            decode_faults=self._reader.faults,
            left_out=store.left_out,
            nameless=store.nameless,
            repeated=store.repeated,
            vanished=store.vanished,
        )

    @property
    def _path(self) -> str:
        return self._kind.path(self._served, self._namespace)

    def _keep(self) -> None:
        steps = {
            Step.LIST: self._list,
            Step.WATCH: self._watch,
            Step.DISCOVER: self._discover,
        }
        step = Step.LIST
        while not self._closing.is_set():
            try:
                step = steps[step]()
            except ApiError as error:
                step = self._after(step, error)
            except Exception as error:  # noqa: BLE001 - a thread that died would leave its kind as it was, silently: the very fault this is made against
                _log.exception("following %s failed; a bug of ours", self._path)
                step = self._after(step, ApiError(Trouble.BUG, repr(error)))

    def _list(self) -> Step:
        self._lists += 1
        self._relists += self._synced_ns is not None
        if self._state is State.SYNCED:  # forbidden stays so until an answer comes
            self._state = State.RELISTING
        began_ns = self._now_ns()
        version, there = "", set[str]()
        for is_first, page in pages(self._ask, self._version):
            if is_first:
                version, there = page.version, set()
                self._state = State.RELISTING
            self._take_in(page, began_ns, there)
        self._queue.put(self._store.keep_only(there, self._alive_ns))
        self._version, self._alive_ns = version, began_ns
        self._synced_ns = self._heard_ns
        self._state = State.SYNCED
        return Step.WATCH

    def _ask(self, query: Query) -> Page[T]:
        """Fetch one page; a later one again if what failed may pass."""
        tries = MOST_TRIES if "continue" in query else 1
        while True:
            try:
                body = self._server.fetch(self._path, query)
                page = self._reader.page(body, f"GET {self._path}")
            except ApiError as error:
                tries -= 1
                if error.trouble not in PASSING or not tries or self._is_closing():
                    raise
                self._count(error)
                self._closing.wait(self._backoff.pause_s(error.retry_after_s))
            else:
                self._heard_ns = self._now_ns()
                return page

    def _take_in(self, page: Page[T], began_ns: int, there: set[str]) -> None:
        """Note what a page has; it was there when the list began, at least."""
        for found in page.found:
            key, change = self._store.see(found, began_ns)
            if key is not None:
                there.add(key)
            self._batch.add(change)
        self._batch.hand_over()

    def _watch(self) -> Step:
        self._watches += 1
        began_ns = self._now_ns()
        limit_s = self._chance.randint(
            self._waits.watch_least_s, self._waits.watch_most_s
        )
        request = f"watch {self._path}"
        query = watching.query_of(self._version, limit_s)
        response = self._server.get(self._path, query, self._waits.silence_s)
        self._open = response
        try:
            with readable(request):
                read = pieces(response, before_wait=self._batch.hand_over)
                for line in watching.lines(read, request):
                    self._hear(line, request)
                    if self._is_closing():
                        break
        finally:
            self._batch.hand_over()
            self._open = None
            response.close()
        lasted_s = (self._now_ns() - began_ns) / NS_PER_SECOND
        if lasted_s < self._waits.short_watch_s:
            msg = f"{request}: the server ended it after {lasted_s:.3f} s"
            raise ApiError(Trouble.BROKEN, msg)
        self._backoff.reset()
        return Step.WATCH

    def _hear(self, line: bytes, request: str) -> None:
        event, found = self._reader.line(line, request)
        now_ns = self._now_ns()
        if event in watching.PRESENT:
            _, change = self._store.see(found, now_ns)
        elif event == watching.DELETED:
            change = self._store.lose(found, now_ns)
        elif event == watching.BOOKMARK:
            change = None
        else:
            msg = f"{request}: no such event as {event!r}"
            raise ApiError(Trouble.GARBLED, msg)
        self._batch.add(change)
        self._version = (found and version_of(found)) or self._version
        self._heard_ns = self._alive_ns = now_ns
        self._backoff.reset()

    def _discover(self) -> Step:
        version = served_version(self._server, self._kind)
        if version is not None:
            self._served = version
            self._store.serve(version)
            return Step.LIST
        if self._state is not State.ABSENT:
            _log.info("%s is not served; looking again now and then", self._path)
        self._state = State.ABSENT
        self._queue.put(self._store.keep_only(frozenset(), self._alive_ns))
        self._version = ""
        self._backoff.reset()
        self._closing.wait(self._backoff.slow_s(self._waits.absent_s))
        return Step.DISCOVER

    def _after(self, step: Step, error: ApiError) -> Step:
        """Count what went wrong, pause, and return what to do next."""
        if self._is_closing():
            return step
        verdict = VERDICTS[error.trouble]
        self._count(error)
        self._state = verdict.state or self._state
        if error.trouble is Trouble.UNAUTHORIZED:
            self._reload()
        is_first = self._backoff.failures == 0
        pause_s = self._backoff.pause_s(error.retry_after_s)
        if verdict.pace is Pace.SLOW:
            pause_s = self._backoff.slow_s(self._waits.forbidden_s)
        if is_first and verdict.pace is Pace.SOON:
            pause_s = 0.0
        self._closing.wait(pause_s)
        return verdict.step or step

    def _reload(self) -> None:
        try:
            self._server.reload()
        except ApiError as error:
            self._count(error)

    def _count(self, error: ApiError) -> None:
        self._errors[error.trouble] += 1
        is_news = self._backoff.failures == 0 and error.trouble not in USUAL
        _log.log(logging.WARNING if is_news else logging.DEBUG, "%s", error)

    def _is_closing(self) -> bool:
        return self._closing.is_set()
