"""A persona's search: what is asked, what of the answer is told, and what happens where there is none."""

import json
from collections.abc import AsyncIterator

import pytest
from livekit.agents import llm

from agents.searching import LONGEST_TEXT, MOST_READ, RESULTS, build_search, read_results
from guard.addresses import parse_networks
from guard.outbound import Outbound
from tests.support.searching import SearchServer, search_server

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server() -> AsyncIterator[SearchServer]:
    async with search_server() as running:
        yield running


async def search(url: str, query: str, *, allow: str = "127.0.0.0/8") -> str:
    async with Outbound(parse_networks(allow), read_limit=MOST_READ) as outbound:
        found: str = await build_search(outbound, url, "en")(query=query)  # type: ignore[operator]
        return found


async def test_what_is_found_is_told_with_its_source(server: SearchServer) -> None:
    found = await search(f"{server.url}/", "  museum hours ")
    assert server.asked == [{"q": "museum hours", "format": "json", "language": "en"}]
    assert found.splitlines() == [
        "According to harbour-museum.example: Visit the harbour museum – "
        "The museum is open daily from nine until five.",
        "According to tides.example: Tides – High water at noon.",
    ]


async def test_a_search_that_finds_nothing_says_so(server: SearchServer) -> None:
    server.results = []
    assert await search(server.url, "x") == "Nothing was found."


@pytest.mark.parametrize("status", [403, 429, 500])
async def test_a_server_that_refuses_is_told_as_being_away(server: SearchServer, status: int) -> None:
    server.status = status
    with pytest.raises(llm.ToolError, match="does not answer"):
        await search(server.url, "x")


async def test_the_search_server_is_reached_only_in_networks_that_were_opened(server: SearchServer) -> None:
    with pytest.raises(llm.ToolError, match="does not answer"):
        await search(server.url, "x", allow="")
    assert server.asked == []


async def test_an_answer_is_cut_to_what_can_be_spoken() -> None:
    many = [{"url": f"https://s{n}.example/", "title": "T " * 500, "content": "word " * 5000} for n in range(50)]
    found = read_results(json.dumps({"results": many}).encode())
    assert len(found) == RESULTS
    assert all(len(line) < LONGEST_TEXT + 200 for line in found)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"results": 3}', b"\xff"])
async def test_what_is_no_answer_of_a_search_server_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_results(body)


async def test_results_of_strange_shapes_are_left_out() -> None:
    strange = [
        3,
        {"url": "https://[bad"},
        {"url": 5, "title": []},
        {"title": "no address"},
        {"url": "https://a.example/"},
    ]
    assert read_results(json.dumps({"results": strange}).encode()) == []
