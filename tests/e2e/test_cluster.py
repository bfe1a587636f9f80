"""Several machines: of any that is lost a call that goes on notices a moment at most, but of its own livekit-server."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from itertools import groupby
from typing import Final

import numpy as np
import pytest
import structlog
from livekit import rtc

from agents.words import ENGLISH
from parley.stack.postgres import EmbeddedPostgres
from parley.stack.secrets import Secrets
from tests.support.cluster import NODES, PLANES, Cluster, a_cluster
from tests.support.database import cloned
from tests.support.rooms import RATE, somebody
from tests.support.typists import ANSWERED_WITHIN, Typist, check_answers, check_lines, ended, lines_of

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

CALLS: Final = 3
"""As many as a worker has places, and one: two workers have a call at least."""
BEFORE: Final = 3
"""Lines of each call before something is lost; as many follow."""
SOON: Final = 15.0
"""Seconds for an answer of whom nothing happened to, on a busy machine."""
AGAIN_WITHIN: Final = 60.0
"""Seconds for an answer of whom another persona comes to, with the start of its process, on a busy machine."""
ENTERS_WITHIN: Final = 60.0
SENTENCES, HEARS, GAP = 16, 8.0, 1.0
"""Of a greeting, the seconds of it that are listened to before and after a loss, and what they may be silent for."""

log = structlog.get_logger()


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for the tests of this module, as they share what runs in it."""
    return "asyncio"


@pytest.fixture(scope="module")
async def cluster(
    postgres: tuple[EmbeddedPostgres, Secrets], redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cluster]:
    """Two livekit-servers on one Redis, two control planes, three workers."""
    with cloned(*postgres) as clone:
        async with a_cluster(clone.app, clone.owner, redis_url, tmp_path_factory.mktemp("cluster")) as running:
            yield running


@pytest.fixture
async def whole(cluster: Cluster) -> Cluster:
    """All of it runs, and takes calls."""
    await cluster.mend()
    return cluster


async def say_all(typists: list[Typist], numbers: range) -> float:
    """Each types these lines; the seconds of the slowest answer."""

    async def talk(typist: Typist) -> float:
        return max([await typist.ask(number) for number in numbers])

    return max(await asyncio.gather(*(talk(typist) for typist in typists)))


async def goes_on(typist: Typist, began: float, *, within: float) -> float:
    """Until the open line is answered, which is said again where that takes long; the seconds since something ended."""
    tries = 1
    while not await typist.is_heard(BEFORE, within=ANSWERED_WITHIN):
        assert time.monotonic() - began < within, f"nobody answers in {typist.room_name}"
        await typist.say(f"word w{BEFORE}, try {tries}")
        tries += 1
    waited = time.monotonic() - began
    assert waited < within, f"an answer in {typist.room_name} took {waited:.1f} s"
    return waited


async def judge(cluster: Cluster, typist: Typist, session_id: int, *, jobs: int | None = None) -> list[tuple[str, str]]:
    """A call that ended well, once, in so many jobs where that is known; its lines."""
    session = await ended(cluster, cluster.key, typist)
    assert session["id"] == session_id
    assert (session["outcome"], session["end_reason"]) == ("ok", "caller_left")
    lines = await lines_of(cluster, cluster.key, session_id)
    check_lines(typist, lines)
    check_answers(typist, lines)
    assert typist.answered == set(range(2 * BEFORE))
    assert await ends_of(cluster, session_id) == 1
    assert jobs is None or await jobs_of(cluster, session_id) == jobs
    return lines


async def jobs_of(cluster: Cluster, session_id: int) -> int:
    """How many personas a conversation has had."""
    return int((await cluster.rows("select count(*) from session_job where session_id = %s", session_id))[0][0])


async def ends_of(cluster: Cluster, session_id: int) -> int:
    """How often the end of a conversation was told."""
    query = "select count(*) from event where type = 'session.ended' and data ->> 'session_id' = %s"
    return int((await cluster.rows(query, str(session_id)))[0][0])


@pytest.mark.parametrize("lost", ["its worker", "another worker", "its control plane", "another control plane"])
async def test_a_call_goes_on_whatever_is_lost_but_its_node(whole: Cluster, lost: str) -> None:
    async with AsyncExitStack() as calls:
        typists = [await calls.enter_async_context(await whole.call()) for _ in range(CALLS)]
        await say_all(typists, range(BEFORE))
        sessions = [await whole.session_of(typist.room_name) for typist in typists]
        workers = [await whole.worker_of(session) for session in sessions]
        planes = [whole.plane_of(worker) for worker in workers]
        jobs = [await jobs_of(whole, session) for session in sessions]
        mine = {
            "its worker": workers[0],
            "another worker": next(each for each in workers if each != workers[0]),
            "its control plane": planes[0],
            "another control plane": next(each for each in PLANES if each != planes[0]),
        }[lost]
        for typist in typists:
            await typist.say(f"word w{BEFORE}")
        await whole.lose(mine)
        began = time.monotonic()
        limits = [AGAIN_WITHIN if worker == mine else SOON for worker in workers]
        waits = [goes_on(typist, began, within=limit) for typist, limit in zip(typists, limits, strict=True)]
        waited = await asyncio.gather(*waits)
        await say_all(typists, range(BEFORE + 1, 2 * BEFORE))
    await whole.mend()
    for typist, session, worker, before in zip(typists, sessions, workers, jobs, strict=True):
        lines = await judge(whole, typist, session, jobs=before + (worker == mine))
        assert worker != mine or any(ENGLISH.bridge in text for _, text in lines)
    log.info("lost", what=lost, part=mine, workers=workers, waited=[round(each, 1) for each in waited])


async def test_a_call_goes_on_when_the_node_is_lost_by_which_its_caller_came(whole: Cluster) -> None:
    home, other = NODES
    typist = await whole.call_by_way(home=home, by=other)
    async with AsyncExitStack() as calls:
        calls.push_async_callback(typist.leave)
        await say_all([typist], range(BEFORE))
        session = await whole.session_of(typist.room_name)
        jobs = await jobs_of(whole, session)
        await typist.say(f"word w{BEFORE}")
        await whole.lose(other)
        began = time.monotonic()
        waited = await goes_on(typist, began, within=SOON)
        await say_all([typist], range(BEFORE + 1, 2 * BEFORE))
        assert await whole.node_of(typist.room_name) == home
        assert "disconnected" not in typist.told
    await whole.mend()
    await judge(whole, typist, session, jobs=jobs)
    log.info("lost", what="another node", waited=round(waited, 1), told=typist.told)


async def test_who_listens_hears_on_when_the_node_is_lost_by_which_they_came(whole: Cluster) -> None:
    home, other = NODES
    greeting = " ".join(f"This is sentence number {number} of a long greeting." for number in range(SENTENCES))
    body = {"name": "Talks", "instructions": "Talk.", "greeting": greeting}
    agent = (await whole.ask("POST", "/agents", whole.key, body))["agent"]["id"]
    body = {"identity": "listener", "room": "listening", "agent_config_id": agent}
    made = await whole.ask("POST", "/token", whole.key, body)
    async with AsyncExitStack() as calls:
        async with whole.way(made["room"], home=home, by=other):
            person = await calls.enter_async_context(somebody(made["wsUrl"], made["token"]))
        await person.until("track", f"agent-{agent}", within=AGAIN_WITHIN)
        before = await person.listen_to(f"agent-{agent}", HEARS)
        await whole.lose(other)
        began = time.monotonic()
        after = await person.listen_to(f"agent-{agent}", HEARS)
        late = time.monotonic() - began - HEARS
        assert await whole.node_of(made["room"]) == home
    log.info("heard", silent=[round(longest_silence(sound), 2) for sound in (before, after)], late=round(late, 2))
    assert max(longest_silence(after), late) < GAP


def longest_silence(sound: np.ndarray) -> float:
    """Seconds, after the first sound."""
    loud = [float(np.abs(part).max()) > 500 for part in np.array_split(sound, int(len(sound) / RATE / 0.02))]
    runs = [len(list(run)) for is_loud, run in groupby(loud[loud.index(True) :]) if not is_loud]
    return max(runs, default=0) * 0.02


async def test_a_room_of_a_node_that_no_worker_is_registered_with_is_answered(whole: Cluster) -> None:
    home, other = NODES
    whole.inside.servers = {whole.nodes[other]}
    try:
        await whole.lose(home)
        await whole.mend()
        typist = await whole.call_by_way(home=home, by=home)
        async with AsyncExitStack() as calls:
            calls.push_async_callback(typist.leave)
            await say_all([typist], range(2 * BEFORE))
            session = await whole.session_of(typist.room_name)
            assert await whole.node_of(typist.room_name) == home
        assert not whole.has_workers(home)
        assert whole.has_workers(other)
    finally:
        whole.inside.servers = set(whole.nodes.values())
    await judge(whole, typist, session)


async def test_a_node_that_is_stopped_ends_with_its_last_call_and_new_ones_go_to_another(whole: Cluster) -> None:
    async with AsyncExitStack() as calls:
        first = await whole.call()
        await first.enter()
        try:
            await say_all([first], range(BEFORE))
            home = await whole.node_of(first.room_name)
            stopping = asyncio.create_task(whole.parts[home].stop())
            second = await calls.enter_async_context(await whole.call())
            await say_all([second], range(BEFORE))
            assert await whole.node_of(second.room_name) != home
            await say_all([first], range(BEFORE, 2 * BEFORE))
            assert not stopping.done()
            sessions = [await whole.session_of(typist.room_name) for typist in (first, second)]
            jobs = [await jobs_of(whole, session) for session in sessions]
        finally:
            await first.leave()
        await stopping
        await say_all([second], range(BEFORE, 2 * BEFORE))
        assert "disconnected" not in second.told
    await whole.mend()
    for typist, session, before in zip((first, second), sessions, jobs, strict=True):
        await judge(whole, typist, session, jobs=before)


async def test_who_stays_in_a_room_whose_node_is_lost_is_there_again_and_answered(whole: Cluster) -> None:
    home, other = NODES
    async with AsyncExitStack() as calls:
        typists = []
        for by in NODES:
            typists.append(await whole.call_by_way(home=home, by=by))
            calls.push_async_callback(typists[-1].leave)
        await say_all(typists, range(BEFORE))
        sessions = [await whole.session_of(typist.room_name) for typist in typists]
        await whole.lose(home)
        began = time.monotonic()
        await asyncio.gather(*(typist.say(f"word w{BEFORE}") for typist in typists))
        waited = await asyncio.gather(*(goes_on(typist, began, within=AGAIN_WITHIN) for typist in typists))
        await say_all(typists, range(BEFORE + 1, 2 * BEFORE))
        assert {await whole.node_of(typist.room_name) for typist in typists} == {other}
        assert all("disconnected" not in typist.told for typist in typists)
    await whole.mend()
    for typist, session in zip(typists, sessions, strict=True):
        await judge(whole, typist, session)
    log.info("lost", what="its own node, stayed", waited=[round(each, 1) for each in waited])


async def test_whose_own_node_is_lost_calls_again_and_is_answered(whole: Cluster) -> None:
    first = await whole.call()
    await first.enter()
    await say_all([first], range(BEFORE))
    session = await whole.session_of(first.room_name)
    home = await whole.node_of(first.room_name)
    await whole.lose(home)
    began = time.monotonic()
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            await first.leave()
    second = await whole.call()
    async with asyncio.timeout(ENTERS_WITHIN):
        while True:
            try:
                await second.enter()
                break
            except rtc.ConnectError as error:
                log.info("not entered", error=str(error))
    async with AsyncExitStack() as calls:
        calls.push_async_callback(second.leave)
        await second.ask(0)
        waited = time.monotonic() - began
        assert waited < AGAIN_WITHIN
        assert await whole.node_of(second.room_name) != home
        await say_all([second], range(1, 2 * BEFORE))
        again = await whole.session_of(second.room_name)
    over = await ended(whole, whole.key, first)
    log.info("over", **{key: over[key] for key in ("outcome", "end_reason")}, waited=round(waited, 1))
    await whole.mend()
    await judge(whole, second, again)
    lines = await lines_of(whole, whole.key, session)
    check_lines(first, lines)
    check_answers(first, lines)
    assert await ends_of(whole, session) == 1
    query = "select status from room where full_name = %s"
    async with asyncio.timeout(AGAIN_WITHIN):
        while await whole.rows(query, first.room_name) != [("closed",)]:
            await asyncio.sleep(0.2)
