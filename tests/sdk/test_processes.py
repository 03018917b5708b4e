"""How real programs begin, fork and end, as an agent on the node sees it."""

from __future__ import annotations

import socket

import pytest

from tests.sdk.agent import Message, agent, run

pytestmark = pytest.mark.real

# Work until the sender's thread has said hello: without it there is nothing to test.
UNTIL_HEARD = """
def until_heard(hb):
    while hb._sender._life.seq == 0:
        with hb.step(1):
            sum(range(1000))
"""


def incarnations(messages: list[Message]) -> set[str]:
    """Return who spoke."""
    return {message["inc"] for message in messages}


@pytest.mark.parametrize(
    ("last_line", "code", "ok"),
    [
        ("pass", 0, 1),
        ("hb.close()", 0, 1),
        ("hb.close(ok=False)", 0, 0),
        ("raise ValueError", 1, 0),
        ("raise KeyboardInterrupt", -2, 0),
        ("raise SystemExit(0)", 0, 1),
    ],
)
def test_a_program_says_goodbye_in_the_way_it_ended(
    last_line: str, code: int, ok: int
) -> None:
    """No hook of the interpreter is replaced, and the exit code is the program's."""
    with agent() as listening:
        program = f"{UNTIL_HEARD}\nhb = gp.init()\nuntil_heard(hb)\n{last_line}\n"
        returned = run(program, listening.address, RANK="2")
        messages = listening.received()

    assert returned == code
    assert [m["t"] for m in messages].count("bye") == 1
    assert (messages[-1]["t"], messages[-1]["ok"]) == ("bye", ok)
    assert messages[-1]["ph"] == "finalize"
    assert messages[0]["rank"] == 2


def test_the_usage_in_the_design_works_as_it_is_written() -> None:
    """Every line of it, in its order."""
    program = """
    from concurrent.futures import ThreadPoolExecutor
    load, loader, writer = (lambda: 3), range(4), ThreadPoolExecutor(1)
    async_save = lambda: writer.submit(int)
    hb = gp.init(run_id=None, framework="custom")
    hb.model(flops_per_token=None, params=8.03e9, layers=32, hidden=4096,
             seq_len=8192, active_params=None, tokens_per_step=4_194_304, dtype="bf16")
    with hb.phase("checkpoint_restore"):
        step = load()
    hb.restored(step=step)
    for batch in hb.data(loader):
        with hb.step(step + 1):
            sum(range(1000))
        step += 1
        with hb.checkpoint(step, async_=True) as ck:
            fut = async_save()
        ck.committed_when(fut)
    writer.shutdown()
    with hb.phase("eval"): ...
    hb.close()
    """
    with agent() as listening:
        assert run(program, listening.address, GOODPUT_RUN_ID="r") == 0
        last = listening.received()[-1]

    assert (last["st"], last["sn"], last["rs"]) == (7, 4, 3)
    assert (last["cs"], last["cd"], last["ok"]) == (7, 7, 1)
    assert last["run"] == "r"
    assert abs(sum(last["cum"].values()) - last["up"]) < 1e-6


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_that_only_load_data_are_silent(method: str) -> None:
    """A rank with four loaders is one rank."""
    program = f"""
    import multiprocessing
    {UNTIL_HEARD.replace(chr(10), chr(10) + "    ")}
    hb = None
    def load(number):
        import goodput_sdk
        if hb is not None:
            with hb.phase("eval"), hb.step(1): pass
            hb.close()
        return number
    if __name__ == "__main__":
        hb = gp.init()
        with multiprocessing.get_context("{method}").Pool(2) as pool:
            assert pool.map(load, range(8)) == list(range(8))
            pool.close()
            pool.join()
        until_heard(hb)
    """
    with agent() as listening:
        assert run(program, listening.address) == 0
        messages = listening.received()

    assert len(incarnations(messages)) == 1
    assert [m["t"] for m in messages].count("bye") == 1
    assert messages[-1]["ok"] == 1


@pytest.mark.parametrize(
    ("method", "code", "ok"),
    [("fork", 0, 1), ("fork", 1, 0), ("spawn", 0, 1), ("spawn", 1, 0)],
)
def test_a_worker_that_trains_reports_for_itself(
    method: str, code: int, ok: int
) -> None:
    """Only who calls init reports; multiprocessing's own exits say goodbye too."""
    program = f"""
    import multiprocessing
    {UNTIL_HEARD.replace(chr(10), chr(10) + "    ")}
    def train():
        until_heard(gp.init())
        if {code}: raise ValueError
    if __name__ == "__main__":
        worker = multiprocessing.get_context("{method}").Process(target=train)
        worker.start()
        worker.join()
        assert worker.exitcode == {code}
    """
    with agent() as listening:
        assert run(program, listening.address) == 0
        messages = listening.received()

    assert len(incarnations(messages)) == 1
    assert (messages[-1]["t"], messages[-1]["ok"]) == ("bye", ok)


def test_a_forked_child_that_trains_is_an_incarnation_of_its_own() -> None:
    """The parent goes on as itself."""
    program = f"""
    import os
    {UNTIL_HEARD.replace(chr(10), chr(10) + "    ")}
    hb = gp.init()
    until_heard(hb)
    child = os.fork()
    if child == 0:
        hb.close()
        until_heard(gp.init())
    else:
        assert os.waitpid(child, 0)[1] == 0
    """
    with agent() as listening:
        assert run(program, listening.address) == 0
        messages = listening.received()

    byes = [m["inc"] for m in messages if m["t"] == "bye"]
    assert len(incarnations(messages)) == len(byes) == len(set(byes)) == 2


LOOP = """
hb = gp.init()
total = 0
for step in hb.data(range(300)):
    with hb.step(step):
        total += sum(range(2000))
    if step % 50 == 0:
        with hb.checkpoint(step):
            total += 1
raise SystemExit(total % 100)
"""


@pytest.mark.parametrize("state", ["frozen", "full", "absent", "stale", "udp", "dns"])
def test_a_sick_agent_changes_neither_the_work_nor_the_exit_code(state: str) -> None:
    """The program computes what it computes where no agent is configured."""
    alone = run(LOOP, "")
    with agent(frozen=state in ("frozen", "full")) as listening:
        address = listening.address
        if state == "full":
            listening.fill()
        elif state == "absent":
            address += ".elsewhere"
        elif state == "stale":
            listening.die()
        elif state == "udp":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
                gone.bind(("127.0.0.1", 0))
                address = f"udp://127.0.0.1:{gone.getsockname()[1]}"
        elif state == "dns":
            address = "udp://nobody.invalid:9099"
        beside = run(LOOP, address)

    assert beside == alone


def test_a_udp_agent_hears_the_same() -> None:
    """Over the network the messages are the same, and shorter than a packet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        address = f"udp://127.0.0.1:{sock.getsockname()[1]}"
        returned = run(f"{UNTIL_HEARD}\nuntil_heard(gp.init())\n", address)
        sock.settimeout(10)
        first = sock.recv(65_536)

    assert returned == 0
    assert b'"t":"hello"' in first
    assert len(first) <= 1400
