"""Another secret key: what the former one sealed is sealed anew, and what it signed for good is signed anew."""

import structlog
from sqlalchemy import update
from sqlmodel import col, select

from control_plane.calendars.models import Calendar
from control_plane.db.database import Database
from control_plane.errors import NotFound
from control_plane.recordings.models import Recording
from control_plane.recordings.sealing import SealBroken
from control_plane.recordings.storage import SEALED, ObjectStore
from control_plane.secrets.box import SecretBox
from control_plane.secrets.rotating import Rotated, seal_again
from control_plane.telephony.models import SipTrunk

log = structlog.get_logger()


async def rotate(database: Database, box: SecretBox, store: ObjectStore) -> dict[str, Rotated]:
    """Have nothing left that needs another key than the first: columns, files of recordings, tickets of telephone
    numbers in LiveKit, channels of calendars. What became of each. Raises `Unavailable`; it may be repeated.

    The jobs process tells LiveKit of trunks and opens channels anew, within a minute or two.
    """
    done = await seal_again(database, box)
    done["files of recordings"] = await _files(database, store)
    async with database.platform() as db:
        told = col(SipTrunk.deleted_at).is_(None) & col(SipTrunk.dispatch_rule_id).is_not(None)
        trunks = await db.execute(update(SipTrunk).where(told).values(synced_at=None).returning(col(SipTrunk.id)))
        done["trunks"] = Rotated(len(trunks.all()))
        heard = update(Calendar).where(col(Calendar.channel_until).is_not(None)).values(channel_until=None)
        done["channels of calendars"] = Rotated(len((await db.execute(heard.returning(col(Calendar.id)))).all()))
    return done


async def _files(database: Database, store: ObjectStore) -> Rotated:
    rotated = Rotated()
    async with database.platform() as db:
        query = select(Recording.storage_key).where(col(Recording.storage_key).endswith(SEALED))
        keys = (await db.exec(query)).all()
    for key in keys:
        try:
            rotated.done += await store.seal_again(key or "")
        except NotFound:
            continue  # removed meanwhile, or to come
        except SealBroken:
            rotated.unreadable += 1
            log.exception("a sealed file opens with no key", file=key)
    return rotated
