"""What must be true of a game, whatever went wrong in it: at any moment, and once everything has come to its end."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from control_plane.events.facts import DOCUMENTED_WEBHOOKS, WEBHOOKS, Fact
from tests.chaos.simulation_stage import ALL, SOME

if TYPE_CHECKING:
    from tests.chaos.simulation_game import Simulation

_OPEN = {
    "conversations go on": "select id, room_name from session where status = 'active'",
    "jobs of conversations run": "select id, livekit_job_id from session_job where ended_at is null",
    "rooms are open": "select id, full_name from room where status = 'open'",
    "stays are not over": "select id, identity from participant where left_at is null",
    "calls are not over": "select id, phone_number, status from call where ended_at is null",
    "work waits": "select id, kind, state, run_at from job where state in ('waiting', 'running')",
    "events have no number": "select id, type from event where seq is null",
    "events wait for the webhooks": (
        "select seq, type from event where seq > (select seq from event_cursor where reader = 'webhooks')"
    ),
    "deliveries wait": "select id, attempts, next_at from webhook_delivery where state = 'waiting'",
}
"""What is not to be there in the end, and how to ask for it."""
_ALONE = """
    select session_id, persona_id, array_agg(livekit_job_id) from session_job
    where ended_at is null group by 1, 2 having count(*) > 1
"""
_ONCE: dict[str, tuple[str, ...]] = {
    Fact.SESSION_STARTED: ("session_id",),
    Fact.SESSION_ENDED: ("session_id",),
    Fact.SESSION_FAILED: ("session_id",),
    Fact.TRANSCRIPT_LINE: ("session_id", "content"),
    Fact.CALL_INITIATED: ("call_id",),
    Fact.CALL_RECEIVED: ("call_id",),
    Fact.CALL_STATUS: ("call_id", "status"),
    Fact.ANALYSIS_READY: ("session_id",),
    Fact.TRACK_PUBLISHED: ("track_sid",),
    Fact.TRACK_UNPUBLISHED: ("track_sid",),
}
"""Facts that are told once of each of these."""


async def ask(game: "Simulation", question: str, *values: Any) -> list[Any]:
    """Rows, as the owner of the database sees them."""
    with game.open():
        return list(await (await game.looking.execute(question, values or None)).fetchall())


async def look(game: "Simulation") -> None:
    """What must hold at any moment; what does not is a fault."""
    if not game.talking:
        return
    for session, persona, jobs in await ask(game, _ALONE):
        game.agenda.fault(f"conversation {session} has agent {persona} more than once: {jobs}")
    for dialled, count in game.world.dialled.items():
        if count > 1:
            game.agenda.fault(f"{dialled} was called {count} times")


async def unsettled(game: "Simulation") -> list[str]:
    """What has not come to its end."""
    found = []
    held = "select id, room_name from slot where session_id is not null or expires_at > %s"
    questions = {what: (question,) for what, question in _OPEN.items()} | {
        "places are held": (held, game.agenda.clock.at)
    }
    for what, asked in questions.items():
        rows = await ask(game, *asked)
        if rows:
            found.append(f"{what}: {rows[:5]}" + (f" and {len(rows) - 5} more" if len(rows) > 5 else ""))
    if game.world.halls:
        found.append(f"LiveKit has rooms: {sorted(game.world.halls)}")
    for worker in game.workers:
        if worker.calls:
            found.append(f"{worker.worker_id} holds calls: {sorted(worker.calls)}")
        waiting = [f"{each.session_id}/{each.epoch}/{each.sequence}" for each in worker.spool.waiting()]
        if waiting:
            found.append(f"{worker.worker_id} has reports that were not taken: {waiting[:5]}")
    return found


async def check(game: "Simulation") -> list[str]:
    """Everything that must hold in the end; what does not."""
    wrong = [f"in the end {each}" for each in await unsettled(game)]
    for part in (_lines, _sessions, _events, _deliveries, _usage, _work):
        wrong += await part(game)
    wrong += [f"a report was refused: {each}" for each in game.parked]
    wrong += [
        f"{persona.job_id} lives on in {persona.room}"
        for persona in game.personas
        if persona.alive and persona.seat is not None and persona.seat.here and persona.worker.alive
    ]
    return list(dict.fromkeys(wrong))


async def _lines(game: "Simulation") -> list[str]:
    rows = await ask(
        game,
        "select session_id, epoch, sequence, content from transcript_line where epoch > 0 order by 1, 2, 3",
    )
    kept = {(session, epoch, sequence): content for session, epoch, sequence, content in rows}
    wrong = [
        f"line {key} is lost: {spoken.text}"
        for key, spoken in game.spoken.items()
        if spoken.promised and key not in kept
    ]
    wrong += [
        f"line {key} is another: {content}"
        for key, content in kept.items()
        if key not in game.spoken or game.spoken[key].text != content
    ]
    wrong += [f"a line is there {count} times: {text}" for text, count in Counter(kept.values()).items() if count > 1]
    last: dict[str, tuple[int, Any]] = {}
    for key, content in kept.items():
        who, _, number = content.partition(" ")
        if number.isdigit():
            if who in last and last[who][1] == key[0] and last[who][0] >= int(number):
                wrong.append(f"line {key} is out of order: {content}")
            last[who] = int(number), key[0]
    counts = await ask(
        game,
        "select id, message_count, (select count(*) from transcript_line line where line.session_id = session.id)"
        " from session",
    )
    wrong += [
        f"conversation {session} counts {count} lines of {true}" for session, count, true in counts if count != true
    ]
    return wrong


async def _sessions(game: "Simulation") -> list[str]:
    rows = await ask(game, "select id, status, outcome, end_reason, duration from session")
    wrong = [
        f"conversation {row[0]} has ended as {row[1:]}"
        for row in rows
        if row[1] != "completed" or not row[2] or not row[3] or row[4] is None or row[4] < 0
    ]
    if game.calm:
        wrong += [f"nothing went wrong, and conversation {row[0]} is {row[2:4]}" for row in rows if row[2] == "failed"]
    used = await ask(
        game,
        "select what, count_used(%s, what, %s) from unnest(array['sessions', 'sip_calls', 'recordings']) what",
        game.caller.account_id,
        game.agenda.clock.at,
    )
    wrong += [f"{count} of {what} are counted as used" for what, count in used if count]
    return wrong


async def _events(game: "Simulation") -> list[str]:
    rows = await ask(game, "select seq, type, room_name, data from event order by seq")
    numbers = [row[0] for row in rows]
    wrong = [] if numbers == list(range(1, len(numbers) + 1)) else ["the numbers of the events have gaps"]
    told: Counter[tuple[Any, ...]] = Counter()
    for _, kind, _room, data in rows:
        if kind in _ONCE:
            told[kind, *(data.get(name) for name in _ONCE[kind])] += 1
    wrong += [f"{fact} is told {count} times" for fact, count in told.items() if count > 1]
    for kind, column in ((Fact.SESSION_ENDED, "true"), (Fact.SESSION_STARTED, "announced_at is not null")):
        sessions = {row[0] for row in await ask(game, f"select id from session where {column}")}
        known = {data["session_id"] for _, type_, _room, data in rows if type_ == kind}
        wrong += [f"{kind} and conversations differ: {sorted(sessions ^ known)}"] if sessions != known else []
    lines = await ask(game, "select session_id, content from transcript_line where epoch > 0")
    spoken = {(data["session_id"], data["content"]) for _, kind, _room, data in rows if kind == Fact.TRANSCRIPT_LINE}
    wrong += (
        [f"lines without an event, or the reverse: {sorted(spoken ^ set(lines))[:3]}"] if spoken != set(lines) else []
    )
    stays = await ask(game, "select count(*) from participant where told")
    came, went = (sum(row[1] == kind for row in rows) for kind in (Fact.PARTICIPANT_JOINED, Fact.PARTICIPANT_LEFT))
    if not came == went == stays[0][0]:
        wrong.append(f"{stays[0][0]} stays, {came} have come and {went} have left by the events")
    rooms = await ask(game, "select count(*) from room where sid is not null")  # of others LiveKit has never told
    opened, closed = (sum(row[1] == kind for row in rows) for kind in (Fact.ROOM_CREATED, Fact.ROOM_FINISHED))
    if not opened == closed == rooms[0][0]:
        wrong.append(f"{rooms[0][0]} rooms, {opened} created and {closed} finished by the events")
    return wrong


async def _deliveries(game: "Simulation") -> list[str]:
    rows = await ask(
        game,
        "select url, event_seq, body, state, delivery.id from webhook_delivery delivery"
        " join webhook_endpoint on webhook_endpoint.id = endpoint_id order by delivery.id",
    )
    wrong = [f"delivery {row[4]} of event {row[1]} has {row[3]}" for row in rows if row[3] != "delivered"]
    events = await ask(game, "select seq, type from event")
    for url, wanted in ((ALL, WEBHOOKS), (SOME, DOCUMENTED_WEBHOOKS)):
        due = {seq for seq, kind in events if kind in wanted and kind in WEBHOOKS}
        planned = Counter(row[1] for row in rows if row[0] == url)
        if set(planned) != due:
            wrong.append(f"{url}: events and deliveries differ: {sorted(set(planned) ^ due)[:5]}")
        wrong += [f"{url}: event {seq} is planned {count} times" for seq, count in planned.items() if count > 1]
        bodies = Counter(game.receivers.received.get(url, {}).values())
        wrong += [
            f"{url}: event {row[1]} has not arrived" for row in rows if row[0] == url and row[2].encode() not in bodies
        ]
    return wrong


async def _usage(game: "Simulation") -> list[str]:
    rows = await ask(game, "select source, count(*) from usage_entry group by 1 having count(*) > 1")
    return [f"{source} is counted {count} times" for source, count in rows]


async def _work(game: "Simulation") -> list[str]:
    rows = await ask(game, "select id, kind, payload, error from job where state = 'failed'")
    return [f"work has failed: {row}" for row in rows]
