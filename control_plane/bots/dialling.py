"""Meetings behind a telephone: a line is called into the room where the bot sits, and the meeting's PIN is pressed."""

from typing import Final

from sqlalchemy import text
from sqlmodel import col, select

from control_plane.accounts.limits import is_full
from control_plane.bots.addresses import Line
from control_plane.bots.models import Bot
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.meetings.attending import CannotJoin
from control_plane.telephony.carriers import TrunkRules
from control_plane.telephony.dialling import PLACED
from control_plane.telephony.gate import Wish, judge_call
from control_plane.telephony.models import Call
from control_plane.telephony.numbers import find_callee, host_of
from control_plane.telephony.queueing import ATTENDED
from control_plane.telephony.settling import LONGEST_HANDED_OVER, tell_begin
from control_plane.telephony.trunks import trunks_of

PAUSE: Final = "wwwwww"
"""Three seconds in which a meeting's bridge asks for its PIN."""


async def dial(db: Db, clock: Clock, bot: Bot, line: Line, rules: TrunkRules) -> None:
    """Have a locked bot's meeting called, unless its line is open already. Raises `CannotJoin`."""
    open_line = select(Call.id).where(Call.room_name == bot.room_name, col(Call.ended_at).is_(None))
    if (await db.exec(open_line)).first() is not None:
        return
    trunks = (await db.exec(trunks_of(bot.project_id))).all()
    trunk = next((each for each in trunks if each.outbound_trunk_id is not None), None)
    if trunk is None:
        raise CannotJoin("NO_TRUNK", "a meeting behind a telephone needs a SIP trunk of the project")
    now = clock.now()
    own = {host_of(each.address) for each in trunks}
    try:
        callee = find_callee(line.to, own, rules.bridges)
    except ValueError as error:
        raise CannotJoin("NOT_ALLOWED", f"this meeting is not called: its address {error}") from error
    if (host := host_of(callee.host)) in rules.trusting and host not in own:
        raise CannotJoin("NOT_ALLOWED", "this meeting is not called: its server is a carrier of this machine's")
    wish = Wish(
        bot.project_id,
        "bot",
        callee.number,
        trunk.phone_number,
        trunk.address,
        longest=round(LONGEST_HANDED_OVER),
        address=callee.address,
        key_id=bot.key_id,
    )
    allowed = await judge_call(db, wish, now=now)
    if not allowed.allowed:
        raise CannotJoin("NOT_ALLOWED", f"this meeting is not called: {allowed.steps[-1]['said']}")
    if await is_full(db, bot.project_id, "sip_calls", now):
        raise CannotJoin("LINES_BUSY", "all telephone calls of the plan are in use")
    call = Call(
        project_id=bot.project_id,
        session_id=bot.session_id,
        room_name=bot.room_name,
        phone_number=callee.address,
        caller_id=trunk.phone_number,
        status="queued",
        identity=line_identity(bot),
        trunk_id=trunk.id,
        started_at=now,
        details={ATTENDED: str(bot.uuid), "press": keys_of(line.pin)},
        longest_seconds=allowed.longest_seconds,
        key_id=allowed.key_id,
        destination=allowed.destination,
    )
    db.add(call)
    await db.flush()
    allowed.call_id = call.id
    tell_begin(db, clock, call)
    await db.execute(text(f"select pg_notify('{PLACED}', '')"))


def keys_of(pin: str) -> str:
    """What is pressed for a PIN, once the line is answered."""
    return PAUSE + (pin if pin.endswith("#") else f"{pin}#") if pin else ""


def line_identity(bot: Bot) -> str:
    """The identity of the telephone line in a bot's own room."""
    return f"sip_{bot.identity}"
