"""The pages of the console in Chromium: from a stranger's first click to logging in again."""

import json
import shutil
import subprocess
from pathlib import Path

import httpx2
import pytest

from control_plane.reference.realtime import HEARD, SENT, TOLD
from tests.e2e.conftest import RunningPlatform

pytestmark = [pytest.mark.page, pytest.mark.timeout(240)]

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "look",
    [("--width", "1280", "--height", "800"), ("--width", "390", "--height", "844", "--dark")],
    ids=["desktop", "phone"],
)
def test_a_person_signs_up_holds_a_meeting_and_keeps_their_account(
    running: RunningPlatform, tmp_path: Path, look: tuple[str, ...]
) -> None:
    url = running.ready["api_url"]
    result = tmp_path / "result.json"
    command = [shutil.which("node") or "node", "web/tests/console.mjs", "--url", url, "--json", str(result), *look]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=220, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(result.read_text())

    assert told["wrong_password"] == "E-mail address or password is wrong"
    assert told["foreign_link"].startswith("This is no meeting of this server")
    assert told["meeting"].startswith("/join/")
    assert told["host_token"] == "adm_"
    assert told["readable_cookies"] == ""
    assert told["snippet_has_key"], "the key of the account was not put into the code"
    assert (told["key"], told["webhook_secret"], told["support_key"]) == ("pk_", "whsec_", "sup_")
    assert told["copied"]
    assert told["account_is_at"] == "/console/settings"
    assert told["meetings"] == 1
    assert told["wrong_current"] == "The current password is wrong"
    assert set(told["events"]) == {*SENT, *HEARD, *TOLD}
    assert told["key_forgotten"], "the key stayed in the page after its owner had logged out"
    assert told["landed_at"] == url
    assert told["wider"] == []
    assert told["faults"] == []


@pytest.mark.parametrize(
    "page", ["/", "/login", "/signup", "/account", "/console", "/console/keys", "/docs/realtime", "/replay"]
)
def test_the_page_runs_nothing_but_our_own_files_and_in_no_frame(running: RunningPlatform, page: str) -> None:
    answer = httpx2.get(running.ready["api_url"] + page)
    policy = answer.headers["content-security-policy"]
    assert (answer.status_code, answer.headers["referrer-policy"]) == (200, "no-referrer")
    for rule in ("script-src 'self'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'"):
        assert rule in policy
