"""Structured logs: one JSON object per line, constant messages, values as fields.

What a person said or who they are goes only under keys that begin with `pii.`; secrets go nowhere.
"""

import logging
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal
from urllib.parse import quote

import structlog
from structlog.typing import EventDict, WrappedLogger

from guard import redaction

SECRET_WORDS = ("secret", "password", "token", "api_key", "authorization", "capability", "ticket")
"""A field whose name contains one of these is written as `***`."""

SECRET_TEXT = re.compile(
    r"""
    \b(?:pk|sk|ak|ek|tk|mt|cs|adm|sup|rst|rpl|whsec)_[A-Za-z0-9_+/=-]{12,}  # credentials of ours
    | \b(?:num|mtg|slt)-[0-9]+-[0-9a-f]{64}\b  # tickets that stand
    | \b[0-9]+\.(?:[0-9]+\.)?[0-9a-f]{40,64}\b  # capabilities of calls, links to recordings
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]*  # tokens: JWT
    | (?<=://)[^/\s:@"']*:[^/\s@"']+(?=@)  # user and password of an address
    | (?<=rtmp://)[^\s"']+ | (?<=rtmps://)[^\s"']+  # livestreams, whose path is their key
    | (?:(?<=[Bb]earer\s)|(?<=[Bb]asic\s))[A-Za-z0-9._~+/=-]{8,}
    """,
    re.VERBOSE,
)
"""Credentials of ours and those that can be told by their form, wherever in a text they stand: other libraries log
addresses and exceptions whole."""
SECRET_QUERY = re.compile(
    r"([?&#](?:ticket|token|api_?key|key|signature|sig|access_token|refresh_token|password|secret)=)[^&\s\"']+"
)
"""The same in an address after its `?`."""
ROW_TEXT: Final = re.compile(
    r"\bDETAIL:[ \t].*?(?=\n\[SQL|\n\[parameters|\n(?:CONTEXT|HINT|Traceback)|\n\n|\Z)", re.DOTALL
)
"""What PostgreSQL says of a row that it does not take: all that stands in it, which is what people said."""
PERSONAL: Final = "pii."
"""How keys begin under which something personal may stand: numbers and addresses are taken out of that, whoever wants
them elsewhere."""

SHORTEST_CONCEALED = 8
"""Characters of a secret that is concealed; what is shorter stands in too many words."""
DEEPEST = 8
"""Levels of a value that are written as they are; what is deeper is written as one text."""

_CONCEALED: Counter[str] = Counter()
"""What is never written, and how many want it so."""


def conceal(*secrets: str) -> Callable[[], None]:
    """Never write these in this process, wherever they stand: for credentials of others, which have no form.

    What it returns takes that back, for a process that outlives whom they belong to. Once is enough.
    """
    known = {secret for secret in secrets if len(secret) >= SHORTEST_CONCEALED}
    wanted = known | {quote(secret, safe="") for secret in known}
    _CONCEALED.update(wanted)

    def reveal() -> None:
        _CONCEALED.subtract(wanted)
        for secret in wanted:
            if _CONCEALED[secret] <= 0:
                del _CONCEALED[secret]
        wanted.clear()

    return reveal


def without_secrets(text: str) -> str:
    """A text in which `***` stands for each credential, and for what a database says of a row."""
    text = SECRET_QUERY.sub(r"\1***", SECRET_TEXT.sub("***", ROW_TEXT.sub("DETAIL: ***", text)))
    for secret in list(_CONCEALED):  # which another thread may change
        if secret in text:
            text = text.replace(secret, "***")
    return text


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace fields that are secrets by their names, and credentials in any text, however deep they stand."""
    for key in event:
        if key.startswith("_"):  # structlog's own
            continue
        value = event[key]
        if key.startswith(PERSONAL) and isinstance(value, str):
            value = redaction.build().redact(value)
        event[key] = _hidden(key, value, DEEPEST)
    return event


def _hidden(name: str, value: object, deepest: int) -> Any:
    if any(word in name.lower() for word in SECRET_WORDS):
        return "***"
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, Mapping) and deepest:
        return {without_secrets(str(key)): _hidden(str(key), each, deepest - 1) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and deepest:
        return [_hidden("", each, deepest - 1) for each in value]
    if isinstance(value, bytes | bytearray):
        return without_secrets(bytes(value).decode("utf-8", "replace"))
    return without_secrets(str(value) if isinstance(value, BaseException) else repr(value))


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
    # Their request lines carry addresses and query strings.
    for noisy in ("httpx", "httpx2", "uvicorn.access", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
