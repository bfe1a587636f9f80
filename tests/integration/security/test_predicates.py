"""A query that forgets its owner: the wall of the database still refuses, and without the wall a test would notice.

One owner predicate at a time is taken away, in a fresh process. With the wall nothing of anybody else's may be seen or
changed; without it something must be, or the predicate stands in a list that says why it is not what keeps them apart.
"""

import json
import os
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from control_plane.db import database
from tests.integration.security.test_isolation_matrix import Neighbours, credentials, neighbours
from tests.support.attempts import Attempt, attempts
from tests.support.database import CHECKOUT, Clone
from tests.support.furnishing import furnish, pointing_at
from tests.support.masked import BY_TESTS, MASKED
from tests.support.mutants import MISSING, installed, predicates
from tests.support.questions import ASKS, found_directly
from tests.support.tried import FULL, sample, tried

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(5400 if FULL else 600)]

LINE: Final = "second wall: predicates removed, one by one"
NOTICED: Final = "second wall: predicates whose absence tests notice"
TOGETHER: Final = 16
"""Requests that are tried for each of them."""
NO_WALL: Final = "select set_config('parley.project', %s, true), set_config('parley.project', 'all', true)"
__all__ = ["neighbours"]


def test_the_owner_is_part_of_many_questions() -> None:
    found = predicates()
    assert len(found) > 100
    assert len({str(each) for each in found}) > 100


WALL_LESS: Final = {
    "accounts/redacting.py": "test_no_line_of_a_worker_that_redacts_nothing_is_left_in_any_sink",
    "accounts/operator/health.py": "test_no_operation_reaches_what_is_somebody_elses",
    "dialects/meeting_baas/notice_routes.py": "test_a_notice_of_graph_has_the_calendar_read",
    "dialects/onepizza/sockets.py": "test_sockets_and_links_open_what_they_were_made_for",
    "gate/cors.py": "test_a_preflight_is_granted_to_named_origins_and_below_embed_alone",
    "gate/embed.py": "test_only_exactly_the_named_origins_come_in",
    "gate/keys.py": "test_no_operation_reaches_what_is_somebody_elses",
    "livekit_hooks/routes.py": "test_a_visitor_joins_and_can_do_nothing_else",
    "meetings/entrance.py": "test_scenarios_end_users_and_meetings_of_others_are_forbidden",
    "meetings/hosting.py": "test_sockets_and_links_open_what_they_were_made_for",
    "meetings/waiting.py": "test_scenarios_end_users_and_meetings_of_others_are_forbidden",
    "monitor/routes.py": "test_sockets_and_links_open_what_they_were_made_for",
    "replays/sharing.py": "test_sockets_and_links_open_what_they_were_made_for",
    "sessions/reports.py": "test_a_report_with_another_calls_capability_is_refused",
    "uplink/bots.py": "test_a_report_with_another_calls_capability_is_refused",
    "uplink/service.py": "test_a_report_with_another_calls_capability_is_refused",
}
"""Where requests are served before no wall, and the test that looks for what a forgotten owner would show there."""
BEHIND_NO_REQUEST: Final = (
    "accounts/chaining.py",
    "analysis/making.py",
    "bots/",
    "calendars/sync.py",
    "dialects/videosdk/life.py",
    "dialects/videosdk/transcribing.py",
    "events/",
    "health/pulses.py",
    "jobs/",
    "knowledge_bases/",
    "privacy/",
    "recordings/",
    "secrets/",
    "sessions/",
    "supervision/seating.py",
    "supervisor/",
    "telephony/",
    "webhooks/",
)
"""The platform's own work across projects."""


def test_requests_leave_the_wall_in_known_places_only() -> None:
    folder = CHECKOUT / "control_plane"
    doors = {str(path.relative_to(folder)) for path in folder.rglob("*.py") if ".platform()" in path.read_text()}
    unknown = {door for door in doors if door not in WALL_LESS and not door.startswith(BEHIND_NO_REQUEST)}
    assert unknown == set(), "name the test that tries it"
    assert WALL_LESS.keys() <= doors
    tests = "\n".join(path.read_text() for path in (CHECKOUT / "tests").rglob("test_*.py"))
    assert [name for name in WALL_LESS.values() if f"def {name}(" not in tests] == []


def test_lists_name_predicates_that_there_are() -> None:
    known = {str(each) for each in predicates()}
    assert ASKS.keys() - known == set()
    assert MASKED.keys() - known == set()
    assert BY_TESTS.keys() - known == set()
    assert (ASKS.keys() & MASKED.keys()) | (BY_TESTS.keys() & (ASKS.keys() | MASKED.keys())) == set()


@pytest.mark.skipif(installed(), reason="the child does it with each predicate away")
async def test_a_question_asked_directly_finds_nothing_of_others(neighbours: Neighbours) -> None:
    nobody = (await neighbours.platform.tenant("nobody")).project.id
    for name in ASKS:
        wrong = await found_directly(neighbours.platform.database, nobody, neighbours.theirs, name)
        assert wrong == [], name
    neighbours.look("questions")
    assert neighbours.wrong == []


@pytest.mark.slow
@pytest.mark.skipif(installed() or not FULL, reason="a minute and more")
@pytest.mark.parametrize("name", sorted(BY_TESTS))
def test_a_test_of_its_own_fails_without_a_predicate(name: str) -> None:
    done = child(BY_TESTS[name], within=300, PARLEY_MISSING=name, PARLEY_FULL="", PARLEY_TRIED="")
    tried(NOTICED, 1, int(done.returncode != 1))
    assert done.returncode == 1, done.stdout[-3000:]


def child(*asked: str, within: float, **environment: str) -> subprocess.CompletedProcess[str]:
    """Tests in a process that can miss a predicate."""
    plugin = ["-p", "tests.support.mutants", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, "-n", "0", "-q", *asked],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)} | environment,
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.skipif(installed(), reason="is what the child does")
def test_the_wall_refuses_where_a_predicate_is_missing(tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    here = "tests/integration/security/test_predicates.py"
    done = child(here, "-k", "one_by_one", within=5000 if FULL else 500, PARLEY_PREDICATES=str(told))
    assert told.exists(), done.stdout[-6000:]
    said = json.loads(told.read_text())
    assert done.returncode == 0, json.dumps(said, indent=1)
    assert said["removed"] >= sample(50, 5)
    assert said["leaked"] == []


@pytest.mark.skipif(not installed(), reason="runs in a process of its own")
async def test_predicates_are_missed_one_by_one(neighbours: Neighbours, clone: Clone) -> None:
    nobody = (await neighbours.platform.tenant("nobody")).project.id
    neighbours.wrong.clear()
    with wall_down():
        by_predicate = await _who_asks(neighbours)
    # What is wrong already while no predicate is missing would speak for none of them.
    alone = {(said[0], said[1]) for said in neighbours.wrong}
    for name, asked in by_predicate.items():
        by_predicate[name] = [each for each in asked if (each.operation, each.place) not in alone]
    names = sorted(by_predicate.keys() | ASKS.keys())
    chosen = names if FULL else random.Random(8).sample(names, 6)
    walled, unseen = list[Any](), list[str]()
    for name in chosen:
        MISSING.now = name
        walled += await _violations(neighbours, by_predicate.get(name, []), clone, nobody)
        with wall_down():
            if not await _violations(neighbours, by_predicate.get(name, []), clone, nobody):
                unseen.append(name)
        MISSING.now = ""
    unasked = sorted({str(each) for each in predicates()} - by_predicate.keys() - ASKS.keys())
    told: dict[str, Any] = {
        "removed": len(chosen),
        "leaked": [str(each) for each in walled],
        "unseen": unseen,
        "unasked": unasked,
        "missed": sorted({*unseen, *(unasked if FULL else ())} - MASKED.keys() - BY_TESTS.keys()),
        "wrong with the first wall alone": [str(each) for each in sorted(alone)],
    }
    Path(os.environ["PARLEY_PREDICATES"]).write_text(json.dumps(told, indent=1))
    tried(LINE, len(chosen), len(walled))
    tried(NOTICED, len(chosen) - len(unseen), len(told["missed"]))
    assert walled == []
    assert told["missed"] == [], "have something notice it: a question of tests/support/questions.py, or a request"


@contextmanager
def wall_down() -> Iterator[None]:
    """For the time of the block the database shows everybody everything."""
    database._NAME_PROJECT, kept = NO_WALL, database._NAME_PROJECT
    try:
        yield
    finally:
        database._NAME_PROJECT = kept


async def _who_asks(neighbours: Neighbours) -> dict[str, list[Attempt]]:
    """The requests in which each predicate has a say; the last of them are those that end things."""
    found = defaultdict[str, list[Attempt]](list)
    dice = random.Random(9)
    made = attempts(neighbours.document, neighbours.mine, neighbours.theirs, every=False, some=0, dice=dice)
    async with httpx2.AsyncClient(base_url=neighbours.platform.url, timeout=30) as http:
        for attempt in made:
            MISSING.asked.clear()
            await _send(neighbours, http, attempt)
            for name in MISSING.asked:
                if len(found[name]) < TOGETHER:
                    found[name].append(attempt)
    return found


async def _send(neighbours: Neighbours, http: httpx2.AsyncClient, attempt: Attempt) -> None:
    mine, theirs = neighbours.mine.tenant, neighbours.theirs.tenant
    name, headers = next(iter(credentials(attempt, mine, theirs, "")))
    answer = await http.request(attempt.method, attempt.path, params=attempt.query, json=attempt.body, headers=headers)
    neighbours.judge(attempt, name, answer, ids=True)


async def _violations(neighbours: Neighbours, asked: list[Attempt], clone: Clone, nobody: int) -> list[Any]:
    """What these requests, and whoever asks directly, reach of somebody else's; all is furnished anew before."""
    neighbours.theirs = furnish(clone.superuser, neighbours.theirs.tenant, 1)
    neighbours.mine = furnish(clone.superuser, neighbours.mine.tenant, 2)
    neighbours.look("furnishing")
    neighbours.wrong.clear()
    async with httpx2.AsyncClient(base_url=neighbours.platform.url, timeout=30) as http:
        for attempt in asked:
            await _send(neighbours, http, attempt)
    database_, name = neighbours.platform.database, MISSING.now
    neighbours.wrong += await found_directly(database_, nobody, neighbours.theirs, name)
    neighbours.look(MISSING.now)
    neighbours.wrong += pointing_at(neighbours.connection, neighbours.theirs, neighbours.mine.tenant.project.id)
    return [(MISSING.now, each) for each in neighbours.wrong]
