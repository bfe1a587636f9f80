"""The console in Chromium, in one and in another project of an account."""

from pathlib import Path

import httpx2
import pytest

from control_plane.accounts.models import Project
from tests.support.console import EMAIL, PASSWORD
from tests.support.console_pages import needs_pages, unhurried
from tests.support.pages import PHONE, in_browser
from tests.support.platform import Platform

pytestmark = [pytest.mark.anyio, pytest.mark.page, pytest.mark.timeout(600), needs_pages]


async def test_a_tab_works_in_the_project_that_was_chosen(
    platform: Platform, grace: httpx2.AsyncClient, tmp_path: Path
) -> None:
    await unhurried(platform, grace)
    [project] = (await grace.get("/projects")).json()["projects"]
    made = Project(account_id=project["account_id"], slug="second", name="Second")
    await platform.add(made)
    second = {"X-Project": str(made.id)}
    assert (await grace.post("/agents", json={"name": "Robin"})).status_code == 201
    assert (await grace.post("/agents", json={"name": "Mira"}, headers=second)).status_code == 201
    for room, headers in (("lobby", {}), ("workshop", second)):
        assert (await grace.post("/sessions", json={"room_name": room}, headers=headers)).status_code == 201
    who = ("--url", platform.url, "--email", EMAIL, "--password", PASSWORD)
    told = await in_browser("projects.mjs", tmp_path / "result.json", *who, *PHONE, "--screenshots", str(tmp_path))

    assert ("Robin" in told["first"], "Mira" in told["first"]) == (True, False)
    assert ("Robin" in told["second"], "Mira" in told["second"]) == (False, True)
    assert told["chosen"] == "Second"
    assert ["Robin" in told["talks"][0], "Mira" in told["talks"][1]] == [True, True]
    assert not any("API key" in words for words in told["talks"]), "who has logged in is asked for a key"
    shown = [("lobby" in words, "workshop" in words) for words in told["monitors"]]
    assert shown == [(True, False), (False, True), (False, True), (False, True)]
    assert "API key" in told["door"]
    for what in ("wider", "foreign", "violations", "faults"):
        assert told[what] == [], what
