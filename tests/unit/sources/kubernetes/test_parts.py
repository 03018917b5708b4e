"""The reflector's parts by themselves: lists, lines, pauses, the way in."""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.errors import ConfigError
from goodput_exporter.sources.kubernetes import access
from goodput_exporter.sources.kubernetes.backoff import Backoff
from goodput_exporter.sources.kubernetes.changes import Change, ChangeQueue, Verb
from goodput_exporter.sources.kubernetes.client import ApiServer
from goodput_exporter.sources.kubernetes.decoding import Page
from goodput_exporter.sources.kubernetes.listing import pages
from goodput_exporter.sources.kubernetes.pod_objects import Pod
from goodput_exporter.sources.kubernetes.troubles import (
    ApiError,
    Status,
    Trouble,
    error_of,
    trouble_of_code,
)
from goodput_exporter.sources.kubernetes.verdicts import VERDICTS
from goodput_exporter.sources.kubernetes.waits import Waits
from goodput_exporter.sources.kubernetes.watching import lines
from tests.fakes.kube_objects import PODS as AT_PODS
from tests.fakes.kube_objects import pod
from tests.fakes.kube_server import KubeServer, nothing, refuse

WAITS = Waits()
REAL_BOOKMARK_S = 60


def dice() -> random.Random:
    """Return the same chances every time."""
    return random.Random(5)  # noqa: S311 - a story's dice


def test_the_limits_of_the_product_fit_each_other() -> None:
    """Two bookmarks late is dead; after a cut the world is known within 30 s."""
    assert REAL_BOOKMARK_S < WAITS.silence_s < 2 * REAL_BOOKMARK_S
    assert WAITS.pause_most_s + WAITS.connect_s <= 30
    assert WAITS.silence_s < WAITS.watch_least_s < WAITS.watch_most_s


@given(st.lists(st.binary(max_size=8)), st.data())
def test_lines_are_the_same_however_the_network_cuts_them(
    texts: list[bytes], data: st.DataObject
) -> None:
    """Chunks may end within a line, and several lines may come in one."""
    texts = [text.replace(b"\n", b"-") for text in texts]
    sent = b"".join(text + b"\n" for text in texts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=5)))
    edges = [0, *cuts, len(sent)]
    pieces = [sent[a:b] for a, b in pairwise(edges)]

    read = [line.removesuffix(b"\n") for line in lines(pieces, "watch")]

    assert read == [text for text in texts if text]


def test_a_last_line_without_an_end_is_a_broken_stream() -> None:
    """What came before it counts."""
    read = lines([b"one\ntw"], "watch")

    assert next(read).strip() == b"one"
    with pytest.raises(ApiError) as broken:
        next(read)
    assert broken.value.trouble is Trouble.BROKEN


def test_a_line_without_an_end_in_sight_is_given_up() -> None:
    """Memory is bounded, whatever the other side sends."""
    endless = (b"x" * 2**20 for _ in range(1000))

    with pytest.raises(ApiError) as garbled:
        next(lines(endless, "watch"))
    assert garbled.value.trouble is Trouble.GARBLED


def test_pauses_double_up_to_a_bound_and_differ() -> None:
    """A thousand clients that lost one server do not return in one instant."""
    backoff = Backoff(WAITS, dice())

    pauses = [backoff.pause_s() for _ in range(40)]

    for count, pause_s in enumerate(pauses):
        longest = min(0.5 * 2**count, 20)
        assert longest / 2 <= pause_s <= longest
    assert len(set(pauses[6:])) == len(pauses[6:])
    backoff.reset()
    assert backoff.pause_s() <= 0.5


@pytest.mark.parametrize(("asked_s", "least_s", "most_s"), [
    (7.0, 7.0, 8.75), (0.0, 0.25, 0.5), (-5.0, 0.25, 0.5), (1e9, 300, 375),
])  # fmt: skip
def test_a_server_that_asks_for_a_pause_gets_at_least_that(
    asked_s: float, least_s: float, most_s: float
) -> None:
    """Within reason: nobody turns us off for a year."""
    pause_s = Backoff(WAITS, dice()).pause_s(asked_s)

    assert least_s <= pause_s <= most_s


def test_every_trouble_has_a_verdict() -> None:
    """The table is complete."""
    assert set(VERDICTS) == set(Trouble)


@given(st.integers(400, 599))
def test_every_refusal_is_some_trouble(code: int) -> None:
    """And success is none."""
    assert trouble_of_code(code) is not None
    assert trouble_of_code(200) is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(anything, anything, anything, anything)
def test_any_status_is_some_trouble(
    code: object, reason: object, message: object, details: object
) -> None:
    """Whatever its fields are."""
    found = error_of(Status(code, reason, message, details), "GET /")

    assert found.trouble in Trouble
    assert "GET /" in str(found)


def test_a_status_says_how_long_to_stay_away() -> None:
    """In its details, where a watch has no headers any more."""
    status = Status(429, "TooManyRequests", "", {"retryAfterSeconds": 3})

    assert error_of(status, "watch").retry_after_s == 3
    assert (
        error_of(Status(429, details={"retryAfterSeconds": True}), "").retry_after_s
        is None
    )


def test_a_list_that_goes_in_a_circle_is_given_up() -> None:
    """A token that leads to itself would never end."""
    page: Page[Pod] = Page("7", "again", ())

    with pytest.raises(ApiError) as garbled:
        list(pages(lambda _query: page, ""))
    assert garbled.value.trouble is Trouble.GARBLED


def test_a_list_begins_anew_once_and_no_older_than_what_is_known() -> None:
    """The cache may be behind; what was deleted must not come back."""
    asked: list[Mapping[str, str | int]] = []

    def ask(query: Mapping[str, str | int]) -> Page[Pod]:
        asked.append(query)
        if "continue" in query:
            raise ApiError(Trouble.GONE, "expired")
        return Page("7", "more", ())

    with pytest.raises(ApiError):
        list(pages(ask, "55"))
    assert [query.get("resourceVersion") for query in asked] == [None, None, "55", None]
    assert asked[2]["resourceVersionMatch"] == "NotOlderThan"


def test_a_queue_gives_what_it_got_in_order_and_in_batches() -> None:
    """And nothing more once it is closed."""
    queue = ChangeQueue(bound=10)
    changes = [Change("Pod", Verb.ADDED, Pod(), at_ns) for at_ns in range(5)]
    queue.put(changes)

    assert queue.drain(2) == changes[:2]
    assert queue.wait(0)
    assert queue.drain() == changes[2:]
    assert not queue.wait(0)
    queue.close()
    assert not queue.put(changes)
    assert len(queue) == 0


def test_a_pod_finds_the_server_and_its_token(tmp_path: Path) -> None:
    """The token is what the file holds at the request, not at the start."""
    token, ca = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("one")
    ca.write_text("certificate")
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}

    opened = access.in_cluster(str(token), str(ca), environ)
    first = access.headers_of(opened)
    token.write_text("two")

    assert opened.host == "https://[fd00::1]:443"
    assert opened.ssl_ca_cert == str(ca)
    assert first == {"authorization": "bearer one"}
    assert access.headers_of(opened) == {"authorization": "bearer two"}
    assert access.find(environ) is access.in_cluster
    assert access.find({}) is not access.in_cluster


def test_a_pod_without_a_token_is_told_where_it_should_be(tmp_path: Path) -> None:
    """``automountServiceAccountToken: false`` is easily forgotten."""
    environ = {"KUBERNETES_SERVICE_HOST": "h", "KUBERNETES_SERVICE_PORT": "443"}

    with pytest.raises(ConfigError, match=r"mounted at .*token"):
        access.in_cluster(str(tmp_path / "token"), str(tmp_path / "ca"), environ)
    with pytest.raises(ConfigError, match="no token"):
        access.explicit("http://h", tmp_path / "token")()
    with pytest.raises(ConfigError, match="KUBECONFIG"):
        access.kubeconfig(tmp_path / "config")()


def test_a_kubeconfig_says_where_and_who(tmp_path: Path) -> None:
    """As kubectl reads it."""
    path = tmp_path / "config"
    path.write_text("""
apiVersion: v1
kind: Config
current-context: here
clusters: [{name: c, cluster: {server: "https://10.0.0.1:6443"}}]
users: [{name: u, user: {token: secret}}]
contexts: [{name: here, context: {cluster: c, user: u}}]
""")

    opened = access.kubeconfig(path)()

    assert opened.host == "https://10.0.0.1:6443"
    assert access.headers_of(opened) == {"authorization": "Bearer secret"}


def test_a_refusal_names_the_request_and_the_server_s_words() -> None:
    """So that whoever reads the log knows which right is missing."""
    server = KubeServer()
    server.install(AT_PODS, "Pod")
    server.put(AT_PODS, pod("a"))
    server.next("list", refuse(403, "Forbidden", retry_after="2"), nothing)
    with server.serving():
        api = ApiServer(access.explicit(server.url), Waits(answer_s=0.1))
        with pytest.raises(ApiError, match=r"GET /api/v1/pods.*403.*Forbidden") as no:
            api.fetch(AT_PODS, {})
        with pytest.raises(ApiError) as silent:
            api.fetch(AT_PODS, {})

        assert no.value.trouble is Trouble.FORBIDDEN
        assert no.value.retry_after_s == 2
        assert silent.value.trouble is Trouble.SILENT
        assert b"PodList" in api.fetch(AT_PODS, {})


def test_a_server_that_is_nowhere_is_unreachable() -> None:
    """Nobody listens there."""
    api = ApiServer(access.explicit("http://127.0.0.1:1"), Waits(connect_s=0.5))

    with pytest.raises(ApiError) as unreachable:
        api.fetch(AT_PODS, {})
    assert unreachable.value.trouble is Trouble.UNREACHABLE
