"""Reports that wait are taken by call, in order, once."""

import asyncio
from typing import Any

import pytest

from agents.contract import Submission, Verdict
from control_plane.uplink.hub import WorkerLink
from control_plane.uplink.inbox import AT_ONCE, MOST, SHOWN, Inbox
from control_plane.uplink.routes import _report

pytestmark = pytest.mark.anyio


def report(session: int, sequence: int) -> Submission:
    return Submission(session_id=session, epoch=1, sequence=sequence, capability="c", report={})


def told(submissions: list[Submission]) -> list[tuple[int, int]]:
    return [(each.session_id, each.sequence) for each in submissions]


async def test_reports_of_a_call_come_together_and_calls_in_the_order_of_their_waiting() -> None:
    inbox = Inbox()
    for session, sequence in ((1, 1), (2, 1), (1, 2), (2, 2), (1, 3)):
        inbox.put(report(session, sequence))
    with inbox.take() as first:
        assert told(first) == [(1, 1), (1, 2), (1, 3)]
        first.clear()
        inbox.put(report(1, 4))
        with inbox.take() as second:
            assert told(second) == [(2, 1), (2, 2)]
            second.clear()
            with inbox.take() as nothing:
                assert nothing == [], "two at once would write a call's reports out of order"
            waiting = asyncio.create_task(inbox.wait())
            await asyncio.sleep(0)
            assert not waiting.done()
    async with asyncio.timeout(5):
        await waiting
    with inbox.take() as rest:
        assert told(rest) == [(1, 4)]


async def test_a_report_waits_once_however_often_it_is_said() -> None:
    inbox = Inbox()
    for _ in range(3):
        inbox.put(report(1, 1))
    with inbox.take() as taken:
        assert told(taken) == [(1, 1)]
        inbox.put(report(1, 1))
        taken.clear()
    with inbox.take() as nothing:
        assert nothing == [], "it was being taken"
    inbox.put(report(1, 1))  # its verdict was lost
    with inbox.take() as again:
        assert told(again) == [(1, 1)]


async def test_what_could_not_be_taken_waits_before_what_came_since() -> None:
    inbox = Inbox()
    for sequence in (1, 2, 3):
        inbox.put(report(1, sequence))
    with inbox.take() as taken:
        inbox.put(report(1, 4))
        del taken[:1]
    inbox.put(report(1, 2))
    with inbox.take() as again:
        assert told(again) == [(1, 2), (1, 3), (1, 4)]


async def test_what_has_no_place_is_dropped_and_what_is_only_shown_takes_none() -> None:
    inbox = Inbox()
    for number in range(MOST + 5):
        inbox.put(report(1, number + 1))
        inbox.put(report(1, 0))
    assert inbox.shown.qsize() == SHOWN
    taken = []
    while len(taken) < MOST:
        with inbox.take() as some:
            assert len(some) <= AT_ONCE
            taken += some
            some.clear()
    assert [each.sequence for each in taken] == list(range(1, MOST + 1))
    with inbox.take() as nothing:
        assert nothing == []


async def test_desks_that_find_nothing_left_to_take_go_on() -> None:
    inbox, link, taken = Inbox(), WorkerLink("w"), []

    class Service:
        desks = asyncio.Semaphore(1)

        async def submit(self, first: Submission, *more: Submission) -> list[Verdict]:
            taken.extend([first, *more])
            await asyncio.sleep(0)
            return [Verdict(session_id=each.session_id, epoch=1, sequence=each.sequence) for each in (first, *more)]

    service: Any = Service()
    desks = [asyncio.create_task(_report(service, link, inbox)) for _ in range(3)]
    async with service.desks:  # another worker's are being taken
        for sequence in (1, 2):
            inbox.put(report(1, sequence))
        for _ in range(3):
            await asyncio.sleep(0)
    async with asyncio.timeout(5):
        verdicts = [await link.outbox.get() for _ in range(2)]
    async with service.desks:
        assert not any(desk.done() for desk in desks)
    assert [verdict.sequence for verdict in verdicts if isinstance(verdict, Verdict)] == [1, 2]
    assert not any(desk.done() for desk in desks)
    for desk in desks:
        desk.cancel()
    await asyncio.gather(*desks, return_exceptions=True)
