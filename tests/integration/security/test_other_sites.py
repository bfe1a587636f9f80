"""What pages of other sites can do with a browser in which somebody is logged in: nothing; and where we send people."""

import re
from collections import Counter
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpx2
import psycopg
import pytest

from control_plane.pages import PAGES
from control_plane.tables import TENANT_TABLES
from tests.integration.security.test_headers import address, all_routes
from tests.support.console import WHO, browser, new_window
from tests.support.database import Clone
from tests.support.platform import Platform
from tests.support.tried import FULL, tried

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(1800 if FULL else 400)]

FORGED: Final = "web: changes × requests that other sites begin"
ELSEWHERE: Final = "web: addresses that would send people elsewhere"
SAFE: Final = ("GET", "OPTIONS")
FOREIGN: Final[tuple[dict[str, str], ...]] = (
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://other.example.org"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
)
BODIES: Final = (
    ("text/plain", '{"name": "n", "label": "stolen"}'),
    ("application/x-www-form-urlencoded", "name=n&label=stolen"),
    ("multipart/form-data; boundary=b", '--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nn\r\n--b--\r\n'),
)
"""What a form of another site can send without asking first."""
EVERY: Final = 20
"""Requests after which the windows of rates are emptied: what is refused for another reason proves nothing."""
OTHER: Final = "evil.example"
LURES: Final = (
    *(f"https://{OTHER}/", f"//{OTHER}/", f"/\\{OTHER}/", f"\\\\{OTHER}", f"https:{OTHER}", f"///{OTHER}/%2e%2e"),
    *(f"/%09/{OTHER}", f"/%5c{OTHER}", f"%2f%2f{OTHER}", f"https://127.0.0.1@{OTHER}/", f"javascript://{OTHER}/%0a"),
    *(f"/\r\nLocation: https://{OTHER}/", f"/%0d%0aLocation:%20https://{OTHER}/", f".{OTHER}", f"@{OTHER}"),
)
NAMES: Final = ("next", "url", "redirect", "redirect_uri", "return", "return_to", "continue", "to", "r", "target")
IS_THEIRS: Final = re.compile(rf"(?:^|[/\\@.:]){re.escape(OTHER)}", re.IGNORECASE)


def counted(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """How many rows the tables of tenants have, but for the trail of what was tried."""
    tables = {str(table.__tablename__) for table in TENANT_TABLES} - {"audit_entry"}
    found = {}
    for table in sorted(tables):
        (row,) = connection.execute(f'select count(*) from "{table}"').fetchall()
        found[table] = row[0]
    return found


async def test_a_page_of_another_site_changes_nothing_by_any_route(platform: Platform, clone: Clone) -> None:
    every = [(method, path) for method, path in all_routes(platform.app) if method not in SAFE]
    taken: list[Any] = []
    told: Counter[int] = Counter()
    async with browser(platform) as grace:
        assert (await grace.post("/auth/signup", json=WHO | {"name": "Grace"})).status_code == 201
        cookie = grace.cookies["parley_session"]
    with psycopg.connect(clone.superuser, autocommit=True) as connection:
        before = counted(connection)
        async with httpx2.AsyncClient(base_url=platform.url, timeout=60) as http:
            http.cookies.set("parley_session", cookie)
            for number, (method, path) in enumerate(every):
                for turn, headers in enumerate(FOREIGN if FULL else FOREIGN[number % 2 :: 3]):
                    if sum(told.values()) % EVERY == 0:
                        await new_window(platform)
                    kind, body = BODIES[(number + turn) % len(BODIES)]
                    sent = headers | {"Content-Type": kind}
                    answer = await http.request(method, address(path), content=body, headers=sent)
                    told[answer.status_code] += 1
                    if answer.is_success or answer.status_code >= 500:
                        taken.append((method, path, headers, answer.status_code, answer.text[:200]))
        changed = {table: rows for table, rows in counted(connection).items() if rows != before[table]}
    async with browser(platform) as grace:
        grace.cookies.set("parley_session", cookie)
        assert (await grace.get("/account")).status_code == 200, "still logged in"
    tried(FORGED, sum(told.values()), len(taken) + len(changed))
    assert not taken
    assert not changed
    assert told[403] > sum(told.values()) / 2, told


async def test_nobody_is_sent_to_another_site_by_an_address_of_ours(platform: Platform) -> None:
    paths = sorted({address(path) for method, path in all_routes(platform.app) if method == "GET"} | set(PAGES))
    paths = [path for path in paths if "stream" not in path]
    asked = [f"{path}?{name}={lure}" for path in paths for name, lure in zip(NAMES, LURES, strict=False)]
    pages = ("/", "/login", "/signup", "/talk")
    asked += [f"{path}?{name}={lure}" for path in pages for name in NAMES for lure in LURES]
    asked += [f"/{lure}" for lure in LURES] + [f"/login/{lure}" for lure in LURES]
    asked = asked if FULL else asked[::7]
    led: list[Any] = []
    async with httpx2.AsyncClient(base_url=platform.url, timeout=60) as http:
        for number, path in enumerate(asked):
            if number % EVERY == 0:
                await new_window(platform)
            try:
                request = http.build_request("GET", platform.url + path.replace("\r\n", "%0d%0a").replace("\\", "%5c"))
            except httpx2.InvalidURL:
                continue
            answer = await http.send(request)
            to = answer.headers.get("location", "") or answer.headers.get("refresh", "")
            own = urlsplit(platform.url).netloc
            if to and (IS_THEIRS.search(to) or urlsplit(urljoin(platform.url, to)).netloc != own):
                led.append((path, answer.status_code, to))
    tried(ELSEWHERE, len(asked), len(led))
    assert not led
