"""Telephone calls on the whole platform, with a real phone: out, in, and what the customer sees of them."""

import asyncio
import io
import os
import signal
import time
import wave
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from livekit import rtc

from tests.e2e.conftest import RunningPlatform
from tests.support.telephones import RATE, Telephone, loudness_of, telephone, tone

pytestmark = [pytest.mark.anyio, pytest.mark.call, pytest.mark.timeout(400)]

LINE, CALLEE, CALLER = "+18001234599", "+17751234567", "+17755550100"


def get(running: RunningPlatform, path: str) -> Any:
    with running.client() as client:
        return client.get(path).raise_for_status().json()


def post(running: RunningPlatform, path: str, body: Any = None) -> Any:
    with running.client() as client:
        return client.post(path, json=body).raise_for_status().json()


async def until_status(running: RunningPlatform, call_id: int, status: str, within: float = 60) -> dict[str, Any]:
    """The call, once it has a status."""
    async with asyncio.timeout(within):
        while True:
            calls = (await asyncio.to_thread(get, running, "/sip/calls"))["calls"]
            call: dict[str, Any] = next(call for call in calls if call["id"] == call_id)
            if call["status"] == status:
                return call
            await asyncio.sleep(0.05)


async def until_said(running: RunningPlatform, session_id: int) -> None:
    """The persona has said something to its end."""
    async with asyncio.timeout(60):
        while not (await asyncio.to_thread(get, running, f"/sessions/{session_id}/transcript"))["transcripts"]:
            await asyncio.sleep(0.1)


def spoke(phone: Telephone) -> bool:
    """Whether the phone heard somebody for a second or more."""
    heard, rate = phone.heard()
    frames = heard[: len(heard) // (rate // 10) * (rate // 10)].reshape(-1, rate // 10)
    return int((np.sqrt((frames.astype(float) ** 2).mean(axis=1)) > 300).sum()) >= 10


@pytest.mark.smoke
async def test_a_phone_that_is_called_hears_the_persona(running: RunningPlatform, tmp_path: Path) -> None:
    async with telephone(tmp_path, user=CALLEE, account=";answermode=auto") as phone:
        trunk = {"name": "Out", "phone_number": "+18001234598", "address": f"127.0.0.1:{phone.port}"}
        made = post(running, "/sip/trunks", trunk)["trunk"]
        placed = post(running, "/sip/dial", {"phone_number": CALLEE, "caller_id": trunk["phone_number"]})["call"]
        await until_status(running, placed["id"], "answered")
        await until_said(running, placed["session_id"])
        post(running, f"/sip/calls/{placed['id']}/dtmf", {"digits": "4#"})
        assert [(await phone.until("CALL_DTMF_START", count=n))["param"] for n in (1, 2)] == ["4", "#"]
        await phone.command("hangup")
        call = await until_status(running, placed["id"], "ended")
        assert (call["sip_status"], call["direction"]) == (200, "outbound")
        await phone.until("CALL_CLOSED")
        assert spoke(phone)
    with running.client() as client:
        client.delete(f"/sip/trunks/{made['id']}")


@pytest.mark.smoke
async def test_the_demo_line_calls_its_answering_phone_until_that_hangs_up(running: RunningPlatform) -> None:
    placed = post(running, "/sip/dial", {"phone_number": CALLEE, "agent_config_id": 1})["call"]
    assert placed["caller_id"] == "+18001234567"
    await until_status(running, placed["id"], "answered")
    await until_said(running, placed["session_id"])
    call = await until_status(running, placed["id"], "ended", within=90)
    assert (call["sip_status"], call["reason"]) == (200, "hung up")


@pytest.mark.smoke
async def test_a_number_that_is_called_is_answered_by_its_persona(running: RunningPlatform, tmp_path: Path) -> None:
    trunk = post(running, "/sip/trunks", {"name": "In", "phone_number": LINE, "address": "127.0.0.1:5999"})["trunk"]
    config = {"name": "Line", "phone_number": LINE, "agent_config_id": 1}
    post(running, "/sip/configs", config)
    async with telephone(tmp_path, user=CALLER) as phone:
        await phone.command("dial", f"sip:{LINE}@{running.ready['sip']['address']}")
        await phone.until("CALL_ESTABLISHED")
        async with asyncio.timeout(60):  # LiveKit tells of it on its own
            while True:
                calls = (await asyncio.to_thread(get, running, "/sip/calls"))["calls"]
                if (calls[0]["direction"], calls[0]["phone_number"]) == ("inbound", CALLER):
                    break
                await asyncio.sleep(0.05)
        await until_status(running, calls[0]["id"], "answered")
        await until_said(running, calls[0]["session_id"])
        await phone.command("hangup")
        await until_status(running, calls[0]["id"], "ended")
        await phone.until("CALL_CLOSED")
        assert spoke(phone)
    with running.client() as client:
        client.delete(f"/sip/trunks/{trunk['id']}")


@pytest.mark.parametrize("taken", [True, False])
async def test_a_caller_is_handed_over_to_somebody_who_is_asked_first(
    running: RunningPlatform, tmp_path: Path, taken: bool
) -> None:
    line = "+18001234595" if taken else "+18001234594"
    async with (
        telephone(tmp_path / "other", user=CALLEE, account=";answermode=auto", voice=tone(800, 90)) as other,
        telephone(tmp_path / "caller", user=CALLER) as caller,
    ):
        trunk = {"name": "Desk", "phone_number": line, "address": f"127.0.0.1:{other.port}"}
        made = post(running, "/sip/trunks", trunk)["trunk"]
        post(running, "/sip/configs", {"name": "Desk", "phone_number": line, "agent_config_id": 1})
        await caller.command("dial", f"sip:{line}@{running.ready['sip']['address']}")
        await caller.until("CALL_ESTABLISHED")
        began = time.monotonic()
        call = get(running, "/sip/calls")["calls"][0]
        await until_status(running, call["id"], "answered")
        await until_said(running, call["session_id"])
        post(running, f"/sip/calls/{call['id']}/transfer", {"to": CALLEE, "mode": "warm"})
        await other.until("CALL_ESTABLISHED")
        await asyncio.sleep(3)  # what must not be heard in this time is looked for below
        asked = time.monotonic() - began
        await other.command("sndcode", "1" if taken else "2")
        if taken:
            async with asyncio.timeout(20):
                detail = f"/sessions/{call['session_id']}/detail"
                while (await asyncio.to_thread(get, running, detail))["session"]["end_reason"] != "transferred":
                    await asyncio.sleep(0.1)
            await asyncio.sleep(3)
            await caller.command("hangup")
            await other.until("CALL_CLOSED")
        else:
            await other.until("CALL_CLOSED")
            async with asyncio.timeout(20):
                said = f"/sessions/{call['session_id']}/transcript/text"
                with running.client() as client:
                    while "nobody is free" not in (await asyncio.to_thread(client.get, said)).text:
                        await asyncio.sleep(0.1)
            await caller.command("hangup")
        await caller.until("CALL_CLOSED")
        heard, rate = caller.heard()
        tenth = rate // 10
        other_is_heard = [
            loudness_of(heard[begin : begin + tenth], 800, rate) > 0.7 for begin in range(0, len(heard), tenth)
        ]
        assert (sum(other_is_heard[-30:]) > 20) is taken
        assert sum(other_is_heard[: int(10 * asked) - 10]) == 0
        told, rate = other.heard()
        assert loudness_of(told[rate : 3 * rate], 400, rate) < 0.2  # the caller, who is not to be heard yet
        assert spoke(other)
    with running.client() as client:
        client.delete(f"/sip/trunks/{made['id']}")


def spoken(running: RunningPlatform, text: str) -> np.ndarray:
    """A text as the platform's own voice says it, at the rate of telephones, and then a long silence."""
    asked = {"input": text, "response_format": "wav"}
    answer = httpx2.post(f"{running.ready['models_url']}/audio/speech", json=asked, timeout=30).raise_for_status()
    with wave.open(io.BytesIO(answer.content)) as file:
        rate, samples = file.getframerate(), np.frombuffer(file.readframes(10**9), np.int16)
    narrow = rtc.AudioResampler(rate, RATE, quality=rtc.AudioResamplerQuality.VERY_HIGH)
    frames = narrow.push(rtc.AudioFrame(samples.tobytes(), rate, 1, len(samples))) + narrow.flush()
    said = [np.frombuffer(frame.data, np.int16) for frame in frames]
    return np.concatenate([*said, np.zeros(60 * RATE, np.int16)])


def recognised(running: RunningPlatform, phone: Telephone) -> str:
    """What the phone heard, as words."""
    samples, rate = phone.heard()
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.tobytes())
    answer = httpx2.post(
        f"{running.ready['models_url']}/audio/transcriptions",
        files={"file": ("heard.wav", file.getvalue())},
        timeout=60,
    )
    text: str = answer.raise_for_status().json()["text"]
    return text.lower()


def make_agent(running: RunningPlatform, **fields: Any) -> int:
    agent: int = post(running, "/agents", {"name": "Ada", "instructions": "You are Ada.", **fields})["agent"]["id"]
    return agent


async def test_a_machine_that_answers_is_left_a_message(running: RunningPlatform, tmp_path: Path) -> None:
    left = {"detect": True, "message": "The library called. Your book about copper kettles has arrived."}
    agent = make_agent(running, greeting="Hello, am I speaking with Tom?", voicemail=left)
    greeting = spoken(running, "You have reached the voice mailbox of Tom. Please leave a message after the tone.")
    # baresip brings 8 kHz to those of G.722 through a filter of 1.3 kHz, behind which nobody understands a word.
    account = ";answermode=auto;audio_codecs=pcmu"
    async with telephone(tmp_path, user=CALLEE, account=account, voice=greeting) as phone:
        trunk = {"name": "Out", "phone_number": "+18001234597", "address": f"127.0.0.1:{phone.port}"}
        made = post(running, "/sip/trunks", trunk)["trunk"]
        dialled = {"phone_number": CALLEE, "caller_id": trunk["phone_number"], "agent_config_id": agent}
        placed = post(running, "/sip/dial", dialled)["call"]
        await phone.until("CALL_CLOSED", within=40)
        await until_status(running, placed["id"], "ended")
        heard = recognised(running, phone)
    told = get(running, "/events?types=call.status&limit=100")["events"]
    states = [event["data"]["status"] for event in told if event["data"]["call_id"] == placed["id"]]
    assert [state for state in states if state != "ringing"] == ["dialing", "answered", "voicemail", "ended"]
    assert "your book about copper" in heard
    assert "am i speaking" not in heard
    assert get(running, f"/sessions/{placed['session_id']}/detail")["session"]["end_reason"] == "voicemail"
    with running.client() as client:
        client.delete(f"/sip/trunks/{made['id']}")


async def test_a_persona_understands_keys_and_ends_the_call(running: RunningPlatform, tmp_path: Path) -> None:
    agent = make_agent(
        running,
        greeting="Please enter your number.",
        instructions="You are Ada. If someone pressed 1 2, say: Your order has left the house.",
        tools=[{"type": "builtin", "name": "end_call"}],
    )
    silence = np.zeros(60 * RATE, np.int16)
    async with telephone(tmp_path, user=CALLEE, account=";answermode=auto", voice=silence) as phone:
        trunk = {"name": "Out", "phone_number": "+18001234596", "address": f"127.0.0.1:{phone.port}"}
        made = post(running, "/sip/trunks", trunk)["trunk"]
        dialled = {"phone_number": CALLEE, "caller_id": trunk["phone_number"], "agent_config_id": agent}
        placed = post(running, "/sip/dial", dialled)["call"]
        await until_said(running, placed["session_id"])
        for key in "12#":
            await phone.command("sndcode", key)
        lines = f"/sessions/{placed['session_id']}/transcript"
        async with asyncio.timeout(20):
            while "left the house" not in str(await asyncio.to_thread(get, running, lines)):
                await asyncio.sleep(0.1)
        await phone.command("hangup")
        await until_status(running, placed["id"], "ended")
    with running.client() as client:
        client.delete(f"/sip/trunks/{made['id']}")


async def test_a_caller_whom_no_worker_takes_hears_the_busy_tone_and_is_kept(
    running: RunningPlatform, tmp_path: Path
) -> None:
    line, worker = "+18001234593", running.ready["pids"]["worker"]
    async with telephone(tmp_path, user=CALLER) as caller:
        made = post(running, "/sip/trunks", {"name": "Alone", "phone_number": line, "address": "127.0.0.1:5999"})[
            "trunk"
        ]
        post(running, "/sip/configs", {"name": "Alone", "phone_number": line, "agent_config_id": 1})
        os.kill(worker, signal.SIGSTOP)
        try:
            await caller.command("dial", f"sip:{line}@{running.ready['sip']['address']}")
            await caller.until("CALL_RINGING", within=10)
            async with asyncio.timeout(10):
                while not (calls := (await asyncio.to_thread(get, running, "/sip/calls?status=ringing"))["calls"]):
                    await asyncio.sleep(0.05)
            (call,) = calls
            assert call["phone_number"] == CALLER
            await caller.until("CALL_CLOSED", within=30)
        finally:
            os.kill(worker, signal.SIGCONT)
        call = await until_status(running, call["id"], "busy")
        assert call["reason"] == "nobody could answer"
    with running.client() as client:
        client.delete(f"/sip/trunks/{made['id']}")
