"""The console's pages of webhooks, keys and settings in Chromium, against a control plane and a receiver."""

from pathlib import Path

import httpx2
import pytest

from tests.support.console import EMAIL, PASSWORD
from tests.support.console_pages import LOOKS, needs_pages, unhurried
from tests.support.pages import in_browser
from tests.support.platform import Platform
from tests.support.receiver import Receiver

pytestmark = [pytest.mark.anyio, pytest.mark.page, pytest.mark.timeout(600), needs_pages]


@LOOKS
async def test_an_account_is_run_by_the_console(
    platform: Platform, grace: httpx2.AsyncClient, receiver: Receiver, tmp_path: Path, look: tuple[str, ...]
) -> None:
    await unhurried(platform, grace)
    address = receiver.url + "/hook"
    who = ("--url", platform.url, "--email", EMAIL, "--password", PASSWORD)
    async with platform.jobs():
        out, pictures = tmp_path / "result.json", ("--screenshots", str(tmp_path))
        told = await in_browser("operate.mjs", out, *who, "--receiver", address, *look, *pictures)

    assert told["none"] == "Nobody is told yet"
    assert told["no_events"] == "Choose at least one event, or take the usual ones."
    assert (told["webhook_secret"], told["rotated"], told["support_key"]) == ("whsec_", "whsec_", "sup_")
    assert told["test"] == ["Arrived"]
    assert told["body"] == "test"
    assert {"webhook-id", "webhook-signature", "User-Agent"} <= set(told["headers"])
    assert told["answer"] == "thank you"
    assert told["repeats"].startswith("delivery ")
    assert told["deliveries"] == 2
    assert len(receiver.at("/hook")) >= 2
    assert told["filtered"] == "None of this kind"
    assert told["replayed"] == "0 events are on the way."
    assert told["off"] == "Off"
    assert "API keys" in told["palette"][0]
    assert told["focus"] == "API keys"
    assert told["copied"] == "pk_"
    assert told["snippet"], "the new key does not stand in the code"
    assert "sessions:read" in told["key"]
    assert told["account_is_at"] == "/console/settings"
    assert "origin" in told["bad_origin"]
    assert not told["shows_secret"]
    assert "last owner" in told["last_owner"]
    assert (told["tab_after_reload"], told["role"], told["by_arrows"]) == ("Members", "owner", "Profile")

    account = (await grace.get("/account")).json()["account"]
    [project] = (await grace.get("/projects")).json()["projects"]
    assert account["name"] == "Grace & Co"
    assert (project["name"], project["retention_days"]) == ("Bicycles", 90)
    assert project["allowed_origins"] == ["https://app.example.org"]
    assert (await grace.get("/webhooks")).json()["webhooks"] == []
    assert [each["email"] for each in (await grace.get("/members")).json()["members"]] == [EMAIL]
    for what in ("wider", "foreign", "violations", "faults"):
        assert told[what] == [], what
