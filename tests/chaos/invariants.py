"""What must hold, whatever went wrong. Allowed is

* that a line is lost which was said or answered within `EXCUSED` seconds of the death of the process that heard it;
* a conversation that failed as `worker_lost` after its persona was lost, and its persona lost only by a fault of its
  own, of its worker, or of livekit-server and the ways to it;
* `model_failed` while the models were not to be had;
* `nobody_came`, `not_started` and a caller who did not enter, where nobody was answered in the call;
* where livekit-server itself was killed or stood still, or its callers' or workers' way to it was cut: that a room ends
  (`room_closed`, `caller_left`) or is entered anew, that its conversation goes on or ends, and that its caller has to
  call again. Not allowed even then: a line lost that was answered, two personas, a conversation or a room without end.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

from control_plane.events.facts import WEBHOOKS, Fact
from control_plane.sessions.ending import MOST_LOST
from tests.chaos.callers import Call
from tests.chaos.models import ANSWER, BEGUN
from tests.chaos.trouble import Done

EXCUSED: Final = 2.5
"""Seconds before a death in which what was said may be lost with whoever died."""
AFTERWARDS: Final = 60.0
"""Seconds that a fault may have its effect in, after its end: as long as somebody without a persona is waited with."""
KILLS_PERSONAS: Final = ("worker", "persona")
ENDS_PROCESSES: Final = ("kill", "stop", "freeze")
ALONE: Final = 90.0
"""Seconds after the end of a conversation in which its room is closed, whatever is in trouble."""
CUTS_ROOMS: Final = ("livekit", "signal", "visitors", "redis")
"""Parts whose faults may end a room, or put a persona out of it. Redis is where livekit-server keeps its rooms."""
MODELS: Final = ("models",)


@dataclass
class Violation:
    """Something that must not be. `call`: whose; `log`: lines about it."""

    rule: str
    what: str
    call: str = ""
    session: int | None = None
    log: list[str] = field(default_factory=list)


@dataclass
class Row:
    """A line of a transcript, as the API tells it."""

    session: int
    speaker: str
    content: str


class Faults:
    """When which parts were in trouble."""

    def __init__(self, done: Sequence[Done]) -> None:
        self.done = [each for each in done if not each.skipped]

    def hit(self, parts: Iterable[str], since: float, until: float) -> bool:
        """Whether one of these parts was in trouble between two moments, or so shortly before that it matters."""
        return any(
            each.fault.part in parts and each.began <= until and (each.ended or until) + AFTERWARDS >= since
            for each in self.done
        )

    def deaths(self) -> list[float]:
        """When a process of a persona, or its worker, was killed, stopped, or stood still until it was killed."""
        return [
            each.began for each in self.done if each.fault.part in KILLS_PERSONAS and each.fault.kind in ENDS_PROCESSES
        ]

    def excuses(self, at: float) -> bool:
        """Whether what was said then may have died with who heard it."""
        return any(death - EXCUSED <= at <= death + EXCUSED for death in self.deaths())


def judge_lines(call: Call, rows: Sequence[Row], faults: Faults) -> list[Violation]:
    """Whether a transcript has what its caller said and was told: each once, in order, and nothing else."""
    found: list[Violation] = []

    def wrong(rule: str, what: str) -> None:
        found.append(Violation(rule, what, call.name, rows[0].session if rows else None))

    said = {line.text: place for place, line in enumerate(call.said)}
    users = [row.content for row in rows if row.speaker == "user"]
    numbers = [(int(match[1]), match[2].strip()) for row in rows if (match := _answer(row))]
    for text, times in Counter(users).items():
        if times > 1:
            wrong("no line twice", f"“{text}” is there {times} times")
        if text not in said:
            wrong("nothing is there that nobody said", f"“{text}”")
    for number, times in Counter(number for number, _ in numbers).items():
        if times > 1:
            wrong("no line twice", f"answer {number} is there {times} times")
    for one, after in pairwise([text for text in users if text in said]):
        if said[one] > said[after]:
            wrong("lines in order", f"“{after}” stands behind “{one}”")
    for (one, _), (after, _) in pairwise(numbers):
        if one > after:
            wrong("lines in order", f"answer {after} stands behind answer {one}")
    for line in call.said:
        if line.answered_at and line.text not in users and not faults.excuses(line.at):
            wrong("no line lost", f"“{line.text}” was answered at {_moment(line.answered_at)} and is not there")
    # Of an answer that was cut off, as its persona died, there is what had been heard: the beginning will do.
    there = {int(match[1]) for row in rows if row.speaker == "agent" and (match := BEGUN.search(row.content))}
    for told in call.told:
        if told.whole and told.number not in there and not faults.excuses(told.at):
            when = f"at {_moment(told.at)}, in a call that ended at {_moment(call.ended)} ({call.how})"
            wrong("no line lost", f"answer {told.number} to “{told.to}” was given {when} and is not there")
    places = {row.content: place for place, row in reversed(list(enumerate(rows)))}
    for place, row in enumerate(rows):
        match = _answer(row)
        if match and places.get(match[2].strip(), -1) > place:
            wrong("lines in order", f"answer {match[1]} stands before what it answers")
    return found


def _moment(at: float) -> str:
    """As logs write it."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]


def _answer(row: Row) -> re.Match[str] | None:
    return ANSWER.search(row.content) if row.speaker == "agent" else None


def judge_call(call: Call, faults: Faults, *, over: float | None = None) -> list[Violation]:
    """Whether a caller saw what is never to be seen. `over`: when the last conversation of its room had ended."""
    found = []
    if over is not None and call.ended - over > ALONE:
        what = f"it was over at {_moment(over)}, and its caller stayed there for {call.ended - over:.0f} s"
        found.append(Violation("nobody is left alone", what, call.name))
    if call.most_personas > 1:
        found.append(Violation("one persona", f"{call.most_personas} personas were in one room", call.name))
    cut = faults.hit(CUTS_ROOMS, call.began, call.ended)
    killed = faults.hit(KILLS_PERSONAS, call.began, call.ended)
    by_models = faults.hit(MODELS, call.began, call.ended)
    if call.how.startswith("room left") and call.answered and not (cut or killed or by_models):
        found.append(Violation("calls survive", f"{call.how}, and nothing it needs was in trouble", call.name))
    again = Counter(told.to for told in call.told if told.whole)
    for text, times in again.items():
        if times > 1 and not (cut or killed):
            found.append(Violation("one persona", f"“{text}” was answered {times} times", call.name))
    return found


def judge_session(session: dict[str, Any], call: Call | None, faults: Faults) -> list[Violation]:
    """Whether a session ended, and in a way that is allowed."""
    name = call.name if call else ""

    def wrong(rule: str, what: str) -> list[Violation]:
        return [Violation(rule, what, name, session["id"])]

    if session["status"] != "completed" or not session["outcome"]:
        return wrong("every session ends", f"it is {session['status']}, outcome {session['outcome']}")
    began, ended = session["started"], session["ended"]
    for lost in session["lost"]:
        if not faults.hit((*KILLS_PERSONAS, *CUTS_ROOMS), lost, lost):
            return wrong("calls survive", f"its persona was lost at {lost:.1f}, and nothing it needs was in trouble")
    ending = (session["outcome"], session["end_reason"])
    cut = faults.hit(CUTS_ROOMS, began, ended)
    answered = call is not None and call.answered > 0
    match ending:
        case ("ok", "caller_left"):
            return []
        case ("ok", "room_closed") if cut or not (call and call.how.startswith("room left")):
            return []
        case ("failed", "worker_lost" | "displaced") if session["lost"] or session["jobs"] > MOST_LOST or cut:
            return []
        case ("failed", "worker_lost") if faults.hit(KILLS_PERSONAS, began, ended):
            return []
        case ("failed", "model_failed") if faults.hit(MODELS, began, ended):
            return []
        case ("abandoned" | "failed", "nobody_came" | "not_started") if not answered or cut:
            return []
    return wrong("an allowed ending", f"{ending[0]}/{ending[1]}")


TALLIED: Final = {
    *(Fact.ROOM_STARTED, Fact.ROOM_FINISHED, Fact.PARTICIPANT_JOINED, Fact.PARTICIPANT_LEFT),
    *(Fact.TRACK_PUBLISHED, Fact.TRACK_UNPUBLISHED, Fact.TURN_MEASURED),
}
"""Facts of which two may say the same and both be true; most are counted beside their rows (`records.TALLY`)."""


def judge_events(events: Sequence[dict[str, Any]]) -> list[Violation]:
    """Whether the log has no gap, and tells each fact once."""
    found = [
        Violation("the log has no gap", f"seq {one} is followed by {after}")
        for one, after in pairwise(sorted(each["seq"] for each in events if each["seq"] is not None))
        if after != one + 1
    ]
    unstamped = [each["id"] for each in events if each["seq"] is None]
    if unstamped:
        found.append(Violation("the log has no gap", f"{len(unstamped)} events have no number, from id {unstamped[0]}"))
    facts = Counter(_fact(each) for each in events if each["type"] not in TALLIED)
    told_again = [(fact, times) for fact, times in facts.items() if times > 1]
    found += [Violation("each fact once", f"{' '.join(fact)} was told {times} times") for fact, times in told_again]
    return found


def _fact(event: dict[str, Any]) -> tuple[str, str, str]:
    return event["type"], event["room_name"] or "", json.dumps(event["data"], sort_keys=True)


def judge_webhooks(
    events: Sequence[dict[str, Any]], deliveries: Sequence[dict[str, Any]], received: Sequence[tuple[str, bytes]]
) -> list[Violation]:
    """Whether each event came to its receiver, and each time the same."""
    bodies: dict[str, set[bytes]] = {}
    for webhook_id, body in received:
        bodies.setdefault(webhook_id, set()).add(body)
    by_event = Counter(each["event_seq"] for each in deliveries)
    states = {each["event_seq"]: each["state"] for each in deliveries}
    found = [
        Violation("every webhook arrives", f"{webhook_id} came in {len(versions)} versions")
        for webhook_id, versions in bodies.items()
        if len(versions) > 1
    ]
    for event in events:
        seq = event["seq"]
        if event["type"] not in WEBHOOKS or seq is None:
            continue
        if by_event[seq] != 1:
            found.append(Violation("every webhook arrives", f"{event['type']} {seq}: {by_event[seq]} deliveries"))
        elif states[seq] != "delivered":
            found.append(Violation("every webhook arrives", f"{event['type']} {seq} is {states[seq]}"))
        elif str(seq) not in bodies:
            found.append(Violation("every webhook arrives", f"{event['type']} {seq} was not received"))
    return found
