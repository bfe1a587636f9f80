"""Where streams go, and what is told of it."""

import pytest
from livekit.protocol import egress

from pocket.psrpc import RpcError
from pocket.recorder.outputs import MOST_STREAMS, changes, destination, redacted
from pocket.recorder.plan import plan_of
from pocket.recorder.protobufs import rpc_egress_pb2 as rpc
from pocket.recorder.states import first_info

HOST = "rtmp://127.0.0.1"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"{HOST}/live/abcdefghij", f"{HOST}/live/{{abc...hij}}"),
        (f"{HOST}/live/abcdefgh", f"{HOST}/live/{{ab...gh}}"),
        (f"{HOST}/live/abc", f"{HOST}/live/{{a...c}}"),
        (f"{HOST}/live/ab", f"{HOST}/live/{{...}}"),
        ("rtmps://a.example:443/x/live/key?secret=abcdef", "rtmps://a.example:443/x/live/{key...def}"),
        ("nothing of the kind", "{not...ind}"),
    ],
)
def test_a_key_is_told_by_its_ends_only(url: str, shown: str) -> None:
    assert redacted(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "",
        HOST,
        f"{HOST}/live",
        f"{HOST}/live/key\x00",
        f"{HOST}/live/key\n",
        f"{HOST}/live/kéy",
        f"{HOST}/li ve/key",
        "file:///etc/passwd",
        "http://a.example/live/key",
        "mux://",
    ],
)
def test_what_is_no_address_is_refused_without_being_told_on(url: str) -> None:
    with pytest.raises(RpcError, match="rtmp urls must be of format") as refused:
        destination(url)
    assert not url or url not in refused.value.message


def test_addresses_are_taken_as_livekit_takes_them() -> None:
    assert destination(f"{HOST}/live/key live=1").url == f"{HOST}/live/key"
    assert destination("mux://key").url == "rtmps://global-live.mux.com:443/app/key"
    with pytest.raises(RpcError, match="needs the official egress"):
        destination("twitch://key")


def test_changes_are_made_whole_or_not_at_all() -> None:
    now = [f"{HOST}/live/{number}" for number in range(MOST_STREAMS)]
    swap = egress.UpdateStreamRequest(add_output_urls=[f"{HOST}/live/new"], remove_output_urls=now[:1])
    added, removed = changes(swap, now, len(now))
    assert ([each.url for each in added], removed) == ([f"{HOST}/live/new"], now[:1])
    for request, code in (
        (egress.UpdateStreamRequest(add_output_urls=[f"{HOST}/live/new"]), "resource_exhausted"),
        (egress.UpdateStreamRequest(add_output_urls=now[:1]), "already_exists"),
        (egress.UpdateStreamRequest(remove_output_urls=[f"{HOST}/live/new"]), "not_found"),
    ):
        with pytest.raises(RpcError) as refused:
            changes(request, now, len(now))
        assert refused.value.code == code


def asked(**more: object) -> rpc.StartEgressRequest:
    """A request of the second version with one stream."""
    stream = egress.StreamOutput(
        urls=[f"{HOST}/live/first-secret"],
        destinations=[egress.StreamDestination(id="b", url=f"{HOST}/live/second-secret")],
    )
    template = egress.TemplateSource(audio_only=True)
    outputs = [egress.Output(stream=stream), *(more.pop("outputs", []))]  # type: ignore[misc]
    request = egress.StartEgressRequest(room_name="hall", template=template, outputs=outputs, **more)
    return rpc.StartEgressRequest(egress_id="EG_a", egress=request)


def test_keys_are_in_the_plan_and_not_in_what_is_told() -> None:
    plan = plan_of(asked())
    info = first_info(asked(), plan)
    assert [each.url for each in plan.streams] == [f"{HOST}/live/first-secret", f"{HOST}/live/second-secret"]
    assert not plan.stored
    assert plan.kind == plan.live_kind == "flv"
    assert [(each.id, each.url) for each in info.stream_results] == [
        ("", f"{HOST}/live/{{fir...ret}}"),
        ("b", f"{HOST}/live/{{sec...ret}}"),
    ]
    assert not info.file_results
    assert "-secret" not in str(info)


def test_a_file_and_a_stream_are_made_together_and_weigh_both() -> None:
    plan = plan_of(asked(outputs=[egress.Output(file=egress.FileOutput(filepath="a.mp3"))]))
    assert (plan.kind, plan.live_kind, plan.stored, plan.weight) == ("mp3", "flv", True, 2)


def test_several_streams_of_one_request_have_one_output() -> None:
    stream = egress.StreamOutput(urls=[f"{HOST}/live/third"])
    with pytest.raises(RpcError, match="multiple outputs"):
        plan_of(asked(outputs=[egress.Output(stream=stream)]))
    with pytest.raises(RpcError, match="incompatible"):
        plan_of(asked(advanced=egress.EncodingOptions(audio_codec="OPUS")))
