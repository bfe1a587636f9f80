"""The commands that use a running platform, as a person types them."""

import json
import os
import re
import signal
import subprocess
import sys
import uuid

import httpx2
import pytest

from tests.e2e.conftest import RunningPlatform
from tests.e2e.test_brought_back import process_of

pytestmark = [pytest.mark.call, pytest.mark.timeout(180)]


def parley(running: RunningPlatform, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "parley", *arguments, "--ready", str(running.ready_file)]
    return subprocess.run(command, input=typed, capture_output=True, text=True, timeout=120, check=False)


def test_each_typed_line_is_answered_before_the_next_and_kept_in_the_transcript(running: RunningPlatform) -> None:
    done = parley(
        running, "talk", typed="How long is the warranty on a repair?\nHow long is the warranty on a repair?\n"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    speakers = [line.partition(":")[0] for line in done.stdout.splitlines() if ": " in line]
    assert speakers == ["Robin", "You", "Robin", "You", "Robin"]
    assert done.stdout.count("six months") == 2
    with running.client() as client:
        session = client.get("/sessions?per_page=1").json()["sessions"][0]
        lines = client.get(f"/sessions/{session['id']}/transcript").json()["transcripts"]
    assert [line["speaker"] for line in lines] == ["agent", "user", "agent", "user", "agent"]


def heard(talking: subprocess.Popen[bytes], words: str) -> str:
    """What the command says until it says these words."""
    assert talking.stdout is not None
    said = ""
    while words not in said:
        piece = os.read(talking.stdout.fileno(), 4096)
        assert piece, said
        said += piece.decode()
    return said


def test_a_line_that_is_typed_as_its_persona_dies_is_answered_by_the_next(running: RunningPlatform) -> None:
    keyboard, terminal = os.openpty()
    command = [sys.executable, "-m", "parley", "talk", "--ready", str(running.ready_file)]
    with subprocess.Popen(command, stdin=terminal, stdout=subprocess.PIPE) as talking:
        heard(talking, "You: ")
        with running.client() as client:
            session = client.get("/sessions?per_page=1").json()["sessions"][0]["id"]
        os.kill(process_of(running, session), signal.SIGKILL)
        os.write(keyboard, b"How long is the warranty on a repair?\n")
        assert "gone for a moment" in heard(talking, "six months")
        os.write(keyboard, b"\n")
        rest, _ = talking.communicate(timeout=60)
    os.close(keyboard)
    os.close(terminal)
    assert talking.returncode == 0, rest
    with running.client() as client:
        lines = client.get(f"/sessions/{session}/transcript").json()["transcripts"]
    assert [line["content"] for line in lines if line["speaker"] == "user"] == ["How long is the warranty on a repair?"]


def test_a_persona_that_is_not_there_is_told_in_one_line(running: RunningPlatform) -> None:
    done = parley(running, "talk", "--agent", "999999", typed="Hello\n")
    assert done.returncode == 1
    assert re.fullmatch(r"parley: .*404.*\n", done.stderr)


def test_the_monitor_is_followed_until_ctrl_c(running: RunningPlatform) -> None:
    room = f"tail-{uuid.uuid4().hex[:8]}"
    command = [sys.executable, "-m", "parley", "tail", "--json", "--channel", f"room:{room}"]
    command += ["--after", "0", "--ready", str(running.ready_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        with running.client() as client:
            said(client, room)
        seen = [json.loads(following.stdout.readline()) for _ in range(3)]
        following.send_signal(signal.SIGINT)
        rest, problems = following.communicate(timeout=15)
    assert [message["type"] for message in seen] == ["session.started", "transcript.new", "session.ended"]
    assert seen[1]["data"]["content"] == "Hello there"
    assert (following.returncode, rest, problems) == (0, "", "")


def said(client: httpx2.Client, room: str) -> None:
    for path, body in (
        ("/sessions", {"room_name": room}),
        (f"/sessions/{room}/transcript", {"speaker": "user", "content": "Hello", "is_final": False}),
        (f"/sessions/{room}/transcript", {"speaker": "user", "content": "Hello there"}),
        (f"/sessions/{room}/end", {}),
    ):
        client.post(path, json=body).raise_for_status()


def test_a_key_is_made_listed_and_revoked(running: RunningPlatform) -> None:
    made = parley(running, "keys", "create", "--label", "from a test", "--expires", "3")
    assert made.returncode == 0, made.stderr
    key = re.search(r"pk_[\w-]+", made.stdout)
    number = re.search(r"id +(\d+)", made.stdout)
    assert key is not None
    assert number is not None
    address = f"{running.ready['api_url']}/api/v1/agents"
    assert httpx2.get(address, headers={"X-API-Key": key[0]}).status_code == 200
    listed = parley(running, "keys", "list").stdout
    assert "from a test" in listed
    assert key[0] not in listed
    assert parley(running, "keys", "revoke", number[1]).returncode == 0
    assert httpx2.get(address, headers={"X-API-Key": key[0]}).status_code == 401


def test_a_call_that_cannot_be_placed_is_told_in_one_line(running: RunningPlatform) -> None:
    done = parley(running, "call", "7751234567")
    assert done.returncode == 1
    assert re.fullmatch(r"parley: .+\(\d{3} [A-Z_]+\).*\n", done.stderr)


def test_a_platform_that_does_not_run_is_told_with_the_mend() -> None:
    command = [sys.executable, "-m", "parley", "tail", "--url", "http://127.0.0.1:9", "--key", "pk_x"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "parley up" in done.stderr
    assert len(done.stderr.splitlines()) == 1
