"""Short calls one after the other, made by sipp, and what is left of them afterwards."""

import asyncio
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from livekit import api

from bench.beeps import Somebody
from bench.exchange import HOST, SIP, Exchange, exchange
from bench.fanout import resident_kib

BATCHES: Final = 5
"""Memory is looked at after each."""
NUMBER: Final = "+15550100"
CALLER: Final = """<?xml version="1.0"?><scenario name="short">
<send retrans="500"><![CDATA[
INVITE sip:{number}@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=[branch]
From: <sip:+1666[call_number]@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:{number}@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:caller@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
]]></send>
<recv response="100" optional="true"/><recv response="180" optional="true"/>
<recv response="200" rrs="true" timeout="15000"/>
<send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=[branch]
[last_From:]
[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
<send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=[branch]
[last_From:]
[last_To:]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="200" timeout="15000"/></scenario>
"""


async def in_a_row(calls: int, at_once: int) -> dict[str, Any]:
    """Short calls in, which somebody in the room answers; what is left of them."""
    with exchange(most_calls=16) as service:
        async with service.api() as livekit:
            wanted = api.SIPInboundTrunkInfo(name="bench", numbers=[NUMBER])
            trunk = await livekit.sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=wanted))
            direct = api.SIPDispatchRule(dispatch_rule_direct=api.SIPDispatchRuleDirect(room_name="short"))
            rule = api.CreateSIPDispatchRuleRequest(rule=direct, trunk_ids=[trunk.sip_trunk_id])
            await livekit.sip.create_dispatch_rule(rule)
            voice = Somebody(lambda who: None)
            await voice.join(service.url, service.token("short", "voice"))
            await voice.speak(lambda: np.full(160, 1000, np.int16), 16_000)
            await asyncio.to_thread(sipp, 2 * at_once, at_once)  # what is loaded once
            await _until_quiet(service)
            before = await _left_over(service, livekit)
            began, memory = time.monotonic(), []
            errors = ""
            for _ in range(BATCHES):
                errors += await asyncio.to_thread(sipp, calls // BATCHES, at_once)
                memory.append(resident_kib(service.service) / 1024)
            took = time.monotonic() - began
            await _until_quiet(service)
            after = await _left_over(service, livekit)
            await voice.leave()
    return {
        "calls": calls,
        "at once": at_once,
        "per second": calls / took,
        "failed": errors.count("Aborting call"),
        "memory": memory,
        "before": before,
        "after": after,
    }


async def _until_quiet(service: Exchange) -> None:
    async with asyncio.timeout(10):
        while service.figure("pocket_sip_calls_active"):
            await asyncio.sleep(0.1)
    await asyncio.sleep(2)


async def _left_over(service: Exchange, livekit: api.LiveKitAPI) -> dict[str, float]:
    rooms = (await livekit.room.list_rooms(api.ListRoomsRequest())).rooms
    asked = [livekit.room.list_participants(api.ListParticipantsRequest(room=room.name)) for room in rooms]
    people = [person for answer in await asyncio.gather(*asked) for person in answer.participants]
    return {
        "memory MiB": resident_kib(service.service) / 1024,
        "threads": len(os.listdir(f"/proc/{service.service}/task")),
        "files": len(os.listdir(f"/proc/{service.service}/fd")),
        "calls": service.figure("pocket_sip_calls_active"),
        "ports free": service.figure("pocket_sip_rtp_ports_free"),
        "rooms": len(rooms),
        "people": len(people),
    }


def sipp(calls: int, at_once: int) -> str:
    """Make calls with sipp; its complaints, nothing where all went well."""
    with tempfile.TemporaryDirectory(prefix="sipp-") as folder:
        scenario, errors = Path(folder) / "short.xml", Path(folder) / "errors.log"
        scenario.write_text(CALLER.replace("{number}", NUMBER))
        options = ["-m", str(calls), "-l", str(at_once), "-r", "100", "-i", HOST, "-mp", "46000", "-nostdin"]
        command = ["sipp", "-sf", str(scenario), *options, "-trace_err", "-error_file", str(errors), f"{HOST}:{SIP}"]
        done = subprocess.run(command, capture_output=True, cwd=folder, check=False)
        return "" if done.returncode == 0 else errors.read_text() if errors.exists() else f"sipp: {done.returncode}"
