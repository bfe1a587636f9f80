"""One line on the terminal for each message of the monitor."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from rich.text import Text

from agents.contract import PERSONA_PREFIX
from parley.commands.monitor import Message
from parley.commands.running import plain

_ROOM_WIDTH: Final = 16
_VOICES: Final = {"agent": ("Persona", "bold cyan"), "user": ("Caller", "bold yellow"), "system": ("System", "bold")}
_QUIET: Final = "dim"
_BAD: Final = "red"
_CALLS: Final = {
    "dialing": "dialling {number}",
    "ringing": "{number} is ringing",
    "answered": "{number} answered",
    "voicemail": "{number}: voicemail",
    "ended": "the call with {number} ended",
    "busy": "{number} is busy",
    "rejected": "{number} rejected the call",
    "no_answer": "{number} did not answer",
    "failed": "the call to {number} failed",
}
_RECORDINGS: Final = {
    "recording": "recording {id} started",
    "completed": "recording {id} ended",
    "error": "recording {id} failed",
}
UNANSWERED: Final = frozenset({"busy", "rejected", "no_answer", "failed"})
"""The ways in which a telephone call ends that nobody took."""


def line_of(message: Message, *, with_room: bool = True) -> Text:
    """Time, room, and what was said or happened."""
    data = message["data"]
    line = Text.assemble((_time(message["timestamp"]), _QUIET))
    if with_room:
        room = plain(str(data.get("room_name", "")))
        shown = room if len(room) <= _ROOM_WIDTH else f"{room[: _ROOM_WIDTH - 1]}…"
        line.append(f"  {shown:<{_ROOM_WIDTH}}", style="blue")
    line.append("  ")
    if message["type"] == "transcript.new":
        line.append_text(words_of(data))
    else:
        line.append_text(_happening(message["type"], data))
    return line


def words_of(data: dict[str, Any]) -> Text:
    """Who says what; pale while it is not final."""
    name, style = _VOICES.get(data["speaker"], ("Somebody", "bold"))
    spoken = plain(data["content"]).strip()
    return Text.assemble((f"{name:<9}", style), (spoken, "" if data.get("is_final", True) else _QUIET))


def _happening(kind: str, data: dict[str, Any]) -> Text:
    bad = kind in _ALARMING or data.get("status") in UNANSWERED | {"error"}
    tell = _SENTENCES.get(kind)
    return Text(plain(tell(data) if tell else kind.replace(".", " ")), style=_BAD if bad else _QUIET)


def _joined(data: dict[str, Any]) -> str:
    return f"{data.get('name') or _person(data)} joined"


def _left(data: dict[str, Any]) -> str:
    cause = data.get("cause")
    return f"{_person(data)} left{'' if cause in _ORDINARY_LEAVING else _because(cause)}"


def _started(data: dict[str, Any]) -> str:
    return f"call {data.get('session_id')} started"


def _ended(data: dict[str, Any]) -> str:
    duration = data.get("duration")
    length = f" after {duration} s" if isinstance(duration, int) else ""
    return f"call {data.get('session_id')} ended{length}{_because(data.get('end_reason'))}"


def _failed(data: dict[str, Any]) -> str:
    return f"call {data.get('session_id')} failed{_because(data.get('end_reason'))}"


def _call(data: dict[str, Any]) -> str:
    status, number = str(data.get("status")), str(data.get("phone_number"))
    answer = data.get("sip_status")
    sentence = _CALLS.get(status, "{number}: " + status).format(number=number)
    return sentence + (f" (SIP {answer})" if status in UNANSWERED and answer else "") + _because(data.get("reason"))


def _recording(data: dict[str, Any]) -> str:
    status = str(data.get("status"))
    sentence = _RECORDINGS.get(status, "recording {id}: " + status).format(id=data.get("recording_id"))
    return sentence + _because(data.get("error"))


def _budget(data: dict[str, Any]) -> str:
    return f"${data.get('spent_usd')} of this month's ${data.get('limit_usd')} are spent"


_SENTENCES: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "room.created": lambda _: "room opened",
    "room.closed": lambda _: "room closed",
    "participant.joined": _joined,
    "participant.left": _left,
    "session.started": _started,
    "session.ended": _ended,
    "session.failed": _failed,
    "call.status": _call,
    "recording.status": _recording,
    "budget.warning": _budget,
    "budget.exceeded": _budget,
}
_ORDINARY_LEAVING: Final = frozenset({"client_initiated", "unknown_reason", "room_deleted", "room_closed"})
_ALARMING: Final = frozenset({"session.failed", "budget.exceeded"})


def _person(data: dict[str, Any]) -> str:
    identity = str(data.get("identity", "somebody"))
    return "the persona" if identity.startswith(PERSONA_PREFIX) else identity.removeprefix("sip_")


def _because(reason: object) -> str:
    return f" ({str(reason).replace('_', ' ')})" if reason else ""


def _time(timestamp: str) -> str:
    return datetime.fromisoformat(timestamp).astimezone().strftime("%H:%M:%S")
