"""Which routes are served where."""

from fastapi import FastAPI
from fastapi.routing import APIRoute

from control_plane.accounts.activity.routes import router as activity
from control_plane.accounts.console.routes import open_router as way_in
from control_plane.accounts.console.routes import session_router as console
from control_plane.accounts.operator.routes import router as operator
from control_plane.accounts.routes import router as accounts
from control_plane.analysis.routes import router as analysis
from control_plane.dialects.meeting_baas.bot_routes import router as bots
from control_plane.dialects.meeting_baas.calendar_routes import event_router as calendar_events
from control_plane.dialects.meeting_baas.calendar_routes import router as calendars
from control_plane.dialects.meeting_baas.document_routes import router as bot_documents
from control_plane.dialects.meeting_baas.notice_routes import router as calendar_notices
from control_plane.dialects.onepizza.routes import router as peoples_meetings
from control_plane.dialects.videosdk.play_routes import router as video_play
from control_plane.dialects.videosdk.recording_routes import router as video_recordings
from control_plane.dialects.videosdk.room_routes import router as video_rooms
from control_plane.dialects.videosdk.session_routes import router as video_sessions
from control_plane.dialects.videosdk.stream_routes import router as video_streams
from control_plane.embeds.routes import router as embed_keys
from control_plane.embeds.routes import visitor_router as embeds
from control_plane.health.routes import figures
from control_plane.health.routes import router as health
from control_plane.knowledge_bases.routes import router as knowledge_bases
from control_plane.livekit_hooks.routes import router as livekit_hooks
from control_plane.meetings.entrance import router as meeting_entrance
from control_plane.meetings.routes import end_user_router, meeting_router, scenario_router
from control_plane.metering.routes import router as usage
from control_plane.monitor.feed import router as event_feed
from control_plane.monitor.routes import router as monitor
from control_plane.overview.routes import router as overview
from control_plane.personas.routes import router as personas
from control_plane.privacy.routes import public as export_links
from control_plane.privacy.routes import router as privacy
from control_plane.recordings.routes import public as recording_links
from control_plane.recordings.routes import router as recordings
from control_plane.replays.routes import open_router as shared_replays
from control_plane.replays.routes import router as replays
from control_plane.rooms.routes import router as rooms
from control_plane.sessions.routes import router as sessions
from control_plane.supervision.routes import router as supervision
from control_plane.telephony.routes import policy_router as dial_policies
from control_plane.telephony.routes import router as telephony
from control_plane.tokens.routes import router as tokens
from control_plane.trials.routes import router as trials
from control_plane.uplink.routes import router as uplink
from control_plane.webhooks.routes import router as webhooks

PRIMARY = (
    tokens,
    rooms,
    supervision,
    personas,
    trials,
    sessions,
    recordings,
    telephony,
    dial_policies,
    knowledge_bases,
    accounts,
    usage,
    overview,
    event_feed,
    webhooks,
    scenario_router,
    end_user_router,
    meeting_router,
    analysis,
    activity,
    way_in,
    console,
    operator,
    replays,
    shared_replays,
    embed_keys,
    embeds,
    privacy,
)
"""The primary surface, below `/api/v1`."""

VIDEOSDK = (video_rooms, video_sessions, video_recordings, video_streams, video_play)
"""The VideoSDK's surface, at `/v2`."""

MEETING_BAAS = (bot_documents, bots, calendars, calendar_events, calendar_notices)
"""The surface of Meeting BaaS, at paths of its own."""


def install(app: FastAPI) -> None:
    """Add every route, flat: the framework looks through a nest of routers twice for each request."""
    others = (peoples_meetings, meeting_entrance, health, figures, livekit_hooks, monitor, uplink)
    linked = (recording_links, export_links)
    for router in (*PRIMARY, *VIDEOSDK, *MEETING_BAAS, *linked, *others):
        app.router.routes.extend(router.routes)
    plain = (route for route in app.router.routes if isinstance(route, APIRoute) and not route.param_convertors)
    app.state.plain_paths = frozenset(route.path for route in plain)
