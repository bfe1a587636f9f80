"""Rows of the API: making and reading an agent, and a token; the server has one core and wrk the other."""

import json
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

from bench.api import Load, Server, posting_script, stack, token_script, wrk
from bench.environments import THEIRS, python_of
from bench.platform import LOAD_CORE, SERVER_CORE, start, wait_for
from bench.rows import LIMIT, OURS, Bar, NotHere, Plan, Recorded, Round, Row
from tests.support.ports import free_port

BOLNA, DOGRAH, FASTAPI, WRITING = "Bolna", "Dograh", "FastAPI", "FastAPI, one row"
CLIENTS: Final = 8
AGENT: Final = {"name": "Robin", "instructions": "You are kind.", "greeting": "Hello."}
BOLNA_AGENT: Final[dict[str, Any]] = {
    "agent_config": {
        "agent_name": "Robin",
        "agent_welcome_message": "Hello.",
        "tasks": [
            {
                "task_type": "conversation",
                "toolchain": {"execution": "parallel", "pipelines": [["transcriber", "llm", "synthesizer"]]},
                "tools_config": {
                    "input": {"format": "wav", "provider": "default"},
                    "output": {"format": "wav", "provider": "default"},
                },
            }
        ],
    },
    "agent_prompts": {"task_1": {"system_prompt": "You are kind."}},
}
MEASURED: Final = "Dograh 1.42 on 2 cores of this kind, 1 worker, 8 clients, API key, PostgreSQL; recorded 2026-11"

Loads = dict[str, tuple[Server, Load]]


@contextmanager
def _bolna() -> Iterator[Server]:
    """Its quick-start server with a Redis of its own. Raises `NotHere`."""
    interpreter, port, redis = python_of("bolna"), free_port(), free_port()
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="parley-bench-")))
        start(cleanup, ["redis-server", "--port", str(redis), "--save", "", "--dir", str(folder)], {}, LOAD_CORE)
        original = os.environ.get("BENCH_BOLNA", "")
        place = Path(original) if original else THEIRS / "bolna_server.py"
        command = [str(interpreter), "-m", "uvicorn", f"{place.stem}:app", "--app-dir", str(place.parent)]
        command += ["--port", str(port), "--no-access-log", "--log-level", "warning"]
        # Its model library asks the network for prices otherwise.
        settings = {"REDIS_URL": f"redis://127.0.0.1:{redis}", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        start(cleanup, command, settings, SERVER_CORE, folder=folder)
        try:
            wait_for(port)
        except SystemExit as error:
            raise NotHere(f"Bolna's server did not start: {error}") from None
        yield Server(BOLNA, port)


def _loads_of_agents(found: dict[str, Server], bolna: Server | None, *, making: bool) -> Loads:
    one, many = Load(path="/api/v1/agents/1"), Load(script=posting_script("/api/v1/agents", AGENT))
    loads = {LIMIT: (found["agents"], many if making else one)}
    if not making:
        loads[FASTAPI] = found["reading"], one
    if bolna is not None:
        script = Load(script=posting_script("/agent", BOLNA_AGENT))
        loads[BOLNA] = bolna, script if making else Load(path=f"/agent/{_an_agent(bolna)}")
    return loads | {OURS: (found["ours"], many if making else one)}


def _an_agent(bolna: Server) -> str:
    headers = {"Content-Type": "application/json"}
    asked = Request(f"http://127.0.0.1:{bolna.port}/agent", json.dumps(BOLNA_AGENT).encode(), headers)
    return str(json.load(urlopen(asked, timeout=30))["agent_id"])


def _rates(loads: Loads, plan: Plan, clients: int) -> Generator[Round, None, None]:
    for server, load in loads.values():
        wrk(server, load, 1, clients=clients)  # warms it up
    seconds = plan.scaled(3, 2)
    while True:
        found = {name: wrk(server, load, seconds, clients=clients)[0] for name, (server, load) in loads.items()}
        if silent := [name for name, rate in found.items() if not rate]:
            raise NotHere(f"no answer in {seconds} s, the machine is too busy: {', '.join(silent)}")
        yield found


def _need_wrk() -> None:
    if not shutil.which("wrk"):
        raise NotHere("wrk makes the load and is not installed: apt-get install wrk")


def agents(plan: Plan, *, making: bool) -> Generator[Round, None, None]:
    """Requests per second of agents that are made, or read."""
    _need_wrk()
    with ExitStack() as cleanup:
        found = cleanup.enter_context(stack())
        bolna = None
        try:
            bolna = cleanup.enter_context(_bolna())
        except NotHere as error:
            plan.missing[BOLNA] = str(error)
        yield from _rates(_loads_of_agents(found, bolna, making=making), plan, CLIENTS)


def tokens(plan: Plan) -> Generator[Round, None, None]:
    """Requests per second of tokens that call an agent and take a place."""
    _need_wrk()
    load = Load(script=token_script(""))
    with stack() as found:
        names = {LIMIT: "bare", FASTAPI: "plain", WRITING: "writing", OURS: "ours"}
        yield from _rates({name: (found[server], load) for name, server in names.items()}, plan, 32)


def _agent_row(name: str, what: str, recorded: float, *, making: bool, **more: Any) -> Row:
    return Row(
        name=name,
        what=what,
        unit="requests/s",
        better="more",
        limit="no framework: the key's hash and one statement",
        measure=partial(agents, making=making),
        recorded={DOGRAH: Recorded(recorded, MEASURED)},
        rounds=7,
        minutes=3,
        **more,
    )


ROWS: Final = (
    _agent_row(
        "agent-create",
        "POST /agents, 8 clients",
        163,
        making=True,
        bars=(Bar("≥", 3, DOGRAH),),
        peers=(BOLNA,),
    ),
    _agent_row(
        "agent-get",
        "GET /agents/{id}, 8 clients",
        164,
        making=False,
        bars=(Bar("≥", 3, DOGRAH), Bar("≥", 0.6, FASTAPI)),
        peers=(FASTAPI, BOLNA),
    ),
    Row(
        name="token",
        what="POST /token with an agent, 32 clients",
        unit="requests/s",
        better="more",
        limit="no framework: the key's hash and a signature",
        measure=tokens,
        bars=(Bar("≥", 0.15, LIMIT), Bar("≥", 0.45, FASTAPI), Bar("≥", 0.9, WRITING)),
        peers=(FASTAPI, WRITING),
        rounds=7,
        minutes=3,
    ),
)
