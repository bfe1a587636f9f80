"""A call's process that obeys somebody else: it has one call's capability, and says whatever it likes."""

from datetime import UTC, datetime

import pytest

from agents.calling import PersonaJob
from tests.integration.control_plane.test_monitor import hear, monitor, subscribe
from tests.support.meetings import a_bot, meet_people
from tests.support.platform import Platform
from tests.support.uplink import ticket_of, worker

pytestmark = pytest.mark.anyio


async def test_what_a_call_only_shows_is_shown_in_no_room_but_its_own(platform: Platform) -> None:
    tenant, other = await platform.tenant(), await platform.tenant("other")
    made = await meet_people(other)
    elsewhere = f"other_{made['meetingId']}"
    async with a_bot(platform.url) as ada, monitor(platform, tenant.key) as watching, worker(platform) as fake:
        await ada.join(made, "Ada")
        job = PersonaJob.model_validate((await fake.exchange(await ticket_of(tenant)))["job"])
        assert (await fake.report(job, 1, type="call.started.v1"))["refused"] is None
        await subscribe(watching, "rooms")
        mine = {"session_id": job.session_id, "epoch": job.epoch, "sequence": 0, "capability": job.capability}
        said = {"at": datetime.now(UTC).isoformat(), "room_name": elsewhere}
        line = {"type": "line.interim.v1", "speaker": "user", "identity": "ada", "text": "CANARY", "timestamp_ms": 0}
        await fake.say(type="report", **mine, report=said | line)
        shown = await hear(watching, "transcript.new")
        assert (shown["data"]["content"], shown["data"]["full_room_name"]) == ("CANARY", "proj_r")
        await fake.say(type="report", **mine, report=said | {"type": "persona.state.v1", "state": "speaking"})
        assert (await hear(watching, "persona.state"))["data"]["full_room_name"] == "proj_r"
        assert (await ada.say("chat:message", {"text": "Is anybody there?"}))["ok"] is True
        assert [data for event, data in ada.heard if event == "transcript"] == []
