from typing import Any

import pytest
from livekit.protocol import egress, models

from pocket.psrpc import RpcError
from pocket.recorder.plan import Plan, plan_of
from pocket.recorder.protobufs import rpc_egress_pb2 as rpc
from pocket.recorder.sources import Channel, Sides, Speaker
from pocket.recorder.states import first_info

FILE = egress.EncodedFileOutput(filepath="x")
AGENT, STANDARD = models.ParticipantInfo.AGENT, models.ParticipantInfo.STANDARD


def plan(**request: Any) -> Plan:
    return plan_of(rpc.StartEgressRequest(egress_id="EG_1", **request))


def composite(**more: Any) -> egress.RoomCompositeEgressRequest:
    return egress.RoomCompositeEgressRequest(**{"room_name": "r", "audio_only": True, "file_outputs": [FILE]} | more)


def test_a_room_is_everybody_in_one_channel() -> None:
    made = plan(room_composite=composite())
    assert (made.asked, made.kind, made.path, made.stereo, made.manifest) == ("room_composite", "ogg", "x", False, True)
    assert made.source.wants(Speaker("TR_1", "ada", STANDARD))


def test_the_old_single_output_is_read_as_well() -> None:
    made = plan(room_composite=egress.RoomCompositeEgressRequest(room_name="r", audio_only=True, file=FILE))
    assert made.path == "x"


def test_agents_are_left_and_the_others_right() -> None:
    made = plan(room_composite=composite(audio_mixing=egress.DUAL_CHANNEL_AGENT))
    sides = Sides(made.source)
    assert made.stereo
    assert sides.of(Speaker("TR_1", "persona", AGENT)) == Channel.LEFT
    assert sides.of(Speaker("TR_2", "ada", STANDARD)) == Channel.RIGHT


def test_who_comes_back_has_the_same_side() -> None:
    sides = Sides(plan(room_composite=composite(audio_mixing=egress.DUAL_CHANNEL_ALTERNATE)).source)
    order = [sides.of(Speaker(f"TR_{place}", who, STANDARD)) for place, who in enumerate(["ada", "bob", "ada", "eve"])]
    assert order == [Channel.LEFT, Channel.RIGHT, Channel.LEFT, Channel.LEFT]


def test_the_first_route_that_fits_is_taken_and_the_rest_is_not_heard() -> None:
    routes = [
        egress.AudioRoute(track_id="TR_1", channel=egress.AUDIO_CHANNEL_RIGHT),
        egress.AudioRoute(participant_kind=AGENT, channel=egress.AUDIO_CHANNEL_LEFT),
    ]
    asked = egress.StartEgressRequest(room_name="r", media=egress.MediaSource(audio=egress.AudioConfig(routes=routes)))
    asked.outputs.append(egress.Output(file=egress.FileOutput(filepath="x.mp4", disable_manifest=True)))
    made = plan(egress=asked)
    sides = Sides(made.source)
    assert (made.kind, made.stereo, made.manifest) == ("mp4", True, False)
    assert sides.of(Speaker("TR_1", "persona", AGENT)) == Channel.RIGHT
    assert sides.of(Speaker("TR_2", "persona", AGENT)) == Channel.LEFT
    assert not made.source.wants(Speaker("TR_3", "ada", STANDARD))
    assert made.source.awaited() == (set(), {"TR_1"})


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({}, "request"),
        ({"web": egress.WebEgressRequest(url="http://x")}, "needs the official egress service"),
        ({"room_composite": composite(custom_base_url="http://x")}, "needs the official egress service"),
        ({"room_composite": composite(layout="our-own")}, "needs the official egress service"),
        ({"room_composite": composite(room_name="")}, "room_name"),
        ({"room_composite": composite(file_outputs=[])}, "output"),
        ({"room_composite": composite(advanced=egress.EncodingOptions(audio_bitrate=9999))}, "audio_bitrate"),
        ({"room_composite": composite(advanced=egress.EncodingOptions(audio_codec=models.AAC))}, "incompatible"),
        ({"track": egress.TrackEgressRequest(room_name="r", file=egress.DirectFileOutput())}, "track_id"),
        ({"track": egress.TrackEgressRequest(room_name="r", track_id="t", websocket_url="ws://x")}, "official"),
        ({"egress": egress.StartEgressRequest(room_name="r")}, "source"),
        ({"egress": egress.StartEgressRequest(room_name="r", media=egress.MediaSource())}, "audio"),
    ],
)
def test_what_is_wrong_is_named(request_: dict[str, Any], words: str) -> None:
    with pytest.raises(RpcError, match=words) as refused:
        plan(**request_)
    assert refused.value.code == "invalid_argument"


def test_buckets_are_named_and_what_is_not_done_with_them_is_refused() -> None:
    for store in (
        {"s3": egress.S3Upload()},
        {"s3": egress.S3Upload(bucket="b", tagging="a=b")},
        {"azure": egress.AzureBlobUpload(account_name="a")},
        {"aliOSS": egress.AliOSSUpload(bucket="b")},
    ):
        with pytest.raises(RpcError):
            plan(room_composite=composite(file_outputs=[egress.EncodedFileOutput(filepath="x", **store)]))


def test_no_secret_is_in_what_is_told() -> None:
    store = egress.S3Upload(bucket="b", access_key="KEY", secret="HIDDEN", session_token="HIDDEN")
    asked = rpc.StartEgressRequest(egress_id="EG_1")
    asked.egress.room_name = "r"
    asked.egress.template.audio_only = True
    asked.egress.storage.s3.CopyFrom(store)
    asked.egress.outputs.append(egress.Output(file=egress.FileOutput(filepath="x")))
    asked.egress.outputs[0].storage.gcp.credentials = "HIDDEN"
    asked.egress.outputs[0].storage.gcp.bucket = "b"
    info = first_info(asked, plan_of(asked))
    assert "HIDDEN" not in str(info)
    assert info.egress.storage.s3.secret == "{secret}"
    assert info.egress.outputs[0].storage.gcp.credentials == "{credentials}"
    assert asked.egress.storage.s3.secret == "HIDDEN"
