"""Sessions by the VideoSDK's reference: each time that people were in a room."""

import httpx2
import pytest

from tests.support.platform import Platform
from tests.support.videosdk import Hooks, make_room, v2

pytestmark = pytest.mark.anyio


async def test_who_was_when_in_a_room_is_told(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with v2(platform, tenant) as http:
        room = await make_room(http, customRoomId="standup")
        assert (await http.get("/sessions/")).json()["data"] == []
        hooks = Hooks(platform, f"proj_{room['roomId']}")
        await hooks.joins("but3ihic", "Jacques")
        await hooks.joins("mcg1jq0s", "Rahul")
        await hooks.leaves("but3ihic")
        page = (await http.get("/sessions/", params={"roomId": room["roomId"]})).json()
        (session,) = page["data"]
        assert page["pageInfo"] == {"currentPage": 1, "perPage": 20, "lastPage": 1, "total": 1}
        assert (session["roomId"], session["status"], session["end"]) == (room["roomId"], "ongoing", None)
        assert session["links"] == {
            "get_room": room["links"]["get_room"],
            "get_session": f"{platform.settings.public_url}/v2/sessions/{session['id']}",
        }
        jacques, rahul = session["participants"]
        assert (jacques["participantId"], jacques["name"]) == ("but3ihic", "Jacques")
        assert set(jacques["timelog"][0]) == {"start", "end"}
        assert rahul["timelog"][0]["end"] is None
        assert (await http.get(f"/sessions/{session['id']}")).json() == session
        everybody = (await http.get(f"/sessions/{session['id']}/participants")).json()
        assert everybody["data"]["participants"] == [jacques, rahul]
        there = (await http.get(f"/sessions/{session['id']}/participants/active")).json()
        assert (there["data"]["participants"], there["pageInfo"]["total"]) == ([rahul], 1)
        assert (await http.get(f"/sessions/{session['id']}/participants/mcg1jq0s")).json() == rahul
        assert (await http.get(f"/sessions/{session['id']}/participants/nobody")).status_code == 404
        await hooks.ends()
        over = (await http.get(f"/sessions/{session['id']}")).json()
        assert (over["status"], over["end"] >= over["start"]) == ("ended", True)
        await Hooks(platform, f"proj_{room['roomId']}", "RM_2").joins("but3ihic", "Jacques")
        (again, first) = (await http.get("/sessions", params={"customRoomId": "standup"})).json()["data"]
        assert (first, again["status"]) == (over, "ongoing")
        for query, found in (
            ({"status": "ongoing"}, [again]), ({"status": "ended"}, [over]), ({"roomId": "other"}, []),
            ({"startDate": 4_000_000_000_000}, []), ({"endDate": 1}, []), ({"query": "standup", "perPage": 1}, [again]),
        ):  # fmt: skip
            assert (await http.get("/sessions", params=query)).json()["data"] == found, query


async def test_a_session_is_ended_for_everybody(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with v2(platform, tenant) as http:
        room = await make_room(http)
        full = f"proj_{room['roomId']}"
        early = await http.post("/sessions/end", json={"roomId": room["roomId"]})
        assert (early.status_code, early.json()["statusCode"]) == (404, 404)
        await Hooks(platform, full).joins("ada", "Ada")
        talk = await tenant.http.post("/sessions", json={"room_name": full})
        ended = await http.post("/sessions/end", json={"roomId": room["roomId"]})
        assert (ended.status_code, ended.json()["status"]) == (200, "ended"), ended.text
        assert ended.json()["participants"][0]["timelog"][0]["end"] is not None
        assert ("close_room", full) in platform.media.calls
        session_id = talk.json()["session"]["id"]
        assert (await tenant.http.get(f"/sessions/{session_id}/detail")).json()["session"]["status"] == "completed"
        again = {"roomId": room["roomId"], "ignoreClosed": True}
        assert (await http.post("/sessions/end", json=again)).json()["id"] == ended.json()["id"]
        assert (await http.get(f"/rooms/{room['roomId']}")).json()["disabled"] is False


async def test_somebody_is_sent_away(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with v2(platform, tenant) as http:
        room = await make_room(http)
        full = f"proj_{room['roomId']}"
        await Hooks(platform, full).joins("ada", "Ada")
        (session,) = (await http.get("/sessions")).json()["data"]
        for whom in ({"roomId": room["roomId"]}, {"sessionId": session["id"]}):
            gone = await http.post("/sessions/participants/remove", json={"participantId": "ada", **whom})
            assert gone.status_code == 404, gone.text  # the fake room has nobody; LiveKit was asked
        assert platform.media.calls.count(("remove_participant", full, "ada")) == 2
        assert (await http.post("/sessions/participants/remove", json={"participantId": "ada"})).status_code == 400


async def test_sessions_of_others_are_not_there(platform: Platform) -> None:
    tenant, other = await platform.tenant(), await platform.tenant("other")
    async with v2(platform, tenant) as http, v2(platform, other) as stranger:
        room = await make_room(http)
        await Hooks(platform, f"proj_{room['roomId']}").joins("ada")
        await Hooks(platform, "proj_plain", "RM_9").joins("ada")
        (session,) = (await http.get("/sessions")).json()["data"]
        assert session["roomId"] == room["roomId"]
        assert (await stranger.get("/sessions")).json()["data"] == []
        await refused(stranger, session["id"], room["roomId"])
    async with v2(platform, tenant, roomId="abc-abcd-abcd") as http:
        await refused(http, session["id"], room["roomId"])


async def refused(http: httpx2.AsyncClient, session_id: str, room_id: str) -> None:
    for path in ("", "/participants", "/participants/active", "/participants/ada"):
        assert (await http.get(f"/sessions/{session_id}{path}")).status_code == 404
    assert (await http.post("/sessions/end", json={"roomId": room_id})).status_code == 402
    removed = await http.post("/sessions/participants/remove", json={"participantId": "ada", "roomId": room_id})
    assert removed.status_code == 402
