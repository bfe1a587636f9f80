"""Structured logs: one JSON object per line, constant messages, values as fields.

What a person said or who they are goes only under keys that begin with `pii.`; secrets go nowhere.
"""

import logging
import re
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

SECRET_WORDS = ("secret", "password", "token", "api_key", "authorization", "capability", "ticket")
"""A field whose name contains one of these is written as `***`."""


SECRET_TEXT = re.compile(r"\b(pk|sk|ak|tk|mt|whsec)_[A-Za-z0-9_+/=-]{12,}|(?<=[?&]ticket=)[^&\s\"]+")
"""Credentials of ours, wherever in a text they stand: other libraries log addresses and exceptions whole."""


_CONCEALED: set[str] = set()
SHORTEST_CONCEALED = 8
"""Characters; what is shorter stands in too many words."""


def conceal(*secrets: str) -> None:
    """Never write these in this process, wherever they stand: for credentials of others, which have no form."""
    _CONCEALED.update(secret for secret in secrets if len(secret) >= SHORTEST_CONCEALED)


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace fields that are secrets by their names, and credentials in any text."""
    for key in event:
        if any(word in key for word in SECRET_WORDS):
            event[key] = "***"
        elif isinstance(event[key], str):
            event[key] = SECRET_TEXT.sub("***", event[key])
            for secret in _CONCEALED:
                event[key] = event[key].replace(secret, "***")
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
    for noisy in (
        "httpx",
        "httpx2",
        "uvicorn.access",
        "uvicorn.error",
    ):  # request lines carry addresses and query strings
        logging.getLogger(noisy).setLevel(logging.WARNING)
