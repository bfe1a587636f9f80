"""The reference as it is served, and what it says of methods."""

import httpx2
import pytest

from tests.support.platform import Platform

pytestmark = pytest.mark.anyio


async def test_the_document_is_served_without_a_key(platform: Platform) -> None:
    async with httpx2.AsyncClient(base_url=platform.url) as client:
        answer = await client.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.json()["openapi"].startswith("3.1.")
    assert answer.json()["components"]["securitySchemes"]["ApiKey"]["name"] == "X-API-Key"


async def test_the_collection_names_the_address_under_which_customers_reach_us(platform: Platform) -> None:
    async with httpx2.AsyncClient(base_url=platform.url) as client:
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
