"""A request under a key that had no answer: what it has made is not made once more."""

from datetime import UTC, datetime

import pytest

from control_plane.calendars.remote import RemoteCalendar
from control_plane.calendars.sync import CalendarSync
from control_plane.errors import Unavailable
from control_plane.recordings.models import Recording
from control_plane.recordings.taking import RecordingTaker
from control_plane.telephony.dialling import DialService
from tests.support.calls import CALLEE, TRUNK, calls_of
from tests.support.clocks import TurnedClock
from tests.support.platform import Platform, Tenant
from tests.support.recordings import get, room, watch

pytestmark = pytest.mark.anyio

KEY = {"Idempotency-Key": "once"}
__all__ = ["room"]


async def test_who_asks_again_after_a_fault_has_nobody_called_twice(
    platform: Platform, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await tenant.http.post("/agents", json={"name": "Support"})).status_code == 201
    assert (await tenant.http.post("/sip/trunks", json=TRUNK)).status_code == 201

    async def away(*_: object) -> None:
        raise Unavailable("The database cannot do this now; try again")

    with monkeypatch.context() as patch:
        patch.setattr(DialService, "_wait_for_phone", away)
        failed = await tenant.http.post("/sip/dial", json={"phone_number": CALLEE}, headers=KEY)
    assert failed.status_code == 503
    [placed] = await calls_of(tenant)

    again = await tenant.http.post("/sip/dial", json={"phone_number": CALLEE}, headers=KEY)

    assert again.status_code in (200, 202), again.text
    call = again.json()["call"]
    assert (call["id"], call["room_name"], call["phone_number"]) == (placed["id"], placed["room_name"], CALLEE)
    assert [each["id"] for each in await calls_of(tenant)] == [placed["id"]]
    third = await tenant.http.post("/sip/dial", json={"phone_number": CALLEE}, headers=KEY)
    assert (third.headers["idempotent-replayed"], third.json()) == ("true", again.json())


async def test_a_recording_that_was_written_down_is_begun_by_the_next_try(
    platform: Platform, tenant: Tenant, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("The database cannot do this now; try again")

    path = "/rooms/r/recordings/start"
    with monkeypatch.context() as patch:
        patch.setattr(RecordingTaker, "order", away)
        assert (await tenant.http.post(path, headers=KEY)).status_code == 503
    assert platform.recorder.calls == []

    again = await tenant.http.post(path, headers=KEY)

    assert again.status_code == 201, again.text
    assert [name for name, _ in platform.recorder.calls] == ["start"]
    assert len((await tenant.http.get("/recordings")).json()["recordings"]) == 1


async def test_a_recording_whose_recorder_was_asked_is_found_and_not_begun_again(
    platform: Platform, tenant: Tenant, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("The database cannot do this now; try again")

    path = "/rooms/r/recordings/start"
    with monkeypatch.context() as patch:
        patch.setattr(RecordingTaker, "_begun", away)
        assert (await tenant.http.post(path, headers=KEY)).status_code == 503
    assert (await tenant.http.post(path, headers=KEY)).status_code == 503
    await watch(platform, TurnedClock(seconds=30)).compare()

    again = await tenant.http.post(path, headers=KEY)

    assert (again.status_code, again.json()["recording"]["egress_id"]) == (201, "EG_1")
    assert [name for name, _ in platform.recorder.calls] == ["start"]


async def test_a_recording_that_nobody_ordered_is_an_error_and_holds_no_place(
    platform: Platform, tenant: Tenant, room: str
) -> None:
    row = Recording(
        project_id=tenant.project.id, room_name="proj_r", storage_key="1/2026-01/x.ogg", started_at=datetime.now(UTC)
    )
    await platform.add(row)
    await watch(platform).compare()
    assert (await get(tenant, row.id))["status"] == "recording"

    await watch(platform, TurnedClock(seconds=30)).compare()

    shown = await get(tenant, row.id)
    assert (shown["status"], shown["error"]) == ("error", "the server stopped before a recorder was asked")
    assert (await tenant.http.post("/rooms/r/recordings/start")).status_code == 201


async def test_a_calendar_is_connected_once(
    platform: Platform, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise Unavailable("The database cannot do this now; try again")

    async def read(*_: object, **__: object) -> None:
        return None

    url = f"{platform.url}/calendars"
    headers = KEY
    body = {"platform": "ICS", "url": "http://127.0.0.1:9/a.ics"}
    with monkeypatch.context() as patch:
        patch.setattr("control_plane.calendars.ics.Feed.calendars", _one_calendar)
        patch.setattr(CalendarSync, "sync", away)
        assert (await tenant.http.post(url, json=body, headers=headers)).status_code == 503
    with monkeypatch.context() as patch:
        patch.setattr(CalendarSync, "sync", read)
        again = await tenant.http.post(url, json=body, headers=headers)
    assert again.status_code == 200, again.text
    assert len((await tenant.http.get(url, headers=headers)).json()) == 1


async def _one_calendar(_: object) -> list[object]:
    return [RemoteCalendar(remote_id="a", name="Ada", email="", is_primary=True)]


async def test_what_is_left_for_afterwards_is_done_once_it_is_committed(platform: Platform) -> None:
    done: list[str] = []

    async def tell() -> None:
        done.append("told")

    async with platform.database.platform() as db:
        db.afterwards(tell)
        assert done == []
    assert done == ["told"]
    async with platform.database.platform() as db:
        db.afterwards(tell)
        await db.rollback()
    assert done == ["told"]
