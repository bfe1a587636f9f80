"""Owner predicates whose absence no request notices: why nothing can, or which test of its own does."""

from typing import Final

BY_ID: Final = "the rows are found by an id or a full name, which are one project's alone, of a row that was its own"
TWICE: Final = "the same question names its owner once more, of a row that is joined by an id"
AT_IMPORT: Final = "the statement is made once, when its module is read; what it joins are rows of the same id or name"
FAIRNESS: Final = "counts what projects have at once, in work across all of them; nothing of the rows is told"
COUNTS: Final = "others' rows would count towards one's own limit; nothing of them is told"
NONE_YET: Final = "no row that it could find is among the estates' (tests/support/estates.py)"

_MASKED: Final[dict[str, tuple[str, ...]]] = {
    BY_ID: (
        "bots.reading BotReader.passages: TranscriptLine.project_id == bot.project_id",
        "bots.removing _remove_words: WebhookEndpoint.project_id == bot.project_id",
        "bots.removing _remove_words: col(Analysis.project_id) == bot.project_id",
        "bots.removing _remove_words: col(Event.project_id) == bot.project_id",
        "bots.riding _has_written: Event.project_id == bot.project_id",
        "dialects.videosdk.recordings VideoRecordings.track_of: Participant.project_id == self.project_id",
        "dialects.videosdk.rooms add_webhook: WebhookEndpoint.project_id == project_id",
        "dialects.videosdk.taking begin_by_itself: Recording.project_id == room.project_id",
        "meetings.life finish: Attendee.project_id == meeting.project_id",
        "meetings.presence by_socket: col(Attendee.project_id) == meeting.project_id",
        "privacy.exporting _END: erasure.project_id = export.project_id #1",
        "privacy.finding _RECORDINGS: participant.project_id = :project #2",
        "recordings.sessions record_session: Recording.project_id == job.project_id",
        "rooms.repository RoomRepository.was_given_up: Room.project_id == self.project_id",
        "rooms.supervisions Supervisions.is_there: Participant.project_id == self.project_id",
        "sessions.ending close_again: Session.project_id == project",
        "sessions.ending people_left: Room.project_id == session.project_id",
        "sessions.exchange TicketExchange._resume: TranscriptLine.project_id == session.project_id",
        "sessions.reports ReportDesk.submit: Session.project_id == project_id",
        "sessions.serving find_served: SessionJob.project_id == session.project_id",
        "supervisor.forsaken _over: col(Meeting.project_id) == Room.project_id",
        "supervisor.forsaken _over: col(Session.project_id) == Room.project_id",
        "supervisor.parting Parting._is_handed_on: Transfer.project_id == call.project_id",
        "telephony.consents opt_out: Call.project_id == project",
        "telephony.service CallService._with_persona: Session.project_id == call.project_id",
        "telephony.service CallService.hand_over: Call.project_id == call.project_id",
        "telephony.settling _count: SipTrunk.project_id == call.project_id",
        "telephony.switchboard Switchboard.withdraw: Call.project_id == project_id",
        "webhooks.deliveries DeliveryService.get: WebhookAttempt.project_id == self.caller.project_id",
        "webhooks.deliveries DeliveryService.page: WebhookDelivery.project_id == self.caller.project_id",
    ),
    TWICE: (
        "accounts.activity.repository _ENTRIES: meeting.project_id = session.project_id #1",
        "accounts.activity.repository _MEETINGS: participant.project_id = room.project_id #1",
        "accounts.activity.repository _MEETINGS: room.project_id = meeting.project_id #2",
        "accounts.activity.repository _MEETINGS: usage_entry.project_id = meeting.project_id #3",
        "accounts.activity.repository _TRANSACTIONS: usage_entry.project_id = page.project_id #1",
        "accounts.chaining _LINKED: entry.project_id = link.project_id #1",
        "accounts.chaining _UNLINKED: link.project_id = :project #2",
        "bots.listing _conditions: col(TranscriptLine.project_id) == Bot.project_id",
        "dialects.videosdk.recordings VideoRecordings._every: col(Room.project_id) == self.project_id",
        "dialects.videosdk.sessions VideoSessions._every: Room.project_id == self.project_id",
        "dialects.videosdk.sessions VideoSessions._every: VideoRoom.project_id == self.project_id",
        "meetings.people PeoplesMeetings._with_people: Room.project_id == Meeting.project_id",
        "metering.repository UsageRepository.by: _PERSONA.c.project_id == UsageDay.project_id",
        "personas.reading _READ: version.project_id = persona.project_id #1",
        "personas.serving of_persona: col(PersonaVersion.project_id) == Persona.project_id",
        "privacy.finding _SESSIONS: project_id = :project #2",
        "rooms.repository RoomRepository.find_with_present: col(Participant.project_id) == self.project_id",
        "rooms.repository RoomRepository.find_with_present: col(Supervision.project_id) == self.project_id",
        "rooms.repository RoomRepository.list_live: Participant.project_id == self.project_id",
        "supervisor.leftovers Leftovers._abandoned: col(Room.project_id) == Session.project_id",
        "telephony.dialling _PROGRESS: participant.project_id = call.project_id #2",
        "telephony.dialling _PROGRESS: room.project_id = call.project_id #1",
        "telephony.placing CallPlacer._prepare_second: col(Session.project_id) == Call.project_id",
        "telephony.service ConfigService._query: Persona.project_id == SipConfig.project_id",
        "telephony.sweeping cut_longest: col(Session.project_id) == Call.project_id",
        "telephony.sweeping hang_up_leftovers: col(Session.project_id) == Call.project_id",
        "telephony.sweeping hang_up_leftovers: col(caller.project_id) == Call.project_id",
        "telephony.switchboard Switchboard.withdraw: col(caller.project_id) == Call.project_id",
    ),
    AT_IMPORT: (
        "meetings.casting : col(Persona.project_id) == Scenario.project_id",
        "meetings.casting : col(Scenario.project_id) == bindparam('project')",
        "meetings.presence : col(Room.project_id) == Participant.project_id",
        "supervisor.leftovers : Room.project_id == Call.project_id",
        "supervisor.leftovers : col(Meeting.project_id) == Room.project_id",
        "supervisor.leftovers : col(Session.project_id) == Room.project_id",
    ),
    FAIRNESS: (
        "calendars.sync _CLAIM: busy.project_id = due.project_id #1",
        "telephony.queueing _DUE: any_of.project_id = trunk.project_id #1",
    ),
    COUNTS: (
        "bots.listing _newest: Bot.project_id == project_id",
        "embeds.service EmbedKeys.create: EmbedKey.project_id == self.project_id",
        "knowledge_bases.uploads _KEEP: project_id = :project #1",
        "telephony.answering _demand_line: Call.project_id == config.project_id",
    ),
    NONE_YET: (
        "calendars.events EventService.release: col(CalendarEvent.project_id) == self.caller.project_id",
        "calendars.telling CalendarTeller._keep_endpoint: WebhookEndpoint.project_id == calendar.project_id",
    ),
}
MASKED: Final = {f"control_plane.{name}": why for why, names in _MASKED.items() for name in names}
"""By the predicate: why nothing notices that it is missing."""
RETENTION: Final = (
    "tests/integration/security/test_retention.py::test_old_conversations_are_gone_from_every_table_and_nothing_else_is"
)
BY_TESTS: Final = {
    f"control_plane.supervisor.retaining _OLD: {owner}project_id = :project #{number}": RETENTION
    for number, owner in ((2, ""), (3, ""), (4, ""), (5, ""), (7, ""), (8, ""), (9, ""), (10, "endpoint."), (11, ""))
}
"""Predicates of work across projects, before which there is no wall, and the test that fails without them."""
