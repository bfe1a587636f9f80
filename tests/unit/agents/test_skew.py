"""Deploys one version apart: what an earlier version says is understood, and what this one says, an earlier one reads.

`tests/contracts` holds the wire as it was (`tools/contract.py`). Whatever fails here would fail a call in mid-deploy.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from websockets.asyncio.server import ServerConnection, serve

from agents.contract import (
    FROM_WORKER,
    NOT_OF_THIS_VERSION,
    PROTOCOL_VERSION,
    REPORT,
    TO_WORKER,
    Command,
    Exchange,
    LineSpoken,
    Submission,
)
from agents.noted import ToolUsed
from agents.spool import Spool
from agents.uplink import Uplink
from tests.support.uplink_client import uplink_to
from tools.contract import DIRECTIONS, FOLDER, examples, messages

READERS = {"from_worker": FROM_WORKER, "to_worker": TO_WORKER, "reports": REPORT}
EARLIER: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("v*.json")}
SAID = [
    pytest.param(direction, kind, id=f"{version}-{kind}")
    for version, contract in EARLIER.items()
    for direction in DIRECTIONS
    for kind in contract[direction]
]
"""Every kind of message of earlier versions."""
NOW = datetime.now(UTC)


def earlier(direction: str, kind: str) -> list[dict[str, Any]]:
    """What versions before this one had of a kind of message."""
    return [contract[direction][kind] for contract in EARLIER.values() if kind in contract[direction]]


def is_kept(said: Any, read: Any) -> bool:
    """Whether all that was said is in what was read, which may have more."""
    if isinstance(said, dict) and isinstance(read, dict):
        return all(name in read and is_kept(part, read[name]) for name, part in said.items())
    if isinstance(said, list) and isinstance(read, list):
        return len(said) == len(read) and all(map(is_kept, said, read))
    return bool(said == read)


def test_the_version_before_this_one_is_written_down() -> None:
    assert {contract["protocol"] for contract in EARLIER.values()} & {PROTOCOL_VERSION, PROTOCOL_VERSION - 1}


@pytest.mark.parametrize(("direction", "kind"), SAID)
def test_what_an_earlier_version_says_is_understood(direction: str, kind: str) -> None:
    for contract in earlier(direction, kind):
        for said in contract["examples"]:
            read = READERS[direction].validate_python(said).model_dump(mode="json")
            assert is_kept(said, read), (said, read)


@pytest.mark.parametrize(("direction", "kind"), SAID)
def test_what_is_said_now_an_earlier_version_reads(direction: str, kind: str) -> None:
    present = {message.model_fields["type"].default: message for message in messages(DIRECTIONS[direction])}
    assert kind in present, "it may still be said by an earlier version"
    for contract in earlier(direction, kind):
        reader = jsonschema_rs.validator_for(contract["schema"])
        for said in examples(present[kind], 30, seed=2):
            assert [str(error) for error in reader.iter_errors(said)] == []


@dataclass
class EarlierPlane:
    """A control plane of an earlier version: it reads what its contract has, and knows only some reports."""

    contract: dict[str, Any] = field(default_factory=lambda: next(iter(EARLIER.values())))
    unknown: set[str] = field(default_factory=set)
    said: dict[int, str] = field(default_factory=dict)
    """What reports said, by their sequence."""
    heard: list[str] = field(default_factory=list)
    sockets: list[ServerConnection] = field(default_factory=list)

    async def serve(self, socket: ServerConnection) -> None:
        self.sockets.append(socket)
        async for text in socket:
            message = json.loads(text)
            known = self.contract["from_worker"].get(message["type"])
            if known is None:
                continue
            assert jsonschema_rs.is_valid(known["schema"], message), message
            self.heard.append(message["type"])
            await self._answer(socket, message)

    async def _answer(self, socket: ServerConnection, message: dict[str, Any]) -> None:
        match message:
            case {"type": "hello"}:
                await socket.send(json.dumps({"type": "welcome", "protocol": 1}))
            case {"type": "exchange", "job_id": job_id}:
                job = next(each["job"] for each in self.contract["to_worker"]["exchanged"]["examples"] if each["job"])
                await socket.send(json.dumps({"type": "exchanged", "job_id": job_id, "job": job}))
            case {"type": "report", "report": {"type": kind, **report}}:
                refused = f"{NOT_OF_THIS_VERSION}: 1 problems" if kind in self.unknown or kind.endswith("v9") else None
                if refused is None:
                    self.said[message["sequence"]] = report.get("text") or report["name"]
                key = {name: message[name] for name in ("session_id", "epoch", "sequence")}
                await socket.send(json.dumps({"type": "verdict", "refused": refused} | key))

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        async with serve(self.serve, "127.0.0.1", 0) as server:
            yield server.sockets[0].getsockname()[1]


def connected(
    port: int, spool: Spool, commands: list[Command], stands: asyncio.Event
) -> AbstractAsyncContextManager[Uplink]:
    return uplink_to(port, spool, calls=lambda: ["AJ_1"], on_command=commands.append, stands=stands)


def line(sequence: int) -> Submission:
    report = LineSpoken(at=NOW, speaker="user", text=f"line {sequence}", timestamp_ms=sequence)
    return Submission(session_id=1, epoch=1, sequence=sequence, capability="c", report=report.model_dump(mode="json"))


def tool(sequence: int, **changes: Any) -> Submission:
    report = ToolUsed(at=NOW, began_at=NOW, name="weather", arguments="{}", result="sunny", ms=3, failed=False)
    body = report.model_dump(mode="json") | changes
    return Submission(session_id=1, epoch=1, sequence=sequence, capability="c", report=body)


async def until_left(spool: Spool, sequences: list[int]) -> None:
    async with asyncio.timeout(20):
        while [each.sequence for each in spool.waiting()] != sequences:
            await asyncio.sleep(0.01)


async def say(uplink: Uplink, spool: Spool, submission: Submission) -> None:
    assert spool.keep(submission)
    await uplink.submit(submission)


@pytest.mark.anyio
async def test_a_call_of_this_version_runs_on_an_earlier_control_plane(tmp_path: Path) -> None:
    plane, spool, commands, stands = EarlierPlane(), Spool(tmp_path), list[Command](), asyncio.Event()
    async with plane.listening() as port, connected(port, spool, commands, stands) as uplink:
        async with asyncio.timeout(20):
            job = await uplink.exchange(Exchange(ticket="tk.1", job_id="AJ_1", room_name="r"))
        assert job.identity
        for sequence in range(1, 6):
            await say(uplink, spool, line(sequence))
        await uplink.retire()
        await until_left(spool, [])
        async with asyncio.timeout(20):
            while "heartbeat" not in plane.heard:
                await asyncio.sleep(0.01)
        earlier_command = plane.contract["to_worker"]["command"]["examples"][0] | {"action": "dance"}
        await plane.sockets[0].send(json.dumps(earlier_command))
        await plane.sockets[0].send(json.dumps(earlier_command | {"action": "end"}))
        async with asyncio.timeout(20):
            while not commands:
                await asyncio.sleep(0.01)
    assert [command.action for command in commands] == ["end"]  # what nobody here can do is left out
    assert list(plane.said.values()) == [f"line {sequence}" for sequence in range(1, 6)]
    assert not (tmp_path / "parked.jsonl").exists()


@pytest.mark.anyio
async def test_a_report_that_an_earlier_control_plane_cannot_read_is_kept_for_the_next(tmp_path: Path) -> None:
    plane, spool, stands = EarlierPlane(unknown={"tool.used.v1"}), Spool(tmp_path), asyncio.Event()
    async with plane.listening() as port, connected(port, spool, [], stands) as uplink:
        await say(uplink, spool, tool(1))
        await say(uplink, spool, line(2))
        await until_left(spool, [1])
        plane.unknown.clear()  # it is the next version now
        stands.clear()
        await plane.sockets[0].close()
        await until_left(spool, [])
    assert plane.said == {1: "weather", 2: "line 2"}
    assert not (tmp_path / "parked.jsonl").exists()


@pytest.mark.anyio
async def test_a_report_that_nobody_can_read_is_put_aside(tmp_path: Path) -> None:
    plane, spool, stands = EarlierPlane(), Spool(tmp_path), asyncio.Event()
    async with plane.listening() as port, connected(port, spool, [], stands) as uplink:
        await say(uplink, spool, tool(1, type="tool.danced.v9", text="x"))
        await until_left(spool, [])
    assert "tool.danced.v9" in (tmp_path / "parked.jsonl").read_text()
