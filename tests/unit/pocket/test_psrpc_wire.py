"""Golden bytes and names: what psrpc v0.7.2 in Go published on Redis, as it was recorded there."""

import re

import pytest
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import StringValue

from pocket.psrpc import wire
from pocket.psrpc.envelope_pb2 import ClaimRequest, ClaimResponse, Request, Response

REQUEST = (
    b"\n$type.googleapis.com/internal.Request\x12A\n\x10REQ_cIWPkVIwQzLH\x12\x10CLI_abcdefghijkl"
    b"\x18\xac\xb8\xe1\xa6\x96\x85\x83\xf5\x18 \xac\xf4\xa2\xbd\xa1\x85\x83\xf5\x18B\x07\n\x05hallo"
)
CLAIM = (
    b"\n)type.googleapis.com/internal.ClaimRequest\x12)\n\x10REQ_QgWvR6rxU5MT\x12\x10SRV_abcdefghijkl\x1d\x00\x00\x80?"
)
CHOICE = b"\n*type.googleapis.com/internal.ClaimResponse\x12$\n\x10REQ_cIWPkVIwQzLH\x12\x10SRV_itptZxW3D0W4"
ANSWER = (
    b"\n%type.googleapis.com/internal.Response\x127\n\x10REQ_QgWvR6rxU5MT\x12\x10SRV_abcdefghijkl"
    b"\x18\xc7\xaf\x99\x9f\x98\x85\x83\xf5\x18:\x07\n\x05go:hi"
)
ERROR = (
    b"\n%type.googleapis.com/internal.Response\x12H\n\x10REQ_jaN4o3IdNRT6\x12\x10SRV_abcdefghijkl"
    b"\x18\x8c\xcd\xeb\x9f\x98\x85\x83\xf5\x18*\rno such thing2\tnot_found"
)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            REQUEST,
            Request(
                request_id="REQ_cIWPkVIwQzLH",
                client_id="CLI_abcdefghijkl",
                sent_at=1795260773385657388,
                expiry=1795260776385657388,
                raw_request=StringValue(value="hallo").SerializeToString(),
            ),
        ),
        (CLAIM, ClaimRequest(request_id="REQ_QgWvR6rxU5MT", server_id="SRV_abcdefghijkl", affinity=1.0)),
        (CHOICE, ClaimResponse(request_id="REQ_cIWPkVIwQzLH", server_id="SRV_itptZxW3D0W4")),
        (
            ANSWER,
            Response(
                request_id="REQ_QgWvR6rxU5MT",
                server_id="SRV_abcdefghijkl",
                sent_at=1795260773906667463,
                raw_response=StringValue(value="go:hi").SerializeToString(),
            ),
        ),
        (
            ERROR,
            Response(
                request_id="REQ_jaN4o3IdNRT6",
                server_id="SRV_abcdefghijkl",
                sent_at=1795260773908014732,
                error="no such thing",
                code="not_found",
            ),
        ),
    ],
    ids=["request", "claim", "choice", "answer", "error"],
)
def test_messages_look_as_psrpc_in_go_makes_them(data: bytes, message: Message) -> None:
    assert wire.unwrap(data, type(message)) == message
    assert wire.wrap(message) == data


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"\x0a\x05ab", CLAIM, REQUEST[:-3], b"\n\x10internal.Request\x12\x01\xff"]
)
def test_what_is_no_request_is_none(data: bytes) -> None:
    assert wire.unwrap(data, Request) is None


def test_channels_are_named_as_in_go() -> None:
    assert wire.request_channel("SIPInternal", "CreateSIPParticipant", "") == "SIPInternal|CreateSIPParticipant|REQ"
    assert wire.choice_channel("SIPInternal", "CreateSIPParticipant", "") == "SIPInternal|CreateSIPParticipant|RCLAIM"
    assert wire.request_channel("PyEcho", "Say", "SCL_é-1") == "PyEcho|Say|SCL_u+00e9u+002d1|REQ"
    assert wire.choice_channel("PyEcho", "Say", "SCL_é-1") == "PyEcho|Say|SCL_u+00e9u+002d1|RCLAIM"
    assert wire.claim_channel("SIPInternal", "CLI_abcdefghijkl") == "SIPInternal|CLI_abcdefghijkl|CLAIM"
    assert wire.response_channel("SIPInternal", "CLI_abcdefghijkl") == "SIPInternal|CLI_abcdefghijkl|RES"


def test_foreign_characters_of_a_channel_are_escaped_as_in_go() -> None:
    assert wire.channel("🚀_É", "🛰_bar", "软件", "END") == "U+0001f680_u+00c9|U+0001f6f0_bar|u+8f6fu+4ef6|END"
    assert wire.channel("a|b", "c.d", "e f") == "au+007cb|cu+002ed|eu+0020f"


def test_a_queued_request_is_locked_under_the_hash_of_its_bytes() -> None:
    assert wire.lock_key(b"hello") == "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="


@pytest.mark.parametrize("prefix", ["CLI_", "SRV_", "REQ_"])
def test_identifiers_look_as_in_go_and_differ(prefix: str) -> None:
    made = {wire.new_id(prefix) for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(prefix + "[0-9A-Za-z]{12}", one) for one in made)
