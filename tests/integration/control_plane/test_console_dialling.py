"""Calling a number from the console in Chromium: whoever cannot be told who talks is told why."""

from pathlib import Path

import pytest

from tests.support.console_pages import needs_pages
from tests.support.pages import DESKTOP, in_browser
from tests.support.platform import Platform, Tenant

pytestmark = [pytest.mark.anyio, pytest.mark.page, pytest.mark.timeout(600), needs_pages]


async def test_nobody_is_asked_whom_to_call_while_nobody_could_talk(
    platform: Platform, tenant: Tenant, tmp_path: Path
) -> None:
    await tenant.make_agent(name="Robin")
    asked = ("--url", platform.url, "--key", tenant.key)
    told = await in_browser("dialling.mjs", tmp_path / "result.json", *asked, *DESKTOP)

    assert told["said"][0] == "The database is away"
    assert "no agent in service" in told["said"][1]
    assert told["dialogs"] == 0
    assert (told["offered"], told["left"]) == (["Robin"], 0)
    for what in ("wider", "foreign", "violations", "faults"):
        assert told[what] == [], what
