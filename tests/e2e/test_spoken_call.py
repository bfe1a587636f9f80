"""A whole call: a voice is heard, answered from the knowledge base in time, and every line is on record."""

import asyncio
import json
import os
import re
import secrets
import signal
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from websockets.sync.client import connect

from parley.demo.caller import Caller, Voice
from parley.demo.conversation import Conversation, Place, Question, Turn, questions
from tests.e2e.conftest import RunningPlatform

pytestmark = [pytest.mark.call, pytest.mark.anyio, pytest.mark.timeout(180)]


async def call(running: RunningPlatform, script: list[Question]) -> tuple[Conversation, list[Turn]]:
    async with httpx2.AsyncClient(timeout=30) as http:
        conversation = Conversation(Place.of(running.ready), http, room=f"call-{secrets.token_hex(4)}")
        return conversation, [turn async for turn in conversation.run(script)]


async def until(condition: Callable[[], Any], *, within: float = 20) -> Any:
    """Poll the running platform, which is another process, until something is so."""
    deadline = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.05)
    return found


def session_of(client: httpx2.Client, session_id: int) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/sessions/{session_id}/detail").json()["session"]
    return found


async def test_the_demo_conversation_is_heard_answered_and_recorded(running: RunningPlatform) -> None:
    conversation, turns = await call(running, questions())
    assert [turn.question.text for turn in turns if not turn.right] == []
    assert len(turns) >= 4
    assert conversation.session_id is not None
    with running.client() as client:
        session = await until(
            lambda: (found := session_of(client, conversation.session_id or 0))["status"] == "completed" and found,
            within=5,
        )
        lines = client.get(f"/sessions/{conversation.session_id}/transcript").json()["transcripts"]
        measured = client.get(f"/sessions/{conversation.session_id}/turns").json()["turns"]
    assert (session["outcome"], session["end_reason"]) == ("ok", "caller_left")
    speakers = [line["speaker"] for line in lines]
    assert speakers[0] == "agent"
    assert speakers.count("user") >= len(turns)
    assert speakers.count("agent") == len(turns) + 1
    assert any("twelve dollars" in line["content"] for line in lines)
    assert len(measured) == len(turns)
    assert measured[0]["chunks"][0]["source"] == "company.md"


async def test_a_renamed_company_is_answered_for_as_well(running: RunningPlatform) -> None:
    facts = (
        "# Silver Lake Library\n\n## Cards\n\nA library card costs seven dollars.\n\n"
        "## Garden\n\nThe garden is closed in winter.\n\n## Music\n\nThe piano room is on the third floor.\n"
    )
    with running.client() as client:
        base = client.post("/knowledge-bases", json={"name": "Library"}).json()["knowledge_base"]["id"]
        client.post(f"/knowledge-bases/{base}/documents", files={"file": ("library.md", facts.encode())})
        persona = client.get("/agents/1").json()["agent"]
        body = {
            "name": "Kim",
            "instructions": "You are Kim of the Silver Lake Library.",
            "greeting": "Silver Lake Library, good day.",
            "knowledge_base_ids": [base],
            "turn_taking": persona["turn_taking"],
        }
        agent = client.post("/agents", json=body).json()["agent"]["id"]
    script = [
        Question("How much does a library card cost?", expect=("seven", "dollars")),
        Question("How much does the repair of a flat tire cost?", unknown=True),
    ]
    async with httpx2.AsyncClient(timeout=30) as http:
        place = Place.of(running.ready | {"agent_id": agent})
        conversation = Conversation(place, http, room=f"call-{secrets.token_hex(4)}")
        turns = [turn async for turn in conversation.run(script)]
    assert [(turn.question.text, turn.heard) for turn in turns if not turn.right] == []


async def test_speaking_over_the_persona_silences_it(running: RunningPlatform) -> None:
    voice = Voice()
    async with httpx2.AsyncClient(timeout=30) as http:
        ready = running.ready
        headers = {"X-API-Key": ready["api_key"]}
        body = {"identity": "caller", "room": f"call-{secrets.token_hex(4)}", "agent_config_id": 1}
        token = (await http.post(f"{ready['api_url']}/api/v1/token", json=body, headers=headers)).json()
    async with Caller(token["wsUrl"], token["token"]) as caller:
        await caller.sound_after(0, within=20)
        began = time.time()
        await caller.say(voice("Hold on, one moment please, I have a question for you."))
        spoken = time.time()
        silent = max((frame.at for frame in caller.heard if frame.loud and frame.at < spoken), default=began)
    assert silent - began < 1.0


async def test_a_line_is_on_the_monitor_when_it_was_spoken(running: RunningPlatform) -> None:
    ready = running.ready
    url = f"{ready['api_url'].replace('http', 'ws')}/ws/monitor?api_key={ready['api_key']}"
    with connect(url, proxy=None) as socket:
        socket.send(json.dumps({"action": "subscribe", "channel": "rooms"}))
        calling = asyncio.create_task(call(running, questions()[:1]))
        types: list[str] = []
        texts: list[str] = []
        while "room.closed" not in types:
            message = json.loads(await asyncio.to_thread(socket.recv, 40))
            types.append(message["type"])
            if message["type"] == "transcript.new" and message["data"]["is_final"]:
                texts.append(message["data"]["content"])
        await calling
    told = [kind for kind in types if kind not in ("transcript.new", "subscribed", "ping")]
    assert told[:2] == ["room.created", "participant.joined"]
    assert told.count("session.started") == told.count("session.ended") == 1
    assert any(re.search("twelve dollars", text) for text in texts)


async def test_a_control_plane_killed_in_mid_call_loses_and_doubles_no_line(running: RunningPlatform) -> None:
    seen: list[Turn] = []
    async with httpx2.AsyncClient(timeout=30) as http:
        conversation = Conversation(Place.of(running.ready), http, room=f"call-{secrets.token_hex(4)}")
        conversation.ask_platform = False  # the platform is away for some of the turns
        async for turn in conversation.run(questions()[:3]):
            seen.append(turn)
            if len(seen) == 1:
                os.kill(running.ready["pids"]["control_plane"], signal.SIGKILL)
    assert all(turn.answered_ms is not None for turn in seen)
    with running.client() as client:

        def ended() -> dict[str, Any] | None:
            try:
                listed = client.get("/sessions?per_page=1").json()["sessions"][0]
            except (httpx2.TransportError, KeyError):
                return None
            return listed if listed["status"] == "completed" else None

        session = await until(ended, within=30)
        lines = client.get(f"/sessions/{session['id']}/transcript").json()["transcripts"]
    assert session["end_reason"] == "caller_left"
    spoken = [line["content"] for line in lines if line["speaker"] == "agent"]
    assert len(spoken) == len(set(spoken)) == 4
    times = [line["timestamp_ms"] for line in lines]
    assert times == sorted(times)


async def test_a_call_made_while_the_worker_is_away_gets_its_persona(running: RunningPlatform) -> None:
    os.kill(running.ready["pids"]["worker"], signal.SIGKILL)
    began = time.monotonic()
    _, turns = await call(running, questions()[:1])
    assert turns[0].right
    assert time.monotonic() - began < 60


async def test_a_worker_killed_in_mid_call_ends_its_session_as_failed(running: RunningPlatform) -> None:
    async with httpx2.AsyncClient(timeout=30) as http:
        conversation = Conversation(Place.of(running.ready), http, room=f"call-{secrets.token_hex(4)}")
        turns = conversation.run(questions()[:2])
        await anext(turns)
        os.kill(running.ready["pids"]["worker"], signal.SIGKILL)
        with running.client() as client:
            session = await until(
                lambda: (found := session_of(client, conversation.session_id or 0))["status"] == "completed" and found,
                within=25,
            )
        await turns.aclose()
    assert (session["outcome"], session["end_reason"]) == ("failed", "worker_lost")
