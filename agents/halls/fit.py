"""What dense mode uses of LiveKit's libraries without their promising it, all in one place.

Whoever imports this gets an `ImportError` where something of it is not as we know it; the worker then runs each call in
a process of its own.
"""

import inspect
import sys
from collections.abc import Callable
from importlib import metadata
from io import BytesIO
from typing import Any, Final

from livekit.agents import AgentServer
from livekit.agents.ipc.job_executor import JobStatus
from livekit.agents.ipc.job_proc_lazy_main import _JobProc
from livekit.agents.ipc.proc_pool import ProcPool
from livekit.agents.ipc.proto import (
    InferenceRequest,
    InferenceResponse,
    InitializeRequest,
    ShutdownRequest,
    StartJobRequest,
)
from livekit.agents.job import JobExecutorType, JobProcess, RunningJobInfo
from livekit.agents.utils import EventEmitter, aio
from livekit.rtc import AudioStream
from livekit.rtc._ffi_client import FfiClient, FfiQueue

__all__ = (
    "AgentServer",
    "AudioStream",
    "EventEmitter",
    "FfiClient",
    "FfiQueue",
    "InferenceRequest",
    "InferenceResponse",
    "InitializeRequest",
    "JobExecutorType",
    "JobProcess",
    "JobStatus",
    "ProcPool",
    "RunningJobInfo",
    "ShutdownRequest",
    "StartJobRequest",
    "_JobProc",
    "aio",
    "pack",
    "unpack",
)

KNOWN: Final = {"livekit-agents": "1.8.", "livekit": "1."}
"""Versions that this was read for."""
USED: Final[dict[Callable[..., Any], tuple[str, ...]]] = {
    _JobProc.__init__: ("initialize_process_fnc", "job_entrypoint_fnc", "session_end_fnc", "session_end_timeout"),
    _JobProc.initialize: ("init_req", "client"),
    _JobProc.entrypoint: ("cch",),
    ProcPool.__init__: ("initialize_process_fnc", "job_entrypoint_fnc", "mp_ctx", "num_idle_processes"),
    FfiQueue.put: ("item",),
    FfiQueue.subscribe: ("loop", "filter_fn"),
    FfiQueue.unsubscribe: ("queue",),
    AudioStream._create_owned_stream: (),
    AudioStream._create_owned_stream_from_participant: ("participant", "track_source"),
}
"""Functions and those of their parameters that we give, or take the place of."""
ASKED: Final = ("_proc_pool", "launch_job", "processes", "get_by_job_id", "set_target_idle_processes", "running_job")
"""What a server asks of its pool."""


def _check() -> None:
    if sys.platform != "linux":
        raise ImportError(f"halls end with their worker by the means of Linux, and this is {sys.platform}")
    for name, version in KNOWN.items():
        if not metadata.version(name).startswith(version):
            raise ImportError(f"{name} {metadata.version(name)} is not a version that dense mode knows")
    for function, parameters in USED.items():
        missing = set(parameters) - inspect.signature(function).parameters.keys()
        if missing:
            raise ImportError(f"{function.__qualname__} takes no {', '.join(sorted(missing))}")
    if "self._room = " not in inspect.getsource(_JobProc):
        raise ImportError("a job does not tell its room")
    source = inspect.getsource(AgentServer)
    if missing := {name for name in ASKED if name not in source}:
        raise ImportError(f"a server does not ask for {', '.join(sorted(missing))}")


def pack(info: RunningJobInfo) -> bytes:
    """A job as it is sent to a process."""
    request, text = StartJobRequest(), BytesIO()
    request.running_job = info
    request.write(text)
    return text.getvalue()


def unpack(text: bytes) -> StartJobRequest:
    """What `pack` made."""
    request = StartJobRequest()
    request.read(BytesIO(text))
    return request


_check()
