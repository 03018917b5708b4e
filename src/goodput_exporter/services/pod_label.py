"""The label on the leader's pod: Services select it, so pushes find the leader."""

from __future__ import annotations

import logging
import threading
from typing import Final

from goodput_exporter.errors import SourceUnavailableError
from goodput_exporter.services.sharding import Shard
from goodput_exporter.sources.kubernetes.client import ApiServer
from goodput_exporter.sources.kubernetes.reviews import label_pod

LABEL: Final = "goodput-exporter/leader"
"""The shard that the pod leads, such as ``"0"``; not there on other pods."""
TRY_AGAIN_S: Final = 5.0

_log = logging.getLogger(__name__)


class PodLabel(threading.Thread):
    """
    Keeps our own pod's label as it should be; a label of an earlier life goes.

    Args:
        server: Whom to ask.
        namespace: Our own.
        pod: Our own; None labels nothing.
        shard: Which one is led.
    """

    def __init__(
        self, server: ApiServer, namespace: str, pod: str | None, shard: Shard
    ) -> None:
        super().__init__(name="pod-label", daemon=True)
        self._server = server
        self._namespace, self._pod = namespace, pod
        self._value = str(shard.index)
        self._turn = threading.Condition()
        self._wanted: str | None = None
        self._is_set = False
        self._is_over = False

    def want(self, *, is_leader: bool) -> None:
        """Say what holds from now on."""
        with self._turn:
            self._wanted = self._value if is_leader else None
            self._is_set = False
            self._turn.notify_all()

    def run(self) -> None:
        """Set what is wanted, again and again until it is so."""
        if self._pod is None:
            return
        is_said = False
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._is_over or not self._is_set)
                if self._is_over:
                    return
                wanted = self._wanted
            try:
                label_pod(self._server, self._namespace, self._pod, {LABEL: wanted})
            except SourceUnavailableError as exc:
                if not is_said:
                    _log.warning("our own pod cannot be labelled: %s", exc)
                is_said = True
                with self._turn:
                    self._turn.wait_for(lambda: self._is_over, TRY_AGAIN_S)
                continue
            is_said = False
            with self._turn:
                self._is_set = self._wanted == wanted

    def stop(self) -> None:
        """Take the label away, so that nobody pushes to a replica that is going."""
        with self._turn:
            self._is_over = True
            self._turn.notify_all()
        if self._pod is None or self._wanted is None:
            return
        try:
            label_pod(self._server, self._namespace, self._pod, {LABEL: None})
        except SourceUnavailableError as exc:
            _log.warning("our own pod keeps its label for now: %s", exc)
