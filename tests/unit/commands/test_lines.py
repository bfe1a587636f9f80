"""What the terminal shows of a message, and what it takes from standard input."""

import os
from pathlib import Path
from typing import Any

import pytest

from parley.commands.lines import line_of
from parley.commands.typed_lines import TypedLines


def shown(kind: str, **data: Any) -> str:
    message = {"type": kind, "id": 1, "timestamp": "2026-03-31T10:00:00.000Z", "data": {"room_name": "r"} | data}
    return line_of(message, with_room=False).plain.split("  ", 1)[1]


def test_a_spoken_line_says_who_speaks() -> None:
    assert shown("transcript.new", speaker="user", content=" Hello ", is_final=True) == "Caller   Hello"
    assert shown("transcript.new", speaker="agent", content="Hi", is_final=True) == "Persona  Hi"


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        ("participant.joined", {"identity": "sip_+17751234567", "name": ""}, "+17751234567 joined"),
        ("participant.left", {"identity": "ann", "reason": "left", "cause": "client_initiated"}, "ann left"),
        ("participant.left", {"identity": "ann", "reason": "left", "cause": None}, "ann left"),
        ("participant.left", {"identity": "ann", "cause": "participant_removed"}, "ann left (participant removed)"),
        (
            "session.ended",
            {"session_id": 4, "duration": 12, "end_reason": "caller_left"},
            "call 4 ended after 12 s (caller left)",
        ),
        ("call.status", {"phone_number": "+1775", "status": "busy", "sip_status": 486}, "+1775 is busy (SIP 486)"),
        ("call.status", {"phone_number": "+1775", "status": "ringing"}, "+1775 is ringing"),
        ("call.status", {"phone_number": "+1775", "status": "parked"}, "+1775: parked"),
        ("recording.status", {"recording_id": 7, "status": "recording", "error": None}, "recording 7 started"),
        ("recording.status", {"recording_id": 7, "status": "completed"}, "recording 7 ended"),
        (
            "recording.status",
            {"recording_id": 7, "status": "error", "error": "disk full"},
            "recording 7 failed (disk full)",
        ),
        ("something.else", {}, "something else"),
    ],
)
def test_an_event_is_told_in_words(kind: str, data: dict[str, Any], text: str) -> None:
    assert shown(kind, **data) == text


def test_what_people_say_cannot_command_the_terminal() -> None:
    line = shown("transcript.new", speaker="user", content="a\x1b]0;owned\x07\x9b2Jb\nc", is_final=True)
    assert line.isprintable()


@pytest.mark.anyio
async def test_lines_are_taken_from_a_pipe_and_from_a_file_alike(tmp_path: Path) -> None:
    text = b"first\r\nsecond \xff\n\nlast"
    (tmp_path / "lines").write_bytes(text)
    file = os.open(tmp_path / "lines", os.O_RDONLY)
    reader, writer = os.pipe()
    os.write(writer, text)
    os.close(writer)
    for descriptor in (file, reader):
        lines = TypedLines(descriptor)
        assert [await lines.next() for _ in range(5)] == ["first", "second \ufffd", "", "last", None]
        os.close(descriptor)
