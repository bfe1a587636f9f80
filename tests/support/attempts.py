"""Requests with ids of somebody else's: every operation of the document, every place an id goes, every kind of id."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from control_plane.reference.document import follow, operations, schema_of
from tests.support.estates import GUEST, HALL, Estate

METHODS_THAT_END: Final = ("delete",)
NAMES: Final = {
    "agent_id": "persona",
    "agent_config_id": "persona",
    "agent_config_ids": "persona",
    "base_id": "knowledge_base",
    "knowledge_base_ids": "knowledge_base",
    "bot_id": "bot as uuid",
    "call_id": "call",
    "calendar_id": "calendar as uuid",
    "chunk_id": "knowledge_chunk",
    "config_id": "sip_config",
    "delivery_id": "webhook_delivery",
    "embed_key_id": "embed_key",
    "end_user_id": "end_user",
    "video_hls_id": "recording of a video room",
    "video_livestream_id": "recording of a video room",
    "video_recording_id": "recording of a video room",
    "video_session_id": "session of a video room",
    "video_room_id": "video_room",
    "roomId": "video_room",
    "sessionId": "session of a video room",
    "recordingId": "recording of a video room",
    "customRoomId": "custom_room",
    "project_id": "project",
    "room_name": "room_name",
    "room": "room_name",
    "code": "code",
    "share_id": "replay_share",
    "trunk_id": "sip_trunk",
    "webhook_id": "webhook_endpoint",
    "after_id": "session",
    "before_id": "session",
}
"""Which kind of id goes by a name; others go by the name of their table and `_id`."""
CREDENTIALS: Final = {"oauth_client_id"}
"""Bodies with these are taken to the house that gave them out, which tests do not ask."""
LITERAL: Final = {"provider": "elevenlabs", "identity": GUEST, "video_participant_id": GUEST, "key_number": "1001"}
"""What is nobody's id, or the same at everybody's."""


NAMED_ALIKE: Final = ("customRoomId", "video_room")
"""Whoever names a room of their own like somebody else's opens their own by it."""


@dataclass(frozen=True)
class Attempt:
    """A request, and what of it is somebody else's."""

    operation: str
    method: str
    path: str
    query: dict[str, str]
    body: Any
    place: str
    kind: str
    security: tuple[str, ...]
    natural: bool
    """The kind of id that belongs there."""


def kind_of(name: str, path: str) -> str:
    """Which kind of id a parameter takes."""
    if name == "uuid":
        return next(f"{each} as uuid" for each in ("calendar_event", "calendar", "bot") if f"/{each}" in path)
    if name == "meeting_id" and path.startswith("/api/meetings"):
        return "code of people"
    return NAMES.get(name, name.removesuffix("_id"))


def own_value(estate: Estate, name: str, path: str) -> str:
    """The id of a tenant's own that a parameter takes."""
    ids = estate.foreign()
    return LITERAL.get(name) or ids.get(kind_of(name, path)) or ids["persona"]


def attempts(
    document: dict[str, Any], own: Estate, owner: Estate, *, every: bool, some: int, dice: random.Random
) -> Iterator[Attempt]:
    """Requests of whoever has `own`, each with one id of `owner`; `some` further kinds for each place, or every one."""
    ids = owner.foreign()
    for path, method, operation in operations(document):
        called = {each["name"]: each.get("x-called", each["name"]) for each in operation.get("parameters", ())}
        security = tuple(sorted({name for each in operation["security"] for name in each}))
        mine = {name: own_value(own, called.get(name, name), path) for name in re.findall(r"{(\w+)}", path)}
        body, fields = _body_of(operation, document)
        if CREDENTIALS & fields.keys():
            fields = {name: part for name, part in fields.items() if name in NAMES}
        if body is not None and isinstance(body, dict):  # what is not somebody else's is one's own, not an example's
            own_ids = own.foreign()
            known = {name: own_ids[kind] for name in fields if (kind := kind_of(name, path)) in own_ids}
            body = body | {name: _typed(known[name], fields[name]) for name in known if name in body}
        queries = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
        needed = {
            each["name"]: str(each.get("example", own_value(own, each["name"], path)))
            for each in operation.get("parameters", ())
            if each["in"] == "query" and each["required"]
        }
        places = [("path", name) for name in mine]
        if method not in METHODS_THAT_END:
            places += [("query", name) for name in queries] + [("body", name) for name in fields]
        filled = re.sub(r"{(\w+)}", lambda found, into=mine: into[found[1]], path)  # type: ignore[misc]
        if not mine and method not in METHODS_THAT_END:
            said = f"{method.upper()} {path}"
            yield Attempt(said, method.upper(), filled, needed, body, "as it is", "none", security, True)
        for place, name in places:
            natural = kind_of(called.get(name, name), path)
            if name in ("identity", "participant_id"):
                natural = "identity"
            kinds = [kind for kind in ids if kind != natural]
            chosen = kinds if every else dice.sample(kinds, some if place == "path" or dice.random() < 0.2 else 0)
            for kind in ([natural] if natural in ids else []) + chosen:
                if (name, kind) == NAMED_ALIKE:
                    continue
                value = ids[kind]
                into = mine | ({name: value} if place == "path" else {})
                yield Attempt(
                    operation=f"{method.upper()} {path}",
                    method=method.upper(),
                    path=re.sub(r"{(\w+)}", lambda found, into=into: into[found[1]], path),  # type: ignore[misc]
                    query=needed | ({name: value} if place == "query" else {}),
                    body=body | {name: _typed(value, fields[name])} if place == "body" else body,
                    place=f"{place} {name}",
                    kind=kind,
                    security=security,
                    natural=kind == natural,
                )


def _body_of(operation: dict[str, Any], document: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    body = operation.get("requestBody", {})
    schemas = document["components"]["schemas"]
    schema = schema_of(body, schemas)
    example = body.get("content", {}).get("application/json", {}).get("example")
    if not isinstance(example, dict):
        return example, {}
    takes = {name: follow(part, schemas) for name, part in schema.get("properties", {}).items()}
    return example, {name: part for name, part in takes.items() if _holds_ids(part)}


def _holds_ids(schema: dict[str, Any]) -> bool:
    if "enum" in schema or "const" in schema:
        return False
    return schema.get("type") in ("integer", "string") or (
        schema.get("type") == "array" and schema.get("items", {}).get("type") in ("integer", "string")
    )


def _typed(value: str, schema: dict[str, Any]) -> Any:
    if schema["type"] == "array":
        return [_typed(value, schema["items"])]
    return int(value) if schema["type"] == "integer" and value.isdigit() else value


__all__ = ["HALL", "Attempt", "attempts"]
