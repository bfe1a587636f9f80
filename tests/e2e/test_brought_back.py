"""Whatever of a call's persona dies, the caller hears it again, in the same call."""

import asyncio
import json
import os
import re
import signal
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from agents.timing import SILENCE
from parley.client import Ready
from parley.demo.caller import MICROPHONE_RATE, Caller
from parley.demo.platform import Platform
from parley.demo.script import load_questions
from parley.demo.voice import Voice
from tests.e2e.conftest import RunningPlatform
from tests.support.freezing import frozen

pytestmark = [pytest.mark.call, pytest.mark.anyio, pytest.mark.timeout(180)]

SPEAKS_WITHIN = 60.0
"""Seconds after a death, on a busy machine and with one worker, which has to start again; `bench kills` measures it."""


def process_of(running: RunningPlatform, session_id: int) -> int:
    """Which process holds the persona of a session, as the worker's log has it."""
    text = (Path(running.ready["log_dir"]) / "worker.log").read_text()
    lines = [json.loads(line) for line in re.findall(r"^\{.*\"job claimed\".*\}$", text, re.MULTILINE)]
    return int([line["pid"] for line in lines if line["session"] == session_id][-1])


async def kill(running: RunningPlatform, session_id: int, how: str) -> None:
    if how == "its worker stands still":
        with frozen(running.ready["pids"]["worker"], process_of(running, session_id)):
            await asyncio.sleep(SILENCE + 1.5)  # as long as it takes to be dead for everybody
    elif how == "its worker dies":
        os.kill(running.ready["pids"]["worker"], signal.SIGKILL)
    else:
        sign = signal.SIGKILL if how == "its process dies" else signal.SIGSTOP
        os.kill(process_of(running, session_id), sign)


@pytest.mark.parametrize(
    "how", ["its process dies", "its process is stuck", "its worker dies", "its worker stands still"]
)
async def test_a_caller_whose_persona_is_lost_is_answered_again_in_the_same_call(
    running: RunningPlatform, how: str
) -> None:
    ready, voice, questions = Ready.read(running.ready_file), Voice(MICROPHONE_RATE), load_questions(2)
    await voice.warm()
    try:
        for question in questions:
            await voice.phrase(question.ask)
        async with Platform(ready) as platform:
            room = f"lost-{uuid.uuid4().hex[:8]}"
            token = await platform.token(identity="caller", room=room, agent_id=ready.agent_id)
            async with Caller(token.wsUrl, token.token, voice) as caller:
                await caller.hear_greeting()
                session_id = await platform.session_of(token.room)
                assert session_id is not None
                first = await caller.ask(questions[0].ask)
                assert questions[0].is_answered_by(await voice.recognise(first.samples))
                killed_at = time.time()
                await kill(running, session_id, how)
                await caller.hear_again(killed_at, timeout=SPEAKS_WITHIN)
                second = await caller.ask(questions[1].ask)
                assert questions[1].is_answered_by(await voice.recognise(second.samples))
    finally:
        voice.close()
    session = await ended(running, session_id)
    assert (session["outcome"], session["end_reason"]) == ("ok", "caller_left")
    with running.client() as client:
        lines = client.get(f"/sessions/{session_id}/transcript").json()["transcripts"]
        sessions = client.get("/sessions?per_page=5").json()["sessions"]
    assert [each["id"] for each in sessions if each["room_name"] in (room, token.room)] == [session_id]
    asked = [line["content"].lower().rstrip(".?") for line in lines if line["speaker"] == "user"]
    assert len(asked) == len(set(asked)) == 2
    assert any("gone for a moment" in line["content"] for line in lines if line["speaker"] == "agent")


async def ended(running: RunningPlatform, session_id: int) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            with running.client() as client:
                session: dict[str, Any] = client.get(f"/sessions/{session_id}/detail").json()["session"]
            if session["status"] == "completed":
                return session
            await asyncio.sleep(0.1)
