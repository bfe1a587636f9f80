"""A whole call: a voice is heard, answered from the knowledge base in time, and every line is on record."""

import asyncio
import json
import os
import secrets
import signal
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from websockets.sync.client import connect

from parley.client import Ready
from parley.demo.caller import MICROPHONE_RATE, Caller
from parley.demo.conversation import Outcome, converse
from parley.demo.platform import Platform
from parley.demo.script import Question, load_questions
from parley.demo.voice import Voice
from tests.e2e.conftest import RunningPlatform
from tests.support.conversations import Watch

pytestmark = [pytest.mark.call, pytest.mark.anyio, pytest.mark.timeout(400)]


async def call(running: RunningPlatform, script: list[Question], watch: Watch | None = None) -> Outcome:
    """A call by a script, which must not fail."""
    outcome = await converse(Ready.read(running.ready_file), script, watch or Watch())
    assert outcome.failure is None
    return outcome


def wrong(outcome: Outcome) -> list[tuple[str, str]]:
    return [(turn.question.ask, turn.heard) for turn in outcome.turns if not turn.right]


async def until(condition: Callable[[], Any], *, within: float = 20) -> Any:
    """Poll the running platform, which is another process, until something is so."""
    deadline = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.05)
    return found


def last_session(running: RunningPlatform) -> dict[str, Any]:
    """The newest session, once it can be read: the platform may be coming back."""
    with running.client() as client:
        try:
            found: dict[str, Any] = client.get("/sessions?per_page=1").json()["sessions"][0]
        except (httpx2.TransportError, KeyError):
            return {"status": "unknown"}
    return found


async def completed(running: RunningPlatform, *, within: float) -> dict[str, Any]:
    found: dict[str, Any] = await until(
        lambda: (session := last_session(running))["status"] == "completed" and session, within=within
    )
    return found


@pytest.mark.smoke
async def test_the_demo_conversation_is_heard_answered_and_recorded(running: RunningPlatform) -> None:
    outcome = await call(running, load_questions())
    assert wrong(outcome) == []
    assert len(outcome.turns) >= 4
    assert any(turn.question.refused for turn in outcome.turns)
    session = await completed(running, within=30)
    with running.client() as client:
        lines = client.get(f"/sessions/{session['id']}/transcript").json()["transcripts"]
        measured = client.get(f"/sessions/{session['id']}/turns").json()["turns"]
    assert (session["outcome"], session["end_reason"]) == ("ok", "caller_left")
    speakers = [line["speaker"] for line in lines]
    assert speakers[0] == "agent"
    assert speakers.count("user") >= len(outcome.turns)
    assert speakers.count("agent") == len(outcome.turns) + 1
    assert any("warranty of six months" in line["content"] for line in lines)
    assert len(measured) == len(outcome.turns)
    assert measured[0]["chunks"][0]["source"] == "company.md"


@pytest.mark.smoke
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
        Question(ask="How much does a library card cost?", expect=["library", "card", "dollars"]),
        Question(ask="How long is the warranty on a repair?", expect=["not", "know"], refused=True),
    ]
    ready = Ready.read(running.ready_file).model_copy(update={"agent_id": agent})
    assert wrong(await converse(ready, script, Watch())) == []
    session = await completed(running, within=30)
    with running.client() as client:
        spoken = client.get(f"/sessions/{session['id']}/transcript/text").text
    assert "A library card costs seven dollars." in spoken


async def test_speaking_over_the_persona_silences_it(running: RunningPlatform) -> None:
    ready = Ready.read(running.ready_file)
    voice = Voice(MICROPHONE_RATE)
    async with Platform(ready) as platform:
        token = await platform.token(identity="caller", room=f"call-{secrets.token_hex(4)}", agent_id=1)
    async with Caller(token.wsUrl, token.token, voice) as caller:
        await caller.hear_greeting()
        talked_on = await caller.barge_in(
            "Where can customers park their cars?", "Hold on, one moment please, I have another question for you."
        )
    voice.close()
    assert talked_on < 1.0


async def test_a_line_is_on_the_monitor_when_it_was_spoken(running: RunningPlatform) -> None:
    ready = running.ready
    url = f"{ready['api_url'].replace('http', 'ws')}/ws/monitor?api_key={ready['api_key']}"
    watch = Watch()
    with connect(url, proxy=None) as socket:
        socket.send(json.dumps({"action": "subscribe", "channel": "rooms"}))
        calling = asyncio.create_task(call(running, load_questions(1), watch))
        told: list[str] = []
        texts: list[str] = []
        while "room.closed" not in told:
            message = json.loads(await asyncio.to_thread(socket.recv, 40))
            if message.get("data", {}).get("room_name") != watch.room:
                continue
            if message["type"] != "transcript.new":
                told.append(message["type"])
            elif message["data"]["is_final"]:
                texts.append(message["data"]["content"])
        await calling
    assert told[:2] == ["room.created", "participant.joined"]
    assert told.count("session.started") == told.count("session.ended") == 1
    assert any("six months" in text for text in texts)


async def test_a_control_plane_killed_in_mid_call_loses_and_doubles_no_line(running: RunningPlatform) -> None:
    def kill_after_the_first(count: int) -> None:
        if count == 1:
            os.kill(running.ready["pids"]["control_plane"], signal.SIGKILL)

    outcome = await call(running, load_questions(3), Watch(kill_after_the_first))
    assert wrong(outcome) == []
    session = await completed(running, within=30)
    with running.client() as client:
        lines = client.get(f"/sessions/{session['id']}/transcript").json()["transcripts"]
    assert session["end_reason"] == "caller_left"
    spoken = [line["content"] for line in lines if line["speaker"] == "agent"]
    assert len(spoken) == len(set(spoken)) == 4
    times = [line["timestamp_ms"] for line in lines]
    assert times == sorted(times)


async def test_a_caller_who_comes_while_the_worker_is_away_gets_their_persona(running: RunningPlatform) -> None:
    ready, voice, question = Ready.read(running.ready_file), Voice(MICROPHONE_RATE), load_questions(1)[0]
    await voice.warm()
    try:
        await voice.phrase(question.ask)
        async with Platform(ready) as platform:
            room = f"away-{secrets.token_hex(4)}"
            token = await platform.token(identity="caller", room=room, agent_id=ready.agent_id)
            os.kill(running.ready["pids"]["worker"], signal.SIGKILL)
            async with Caller(token.wsUrl, token.token, voice) as caller:
                await caller.hear_greeting(timeout=60)
                answer = await caller.ask(question.ask)
                assert question.is_answered_by(await voice.recognise(answer.samples))
    finally:
        voice.close()
