"""One GPU through NVIDIA's binding: what it is, what it tells, and how it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import ModuleType

import pynvml

from goodput_exporter.sources.nvml.errors import (
    DEVICE_IS_DOWN,
    NVML_IS_DOWN,
    UNSUPPORTED,
    DriverGoneError,
    describe,
)
from goodput_exporter.sources.nvml.events import Watch
from goodput_exporter.sources.nvml.fields import Fields
from goodput_exporter.sources.nvml.gpm import Activity
from goodput_exporter.sources.nvml.mig import partition
from goodput_exporter.sources.nvml.processes import PROCESSES
from goodput_exporter.sources.nvml.readings import (
    ACTIVITY,
    PCIE,
    READINGS,
    Reading,
    up_to,
)
from goodput_exporter.sources.nvml.wire import (
    Answered,
    Counted,
    Failed,
    Message,
    Orders,
    Partitioned,
    Watching,
)


class Device:
    """
    One GPU by its NVML index; remembers who it is and what it does not support.

    Args:
        index: NVML's index.
        now_ns: CLOCK_MONOTONIC, in nanoseconds.
        orders: Which of the dear calls to make.
        send: Takes what happens between two samples.
        nvml: The binding.
    """

    def __init__(
        self,
        index: int,
        now_ns: Callable[[], int],
        orders: Orders,
        send: Callable[[Message], None],
        nvml: ModuleType = pynvml,
    ) -> None:
        self.index = index
        self._now_ns = now_ns
        self._orders = orders
        self._send = send
        self._nvml = nvml
        self._is_known = False
        self._uuid: str | None = None
        self._name = ""
        self._layout: object = (None, frozenset())
        self._unsupported: set[str] = set()
        self._fields = Fields(nvml)
        self._activity = Activity(nvml)
        self._readings = self._asked_for()
        self._watch: Watch | None = None
        self._is_watchable = orders.events
        self.is_changed = False
        """Something says that it is not as it was when it was inspected."""

    def forget(self) -> None:
        """Ask who it is anew next time: indices move when a GPU goes."""
        self._is_known = False
        self.is_changed = True
        self._activity.forget()
        self._unwatch()

    def read(self) -> Answered | Failed:
        """
        Return one sample, or why there is none.

        A field that fails alone is None. The device has failed when NVML says
        so of the whole device, or when no field at all was answered.

        Raises:
            DriverGoneError: NVML itself is down.
        """
        began_ns = self._now_ns()
        try:
            handle = self._nvml.nvmlDeviceGetHandleByIndex(self.index)
            if not self._is_known:
                self._identify(handle)
            answered = self._sample(handle, began_ns)
            self._keep_watch(handle)
        except self._nvml.NVMLError as exc:
            self.forget()
            if exc.value in NVML_IS_DOWN:
                raise DriverGoneError(exc.value, describe(exc)) from exc
            return Failed(
                self.index, self._now_ns(), self._uuid, exc.value, describe(exc)
            )
        return answered

    def inspect(self) -> Iterator[Counted | Partitioned]:
        """
        Yield what changes rarely: errors and wear, and the MIG layout.

        A new layout may support what the old one did not, so that everything is
        probed anew. Errors of the device end it: the next sample tells them.
        """
        self.is_changed = False
        try:
            handle = self._nvml.nvmlDeviceGetHandleByIndex(self.index)
            uuid = self._uuid or ""
            layout = partition(self._nvml, self.index, uuid, handle, self._now_ns)
            if layout is not None:
                self._compare(layout)
                yield layout
            yield self._fields.read(self.index, uuid, handle, self._now_ns)
        except self._nvml.NVMLError as exc:
            if exc.value in UNSUPPORTED:  # no numbered fields at all, or no MIG calls
                yield Counted(self.index, self._now_ns(), self._uuid or "")

    def _compare(self, layout: Partitioned) -> None:
        seen = (layout.slices, frozenset(one.uuid for one in layout.instances))
        if seen != self._layout:
            self._layout = seen
            self._probe_anew()

    def _probe_anew(self) -> None:
        self._unsupported.clear()
        self._fields.forget()
        self._activity.forget()

    def _identify(self, handle: object) -> None:
        uuid = self._nvml.nvmlDeviceGetUUID(handle)
        if uuid != self._uuid:
            self._probe_anew()
            self._is_watchable = self._orders.events
        self._uuid = uuid
        self._name = self._nvml.nvmlDeviceGetName(handle)
        self._is_known = True

    def _keep_watch(self, handle: object) -> None:
        """Listen for XIDs; again after the driver, or the GPU, was away."""
        if self._watch is not None and self._watch.is_alive:
            return
        if not self._is_watchable or self._uuid is None:
            return
        watch = Watch(
            self.index,
            self._uuid,
            send=self._send,
            changed=self._suspect,
            now_ns=self._now_ns,
            nvml=self._nvml,
        )
        try:
            watch.register(handle)
        except self._nvml.NVMLError as exc:
            if exc.value in DEVICE_IS_DOWN | NVML_IS_DOWN:
                raise
            self._is_watchable = False
            lost = Watching(self.index, self._uuid, is_on=False, detail=describe(exc))
            self._send(lost)
        self._watch = watch

    def _suspect(self) -> None:
        self.is_changed = True

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.stop()
            self._watch = None
        self._is_watchable = self._orders.events

    def _sample(self, handle: object, began_ns: int) -> Answered:
        values: dict[str, object] = {}
        refused: list[str] = []
        refusal: Exception | None = None
        for reading in self._readings:
            fields = reading.fields
            if not self._unsupported.isdisjoint(fields):
                continue
            try:
                told = reading.call(self._nvml, handle)
            except self._nvml.NVMLError as exc:
                refusal = self._refuse(fields, exc) or refusal
                continue
            if reading.takes(told):
                values.update(zip(fields, told, strict=True))
            else:
                refused.extend(fields)
        if refusal is not None and not values:
            raise refusal
        return Answered(
            index=self.index,
            mono_ns=(now_ns := self._now_ns()),
            uuid=self._uuid or "",
            name=self._name,
            unsupported=tuple(sorted(self._unsupported)),
            refused=tuple(refused),
            took_ns=now_ns - began_ns,
            **values,  # type: ignore[arg-type]  # keyed and typed by READINGS
        )

    def _refuse(self, fields: Iterable[str], error: Exception) -> Exception | None:
        """
        Return the error of a field that may come back; remember one that will not.

        Raises:
            NVMLError: The device as a whole, or the driver, is down.
        """
        code = getattr(error, "value", None)
        if code in DEVICE_IS_DOWN | NVML_IS_DOWN:
            raise error
        if code not in UNSUPPORTED:
            return error
        self._unsupported.update(fields)
        self.is_changed = True  # MIG takes fields away
        return None

    def _asked_for(self) -> tuple[Reading, ...]:
        """Return the calls of every sample: the usual ones, and those opted in."""
        readings = list(READINGS)
        if self._orders.pcie:
            readings.append(PCIE)
        if self._orders.gpm:
            readings.append(
                Reading(
                    ACTIVITY, lambda _, handle: self._activity.read(handle), up_to(1.0)
                )
            )
        if self._orders.processes:
            readings.append(PROCESSES)
        return tuple(readings)
