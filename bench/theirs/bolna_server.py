"""Bolna's quick-start server: `POST /agent` and `GET /agent/{id}`, on its own models, its own files and Redis.

Its package does not contain the server of its repository (`local_setup/quickstart_server.py`); this has the same two
routes with what that one does for them. An ASGI application, run by its own interpreter.
"""

import asyncio
import json
import os
import uuid
from typing import Any

from bolna.helpers.logger_config import configure_logger
from bolna.helpers.utils import store_file
from bolna.models import AgentModel
from fastapi import FastAPI, HTTPException
from fastapi.middleware.cors import CORSMiddleware
from pydantic import BaseModel
from redis.asyncio import Redis

log = configure_logger(__name__)
agents: Any = Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
app = FastAPI()
app.add_middleware(
    CORSMiddleware, allow_origins=["*"], allow_credentials=True, allow_methods=["*"], allow_headers=["*"]
)


class Wanted(BaseModel):
    """An agent to be."""

    agent_config: AgentModel
    agent_prompts: dict[str, dict[str, str]] | None


@app.post("/agent")
async def create(wanted: Wanted) -> dict[str, str]:
    """The agent goes to Redis, its prompts to a file."""
    name, kept = str(uuid.uuid4()), wanted.agent_config.model_dump()
    kept["assistant_status"] = "seeding"
    log.info("Data for DB %s", kept)
    prompts = store_file(file_key=f"{name}/conversation_details.json", file_data=wanted.agent_prompts, local=True)
    await asyncio.gather(agents.set(name, json.dumps(kept)), prompts)
    return {"agent_id": name, "state": "created"}


@app.get("/agent/{name}")
async def read(name: str) -> Any:
    """As it was kept."""
    kept = await agents.get(name)
    if not kept:
        raise HTTPException(404, "Agent not found")
    return json.loads(kept)
