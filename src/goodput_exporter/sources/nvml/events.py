"""XIDs of one GPU as NVML hands them out, waited for in a thread of their own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Final

import pynvml

from goodput_exporter.sources.nvml.errors import describe
from goodput_exporter.sources.nvml.wire import Happened, Message, Watching

WAIT_MS: Final = 5000
"""How long one wait lasts; also how late a watch that is no longer wanted ends."""


class Watch:
    """
    One GPU's event set. Registering may hang, so the GPU's own reader does it.

    A set per GPU: one that is lost fails only its own wait.

    Args:
        index: NVML's index.
        uuid: Whom the events are booked on; under MIG too they name the GPU.
        send: Takes what is to be told to the parent process.
        changed: Called when the MIG layout has changed.
        now_ns: CLOCK_MONOTONIC, in nanoseconds.
        nvml: The binding.
    """

    def __init__(  # noqa: PLR0913  # who, and its doors by keyword
        self,
        index: int,
        uuid: str,
        *,
        send: Callable[[Message], None],
        changed: Callable[[], None],
        now_ns: Callable[[], int],
        nvml: ModuleType = pynvml,
    ) -> None:
        self._index = index
        self._uuid = uuid
        self._send = send
        self._changed = changed
        self._now_ns = now_ns
        self._nvml = nvml
        self._is_wanted = True
        self.is_alive = False

    def register(self, handle: object) -> None:
        """
        Ask for XIDs, and for changes of the MIG layout where NVML tells them.

        Raises:
            NVMLError: The device or the driver has no events, or is down.
        """
        xid = self._nvml.nvmlEventTypeXidCriticalError
        both = xid | self._nvml.nvmlEventMigConfigChange
        kinds = xid | (both & self._nvml.nvmlDeviceGetSupportedEventTypes(handle))
        events = self._nvml.nvmlEventSetCreate()
        try:
            self._nvml.nvmlDeviceRegisterEvents(handle, kinds, events)
        except self._nvml.NVMLError:
            self._nvml.nvmlEventSetFree(events)
            raise
        self.is_alive = True
        self._tell(is_on=True)
        threading.Thread(target=self._listen, args=(events,), daemon=True).start()

    def stop(self) -> None:
        """Count nothing more; the thread frees the set when its wait ends."""
        self._is_wanted = False

    def _tell(self, *, is_on: bool, detail: str = "") -> None:
        self._send(Watching(self._index, self._uuid, is_on, detail))

    def _listen(self, events: object) -> None:
        try:
            while self._is_wanted:
                self._wait(events)
        except self._nvml.NVMLError as exc:
            if self._is_wanted:
                self._tell(is_on=False, detail=describe(exc))
        finally:
            self.is_alive = False
            with contextlib.suppress(self._nvml.NVMLError):  # the driver has gone first
                self._nvml.nvmlEventSetFree(events)

    def _wait(self, events: object) -> None:
        try:
            event = self._nvml.nvmlEventSetWait(events, WAIT_MS)
        except self._nvml.NVMLError_Timeout:
            return  # nothing happened, as nearly always
        if not self._is_wanted:
            return
        if event.eventType == self._nvml.nvmlEventMigConfigChange:
            self._changed()
        elif event.eventType == self._nvml.nvmlEventTypeXidCriticalError:
            xid = int(event.eventData)
            if xid != 0:  # no error at all, and yet drivers send it
                self._send(Happened(self._index, self._now_ns(), self._uuid, xid))
