import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pool import Default
from livekit.protocol.room import RoomConfiguration
from livekit.protocol.sip import SIPTransport

from pocket.bridge.protobufs import rpc_sip_pb2 as rpc

CHECKOUT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("protos")
    subprocess.run([sys.executable, "tools/protos.py", "--into", str(folder)], cwd=CHECKOUT, check=True)
    return folder


def test_the_generated_code_is_what_the_generator_writes(generated: Path) -> None:
    names = {str(path.relative_to(generated)) for path in generated.rglob("*_pb2.py*")}
    assert names == {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "pocket").rglob("*_pb2.py*")}
    for name in names:
        assert (CHECKOUT / name).read_text() == (generated / name).read_text(), f"{name}: run tools/protos.py"


def test_no_name_of_liveKits_own_files_is_taken() -> None:
    assert rpc.DESCRIPTOR.name == "pocket/bridge/protobufs/rpc_sip.proto"
    assert Default().FindFileByName("livekit_sip.proto").package == "livekit"


def test_a_display_name_may_be_absent_empty_or_there() -> None:
    for request, there in (
        (rpc.InternalCreateSIPParticipantRequest(), False),
        (rpc.InternalCreateSIPParticipantRequest(display_name=""), True),
        (rpc.InternalCreateSIPParticipantRequest(display_name="Ada"), True),
    ):
        read = rpc.InternalCreateSIPParticipantRequest.FromString(request.SerializeToString())
        assert read.HasField("display_name") is there


def test_liveKits_messages_inside_ours_are_the_ones_of_its_package() -> None:
    request = rpc.InternalCreateSIPParticipantRequest(transport=SIPTransport.SIP_TRANSPORT_TCP)
    assert request.SerializeToString() == b"\x80\x01\x02"
    answer = rpc.EvaluateSIPDispatchRulesResponse(room_config=RoomConfiguration(name="lobby"))
    assert isinstance(answer.room_config, RoomConfiguration)
