"""What every answer tells browsers, over all routes that there are."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from control_plane.__main__ import config_of
from control_plane.middleware import what_browsers_are_told
from control_plane.pages import PAGES
from control_plane.settings import Settings
from tests.support.console import WHO, browser
from tests.support.platform import Platform, Tenant
from tests.support.tried import sample, tried

pytestmark = pytest.mark.anyio

LINE = "web: routes × headers"
ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
NAMED = ("cross-origin-resource-policy", "content-security-policy", "permissions-policy", "cache-control")
SITE = "https://shop.example.org"


def routes(found: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    for route in found:
        if isinstance(route, Route):
            yield from ((method, route.path) for method in sorted(route.methods or ()) if method != "HEAD")
        elif (inside := getattr(route, "routes", None)) and not isinstance(route, Mount):
            yield from routes(inside)


def all_routes(app: FastAPI) -> list[tuple[str, str]]:
    return sorted(set(routes(app.routes)))


def address(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "1", path)


def problems(answer: httpx2.Response) -> list[str]:
    """What an answer fails to tell."""
    told = answer.headers
    wrong = [f"{name} is {told.get(name)}" for name, value in ALWAYS.items() if told.get(name) != value]
    wrong += [f"{name} is missing" for name in NAMED if name not in told]
    policy = told.get("content-security-policy", "")
    wrong += [
        f"policy has {bad}" for bad in ("unsafe-inline", "unsafe-eval", " http: ", " https: ", " ws: ") if bad in policy
    ]
    wrong += [f"policy lacks {part}" for part in ("frame-ancestors",) if part not in policy]
    if answer.headers.get("content-type", "").startswith("application/json") and "default-src 'none'" not in policy:
        wrong.append("an answer that is no page may load something")
    wrong += [f"{name} twice" for name in ALWAYS | dict.fromkeys(NAMED) if len(told.get_list(name)) > 1]
    return wrong


async def test_every_route_tells_browsers_what_they_may_do(platform: Platform, tenant: Tenant) -> None:
    every = all_routes(platform.app)
    assert len(every) > 200
    asked: list[tuple[str, dict[str, str]]] = [("nobody", {}), ("tenant", {"X-API-Key": tenant.key})]
    missing: dict[str, list[str]] = {}
    count, gate = 0, asyncio.Semaphore(8)

    async with httpx2.AsyncClient(base_url=platform.url, timeout=60) as http:

        async def ask(method: str, path: str, who: str, headers: dict[str, str]) -> None:
            nonlocal count
            async with gate:
                answer = await http.request(method, address(path), headers=headers)
            count += len(ALWAYS) + len(NAMED)
            if wrong := problems(answer):
                missing[f"{method} {path} as {who}"] = wrong

        step = max(1, len(every) // sample(len(every), 90))
        await asyncio.gather(
            *(
                ask(*route, who, headers)
                for route in every[::step]
                for who, headers in asked
                if "events/stream" not in route[1]
            )
        )
        for path in ("/nowhere", "/api/v1/nowhere", "/assets/nowhere.js", "/v2/nowhere", "/%00", "/api/v1/agents/"):
            await ask("GET", path, "nobody", {})
        await ask("GET", "/agents", "nobody", {"Content-Encoding": "gzip"})
    tried(LINE, count, sum(map(len, missing.values())))
    assert missing == {}


@pytest.mark.parametrize("path", [*PAGES, "/talk", "/nowhere"])
async def test_a_page_loads_and_reaches_nothing_of_others(platform: Platform, path: str) -> None:
    async with httpx2.AsyncClient(base_url=platform.url, timeout=30) as http:
        page = await http.get(address(path), headers={"Accept": "text/html"})
    if page.headers["content-type"].startswith("application/json"):
        pytest.skip("the pages are not built")
    policy = dict(part.strip().partition(" ")[::2] for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    livekit, own = "127.0.0.1:7880", "127.0.0.1:8000"
    expected = ["'self'", f"ws://{livekit}", f"http://{livekit}", f"ws://{own}", f"http://{own}"]
    assert policy["connect-src"].split() == expected
    assert "microphone=(self)" in page.headers["permissions-policy"]
    assert problems(page) == []


def test_over_https_browsers_are_told_to_stay_there() -> None:
    name = b"strict-transport-security"
    assert name in dict(what_browsers_are_told("https://parley.example.org"))
    assert name not in dict(what_browsers_are_told("http://127.0.0.1:8000"))


@pytest.fixture
async def embed_key(tenant: Tenant) -> str:
    body = {"agent_id": await tenant.make_agent(), "origins": [SITE, "http://localhost:3000"]}
    made = await tenant.http.post("/embed-keys", json=body)
    assert made.status_code == 201, made.text
    return str(re.findall(r"ek_[\w-]+", made.text)[0])


async def test_the_page_for_frames_is_shown_by_the_sites_that_its_key_names(
    platform: Platform, tenant: Tenant, embed_key: str
) -> None:
    async def ancestors(**query: str) -> str:
        async with httpx2.AsyncClient(base_url=platform.url, timeout=30) as http:
            page = await http.get("/talk", params=query)
        if page.headers["content-type"].startswith("application/json"):
            pytest.skip("the pages are not built")
        return page.headers["content-security-policy"].partition("frame-ancestors ")[2]

    own = f"/projects/{tenant.project.id}"
    assert (await tenant.http.patch(own, json={"allowed_origins": ["https://app.example.org"]})).status_code == 200
    assert await ancestors() == "'none'"
    assert await ancestors(embed=embed_key) == f"'self' {SITE} http://localhost:3000"
    assert await ancestors(embed="", origin=SITE) == f"'self' {SITE}"
    assert await ancestors(embed="", origin="https://app.example.org") == "'self' https://app.example.org"
    strangers: list[dict[str, Any]] = [
        {"embed": ""},
        {"embed": embed_key[:-1] + "_"},
        {"embed": "ek_unknown"},
        {"embed": "*"},
        {"embed": "", "origin": "*"},
        {"embed": "", "origin": "https://evil.example"},
        {"embed": "", "origin": f"{SITE}; script-src *"},
        {"embed": "", "origin": f"{SITE}\r\nX-Other: 1"},
        {"embed": "", "origin": f"{SITE}.evil.example"},
    ]
    for query in strangers:
        assert await ancestors(**query) == "'self'", query


async def test_answers_that_hold_keys_are_kept_by_nobody(platform: Platform, tenant: Tenant) -> None:
    async with browser(platform) as http:
        answers = [await http.post("/auth/signup", json=WHO | {"name": "Grace"})]
    answers.append(await tenant.http.post("/api-keys", json={"label": "a"}))
    answers.append(await tenant.http.post("/webhooks", json={"url": "http://127.0.0.1:9/a"}))
    answers.append(await tenant.http.post("/token", json={"room": "r", "identity": "ada"}))
    answers.append(await tenant.http.post("/monitor/tickets"))
    for answer in answers:
        assert answer.is_success, answer.text
        assert answer.headers["cache-control"] == "no-store"


CLAIM = [(b"x-forwarded-for", b"203.0.113.7"), (b"x-forwarded-proto", b"https")]


@pytest.mark.parametrize(
    ("trusted", "believed"),
    [("127.0.0.1/32", True), ("10.0.0.0/8, 127.0.0.0/8", True), ("10.0.0.0/8", False), ("", False)],
)
async def test_for_whom_a_proxy_speaks_is_believed_of_trusted_proxies_alone(
    platform: Platform, trusted: str, believed: bool
) -> None:
    """Limits are counted by address: a stranger must not choose theirs."""
    seen: dict[str, Any] = {}

    async def application(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.update(scope)

    async def nothing(*_: Any) -> Any:
        return None

    config = config_of(application, platform.settings.model_copy(update={"trusted_proxies": trusted}))
    config.load()
    scope = {"type": "http", "scheme": "http", "client": ("127.0.0.1", 1), "headers": CLAIM}
    await config.loaded_app(scope, nothing, nothing)
    host = "203.0.113.7" if believed else "127.0.0.1"
    assert (seen["client"][0], seen["scheme"]) == (host, "https" if believed else "http")


def test_a_wrong_network_of_proxies_is_refused() -> None:
    with pytest.raises(ValueError, match="trusted_proxies"):
        Settings.model_validate({"trusted_proxies": "everybody"})
