from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocket.psrpc import RpcError
from pocket.recorder.names import LONGEST, file_name, moments

VALUES = {"room_name": "../../etc/passwd", "room_id": "RM_1", "time": "2026-01-02T030405", "publisher_identity": ".."}


def named(template: str, ending: str = ".ogg") -> str:
    return file_name(template, ending, values=VALUES, default="hall-{time}")


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("", "hall-2026-01-02T030405.ogg"),
        ("tapes/", "tapes/hall-2026-01-02T030405.ogg"),
        ("/tapes/{room_id}", "tapes/RM_1.ogg"),
        ("a/./b//c.mp4", "a/b/c.ogg"),
        ("a.b", "a.b.ogg"),
        ("x.ogg", "x.ogg"),
        ("{room_name}", ".._.._etc_passwd.ogg"),
        ("{publisher_identity}/x", "_/x.ogg"),
        ("{unknown}", "{unknown}.ogg"),
    ],
)
def test_a_template_becomes_a_name(template: str, name: str) -> None:
    assert named(template) == name


@pytest.mark.parametrize("template", ["../x", "a/../../x", "a\\..\\x", "a\x00", "/".join(["x" * 200] * 5)])
def test_a_template_that_leads_elsewhere_is_refused(template: str) -> None:
    with pytest.raises(RpcError, match="filepath"):
        named(template)


@given(st.text(), st.text())
def test_no_value_leads_out_of_its_folder(room: str, identity: str) -> None:
    values = {"room_name": room, "publisher_identity": identity, "time": "t"}
    try:
        name = file_name("in/{room_name}/{publisher_identity}", ".ogg", values=values, default="x")
    except RpcError:
        raise AssertionError("values are never refused") from None
    path = PurePosixPath(name)
    assert path.parts[0] == "in"
    assert len(path.parts) == 3
    assert not {"..", "."} & set(path.parts)
    assert all(len(part.encode("utf-8", "replace")) <= 204 for part in path.parts)
    assert len(name) <= LONGEST
    assert "\x00" not in name


def test_moments_are_written_as_livekit_does() -> None:
    said = moments(datetime(2026, 1, 2, 3, 4, 5, 678_900, UTC))
    assert said == {"time": "2026-01-02T030405", "utc": "20260102030405678"}
