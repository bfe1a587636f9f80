"""Questions of `control_plane.telephony` put directly, as `tests/support/questions.py` does: lines, calls, numbers."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final
from unittest import mock

from control_plane.clock import Clock
from control_plane.errors import Conflict
from control_plane.telephony import answering, consents, dialling, gate
from control_plane.telephony.models import Call, SipTrunk
from control_plane.telephony.service import ConfigService
from control_plane.telephony.sync import TrunkSync
from control_plane.telephony.trunks import TrunkService
from control_plane.uplink.service import UplinkService
from sip.dialer import SipAwayError
from tests.support.asking import Ask, Asking, of
from tests.support.estates import NUMBER


async def _taken_from_queue(it: Asking) -> list[int]:
    """Calls to a number that are no longer made, as a project's own callee has opted out."""
    taken: list[int] = []

    async def lock(_db: Any, call_id: int) -> None:
        taken.append(call_id)

    with mock.patch.object(consents, "lock_call", lock):
        await consents._take_from_queue(it.db, Clock(), it.me, NUMBER)
    return taken


async def _judged_again(it: Asking, call: Any) -> Any:
    """Why a call may not be made any more: others' callees have said that they do not want it."""
    with mock.patch.object(gate, "_keep", lambda _db, _wish, decision, **_: decision):
        return await gate.judge_again(it.db, call, NUMBER, now=datetime(2026, 1, 5, 12, tzinfo=UTC))


async def _intended(it: Asking) -> list[str]:
    told: list[str] = []

    async def commit() -> None:
        told.append("a trunk of theirs is to be told anew")

    like = it.like(db=SimpleNamespace(exec=it.db.exec, commit=commit))
    await ConfigService._intend(like, it.line)
    return told


async def _forgotten(it: Asking) -> list[Any]:
    told: list[Any] = []

    async def forget(_db: Any, trunk: SipTrunk) -> None:
        told.append(trunk.id)
        raise SipAwayError("as if it were away")

    await TrunkService._clear(it.like(sync=SimpleNamespace(forget=forget)), it.line)
    return told


async def _listed(it: Asking) -> Any:
    """Which numbers the agent of a job may transfer to; it has one, or it is not there at all."""
    asked: Any = SimpleNamespace(session_id=it.id("session"), epoch=1)
    try:
        return repr(await UplinkService._listed(it.like(), it.me, asked))
    except Conflict:
        return None


PHONES: Final[dict[str, Ask]] = {
    "telephony.answering _find_call: Call.project_id == project.id": lambda it: answering._find_call(
        it.db,
        SimpleNamespace(id=it.me),  # type: ignore[arg-type]
        it.hall,
    ),
    "telephony.consents _take_from_queue: Call.project_id == project": _taken_from_queue,
    "telephony.dialling _PROGRESS: call.project_id = :project #3": lambda it: it.rows(
        dialling._PROGRESS, call=it.id("call")
    ),
    "telephony.gate judge_again: Consent.project_id == call.project_id": of(Call, _judged_again),
    "telephony.service ConfigService._intend: col(SipTrunk.project_id) == self.caller.project_id": _intended,
    "telephony.sync TrunkSync._line: SipConfig.project_id == trunk.project_id": of(
        SipTrunk,
        lambda it, trunk: TrunkSync._line(it.like(numbers=SimpleNamespace(sign=lambda *_: "t")), it.db, trunk),
    ),
    "telephony.trunks TrunkService._clear: SipTrunk.project_id == self.caller.project_id": _forgotten,
    "uplink.service UplinkService._listed: SessionJob.project_id == project_id": _listed,
}
"""By the predicate, its module without the package: the question that it is a part of."""
