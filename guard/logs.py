"""Structured logs: one JSON object per line, constant messages, values as fields.

What a person said or who they are goes only under keys that begin with `pii.`; secrets go nowhere.
"""

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

SECRET_WORDS = ("secret", "password", "token", "api_key", "authorization", "capability", "ticket")
"""A field whose name contains one of these is written as `***`."""


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the values of fields that are secrets by their names."""
    for key in event:
        if any(word in key for word in SECRET_WORDS):
            event[key] = "***"
    return event


def configure(style: Literal["json", "console"] = "json") -> None:
    """Send structlog and the standard library's loggers to standard error in one form."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if style == "json" else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for noisy in ("httpx", "httpx2", "uvicorn.access"):  # request lines carry addresses and query strings
        logging.getLogger(noisy).setLevel(logging.WARNING)
