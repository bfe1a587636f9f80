"""Questions of `control_plane.privacy` put directly, as `tests/support/questions.py` does: what belongs to a person."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import TextClause

from control_plane.clock import Clock
from control_plane.privacy import answers, conversations, erasing, exporting, finding, service, sweeping
from control_plane.privacy.models import RequestKind
from control_plane.privacy.service import PrivacyRequests
from tests.support.asking import Ask, Asking, found
from tests.support.estates import GUEST, NUMBER


def _known(it: Asking) -> dict[str, Any]:
    """A person of theirs, as they are found."""
    return {
        "sessions": [it.id("session")],
        "shared": [it.id("session")],
        "calls": [it.id("call")],
        "meetings": [it.id("meeting")],
        "recordings": [it.id("recording")],
        "end_user": it.id("end_user"),
        "end_users": [it.id("end_user")],
        "identities": [GUEST],
        "numbers": [NUMBER],
        "emails": [],
        "mails": [f"%{it.theirs.mark}%"],
        "rooms": [],
        "since": [],
        "until": [],
        "hidden": [],
        "most": 9,
        "now": datetime.now(UTC),
    }


def _of(query: TextClause, **more: Any) -> Ask:
    """What a question finds of that person."""
    return lambda it: it.rows(query, **_known(it) | more)


def _truth(query: TextClause, **more: str) -> Ask:
    """What a question of one answer says of that person; `more` are the numbers of further rows."""
    return lambda it: it.db.scalar(
        query, {"project": it.me} | _known(it) | {name: it.id(table) for name, table in more.items()}
    )


def _gone(query: TextClause) -> Ask:
    """How many rows of that person a statement changes."""
    return lambda it: it.changed(query, **_known(it))


def _each(name: str, queries: Mapping[str, TextClause]) -> dict[str, Ask]:
    numbered = enumerate(queries.values(), 1)
    return {f"privacy.conversations {name}: project_id = :project #{place}": _gone(each) for place, each in numbered}


PRIVATE: Final[dict[str, Ask]] = {
    "privacy.answers _ANSWERS: project_id = :project #1": _of(answers._ANSWERS),
    "privacy.answers _DROP: project_id = :project #1": lambda it: it.changed(
        answers._DROP, keys=[it.theirs.canary("idempotent_request", "key")]
    ),
    "privacy.conversations _COUNTS: project_id = :project #1": _truth(conversations._COUNTS["transcript_line"]),
    **_each("_PEOPLE", conversations._PEOPLE),
    **_each("_SHARED", conversations._SHARED),
    **_each("_THEIRS", conversations._THEIRS),
    "privacy.erasing _MARK: project_id = :project #1": _gone(erasing._MARK),
    "privacy.exporting _CHAT: project_id = :project #1": _of(exporting._CHAT),
    "privacy.exporting _INVITATIONS: project_id = :project #1": _of(exporting._INVITATIONS),
    "privacy.exporting _ROWS: project_id = :project #1": _of(exporting._ROWS["sessions"]),
    "privacy.finding _CALLS: project_id = :project #1": _of(finding._CALLS),
    "privacy.finding _END_USERS: project_id = :project #1": _of(finding._END_USERS),
    "privacy.finding _GUESTS: project_id = :project #1": _of(finding._GUESTS),
    "privacy.finding _MEETINGS: project_id = :project #1": _of(finding._MEETINGS),
    "privacy.finding _PRESENT: participant.project_id = :project #1": _truth(finding._PRESENT),
    "privacy.finding _RECORDINGS: project_id = :project #1": _of(finding._RECORDINGS),
    "privacy.finding _SESSIONS: project_id = :project #1": _of(finding._SESSIONS),
    "privacy.service PrivacyRequests.get: PrivacyRequest.project_id == self.caller.project_id": found(
        lambda it: PrivacyRequests.get(it.like(), RequestKind.ERASURE, it.id("privacy_request"))
    ),
    "privacy.service find_file: PrivacyRequest.project_id == project_id": found(
        lambda it: service.find_file(it.db, Clock(), it.me, it.theirs.further("privacy_request"))
    ),
    "privacy.sweeping _EMPTY_TRIES: project_id = :project #1": lambda it: it.changed(
        sweeping._EMPTY_TRIES, ids=[it.id("webhook_delivery")]
    ),
    "privacy.sweeping _VECTORS: project_id = :project #1": _truth(sweeping._VECTORS, chunk="knowledge_chunk"),
}
"""By the predicate, its module without the package: the question that it is a part of."""
