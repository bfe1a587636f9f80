"""The client. One method for each operation that customers use most; `request` reaches every other."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote

import httpx2

from parley_client.errors import ParleyError, Unreachable
from parley_client.types import (
    Agent,
    Call,
    KnowledgeBase,
    Line,
    Participant,
    Passage,
    Recording,
    Room,
    Session,
    Token,
    Webhook,
)

Json = dict[str, Any]

WORTH_ANOTHER_TRY = (429, 503)


class Parley:
    """A project of a platform. Use it in a `with` block, or call `close()`.

    Requests that were refused for their rate or because a part was away are tried again after the time that the
    platform names, up to `tries` times; every POST carries an `Idempotency-Key`, so that nothing is done twice.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = 30.0,
        tries: int = 3,
        longest_wait: float = 60.0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._http = httpx2.Client(
            base_url=f"{url.rstrip('/')}/api/v1", headers={"X-API-Key": key}, timeout=timeout, transport=transport
        )
        self._tries, self._longest_wait = tries, longest_wait

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Everything else

    def request(
        self, method: str, path: str, *, json: Any = None, query: Mapping[str, Any] | None = None, files: Any = None
    ) -> Json:
        """Any operation: `request("GET", "/events", query={"after": 5})`. Raises `ParleyError`."""
        return cast("Json", self._answer(method, path, json=json, query=query, files=files).json())

    def _answer(
        self, method: str, path: str, *, json: Any = None, query: Any = None, files: Any = None
    ) -> httpx2.Response:
        headers = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
        params = {name: value for name, value in (query or {}).items() if value is not None}
        for left in reversed(range(self._tries)):
            try:
                answer = self._http.request(method, path, json=json, params=params, files=files, headers=headers)
            except httpx2.TransportError as error:
                raise Unreachable(str(error), status=0, code="UNREACHABLE") from error
            if answer.is_success:
                return answer
            refusal = _refusal(answer)
            wait = _wait(answer)
            if answer.status_code not in WORTH_ANOTHER_TRY or wait is None or wait > self._longest_wait or left == 0:
                raise refusal
            time.sleep(wait)
        raise AssertionError("tries must be at least 1")

    def pages(self, path: str, name: str, **query: Any) -> Iterator[Json]:
        """Every row of a list, page after page: `pages("/sessions", "sessions", status="completed")`."""
        page, last = 1, 1
        while page <= last:
            answer = self.request("GET", path, query={**query, "page": page})
            yield from answer[name]
            page, last = page + 1, answer["total_pages"]

    # Quota and usage

    def quota(self) -> Json:
        """What the plan allows and what is used."""
        return self.request("GET", "/quota")

    def usage(self, period: str = "30d", group_by: str = "day") -> Json:
        """What was used and what it cost."""
        return self.request("GET", "/usage", query={"period": period, "group_by": group_by})

    # Tokens and rooms

    def token(self, identity: str, room: str, **more: Any) -> Token:
        """A token for LiveKit; the project's first agent comes along unless `no_agent=True` or `agent_config_id=…`."""
        return cast("Token", self.request("POST", "/token", json={"identity": identity, "room": room, **more}))

    def create_room(self, name: str, **more: Any) -> Room:
        """Create a room."""
        return cast("Room", self.request("POST", "/rooms", json={"name": name, **more})["room"])

    def rooms(self) -> list[Room]:
        """The open rooms."""
        return cast("list[Room]", self.request("GET", "/rooms")["rooms"])

    def room(self, name: str) -> Room:
        """One room, open or closed."""
        return cast("Room", self.request("GET", f"/rooms/{_part(name)}")["room"])

    def participants(self, room: str) -> list[Participant]:
        """Who is in a room, with their tracks."""
        return cast("list[Participant]", self.request("GET", f"/rooms/{_part(room)}/participants")["participants"])

    def close_room(self, name: str) -> None:
        """Close a room; everybody is disconnected."""
        self.request("DELETE", f"/rooms/{_part(name)}")

    def kick(self, room: str, identity: str) -> None:
        """Remove somebody from a room."""
        self.request("POST", f"/rooms/{_part(room)}/kick/{_part(identity)}")

    def send_data(self, room: str, data: str | Json, *, to: list[str] | None = None, topic: str | None = None) -> None:
        """Send data to everybody in a room, or only to some."""
        body = {"data": data, "destination_identities": to, "topic": topic}
        given = {name: value for name, value in body.items() if value is not None}
        self.request("POST", f"/rooms/{_part(room)}/send-data", json=given)

    def mute(self, room: str, identity: str, *, muted: bool = True) -> None:
        """Mute or unmute somebody."""
        self.request("POST", f"/rooms/{_part(room)}/participants/{_part(identity)}/mute", json={"muted": muted})

    # Agents

    def agents(self) -> list[Agent]:
        """The project's agents."""
        return cast("list[Agent]", self.request("GET", "/agents")["agents"])

    def agent(self, agent_id: int) -> Agent:
        """One agent."""
        return cast("Agent", self.request("GET", f"/agents/{agent_id}")["agent"])

    def create_agent(self, name: str, **settings: Any) -> Agent:
        """Create an agent."""
        return cast("Agent", self.request("POST", "/agents", json={"name": name, **settings})["agent"])

    def update_agent(self, agent_id: int, **settings: Any) -> Agent:
        """Change the settings that are given."""
        return cast("Agent", self.request("PATCH", f"/agents/{agent_id}", json=settings)["agent"])

    def delete_agent(self, agent_id: int) -> None:
        """Delete an agent; its sessions stay."""
        self.request("DELETE", f"/agents/{agent_id}")

    # Sessions

    def sessions(self, **filters: Any) -> Iterator[Session]:
        """Every session, newest first: `status=`, `agent_config_id=`, `session_type=`."""
        return cast("Iterator[Session]", self.pages("/sessions", "sessions", **filters))

    def session(self, session_id: int) -> Json:
        """One session with its costs."""
        return self.request("GET", f"/sessions/{session_id}/detail")

    def transcript(self, session_id: int) -> list[Line]:
        """What was said."""
        return cast("list[Line]", self.request("GET", f"/sessions/{session_id}/transcript")["transcripts"])

    def transcript_text(self, session_id: int) -> str:
        """What was said, as plain text with times."""
        return self._answer("GET", f"/sessions/{session_id}/transcript/text").text

    # Recordings

    def start_recording(self, room: str) -> Recording:
        """Record a room."""
        return cast("Recording", self.request("POST", f"/rooms/{_part(room)}/recordings/start")["recording"])

    def stop_recording(self, room: str, egress_id: str | None = None) -> list[str]:
        """Stop one recording of a room, or all of them; which ones."""
        body = {"egress_id": egress_id} if egress_id else {}
        return cast("list[str]", self.request("POST", f"/rooms/{_part(room)}/recordings/stop", json=body)["stopped"])

    def recordings(self, **filters: Any) -> Iterator[Recording]:
        """Every recording: `room_name=`, `status=`."""
        return cast("Iterator[Recording]", self.pages("/recordings", "recordings", **filters))

    def download_recording(self, recording_id: int, to: Path) -> None:
        """Write a recording into a file."""
        with self._http.stream("GET", f"/recordings/{recording_id}/download") as answer:
            if not answer.is_success:
                answer.read()
                raise _refusal(answer)
            with to.open("wb") as file:
                for part in answer.iter_bytes():
                    file.write(part)

    # Telephony

    def dial(self, phone_number: str, **more: Any) -> Call:
        """Call a telephone; the project's first agent talks unless `agent_config_id=…`."""
        return cast("Call", self.request("POST", "/sip/dial", json={"phone_number": phone_number, **more})["call"])

    # Knowledge

    def knowledge_bases(self) -> list[KnowledgeBase]:
        """The project's knowledge bases."""
        return cast("list[KnowledgeBase]", self.request("GET", "/knowledge-bases")["knowledge_bases"])

    def create_knowledge_base(self, name: str, **more: Any) -> KnowledgeBase:
        """Create a knowledge base."""
        made = self.request("POST", "/knowledge-bases", json={"name": name, **more})
        return cast("KnowledgeBase", made["knowledge_base"])

    def upload_document(self, base_id: int, file: Path) -> int:
        """Upload a document; the same name again replaces it. How many chunks it made."""
        answer = self.request(
            "POST", f"/knowledge-bases/{base_id}/documents", files={"file": (file.name, file.read_bytes())}
        )
        return cast("int", answer["chunks_created"])

    def ingest(self, base_id: int, content: str, source_name: str | None = None) -> int:
        """Put text into a knowledge base; how many chunks it made."""
        body = {"content": content, **({"source_name": source_name} if source_name else {})}
        return cast("int", self.request("POST", f"/knowledge-bases/{base_id}/ingest", json=body)["chunks_created"])

    def search(self, base_id: int, query: str, top_k: int = 5) -> list[Passage]:
        """The passages that answer a question, best first."""
        body = {"knowledge_base_id": base_id, "query": query, "top_k": top_k}
        return cast("list[Passage]", self.request("POST", "/knowledge/search", json=body)["results"])

    def delete_knowledge_base(self, base_id: int) -> None:
        """Delete a knowledge base with all its chunks."""
        self.request("DELETE", f"/knowledge-bases/{base_id}")

    # Webhooks

    def webhooks(self) -> list[Webhook]:
        """Where events are sent."""
        return cast("list[Webhook]", self.request("GET", "/webhooks")["webhooks"])

    def create_webhook(self, url: str, events: list[str] | None = None) -> Webhook:
        """Have events sent to an address. Its `secret` is shown only here."""
        body = {"url": url, **({"events": events} if events else {})}
        return cast("Webhook", self.request("POST", "/webhooks", json=body)["webhook"])

    def delete_webhook(self, webhook_id: int) -> None:
        """Send no more events there."""
        self.request("DELETE", f"/webhooks/{webhook_id}")


def _part(name: str) -> str:
    return quote(name, safe="")


def _refusal(answer: httpx2.Response) -> ParleyError:
    try:
        body = answer.json()
        return ParleyError(body["error"], status=answer.status_code, code=body["code"], details=body.get("details"))
    except (ValueError, KeyError, TypeError):
        return Unreachable(
            f"an answer that is not Parley's: {answer.status_code}", status=answer.status_code, code="UNKNOWN"
        )


def _wait(answer: httpx2.Response) -> float | None:
    written = answer.headers.get("Retry-After", "")
    return float(written) if written.isdigit() else None
