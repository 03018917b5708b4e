"""
The process that holds NVML, so that a driver that hangs or crashes costs only it.

One thread per GPU, so that a call that never returns delays no other GPU; one
thread that counts GPUs; and the main thread, which makes no NVML call and ends the
process when the parent is gone, however many threads are stuck.

Its arguments: the seconds between two samples of one GPU, then any number of
``INDEX:SECONDS``, which leave one GPU alone for its first seconds.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping

import pynvml

from goodput_exporter.sources.nvml_device import Device, DriverGoneError, describe
from goodput_exporter.sources.nvml_wire import (
    Began,
    Listed,
    Message,
    Unavailable,
    encode,
)


class Child:
    """
    The threads of the child and the pipe they report through.

    Args:
        out_fd: The parent reads it. Each message is one write under PIPE_BUF,
            so threads need no lock, which a stuck one would keep.
        interval_seconds: Time between two samples of one GPU.
        delays: Seconds to leave a GPU alone at first, by index.
    """

    def __init__(
        self, out_fd: int, interval_seconds: float, delays: Mapping[int, float]
    ) -> None:
        self._out_fd = out_fd
        self._interval_seconds = interval_seconds
        self._delays = delays
        self._never = threading.Event()  # waited on with a timeout: pacing, no signal
        self._count = -1
        self._reading: set[int] = set()
        self._generation = 0

    def count_gpus(self) -> None:
        """Bring NVML up, then follow the number of GPUs that it lists."""
        try:
            pynvml.nvmlInit()
            driver = pynvml.nvmlSystemGetDriverVersion()
            while True:
                self._follow(driver, pynvml.nvmlDeviceGetCount())
                self._never.wait(self._interval_seconds)
        except pynvml.NVMLError as exc:
            self._end(Unavailable(exc.value, describe(exc)))

    def _follow(self, driver: str, count: int) -> None:
        if count != self._count:
            self._count = count
            self._generation += 1
            self.send(Listed(driver, count))
        for index in range(count):
            if index not in self._reading:
                self._reading.add(index)
                reader = threading.Thread(target=self._read, args=(index,), daemon=True)
                reader.start()

    def _read(self, index: int) -> None:
        # Spread over the interval: GPUs rarely overlap, and a crash names one of them.
        self._never.wait(self._delays.get(index, 0.0) + 0.005 * index)
        device = Device(index, time.monotonic_ns)
        generation = self._generation
        try:
            while index < self._count:
                if generation != self._generation:
                    generation = self._generation
                    device.forget()
                began_ns = time.monotonic_ns()
                self.send(Began(index, began_ns))
                told = device.read()
                if generation != self._generation:
                    continue  # it may be another GPU's index by now: ask again
                self.send(told)
                spent_seconds = (time.monotonic_ns() - began_ns) / 1e9
                self._never.wait(max(0.0, self._interval_seconds - spent_seconds))
        except DriverGoneError as exc:
            self._end(Unavailable(exc.code, exc.detail))
        finally:
            self._reading.discard(index)

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
    delays = {int(i): float(s) for i, _, s in (a.partition(":") for a in arguments[1:])}
    child = Child(out_fd, float(arguments[0]), delays)
    threading.Thread(target=child.count_gpus, daemon=True).start()
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
