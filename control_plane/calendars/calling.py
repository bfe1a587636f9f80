"""Asking providers: every request through the guard, every refusal in our words, tokens renewed when they are over."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode

from control_plane.calendars.remote import Busy, CalendarError, Outdated, Refused, Revoked
from control_plane.clock import Clock
from guard.outbound import Answer, BadAddress, NotAnswered, Outbound

TIMEOUT: Final = 20.0
READ_LIMIT: Final = 10 * 1024 * 1024
"""Bytes of one answer: a page of events, or a whole feed."""
LONGEST_WAIT: Final = 3600.0
"""Seconds that a provider may have us wait."""
MARGIN: Final = timedelta(seconds=60)
"""An access token is renewed this long before it is over."""
_LIMITS: Final = {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "calendarUsageLimitsExceeded"}
"""Reasons of a 403 that mean 429."""
_DEAD: Final = {"invalid_grant", "invalid_client", "unauthorized_client", "interaction_required", "consent_required"}
"""Errors of OAuth that no repetition mends."""


def open_outbound(networks: Any) -> Outbound:
    """A client that reads as much as a calendar's answer may have."""
    return Outbound(networks, timeout=TIMEOUT, read_limit=READ_LIMIT)


async def ask(
    outbound: Outbound, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """One request. Raises `Busy` where none answers or not now, `Refused` for an address that is not to be called."""
    plain = {"Accept-Encoding": "identity", **(headers or {})}  # bodies are read as they are sent
    try:
        answer = await outbound.send(method, url, body=body, headers=plain)
    except BadAddress as error:
        raise Refused(f"the address of the calendar {error.reason}") from error
    except NotAnswered as error:
        raise Busy(f"the provider was not reached: {error.reason}") from error
    if len(answer.body) >= READ_LIMIT:
        raise Refused(f"the answer is over {READ_LIMIT // 2**20} MiB")
    if answer.status == 429 or answer.status >= 500:
        raise Busy(f"the provider answered {answer.status}", retry_after=retry_after(answer))
    return answer


def retry_after(answer: Answer) -> float | None:
    """How many seconds to wait, where the answer says so."""
    said = answer.headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdigit():
        return min(float(said[:9]), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return None
    return min(max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()), LONGEST_WAIT)


def read_json(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer. Raises `Refused` for anything else."""
    try:
        read = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise Refused("the provider's answer is not JSON") from error
    if not isinstance(read, dict):
        raise Refused("the provider's answer is not a JSON object")
    return read


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """A customer's own client at the provider, and what it may act for."""

    client_id: str
    client_secret: str
    refresh_token: str


@dataclass(slots=True)
class Access:
    """An access token and until when it is good."""

    token: str
    until: datetime


Keep = Callable[[Access, str | None], Awaitable[None]]
"""Told each new access token, and the new refresh token where there is one."""


class OAuthCaller:
    """Requests with an access token, which is renewed when it is over and when it is refused. For one reading."""

    def __init__(
        self, outbound: Outbound, clock: Clock, token_url: str, client: OAuthClient, access: Access | None, keep: Keep
    ) -> None:
        self._outbound, self._clock, self._token_url = outbound, clock, token_url
        self._client, self._access, self._keep = client, access, keep
        self._refresh_token = client.refresh_token

    async def get(self, url: str, **headers: str) -> dict[str, Any]:
        """What is there. Raises `CalendarError`."""
        return read_json(await self.request("GET", url, headers=headers))

    async def post(self, url: str, content: Any, *, method: str = "POST") -> dict[str, Any]:
        """What came of it; empty where nothing is said. Raises `CalendarError`."""
        answer = await self.request(method, url, body=json.dumps(content).encode())
        return read_json(answer) if answer.body else {}

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The answer to a request that was granted. Raises `CalendarError`."""
        fresh = self._access is None or self._access.until <= self._clock.now() + MARGIN
        if fresh:
            await self._renew()
        answer = await self._send(method, url, body, headers)
        if answer.status == 401 and not fresh:
            await self._renew()
            answer = await self._send(method, url, body, headers)
        if answer.status >= 300:
            raise _refusal(answer)
        return answer

    async def _send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str] | None) -> Answer:
        assert self._access is not None
        own = {"Authorization": f"Bearer {self._access.token}", "Accept": "application/json"}
        if body is not None:
            own["Content-Type"] = "application/json"
        return await ask(self._outbound, method, url, body=body, headers={**own, **(headers or {})})

    async def _renew(self) -> None:
        form = {
            "grant_type": "refresh_token",
            "client_id": self._client.client_id,
            "client_secret": self._client.client_secret,
            "refresh_token": self._refresh_token,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        answer = await ask(self._outbound, "POST", self._token_url, body=urlencode(form).encode(), headers=headers)
        if answer.status >= 300:
            raise _token_refusal(answer)
        said = read_json(answer)
        token, life = said.get("access_token"), said.get("expires_in", 3600)
        if not isinstance(token, str) or not token or not isinstance(life, int | float | str):
            raise Refused("the provider gave no access token")
        try:
            seconds = min(max(0.0, float(life)), 86_400.0)
        except ValueError as error:
            raise Refused("the provider gave no access token") from error
        self._access = Access(token, self._clock.now() + timedelta(seconds=seconds))
        renewed = said.get("refresh_token")
        changed = isinstance(renewed, str) and renewed not in ("", self._refresh_token)
        if changed:
            self._refresh_token = str(renewed)
        await self._keep(self._access, self._refresh_token if changed else None)


def _token_refusal(answer: Answer) -> CalendarError:
    try:
        error = str(read_json(answer).get("error", ""))
    except Refused:
        error = ""
    if error in _DEAD or (not error and answer.status in (400, 401)):
        return Revoked(f"the refresh token or the OAuth client was refused{f' ({error})' if error else ''}")
    return Refused(f"the provider gave no access token: it answered {answer.status}")


def _refusal(answer: Answer) -> CalendarError:
    code = _error_code(answer)
    if answer.status == 410:
        return Outdated()
    if answer.status == 401:
        return Revoked("the provider refuses the access token that it has just given")
    if answer.status == 403 and code in _LIMITS:
        return Busy(f"the provider's limit is reached ({code})", retry_after=retry_after(answer))
    if code in ("syncStateNotFound", "resyncRequired", "SyncStateNotFound"):
        return Outdated()
    return Refused(f"the provider answered {answer.status}{f' ({code})' if code else ''}")


def _error_code(answer: Answer) -> str:
    """What an error is called: by Google in `errors[].reason`, by Microsoft in `code`."""
    try:
        error = read_json(answer).get("error")
    except Refused:
        return ""
    if not isinstance(error, dict):
        return ""
    reasons = error.get("errors")
    first = reasons[0] if isinstance(reasons, list) and reasons and isinstance(reasons[0], dict) else {}
    code = first.get("reason") or error.get("code") or ""
    return code[:100] if isinstance(code, str) else ""
