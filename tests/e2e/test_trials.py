"""Trying what is written of an agent before it is saved, by the console in Chromium."""

from pathlib import Path

import pytest

from tests.e2e.conftest import RunningPlatform
from tests.support.pages import in_browser

pytestmark = [pytest.mark.anyio, pytest.mark.page, pytest.mark.timeout(240)]


async def test_what_is_written_is_tried_before_it_is_saved(running: RunningPlatform, tmp_path: Path) -> None:
    ready = running.ready
    with running.client() as client:
        first = client.get("/agents").json()["agents"][0]
        made = client.post("/agents", json={"name": "Ada", "greeting": "Hello from version one.", "instructions": "-"})
        agent = made.json()["agent"]["id"]
        client.post(f"/agents/{agent}/publish")
        before = client.get(f"/agents/{agent}").json()
    options = ("--url", ready["api_url"], "--key", ready["api_key"], "--agent", str(agent))

    seen = await in_browser("trials.mjs", tmp_path / "seen.json", *options)

    assert seen["published_only"] == "You talk to version 1, as callers do."
    assert seen["choices"] == ["What is written under Settings", "Version 1, as callers do"]
    assert seen["draft"].endswith("Callers hear version 1 until you publish.")
    assert seen["published"] == "You talk to version 1, as callers do."
    assert (seen["tab"], seen["problem"]) == ("Settings", "Must be less than or equal to 2")
    assert seen["why"].startswith("Not tried.")
    assert seen["discarded"]
    assert seen["wider"] == []
    assert seen["faults"] == []
    with running.client() as client:
        assert client.get(f"/agents/{agent}").json() == before
        assert [row["version"] for row in client.get(f"/agents/{agent}/versions").json()["versions"]] == [1]
        client.delete(f"/agents/{agent}")
        assert client.get("/agents").json()["agents"][0] == first
