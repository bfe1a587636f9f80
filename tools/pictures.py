"""`make pictures`: a platform of its own with some life on it, and pictures of the console's pages in `docs/pictures`.

`--ready FILE`: of a platform that runs, which is filled with what the pictures show. A month of conversations is
written; those that are replayed and watched are held.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
from PIL import Image

from parley.client import Ready
from parley.demo.conversation import Answered, converse
from parley.demo.script import Question, load_questions
from tools.pictures_history import write_history

CHECKOUT = Path(__file__).parent.parent
FOLDER = CHECKOUT / "docs" / "pictures"
START_WITHIN, SPOKEN_WITHIN = 400, 90
"""Seconds."""
COLOURS = 256
"""Of one picture: pages have few, and a picture with a palette is a third of the size."""
HOURS = "# Opening hours\n\nThe workshop is open from Tuesday to Saturday, nine to six."
BASES = (
    ("Repairs and prices", "What is repaired, how long it takes, what it costs", "Prices", "A flat tyre is 12 euros."),
    ("Opening hours", "Workshop, shop, holidays", "Hours", HOURS),
    ("Rental", "Bicycles and trailers to rent", "Rental", "A city bicycle is 15 euros a day, a trailer 9."),
)


class Silent:
    """Sees in which room the conversation is."""

    def __init__(self) -> None:
        self.room = ""
        self.begun = asyncio.Event()

    def calling(self, room: str) -> None:
        self.room = room
        self.begun.set()

    def greeted(self, text: str, seconds: float) -> None: ...

    def asking(self, question: Question) -> None: ...

    def answered(self, turn: Answered) -> None: ...

    def failed(self, reason: str) -> None:
        print(f"a conversation failed: {reason}", file=sys.stderr)


@contextmanager
def platform() -> Iterator[Path]:
    """`parley up` in a folder of its own; its ready file."""
    with tempfile.TemporaryDirectory(prefix="parley-pictures-") as folder:
        ready = Path(folder) / "ready.json"
        command = [sys.executable, "-m", "parley", "up", "--data", f"{folder}/data", "--ready", str(ready)]
        process = subprocess.Popen(
            [*command, "--port", "18900"], stdout=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"}
        )
        try:
            deadline = time.monotonic() + START_WITHIN
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit("the platform did not start; `parley doctor` tells why")
                time.sleep(0.2)
            yield ready
        finally:
            process.terminate()
            process.wait(60)


def client_of(ready: Ready) -> httpx2.Client:
    """The API with the platform's key."""
    return httpx2.Client(base_url=f"{ready.api_url}/api/v1", headers={"X-API-Key": ready.api_key}, timeout=30)


class Receiver(BaseHTTPRequestHandler):
    """Takes every webhook."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def receiver() -> Iterator[str]:
    """Where webhooks may go."""
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/parley"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def fill(ready: Ready, hook: str) -> dict[str, Any]:
    """Rows that pages show; the ids that their addresses name."""
    with client_of(ready) as api:

        def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
            answer = api.post(path, json=body)
            answer.raise_for_status()
            return dict(answer.json())

        api.patch(f"/agents/{ready.agent_id}", json={"record": True}).raise_for_status()
        post(f"/agents/{ready.agent_id}/publish", {})
        change = {"greeting": "Maple Street Bicycles, this is Robin. What can I do for you?"}
        api.patch(f"/agents/{ready.agent_id}", json=change).raise_for_status()
        mira = post("/agents", {"name": "Mira", "instructions": "You book tables for a small restaurant."})["agent"]
        nora = post("/agents", {"name": "Nora", "instructions": "You tell callers when a bicycle is ready."})["agent"]
        for name, about, title, text in BASES:
            base = post("/knowledge-bases", {"name": name, "description": about})["knowledge_base"]["id"]
            post(f"/knowledge-bases/{base}/ingest", {"name": title, "content": text})
        button = {"agent_id": ready.agent_id, "label": "Shop", "origins": ["https://maple-street.example"]}
        post("/embed-keys", button | {"mode": "both", "button": "Ask Robin"})
        scenario = {
            "name": "First interview",
            "agent_id": ready.agent_id,
            "briefing": "A candidate for the workshop introduces herself.",
            "objectives": ["Learn what she has repaired before", "Agree on a day to meet"],
            "criteria": [{"name": "Kindness", "description": "Was the agent kind?"}],
        }
        made = post("/scenarios", scenario)["scenario"]
        for name in ("Ada", "Grace", "Katherine"):
            post("/meetings", {"scenario_id": made["id"], "name": name})
        post("/webhooks", {"url": hook, "events": ["session.started", "session.ended"]})
        agents = [(ready.agent_id, "Robin"), (mira["id"], "Mira"), (nora["id"], "Nora")]
        return {"agent": ready.agent_id, "agents": agents}


async def session_in(ready: Ready, room: str, *, lines: int) -> int:
    """The session in a room, once so many lines were said."""
    with client_of(ready) as api:
        async with asyncio.timeout(SPOKEN_WITHIN):
            while True:
                found = api.get("/sessions", params={"search": room}).json()["sessions"]
                if found and found[0]["message_count"] >= lines:
                    return int(found[0]["id"])
                await asyncio.sleep(0.5)


async def until_recorded(ready: Ready, session_id: int) -> None:
    """Until the recording of a session is complete."""
    with client_of(ready) as api:
        async with asyncio.timeout(SPOKEN_WITHIN):
            while True:
                asked = {"status": "completed", "session_id": session_id}
                if api.get("/recordings", params=asked).json()["total"]:
                    return
                await asyncio.sleep(0.5)


async def take(ready: Ready, more: dict[str, Any], hook: str) -> None:
    """A conversation that is over, one that goes on, and the pictures of both."""
    named = fill(ready, hook)
    await write_history(more["database_url"], more["project"]["id"], named.pop("agents"))
    past, present = Silent(), Silent()
    await converse(ready, load_questions(3), past)
    named["session"] = await session_in(ready, past.room, lines=7)
    await until_recorded(ready, named["session"])
    goes_on = asyncio.create_task(converse(ready, load_questions() * 10, present))
    await present.begun.wait()
    await session_in(ready, present.room, lines=5)
    named["room"] = present.room
    command = [shutil.which("node") or "node", "web/tests/pictures.mjs", "--url", ready.api_url, "--key", ready.api_key]
    command += ["--named", json.dumps(named), "--folder", str(FOLDER)]
    process = await asyncio.create_subprocess_exec(*command, cwd=CHECKOUT)
    status = await process.wait()
    goes_on.cancel()
    await asyncio.gather(goes_on, return_exceptions=True)
    if status:
        sys.exit(status)
    for picture in FOLDER.glob("*.png"):
        make_small(picture)


def make_small(picture: Path) -> None:
    """Keep a picture with a palette, where that is smaller."""
    few = Image.open(picture).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small = picture.with_suffix(".small")
    few.save(small, format="PNG", optimize=True)
    if small.stat().st_size < picture.stat().st_size:
        small.replace(picture)
    else:
        small.unlink()


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(prog="make pictures", description=__doc__)
    parser.add_argument("--ready", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with ExitStack() as cleanup:
        file = arguments.ready or cleanup.enter_context(platform())
        hook = cleanup.enter_context(receiver())
        asyncio.run(take(Ready.read(file), json.loads(file.read_text()), hook))


if __name__ == "__main__":
    main()
