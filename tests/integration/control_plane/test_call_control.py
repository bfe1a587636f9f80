"""Call control over HTTP: what reaches the media server, what is refused before it is asked."""

import json

import pytest

from control_plane.errors import Conflict, Unavailable
from control_plane.media.server import LiveParticipant, ParticipantChange, Permission
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

MICROPHONE = {"sid": "TR_mic", "name": "mic", "type": "audio", "source": "microphone", "muted": False}
CAMERA = {"sid": "TR_cam", "name": "cam", "type": "video", "source": "camera", "muted": False}


def person(identity: str, *, kind: str = "standard", tracks: tuple[dict[str, object], ...] = ()) -> LiveParticipant:
    hidden = kind == "egress"
    limited = Permission(can_publish_data=False)
    return LiveParticipant(
        f"PA_{identity}",
        identity,
        identity.title(),
        kind,
        "ACTIVE",
        1_711_900_010,
        hidden=hidden,
        tracks=list(tracks),
        permission=limited,
    )


async def a_room(platform: Platform, tenant: Tenant) -> None:
    """An open room with two people, a persona and a recorder; the media double forgets how it was made."""
    assert (await tenant.http.post("/rooms", json={"name": "r"})).status_code == 201
    platform.media.people["proj_r"] = [
        person("ada", tracks=(CAMERA, MICROPHONE)),
        person("bob"),
        person("agent-1", kind="agent"),
        person("EG_1", kind="egress"),
    ]
    platform.media.calls.clear()


@pytest.mark.parametrize(
    ("body", "packet"),
    [
        ({"data": "Grüße", "topic": "chat"}, ("Grüße".encode(), "chat", [])),
        ({"data": {"b": 1, "a": ["ü", None]}}, ('{"b":1,"a":["ü",null]}'.encode(), None, [])),
        ({"data": "psst", "destination_identities": ["agent-1"]}, (b"psst", None, ["agent-1"])),
    ],
    ids=["text", "object", "whisper"],
)
async def test_data_is_sent_as_it_was_given(platform: Platform, body: object, packet: tuple[object, ...]) -> None:
    tenant = await platform.tenant()
    await a_room(platform, tenant)
    answer = await tenant.http.post("/rooms/r/send-data", json=body)
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert platform.media.calls == [("send_data", "proj_r", *packet)]


@pytest.mark.parametrize("stranger", ["nobody", "EG_1"])
async def test_a_whisper_to_somebody_who_is_not_there_reaches_nobody(platform: Platform, stranger: str) -> None:
    tenant = await platform.tenant()
    await a_room(platform, tenant)
    body = {"data": "x", "destination_identities": ["ada", stranger]}
    answer = await tenant.http.post("/rooms/r/send-data", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    assert stranger in answer.json()["error"]
    assert platform.media.calls == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "data"),
        ({"data": None}, "data"),
        ({"data": 7}, "data"),
        ({"data": ["x"]}, "data"),
        ({"data": "x" * 15_361}, "data"),
        ({"data": "ü" * 8_000}, "data"),
        ({"data": {"a": "x" * 15_400}}, "data"),
        ({"data": "\ud800"}, "data"),
        ({"data": {"a": 2**70}}, "data"),
        ({"data": "x", "destination_identities": []}, "destination_identities"),
        ({"data": "x", "destination_identities": "ada"}, "destination_identities"),
        ({"data": "x", "destination_identities": [1]}, "destination_identities.0"),
        ({"data": "x", "topic": "t" * 257}, "topic"),
    ],
)
async def test_data_that_cannot_be_sent_is_refused_by_name(platform: Platform, body: object, field: str) -> None:
    tenant = await platform.tenant()
    await a_room(platform, tenant)
    headers = {"Content-Type": "application/json"}
    answer = await tenant.http.post("/rooms/r/send-data", content=json.dumps(body), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")
    assert answer.json()["details"]["fields"][0]["field"] == field
    assert platform.media.calls == []


async def test_data_of_the_very_limit_is_sent(platform: Platform) -> None:
    tenant = await platform.tenant()
    await a_room(platform, tenant)
    assert (await tenant.http.post("/rooms/r/send-data", json={"data": "x" * 15_360})).status_code == 200


async def test_an_update_changes_what_it_names_and_answers_the_whole_participant(platform: Platform) -> None:
    tenant = await platform.tenant()
    await a_room(platform, tenant)
    body = {"permission": {"canPublish": False}, "name": "Countess"}
    answer = await tenant.http.post("/rooms/r/participants/ada", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "success": True,
        "participant": {
            "identity": "ada",
            "name": "Countess",
            "joinedAt": 1_711_900_010,
            "state": "ACTIVE",
            "tracks": [CAMERA, MICROPHONE],
            "metadata": "",
            "permission": {
                "canPublish": False,
                "canSubscribe": True,
                "canPublishData": False,
                "canPublishSources": [],
            },
        },
    }
    change = ParticipantChange(name="Countess", can_publish=False)
    assert platform.media.calls == [("update_participant", "proj_r", "ada", change)]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"metadata": None}, "metadata"),
        ({"name": None}, "name"),
        ({"permission": None}, "permission"),
        ({"permission": {}}, "permission"),
        ({"permission": {"canPublish": None}}, "permission.canPublish"),
        ({"permission": {"canPublish": "no"}}, "permission.canPublish"),
        ({"permission": {"canPublishSources": ["radio"]}}, "permission.canPublishSources.0"),
        ({"permission": {"canPublishSources": []}}, "permission.canPublishSources"),
        ({"name": ""}, "name"),
        ({"metadata": ""}, "metadata"),
        ({"name": "n" * 257}, "name"),
        ({"name": "a\x00"}, "name"),
        ({"identity": "bob"}, "identity"),
        *(
            ({"permission": {right: True}}, f"permission.{right}")
            for right in ("hidden", "recorder", "agent", "canUpdateMetadata", "canManageAgentSession", "roomAdmin")
        ),
    ],
)
async def test_an_update_of_nothing_or_of_what_is_reserved_is_refused(
    platform: Platform, body: object, field: str
) -> None:
    tenant = await platform.tenant()
    await a_room(platform, tenant)
    answer = await tenant.http.post("/rooms/r/participants/ada", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["details"]["fields"][0]["field"] == field
    assert platform.media.calls == []


async def test_mute_finds_the_first_audio_track(platform: Platform) -> None:
    tenant = await platform.tenant()
    await a_room(platform, tenant)
    answer = await tenant.http.post("/rooms/r/participants/ada/mute", json={"muted": True})
    assert answer.json() == {"success": True, "identity": "ada", "track_sid": "TR_mic", "muted": True}
    named = await tenant.http.post("/rooms/r/participants/ada/mute", json={"muted": False, "track_sid": "TR_cam"})
    assert named.json()["track_sid"] == "TR_cam"
    mute, unmute = (("mute_track", "proj_r", "ada", sid, muted) for sid, muted in (("TR_mic", True), ("TR_cam", False)))
    assert platform.media.calls == [mute, unmute]


async def test_mute_finds_the_voice_of_a_bot_and_not_its_silence(platform: Platform) -> None:
    tenant = await platform.tenant()
    await a_room(platform, tenant)
    silence = MICROPHONE | {"sid": "TR_silence", "source": "unknown"}
    platform.media.people["proj_r"].append(person("bot-1", tracks=(silence, MICROPHONE)))
    answer = await tenant.http.post("/rooms/r/participants/bot-1/mute", json={"muted": True})
    assert answer.json()["track_sid"] == "TR_mic"


@pytest.mark.parametrize(
    ("identity", "body", "status"),
    [
        ("bob", {"muted": True}, 409),
        ("ada", {"muted": True, "track_sid": "TR_other"}, 404),
        ("nobody", {"muted": True}, 404),
        ("EG_1", {"muted": True}, 404),
        ("ada", {}, 400),
        ("ada", {"muted": None}, 400),
        ("ada", {"muted": "yes"}, 400),
        ("ada", {"muted": True, "track_sid": ""}, 400),
    ],
)
async def test_what_cannot_be_muted_says_why(platform: Platform, identity: str, body: object, status: int) -> None:
    tenant = await platform.tenant()
    await a_room(platform, tenant)
    answer = await tenant.http.post(f"/rooms/r/participants/{identity}/mute", json=body)
    assert answer.status_code == status, answer.text
    assert platform.media.calls == []
    if status == 409:
        assert "no audio track" in answer.json()["error"]


async def test_a_kick_answers_once_the_participant_is_removed(platform: Platform) -> None:
    tenant = await platform.tenant()
    await a_room(platform, tenant)
    answer = await tenant.http.post("/rooms/r/kick/ada")
    assert answer.json() == {"success": True, "message": "Participant removed"}
    assert platform.media.calls == [("remove_participant", "proj_r", "ada")]
    assert (await tenant.http.post("/rooms/r/kick/EG_1")).status_code == 404


async def test_an_identity_may_hold_a_slash(platform: Platform) -> None:
    tenant = await platform.tenant()
    await a_room(platform, tenant)
    platform.media.people["proj_r"].append(person("team/ada", tracks=(MICROPHONE,)))
    assert (await tenant.http.post("/rooms/r/participants/team%2Fada/mute", json={"muted": True})).status_code == 200
    assert (await tenant.http.post("/rooms/r/participants/team%2Fada", json={"name": "A"})).status_code == 200
    assert (await tenant.http.post("/rooms/r/kick/team%2Fada")).status_code == 200


async def test_an_identity_may_end_with_a_slash_and_none_ends_like_an_action(platform: Platform) -> None:
    tenant = await platform.tenant()
    await a_room(platform, tenant)
    platform.media.people["proj_r"].append(person("ada/", tracks=(MICROPHONE,)))
    muted = await tenant.http.post("/rooms/r/participants/ada%2F/mute", json={"muted": True})
    assert (muted.status_code, muted.json()["identity"]) == (200, "ada/")
    for slash in ("", "/"):
        changed = await tenant.http.post(f"/rooms/r/participants/ada%2F{slash}", json={"name": "A"})
        assert (changed.status_code, changed.json()["participant"]["identity"]) == (200, "ada/")
        assert (await tenant.http.post(f"/rooms/r/kick/ada%2F{slash}")).status_code == 200
    assert ("remove_participant", "proj_r", "ada/") in platform.media.calls
    assert (await tenant.http.get("/rooms/%2F")).status_code == 404
    assert (await tenant.http.get("/rooms//")).json().keys() == {"rooms"}
    refused = await tenant.http.post("/token", json={"identity": "ada/mute", "room": "r"})
    assert (refused.status_code, refused.json()["details"]["fields"][0]["field"]) == (400, "identity")


CONTROLS = [
    ("send-data", {"data": "x"}),
    ("participants/ada", {"name": "x"}),
    ("participants/ada/mute", {"muted": True}),
    ("kick/ada", None),
]


@pytest.mark.parametrize(("action", "body"), CONTROLS)
async def test_only_an_open_room_of_ones_own_can_be_controlled(platform: Platform, action: str, body: object) -> None:
    tenant, _ = await platform.tenant(), await platform.tenant("theirs")
    await a_room(platform, tenant)
    await tenant.http.delete("/rooms/r")
    platform.media.calls.clear()
    for room, status in (("r", 409), ("unknown", 404), ("theirs_r", 403)):
        answer = await tenant.http.post(f"/rooms/{room}/{action}", json=body)
        assert answer.status_code == status, (room, answer.text)
    assert platform.media.calls == []


@pytest.mark.parametrize(("action", "body"), CONTROLS)
async def test_what_livekit_refuses_is_passed_on(platform: Platform, action: str, body: object) -> None:
    tenant = await platform.tenant()
    await a_room(platform, tenant)
    for error, status in ((Conflict("LiveKit refused: remote unmute not enabled"), 409), (Unavailable("away"), 503)):
        platform.media.fail_next = error
        answer = await tenant.http.post(f"/rooms/r/{action}", json=body)
        assert (answer.status_code, answer.json()["error"]) == (status, error.message)
    assert answer.headers["retry-after"].isdigit()
