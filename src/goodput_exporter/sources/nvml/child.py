"""
The process that holds NVML, so that a driver that hangs or crashes costs only it.

One thread per GPU, so that a call that never returns delays no other GPU, and one
that waits for its XIDs; one thread that counts GPUs; and the main thread, which
makes no NVML call and ends the process when the parent is gone, however many
threads are stuck.

Its argument is ``Orders`` as JSON.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time

import msgspec
import pynvml

from goodput_exporter.sources.nvml.device import Device
from goodput_exporter.sources.nvml.errors import STALE, DriverGoneError, describe
from goodput_exporter.sources.nvml.wire import (
    DETAIL_CHARS,
    Answered,
    Began,
    Failed,
    Listed,
    Message,
    Orders,
    Rested,
    Unavailable,
    encode,
)

NS_PER_SECOND = 1_000_000_000


class Child:
    """
    The threads of the child and the pipe they report through.

    Args:
        out_fd: The parent reads it. Each message is one write under PIPE_BUF,
            so threads need no lock, which a stuck one would keep.
        orders: What to read, and how often.
    """

    def __init__(self, out_fd: int, orders: Orders) -> None:
        self._out_fd = out_fd
        self._orders = orders
        self._never = threading.Event()  # waited on with a timeout: pacing, no signal
        self._count = -1
        self._reading: set[int] = set()
        self._generation = 0

    def count_gpus(self) -> None:
        """Bring NVML up, then follow the number of GPUs that it lists."""
        try:
            self._load()
            pynvml.nvmlInit()
            driver = pynvml.nvmlSystemGetDriverVersion()
            library = pynvml.nvmlSystemGetNVMLVersion()
            while True:
                self._follow(driver, pynvml.nvmlDeviceGetCount(), library)
                self._never.wait(self._orders.interval_seconds)
        except pynvml.NVMLError as exc:
            self._end(Unavailable(exc.value, describe(exc)))

    def _load(self) -> None:
        """
        Load the library that the parent found.

        By its path, and not by LD_LIBRARY_PATH: a driver's root holds a C library
        too, which is not ours. The binding asks for it by the name that the
        library carries in itself (DT_SONAME), so the loader hands it this one.
        """
        path = self._orders.library
        if path is None:
            return
        try:
            ctypes.CDLL(path)
        except OSError as exc:
            detail = f"{path} cannot be loaded ({exc})"[:DETAIL_CHARS]
            self._end(Unavailable(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, detail))

    def _follow(self, driver: str, count: int, library: str) -> None:
        if count != self._count:
            self._count = count
            self._generation += 1
            self.send(Listed(driver, count, library))
        for index in range(count):
            if index not in self._reading:
                self._reading.add(index)
                reader = threading.Thread(target=self._read, args=(index,), daemon=True)
                reader.start()

    def _read(self, index: int) -> None:
        # Spread over the interval: GPUs rarely overlap, and a crash names one of them.
        self._never.wait(self._orders.delays.get(index, 0.0) + 0.005 * index)
        device = Device(index, time.monotonic_ns, self._orders, self.send)
        generation, inspected_ns = self._generation, None
        try:
            while index < self._count:
                if generation != self._generation:
                    generation, inspected_ns = self._generation, None
                    device.forget()
                began_ns = time.monotonic_ns()
                self.send(Began(index, began_ns))
                told = device.read()
                if generation != self._generation:
                    continue  # it may be another GPU's index by now: ask again
                if isinstance(told, Failed) and self._is_past_the_end(told):
                    self.send(Rested(index))
                    self._never.wait(self._orders.interval_seconds)
                    continue
                self.send(told)
                is_answer = isinstance(told, Answered)
                is_due = device.is_changed or self._is_due(inspected_ns, began_ns)
                if is_answer and is_due:
                    inspected_ns = began_ns
                    self._inspect(device)
                spent_seconds = (time.monotonic_ns() - began_ns) / NS_PER_SECOND
                self._never.wait(
                    max(0.0, self._orders.interval_seconds - spent_seconds)
                )
        except DriverGoneError as exc:
            self._end(Unavailable(exc.code, exc.detail))
        finally:
            device.forget()
            self._reading.discard(index)

    @staticmethod
    def _is_past_the_end(failed: Failed) -> bool:
        """
        Return whether an index is invalid because there are fewer GPUs by now.

        The GPU that was at the last index has moved up then: it is not the one
        that went, and the thread that counts will soon say how many are left.
        """
        if failed.code not in STALE:
            return False
        try:
            return failed.index >= int(pynvml.nvmlDeviceGetCount())
        except pynvml.NVMLError:
            return False

    def _is_due(self, inspected_ns: int | None, now_ns: int) -> bool:
        period_ns = self._orders.health_seconds * NS_PER_SECOND
        return inspected_ns is None or now_ns - inspected_ns >= period_ns

    def _inspect(self, device: Device) -> None:
        """Read what changes rarely, under a deadline of its own."""
        self.send(Began(device.index, time.monotonic_ns()))
        for told in device.inspect():
            self.send(told)
        self.send(Rested(device.index))

    def send(self, message: Message) -> None:
        """Write one message; a parent that is gone ends this process."""
        try:
            os.write(self._out_fd, encode(message))
        except OSError:
            os._exit(0)

    def _end(self, message: Unavailable) -> None:
        self.send(message)
        # Not sys.exit: a thread stuck in the driver would keep the process alive.
        os._exit(0)


def main(arguments: list[str]) -> None:
    """Serve until the parent closes our standard input."""
    out_fd = os.dup(1)
    os.dup2(2, 1)  # what the driver prints goes to stderr, never between messages
    child = Child(out_fd, msgspec.json.decode(arguments[0], type=Orders))
    threading.Thread(target=child.count_gpus, daemon=True).start()
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
