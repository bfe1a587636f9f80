"""What livekit-server is told of a recording, in LiveKit's own words.

STARTING ─▶ ACTIVE ─▶ ENDING ─▶ COMPLETE │ LIMIT_REACHED │ FAILED
    └──▶ ABORTED │ FAILED
"""

import time
from dataclasses import dataclass
from typing import Any, Final, cast

from livekit.protocol import egress

from pocket.psrpc.errors import Code
from pocket.recorder.outputs import redacted
from pocket.recorder.plan import Plan
from pocket.recorder.protobufs import rpc_egress_pb2 as rpc

STOPPED, CLOSED, KILLED = "StopEgress API", "Source closed", "Process killed"
STREAMS_STOPPED: Final = "All streams stopped"
LIMIT: Final = "Session limit reached"
FAILURE: Final = "Failure"
NEVER_BEGAN: Final = "Start signal not received"
NO_SPACE: Final = "recording ended early: no space left on device"
CUT_OFF: Final = "recording ended early: recorder process was killed"
RUNNING: Final = (egress.EGRESS_STARTING, egress.EGRESS_ACTIVE, egress.EGRESS_ENDING)
_SECRETS: Final = {
    "access_key": "{access_key}",
    "secret": "{secret}",
    "session_token": "{session_token}",
    "assume_role_external_id": "{external_id}",
    "credentials": "{credentials}",
    "account_name": "{account_name}",
    "account_key": "{account_key}",
}
_HTTP: Final[dict[str, int]] = {
    "invalid_argument": 400,
    "permission_denied": 403,
    "not_found": 404,
    "aborted": 412,
    "failed_precondition": 412,
    "out_of_range": 413,
    "resource_exhausted": 429,
    "unavailable": 503,
}


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a recording ends; without an `error` it is complete."""

    reason: str
    error: str = ""
    code: Code = "internal"


def first_info(asked: rpc.StartEgressRequest, plan: Plan) -> egress.EgressInfo:
    """The state of a recording that was asked for; the keys of its bucket are not in it."""
    now = time.time_ns()
    info = egress.EgressInfo(
        egress_id=asked.egress_id,
        room_id=asked.room_id,
        room_name=plan.room,
        status=egress.EGRESS_STARTING,
        started_at=now,
        updated_at=now,
        source_type=egress.EGRESS_SOURCE_TYPE_SDK,
        retry_count=asked.retry_count,
    )
    request = getattr(info, plan.asked)
    request.CopyFrom(getattr(asked, plan.asked))
    redact(request)
    if plan.segment:
        info.segment_results.add(playlist_name=plan.path)
    elif plan.stored:
        info.file_results.add(filename=plan.path)
    for stream in plan.streams:
        info.stream_results.add(url=redacted(stream.url), id=stream.name)
    _fill_deprecated(info)
    return info


def result_of(info: egress.EgressInfo) -> egress.FileInfo | egress.SegmentsInfo:
    """What is told of the file, or of the pieces of HLS."""
    return info.segment_results[0] if info.segment_results else info.file_results[0]


def copy_of(info: egress.EgressInfo) -> egress.EgressInfo:
    """A recording as it is now."""
    copied = egress.EgressInfo()
    copied.CopyFrom(info)
    return copied


def name_of(info: egress.EgressInfo) -> str:
    """The path of the file, or of the list of pieces."""
    return info.segment_results[0].playlist_name if info.segment_results else info.file_results[0].filename


def name(info: egress.EgressInfo, path: str) -> None:
    """Say what the file, or the list of pieces, is called."""
    if info.segment_results:
        info.segment_results[0].playlist_name = path
    else:
        info.file_results[0].filename = path


def redact(message: Any) -> None:
    """Take the secrets out of a request, at any depth."""
    if isinstance(message, egress.StreamOutput):
        message.urls[:] = [redacted(url) for url in message.urls]
    elif isinstance(message, egress.StreamDestination):
        message.url = redacted(message.url)
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            if field.message_type.GetOptions().map_entry:
                continue
            for each in [value] if not field.is_repeated else value:
                redact(each)
        elif field.name in _SECRETS and field.type == field.TYPE_STRING and not field.is_repeated:
            setattr(message, field.name, _SECRETS[field.name])


def move(info: egress.EgressInfo, status: int, ending: Ending | None = None) -> None:
    """Go on to a status, and write down when and why."""
    info.status = status  # type: ignore[assignment]
    info.updated_at = time.time_ns()
    if ending is not None:
        info.details = f"End reason: {ending.reason}"
        info.error = ending.error
        info.error_code = _HTTP.get(ending.code, 500) if ending.error else 0
    if status not in RUNNING:
        info.ended_at = info.updated_at
    _fill_deprecated(info)


def _fill_deprecated(info: egress.EgressInfo) -> None:
    """What LiveKit's own service still fills."""
    if info.HasField("egress"):
        return
    if info.stream_results and not info.file_results and not info.segment_results:
        info.stream.CopyFrom(egress.StreamInfoList(info=info.stream_results))
    elif info.ended_at and info.file_results:
        info.file.CopyFrom(info.file_results[0])
    elif info.ended_at and info.segment_results:
        info.segments.CopyFrom(info.segment_results[0])


def last_status(ending: Ending) -> int:
    """The status that a recording ends with that had begun."""
    if ending.error == LIMIT:
        return egress.EGRESS_LIMIT_REACHED
    return egress.EGRESS_FAILED if ending.error else egress.EGRESS_COMPLETE


def seconds_of(info: egress.EgressInfo) -> float:
    """How long the longest of the results is."""
    results: tuple[Any, ...] = (*info.file_results, *info.segment_results, *info.stream_results)
    return float(max((each.duration for each in results), default=0) / 1e9)


def never_began(reason: str) -> Ending:
    """An end before anything was heard."""
    return Ending(reason, NEVER_BEGAN, "aborted")


def ending_of(info: egress.EgressInfo) -> Ending:
    """Why a recording that is ending ends, as it was written down."""
    code = next((code for code, number in _HTTP.items() if number == info.error_code), "internal")
    return Ending(info.details.removeprefix("End reason: "), info.error, cast("Code", code))
