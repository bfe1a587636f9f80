"""What people are told and shown of a recording, and when they were told."""

import asyncio
from contextlib import suppress

import structlog
from livekit import rtc
from livekit.agents import AgentSession

from agents.calling import PersonaJob
from agents.contract import RecordingAnnounced
from agents.reporter import Reporter
from agents.timing import moment
from agents.words import words_of

RECORDED = "parley.recorded"
"""Attribute of a persona whose conversation is recorded."""
RECORDED_WITHIN = 1.0
"""Seconds that the first word waits for its recording, which says afterwards how much it missed."""

log = structlog.get_logger()


class Announcement:
    """Of the recording of one conversation. Where its project announces, people are told once, before any recorder is
    asked for it; a recording that somebody else begins meanwhile is told of as it begins."""

    def __init__(self, job: PersonaJob, room: rtc.Room, session: AgentSession[None], reporter: Reporter) -> None:
        self.job, self.room, self.session, self.reporter = job, room, session, reporter
        self._heard = asyncio.Event()
        if job.is_recording:
            self._heard.set()
        self._begun = False

    def hears(self) -> bool:
        """A recorder hears the room; whether people are still to be told of it."""
        self._heard.set()
        return self.job.announces and not self._begun

    async def until_recorded(self) -> None:
        """Let the recording that was ordered begin, so that the first word is in it; and have everybody see it."""
        if self.job.recorded and not self.job.announces:
            await self.show(on=True)
            await self._until_heard(0 if self.job.resumed else RECORDED_WITHIN)

    async def before_the_first_word(self) -> None:
        """Tell people, where they are to be told; what is said next waits for the recorder, which is asked now."""
        wanted = self.job.recorded or self._heard.is_set()
        if wanted and await self.tell() and self.job.recorded:
            await self._until_heard(RECORDED_WITHIN)

    async def tell(self) -> bool:
        """Say it and report that it was heard; whether it was. Nobody speaks over it."""
        if not self.job.announces or self._begun:
            return False
        self._begun = True
        text = self.job.notice or words_of(self.job.language).recorded
        try:
            speech = self.session.say(text, allow_interruptions=False)
            await speech
        except RuntimeError:  # a goodbye is being said, or the call is over
            return False
        if speech.interrupted or not speech.chat_items:  # cut off, or never spoken
            log.warning("nobody was told that this is recorded", session=self.job.session_id)
            self._begun = False
            return False
        self.reporter.report(RecordingAnnounced(at=moment(), text=text))
        await self.show(on=True)
        return True

    async def show(self, *, on: bool) -> None:
        """Have everybody see whether a recording runs."""
        await self.room.local_participant.set_attributes({RECORDED: "true" if on else ""})

    async def _until_heard(self, within: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._heard.wait()
