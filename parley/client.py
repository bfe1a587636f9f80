"""A running platform, as the commands and the demo see it: where it is, and its API with one key.

PlatformError   what, why and the mend, in one line
└── Refused     the platform answered, and the answer was no
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx2
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

_ANSWER_WITHIN_S: Final = 15


class PlatformError(Exception):
    """The platform did not do what was asked: what, why, and what to try."""


class Refused(PlatformError):
    """The platform answered, and the answer was no."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Ready(BaseModel):
    """What is needed of the file that `parley up --ready` writes."""

    model_config = ConfigDict(extra="ignore")

    api_url: str
    livekit_url: str
    api_key: str
    admin_key: str | None = None
    agent_id: int
    log_dir: str = ""
    file: Path = Path()
    """Where this was read: a running platform keeps it true."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """The file's content. Raises `PlatformError`."""
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8")).model_copy(update={"file": path})
        except FileNotFoundError as error:
            raise PlatformError(
                f"no platform runs here: {path} is not there. Start one with `parley up`, "
                "or say where it is with --ready FILE, or with --url URL and --key KEY"
            ) from error
        except OSError as error:
            raise PlatformError(f"{path} cannot be read: {error.strerror}. Name another file with --ready") from error
        except (ValidationError, UnicodeDecodeError) as error:
            raise PlatformError(
                f"{path} is not a ready file of this version. Stop the platform and start it again with `parley up`"
            ) from error


class Access(BaseModel):
    """Where the platform answers, and the key that opens it."""

    model_config = ConfigDict(frozen=True)

    api_url: str
    api_key: SecretStr
    agent_id: int | None = None

    @classmethod
    def find(cls, ready_file: Path, *, url: str | None = None, key: str | None = None) -> Self:
        """By address and key, or else by the ready file; a key given takes the place of the file's."""
        if url is None:
            ready = Ready.read(ready_file)
            return cls(api_url=ready.api_url, api_key=SecretStr(key or ready.api_key), agent_id=ready.agent_id)
        if not url.startswith(("http://", "https://")):
            raise PlatformError(f"{url} is no address of a platform. Give one such as --url https://voice.example.org")
        if not key:
            raise PlatformError("a key is missing. Give it with --key, or better in PARLEY_API_KEY")
        return cls(api_url=url.rstrip("/"), api_key=SecretStr(key))

    @property
    def headers(self) -> dict[str, str]:
        """What a request carries to be let in."""
        return {"X-API-Key": self.api_key.get_secret_value()}

    @property
    def monitor_url(self) -> str:
        """The address of the monitor socket."""
        return "ws" + self.api_url.removeprefix("http") + "/ws/monitor"


class Api:
    """The primary API with one key. An asynchronous context manager."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._client = httpx2.AsyncClient(
            base_url=f"{access.api_url}/api/v1", headers=access.headers, timeout=_ANSWER_WITHIN_S
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The answer to a request below `/api/v1`. Raises `Refused`, or `PlatformError` where nothing answers."""
        try:
            response = await self._client.request(method, path, json=body)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise PlatformError(
                f"{self.access.api_url} does not answer. Is the platform running? Start it with `parley up`"
            ) from error
        try:
            content = response.json()
        except (json.JSONDecodeError, UnicodeDecodeError):
            content = None
        if response.is_error:
            raise _refusal(response.status_code, content if isinstance(content, dict) else {})
        if not isinstance(content, dict):
            raise PlatformError(f"{self.access.api_url} is something else than Parley: it does not answer in JSON")
        return content


def _refusal(status: int, body: dict[str, Any]) -> Refused:
    code = str(body.get("code", "UNKNOWN"))
    details = body.get("details")
    fields = details.get("fields", []) if isinstance(details, dict) else []
    reason = str(body.get("error", "no reason given")).rstrip(".")
    told = [(str(field.get("field")), str(field.get("problem"))) for field in fields if isinstance(field, dict)]
    problems = "; ".join(f"{name} {problem}" for name, problem in told if problem not in reason)
    if problems:  # which name the fields themselves
        reason = reason.removesuffix(": " + ", ".join(dict.fromkeys(name for name, _ in told)))
    mend = {
        401: ". Give an active key with --key, or in PARLEY_API_KEY",
        429: ". Wait a moment, then try again",
        503: ". Try again in a moment",
    }.get(status, "")
    return Refused(status, code, f"{reason}{f': {problems}' if problems else ''} ({status} {code}){mend}")
