"""The reference as it is served, and what it says of methods."""

from pathlib import Path

import httpx2
import pytest

from control_plane.pages import CHECKOUT_PAGES
from tests.support.platform import Platform

pytestmark = pytest.mark.anyio


async def test_the_document_is_served_without_a_key(platform: Platform) -> None:
    async with httpx2.AsyncClient(base_url=platform.url, timeout=30) as client:
        answer = await client.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.json()["openapi"].startswith("3.1.")
    assert answer.json()["components"]["securitySchemes"]["ApiKey"]["name"] == "X-API-Key"


async def test_the_collection_names_the_address_under_which_customers_reach_us(platform: Platform) -> None:
    async with httpx2.AsyncClient(base_url=platform.url, timeout=30) as client:
        collection = (await client.get("/postman.json")).json()
    assert collection["info"]["schema"].endswith("/v2.1.0/collection.json")
    assert {one["key"]: one["value"] for one in collection["variable"]}["baseUrl"] == platform.settings.public_url


async def test_head_is_answered_like_get_without_a_body(platform: Platform) -> None:
    tenant = await platform.tenant()
    answer = await tenant.http.head("/agents")
    assert (answer.status_code, answer.content) == (200, b"")
    assert "x-ratelimit-limit" in answer.headers


async def test_a_wrong_method_is_told_which_there_are(platform: Platform) -> None:
    tenant = await platform.tenant()
    answer = await tenant.http.put("/agents/1", json={})
    assert answer.status_code == 405
    assert answer.json()["code"] == "INVALID_REQUEST"
    assert answer.json()["error"].endswith("it allows GET, HEAD, PATCH, DELETE")
    assert answer.headers["allow"] == "GET, HEAD, PATCH, DELETE"


async def test_who_leaves_out_the_end_of_a_path_is_told_which_there_are(platform: Platform) -> None:
    tenant = await platform.tenant()
    answer = await tenant.http.get("/sessions/42")
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    assert answer.json()["error"].startswith("There is no such path; below it there are /")
    assert {"/detail", "/transcript"} <= set(answer.json()["error"].replace(",", "").split())
    posted = await tenant.http.post("/sessions/42")
    assert posted.json()["error"].endswith("below it there are /analysis, /end, /share, /transcript")


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


async def test_a_browser_is_shown_a_page_where_there_is_nothing_and_programs_are_told(platform: Platform) -> None:
    pages = Path(platform.settings.web_dir or CHECKOUT_PAGES)
    async with httpx2.AsyncClient(base_url=platform.url, timeout=30) as client:
        program = await client.get("/nothing-here")
        shown = await client.get("/nothing-here", headers=BROWSER)
        api = await client.get("/api/v1/nothing-here", headers=BROWSER)
        posted = await client.post("/nothing-here", headers=BROWSER)
    assert [answer.status_code for answer in (program, shown, api, posted)] == [404] * 4
    assert program.json() == api.json() == posted.json() == {"error": "There is no such path", "code": "NOT_FOUND"}
    if not (pages / "missing.html").exists():
        pytest.skip("the pages are not built")
    assert shown.headers["content-type"].startswith("text/html")
    assert "script-src 'self'" in shown.headers["content-security-policy"]
    assert 'href="/"' in shown.text
