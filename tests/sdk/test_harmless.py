"""Whatever fails inside the SDK, the training loop does not notice."""

from __future__ import annotations

import ast
import importlib
import inspect
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import goodput_sdk
from goodput_sdk import Heartbeat, _guard
from goodput_sdk._process import Options, build
from goodput_sdk._reporter import Reporter
from tests.sdk.rig import Rig

PACKAGE = Path(goodput_sdk.__file__).parent
MODULES = [
    importlib.import_module(f"goodput_sdk.{path.stem}")
    for path in sorted(PACKAGE.glob("_[a-z]*.py"))
]
PUBLIC = [name for name in vars(Heartbeat) if not name.startswith("_")]

# The surface that the loop calls is what must hold; the guard is what holds it;
# a section that does nothing is the last thing left to return.
SURFACE = {"_guard", "_heartbeat"}


def internals() -> Iterator[tuple[object, str]]:
    """Name every function of ours that is not the public surface itself."""
    for module in MODULES:
        if module.__name__.rpartition(".")[2] in SURFACE:
            continue
        for owner in (module, *classes_of(module)):
            for name, member in list(vars(owner).items()):
                ours = getattr(member, "__module__", None) == module.__name__
                if (
                    isinstance(member, FunctionType)
                    and ours
                    and not is_public(owner, name)
                ):
                    yield owner, name


def classes_of(module: ModuleType) -> list[type]:
    """Return the classes that a module defines."""
    return [
        member
        for member in vars(module).values()
        if inspect.isclass(member) and member.__module__ == module.__name__
    ]


def is_public(owner: object, name: str) -> bool:
    """Tell whether the training loop calls this itself."""
    section_words = {"__enter__", "__exit__", "skip", "committed_when", "__iter__"}
    return (owner is Reporter and name in PUBLIC) or name in section_words


@contextmanager
def broken(owner: object, name: str) -> Iterator[None]:
    """Make one internal function fail: the fault itself is what is tested."""

    def fail(*_: object, **__: object) -> object:
        msg = f"injected into {name}"
        raise RuntimeError(msg)

    whole = vars(owner)[name] if not isinstance(owner, type) else owner.__dict__[name]
    setattr(owner, name, fail)
    try:
        yield
    finally:
        setattr(owner, name, whole)


def train(hb: Heartbeat) -> list[int]:
    """Run a loop that uses everything, and return what it learnt."""
    weights = [0]
    hb.model(params=1e9, dtype="bf16", parallelism={"tp": 1})
    hb.restored(0)
    for step in hb.data([1, 2, 3]):
        with hb.step(step, tokens=5) as section:
            weights.append(weights[-1] * 31 + step)
            section.skip()
        with hb.checkpoint(step, async_=True) as block:
            weights.append(weights[-1] + 1)
        block.committed_when(object())
        with hb.checkpoint(step), hb.phase("rollout"):
            hb.saved(step)
            hb.durable(step)
    hb.enter("train_step")
    hb.step_end(4, tokens=1, skipped=False)
    hb.reinit()
    hb.close()
    return weights


TRAINED = train(Heartbeat())


@pytest.mark.parametrize(
    ("owner", "name"), [pytest.param(*i, id=f"{i[0]!r}.{i[1]}") for i in internals()]
)
def test_a_fault_anywhere_inside_changes_no_result(owner: object, name: str) -> None:
    """Same weights, no exception, whichever of our functions raises."""
    rig = Rig()
    with broken(owner, name):
        weights = train(rig.hb)

    assert weights == TRAINED


@pytest.mark.parametrize(
    "name", sorted({name for owner, name in internals() if owner in MODULES})
)
def test_a_fault_while_starting_gives_a_heartbeat_that_works(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The program trains on, reported or not."""
    owner = next(owner for owner, other in internals() if other == name)
    monkeypatch.setenv("GOODPUT_ADDR", f"unix://{tmp_path}/none.sock")
    with broken(owner, name):
        weights = train(goodput_sdk.init(run_id="a"))

    assert weights == TRAINED


def test_the_first_error_is_logged_and_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A job's log is not ours to fill."""
    rig = Rig()
    _guard.SWALLOWED.count = 0
    with caplog.at_level(logging.DEBUG, "goodput_sdk"), broken(Reporter, "_number"):
        for _ in range(5):
            rig.hb.enter("eval")

    assert _guard.SWALLOWED.count == 5
    assert caplog.text.count("goodput-sdk failed") == 1
    assert "injected into _number" in caplog.text


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"GOODPUT_ADDR": ""},
        {"GOODPUT_ADDR": "udp://127.0.0.1:9", "GOODPUT_DISABLE": "1"},
        {"GOODPUT_ADDR": "agent:9099"},
    ],
)
def test_without_an_agent_to_speak_to_there_is_only_silence(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same image runs anywhere."""
    for name in ("GOODPUT_ADDR", "GOODPUT_DISABLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    hb = goodput_sdk.init()

    assert type(hb) is Heartbeat
    assert train(hb) == TRAINED


def test_a_wrong_address_is_told_with_what_to_write_instead(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Silence by mistake would be found only when someone misses the numbers."""
    with caplog.at_level(logging.WARNING, "goodput_sdk"):
        assert build(Options(version="1"), {"GOODPUT_ADDR": "agent:9099"}) is None

    assert "use unix:///run/goodput/agent.sock or udp://HOST:9099" in caplog.text


@pytest.mark.parametrize("name", PUBLIC)
def test_both_heartbeats_are_called_alike(name: str) -> None:
    """A call that works where nothing is reported works where it is."""
    idle, live = getattr(Heartbeat, name), getattr(Reporter, name)

    assert inspect.signature(idle) == inspect.signature(live)


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda p: p.name)
def test_every_file_can_be_read_by_python_3_9(path: Path) -> None:
    """Training images are older than anyone would like."""
    ast.parse(path.read_text(), feature_version=(3, 9))


def test_a_loader_keeps_its_length_and_its_own_errors() -> None:
    """A progress bar asks for len(); the loader's exceptions are the program's."""
    rig = Rig()

    def bad() -> Iterator[int]:
        yield 1
        raise KeyError("shard")  # noqa: EM101  # the loader's own

    loader = rig.hb.data([1, 2, 3])
    assert len(loader) == 3  # type: ignore[arg-type]  # it has one if the loader has
    assert list(loader) == list(loader) == [1, 2, 3]
    with pytest.raises(KeyError, match="shard"):
        list(rig.hb.data(bad()))
    assert rig.beat()["ph"] == "init"
