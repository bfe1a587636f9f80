"""What the API is measured beside: the same work with less around it. Each name is an ASGI application for uvicorn.

* `bare`: no framework; hashes the key and signs a token with PyJWT. The limit of Python on one core.
* `plain`: an ordinary FastAPI route, typed in and out, with livekit-api's `AccessToken`, keys in memory.
* `writing`: `plain` and one insert into PostgreSQL, as a token that holds a place must do.
* `reading`: an ordinary FastAPI route with one query through SQLModel and a typed answer.
* `agents`: no framework; keeps an agent and reads one, a statement each. The limit of both.
* `files`: one file, by Starlette.
* `broadcast`: no framework; `POST /send` sends its body to every open socket in turn. The limit of a fan-out.
"""

import hashlib
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.responses import FileResponse
from livekit import api
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from control_plane.personas.models import Persona
from control_plane.rooms.models import Room
from control_plane.sessions.models import Session

KEYS = {hashlib.sha256(os.environ.get("PEER_KEY", "").encode()).digest(): "proj"}
LIVEKIT_KEY, LIVEKIT_SECRET = "devkey", "devsecret-devsecret-devsecret-devsecret"
URL = os.environ.get("PEER_DATABASE_URL", "postgresql://")


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """The limit."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return
    key = next((value for name, value in scope["headers"] if name == b"x-api-key"), b"")
    slug = KEYS.get(hashlib.sha256(key).digest())
    wanted = json.loads((await receive())["body"])
    now = int(time.time())
    room = f"{slug}_{wanted['room']}"
    video = {"roomJoin": True, "room": room, "canPublish": True, "canSubscribe": True}
    claims = {"iss": LIVEKIT_KEY, "sub": wanted["identity"], "nbf": now, "exp": now + 21600, "video": video}
    token = jwt.encode(claims, LIVEKIT_SECRET, "HS256")
    body = json.dumps({"token": token, "room": room, "wsUrl": "ws://x", "agents_dispatched": []}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200 if slug else 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class TokenRequest(BaseModel):
    """As short as it can be."""

    identity: str
    room: str
    no_agent: bool = False


class TokenAnswer(BaseModel):
    """The documented answer."""

    token: str
    room: str
    wsUrl: str
    agents_dispatched: list[int]


def find_slug(x_api_key: Annotated[str, Header()]) -> str:
    """The project of a key."""
    slug = KEYS.get(hashlib.sha256(x_api_key.encode()).digest())
    if slug is None:
        raise HTTPException(401)
    return slug


def sign(body: TokenRequest, slug: str) -> TokenAnswer:
    """With livekit-api, as its documentation shows."""
    room = f"{slug}_{body.room}"
    token = api.AccessToken(LIVEKIT_KEY, LIVEKIT_SECRET).with_identity(body.identity).with_ttl(timedelta(hours=6))
    grants = api.VideoGrants(room_join=True, room=room, can_publish=True, can_subscribe=True)
    return TokenAnswer(token=token.with_grants(grants).to_jwt(), room=room, wsUrl="ws://x", agents_dispatched=[])


plain = FastAPI()
Slug = Annotated[str, Depends(find_slug)]


@plain.post("/api/v1/token", response_model=TokenAnswer)
async def plain_token(body: TokenRequest, slug: Slug) -> TokenAnswer:
    """A token, and nothing kept."""
    return sign(body, slug)


pool = AsyncConnectionPool(URL, min_size=8, max_size=16, open=False, kwargs={"autocommit": True})


@asynccontextmanager
async def _with_pool(_app: FastAPI) -> AsyncIterator[None]:
    async with pool:
        yield


writing = FastAPI(lifespan=_with_pool)


@writing.post("/api/v1/token", response_model=TokenAnswer)
async def writing_token(body: TokenRequest, slug: Slug) -> TokenAnswer:
    """A token, and one row."""
    async with pool.connection() as connection:
        await connection.execute(
            "insert into peer_write (room, identity, at) values (%s, %s, now())", (body.room, body.identity)
        )
    return sign(body, slug)


engine = create_async_engine(URL.replace("postgresql://", "postgresql+psycopg://", 1), pool_size=16)
sessions = async_sessionmaker(engine, class_=AsyncSession)
reading = FastAPI()


class AgentRead(BaseModel):
    """An agent, with the fields that ours shows."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    agent_type: str
    instructions: str
    greeting: str
    language: str
    llm_provider: str
    llm_model: str | None
    temperature: float | None
    stt_provider: str
    tts_provider: str
    voice_id: str | None
    fallbacks: dict[str, Any]
    knowledge_base_ids: list[int]
    tools: list[dict[str, Any]]
    turn_taking: dict[str, Any]
    voicemail: dict[str, Any]
    max_call_duration: int
    silence_timeout: int
    is_active: bool
    created_at: datetime


@reading.get("/api/v1/agents/{agent_id}", response_model=AgentRead)
async def read_agent(agent_id: int, _slug: Slug) -> Any:
    """One row."""
    async with sessions() as db:
        return (await db.exec(select(Persona).where(Persona.project_id == 1, Persona.id == agent_id))).one()


class SessionRead(BaseModel):
    """A session, with the fields that ours shows."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    room_name: str
    agent_name: str | None
    llm_provider: str | None
    llm_model: str | None
    status: str
    session_type: str
    duration: int | None
    message_count: int
    started_at: datetime
    ended_at: datetime | None


@reading.get("/api/v1/sessions/{session_id}/detail", response_model=SessionRead)
async def read_session(session_id: int, _slug: Slug) -> Any:
    """One row."""
    async with sessions() as db:
        return (await db.exec(select(Session).where(Session.project_id == 1, Session.id == session_id))).one()


class RoomRead(BaseModel):
    """A room in the list."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    full_name: str
    created_at: datetime


@reading.get("/api/v1/rooms", response_model=list[RoomRead])
async def list_rooms(_slug: Slug) -> Any:
    """A hundred rows."""
    async with sessions() as db:
        query = select(Room).where(Room.project_id == 1, Room.status == "open").order_by(col(Room.id))
        return (await db.exec(query)).all()


async def agents(scope: Any, receive: Any, send: Any) -> None:
    """The limit of what keeps agents in PostgreSQL."""
    if scope["type"] == "lifespan":
        await receive()
        await pool.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await pool.close()
        await send({"type": "lifespan.shutdown.complete"})
        return
    key = next((value for name, value in scope["headers"] if name == b"x-api-key"), b"")
    number = scope["path"].rpartition("/")[2]
    status, found = 404, None
    if hashlib.sha256(key).digest() in KEYS and (scope["method"] == "POST" or number.isdigit()):
        async with pool.connection() as connection:
            if scope["method"] == "POST":
                data = (await receive())["body"].decode()
                json.loads(data)
                status, asked = 201, "insert into peer_agent (data) values (%s) returning jsonb_set(data, '{id}', '1')"
                cursor = await connection.execute(asked, (data,))
            else:
                status, asked = 200, "select data from peer_agent where id = %s"
                cursor = await connection.execute(asked, (int(number),))
            found = await cursor.fetchone()
    body = json.dumps(found[0] if found else None).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status if found else 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_sockets: set[Any] = set()


async def broadcast(scope: Any, receive: Any, send: Any) -> None:
    """The limit of a fan-out: one loop over all sockets."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        _sockets.add(send)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        _sockets.discard(send)
    elif scope["type"] == "http":
        if scope["path"] == "/send":
            text = (await receive())["body"].decode()
            for deliver in list(_sockets):
                await deliver({"type": "websocket.send", "text": text})
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


async def files(scope: Any, receive: Any, send: Any) -> None:
    """One file, in whole or in part."""
    if scope["type"] == "http":
        await FileResponse(os.environ["PEER_FILE"], media_type="audio/ogg")(scope, receive, send)
