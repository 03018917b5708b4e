"""
Any number of objects out of the few that a real API server wrote.

``tests.cluster.capturing`` captured them. Only what makes an object itself is put in
its place: names, uids, versions, dates, and how many GPUs it asks for or offers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[1] / "fixtures/kubernetes"
GPUS: Final = '"nvidia.com/gpu":"%s"'
INDEX: Final = 'job-completion-index":"%s"'
VERSION: Final = '"resourceVersion":"%s"'
HEAD: Final = b'{"kind":"%s","apiVersion":"v1",'
CREW: Final = 4
"""Pods of a job, as captured."""


class Template:
    """
    One object's bytes, with places for what differs from object to object.

    Args:
        text: The object as the server wrote it.
        slots: What stands in a place now, to the place's name.
    """

    def __init__(self, text: bytes, slots: Mapping[str, str]) -> None:
        # A longer word first: a pod's name begins with its job's.
        words = sorted(slots, key=len, reverse=True)
        either = "|".join(re.escape(word) for word in words).encode()
        self._pieces = re.split(b"(" + either + b")", text)
        self._slots = [
            (at, slots[piece.decode()])
            for at, piece in enumerate(self._pieces)
            if at % 2
        ]

    def filled(self, **values: str) -> bytes:
        """Return an object of its own."""
        pieces = self._pieces.copy()
        for at, name in self._slots:
            pieces[at] = values[name].encode()
        return b"".join(pieces)


def watched(name: str) -> bytes:
    """Return the object of a captured line of a watch, as lists have it."""
    line = (FOLDER / name).read_bytes()
    found = line[line.index(b'"object":') + len(b'"object":') :].rstrip()[:-1]
    # Lists say the kind of their objects once, watches of each.
    return found.replace(HEAD % b"Pod", b"{", 1)


def listed(name: str) -> bytes:
    """Return the first object of a captured list."""
    body = (FOLDER / name).read_bytes()
    return body[body.index(b'"items":[') + len(b'"items":[') :].rstrip()[:-2]


def template(text: bytes, **more: str) -> Template:
    """Return an object with places for its name, uid, version and dates."""
    found: dict[str, Any] = json.loads(text)
    meta = found["metadata"]
    dates = sorted(set(re.findall(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text.decode())))
    return Template(
        text,
        dict.fromkeys(dates, "made")
        | {dates[-1]: "changed", meta["creationTimestamp"]: "made"}
        | {meta["name"]: "name", meta["uid"]: "uid"}
        | {VERSION % meta["resourceVersion"]: "version"}
        | {word: name for name, word in more.items()},
    )


def trainer(name: str) -> Template:
    """Return a pod of a job."""
    text = watched(name)
    found = json.loads(text)
    [owner] = found["metadata"]["ownerReferences"]
    return template(
        text,
        job=owner["name"],
        job_uid=owner["uid"],
        node=found["spec"]["nodeName"],
        gpus=GPUS % 2,
        index=INDEX % 0,
    )


def uid(kind: str, number: int) -> str:
    """Return the uid of the number-th object of a kind; ``kind`` is four hex digits."""
    return f"{number:08}-{kind}-4000-8000-000000000000"


def date(at_s: float) -> str:
    """Return an instant as the API server writes it."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Captured:
    """
    Objects of a large cluster by their numbers.

    Args:
        now_s: Everything was made a minute before it.
    """

    def __init__(self, now_s: float) -> None:
        self._made = date(now_s - 60)
        self._pods = {
            how: trainer(f"pod-{how}.jsonl") for how in ("begins", "runs", "unready")
        }
        self._servers = {
            how: template(watched(f"server-{how}.jsonl")) for how in ("runs", "unready")
        }
        self._job = template(listed("jobs.json"), gpus=GPUS % 2)
        self._event = template(listed("events.json"))
        text = listed("nodes.json")
        offers = text.index(b'"allocatable":{')
        word = (GPUS % 8).encode()
        offered = GPUS % "offered"
        offering = text[offers:].replace(word, offered.encode(), 1)
        [beat] = set(re.findall(r'"lastHeartbeatTime":"[^"]+"', text.decode()))
        self._node = template(text[:offers] + offering, offered=offered, beat=beat)

    def trainer(  # noqa: PLR0913 - what makes a pod itself
        self, how: str, number: int, version: int, *, node: str, gpus: int, at: str = ""
    ) -> bytes:
        """Return a pod of a job of four; *how* it is: begins, runs or unready."""
        job, index = divmod(number, CREW)
        return self._pods[how].filled(
            name=f"{job_name(job)}-{index}-abcde",
            uid=uid("a000", number),
            version=VERSION % version,
            made=self._made,
            changed=at or self._made,
            job=job_name(job),
            job_uid=job_uid(job),
            node=node,
            gpus=GPUS % gpus,
            index=INDEX % index,
        )

    def server(self, how: str, number: int, version: int, at: str = "") -> bytes:
        """Return a pod without GPUs; *how* it is: runs or unready."""
        named = self._named(f"web-{number:07}-747ccb49cd-fts4b", "c000", number)
        return self._servers[how].filled(
            **named, version=VERSION % version, changed=at or self._made
        )

    def job(self, number: int, version: int, gpus: int) -> bytes:
        """Return a job of four pods."""
        return self._job.filled(
            **self._named(job_name(number), "b000", number),
            version=VERSION % version,
            changed=self._made,
            gpus=GPUS % gpus,
        )

    def node(self, number: int, version: int, offered: int = 8, at: str = "") -> bytes:
        """Return a node of eight GPUs, of which it offers some."""
        return self._node.filled(
            **self._named(node_name(number), "d000", number),
            version=VERSION % version,
            changed=self._made,
            beat=f'"lastHeartbeatTime":"{at or self._made}"',
            offered=GPUS % offered,
        )

    def event(self, number: int, version: int) -> bytes:
        """Return an event of the kind that explains nothing."""
        return self._event.filled(
            **self._named(f"node.{number:016x}", "e000", number),
            version=VERSION % version,
            changed=self._made,
        )

    def _named(self, name: str, kind: str, number: int) -> dict[str, str]:
        return {"name": name, "uid": uid(kind, number), "made": self._made}


def job_uid(number: int) -> str:
    """Return the uid of a job."""
    return uid("b000", number)


def job_name(number: int) -> str:
    """Return the name of a job."""
    return f"train-{number:07}"


def node_name(number: int) -> str:
    """Return the name of a node."""
    return f"gpu-node-{number:07}"
