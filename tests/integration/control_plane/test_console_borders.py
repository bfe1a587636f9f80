"""All pages as axe-core sees them: nothing serious, nothing from elsewhere, nothing against their policy."""

import json
import re
from pathlib import Path

import pytest

from tests.support.console_pages import needs_pages
from tests.support.database import CHECKOUT
from tests.support.pages import DESKTOP, PHONE, in_browser
from tests.support.platform import Platform, Tenant
from tests.support.receiver import Receiver
from tests.support.webhooks import make

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.page,
    pytest.mark.timeout(600),
    needs_pages,
    pytest.mark.skipif(not (CHECKOUT / "web/node_modules/axe-core").is_dir(), reason="axe-core is not installed"),
]

LOOKS = {
    "desktop": DESKTOP,
    "desktop in the dark": (*DESKTOP, "--dark"),
    "phone": PHONE[:-1],
    "phone in the dark": PHONE,
}
ROUTES = CHECKOUT / "web/src/app/routes.ts"
TABS = [f"/console/settings?tab={tab}" for tab in ("password", "project", "providers", "members", "support", "history")]
TABS += [f"/console/privacy?tab={tab}" for tab in ("person", "trail")]
DOCUMENTS = [
    "/",
    "/login",
    "/signup",
    "/docs",
    "/docs/realtime",
    "/talk",
    "/monitor",
    "/join/aaaa-bbbb-cccc",
    "/replay",
    "/reset",
]
"""Pages that are documents of their own."""


def pages_of_the_console(shown: dict[str, str]) -> list[str]:
    """Every route; one with a name in it as `shown` says, or with something that there is not."""
    routes = re.findall(r'\{ path: "([^"]+)", load:', ROUTES.read_text())
    assert "/console/keys" in routes
    return [shown.get(route, re.sub(r":\w+", "1", route)) for route in routes]


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(look, id=name, marks=() if name == "phone in the dark" else pytest.mark.slow)
        for name, look in LOOKS.items()
    ],
)
async def test_every_page_is_for_everybody_and_of_this_server_alone(
    platform: Platform, tenant: Tenant, receiver: Receiver, tmp_path: Path, look: tuple[str, ...]
) -> None:
    agent = await tenant.make_agent()
    endpoint = await make(tenant, receiver.url + "/hook")
    [result] = (await tenant.http.post("/webhooks/test")).json()["results"]
    somebody = {"identity": "customer-0001"}
    erasure = (await tenant.http.post("/privacy/erasures", json=somebody)).json()["erasure"]["id"]
    assert (await tenant.http.post("/privacy/exports", json=somebody)).status_code == 201
    shown = {
        "/console/agents/:id": f"/console/agents/{agent}",
        "/console/privacy/erasures/:id": f"/console/privacy/erasures/{erasure}",
        "/console/webhooks/:id": f"/console/webhooks/{endpoint['id']}",
        "/console/webhooks/:id/deliveries/:delivery": (
            f"/console/webhooks/{endpoint['id']}/deliveries/{result['delivery_id']}"
        ),
    }
    pages = [*pages_of_the_console(shown), *TABS, "/console/nothing-here", *DOCUMENTS]
    asked = ("--url", platform.url, "--key", tenant.key, "--pages", json.dumps(pages))
    told = await in_browser("axe.mjs", tmp_path / "result.json", *asked, *look, within=240)

    assert set(told["looked"]) >= {"the palette", *pages}
    for what in ("bad", "foreign", "violations", "wider", "faults"):
        assert told[what] == [], what
