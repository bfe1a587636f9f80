"""Telephone calls on the whole platform, with a real phone: out, in, and what the customer sees of them."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.e2e.conftest import RunningPlatform
from tests.support.telephones import Telephone, telephone

pytestmark = [pytest.mark.anyio, pytest.mark.call]

LINE, CALLEE, CALLER = "+18001234599", "+17751234567", "+17755550100"


def get(running: RunningPlatform, path: str) -> Any:
    with running.client() as client:
        return client.get(path).raise_for_status().json()


def post(running: RunningPlatform, path: str, body: Any = None) -> Any:
    with running.client() as client:
        return client.post(path, json=body).raise_for_status().json()


async def until_status(running: RunningPlatform, call_id: int, status: str) -> dict[str, Any]:
    """The call, once it has a status."""
    async with asyncio.timeout(15):
        while True:
            calls = (await asyncio.to_thread(get, running, "/sip/calls"))["calls"]
            call: dict[str, Any] = next(call for call in calls if call["id"] == call_id)
            if call["status"] == status:
                return call
            await asyncio.sleep(0.05)


async def until_said(running: RunningPlatform, session_id: int) -> None:
    """The persona has said something to its end."""
    async with asyncio.timeout(20):
        while not (await asyncio.to_thread(get, running, f"/sessions/{session_id}/transcript"))["transcripts"]:
            await asyncio.sleep(0.1)


def spoke(phone: Telephone) -> bool:
    """Whether the phone heard somebody for a second or more."""
    heard, rate = phone.heard()
    frames = heard[: len(heard) // (rate // 10) * (rate // 10)].reshape(-1, rate // 10)
    return int((np.sqrt((frames.astype(float) ** 2).mean(axis=1)) > 300).sum()) >= 10


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


async def test_a_number_that_is_called_is_answered_by_its_persona(running: RunningPlatform, tmp_path: Path) -> None:
    trunk = post(running, "/sip/trunks", {"name": "In", "phone_number": LINE, "address": "127.0.0.1:5999"})["trunk"]
    config = {"name": "Line", "phone_number": LINE, "agent_config_id": 1}
    post(running, "/sip/configs", config)
    async with telephone(tmp_path, user=CALLER) as phone:
        await phone.command("dial", f"sip:{LINE}@{running.ready['sip']['address']}")
        await phone.until("CALL_ESTABLISHED", within=20)
        calls = (await asyncio.to_thread(get, running, "/sip/calls"))["calls"]
        assert (calls[0]["direction"], calls[0]["phone_number"]) == ("inbound", CALLER)
        await until_status(running, calls[0]["id"], "answered")
        await until_said(running, calls[0]["session_id"])
        await phone.command("hangup")
        await until_status(running, calls[0]["id"], "ended")
        await phone.until("CALL_CLOSED")
        assert spoke(phone)
    with running.client() as client:
        client.delete(f"/sip/trunks/{trunk['id']}")
