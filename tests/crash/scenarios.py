"""What is played, and killed at each of its points: steps of those outside, which are repeated until they are answered.

`prepare` is not killed; `act` is, and is played again afterwards; `finish` sends everybody home.
"""

from collections.abc import Iterable
from typing import Any, Final

import psycopg

from control_plane.recordings.watching import NOT_BEGUN
from sip.outcomes import ANSWERED, of_status
from tests.crash.stage import Stage
from tests.crash.world import World

ROOM: Final = "r"
FULL: Final = "proj_r"
CALLEE, LINE = "+17751234567", "+18001234567"
TRUNK: Final = {"name": "Main Trunk", "phone_number": LINE, "address": "127.0.0.1:5060", "calls_per_second": 50}
OVER: Final = ("ended", "failed", "busy", "no_answer", "rejected")


class Scenario:
    """One of them."""

    name = ""

    async def prepare(self, stage: Stage) -> None:
        """What is there before."""

    async def act(self, stage: Stage) -> None:
        """What may be interrupted."""
        raise NotImplementedError

    async def finish(self, stage: Stage) -> None:
        """How it ends."""
        await stage.do("everybody goes home", "part_all")

    def check(self, connection: psycopg.Connection[Any], world: World) -> Iterable[str]:
        """What must be true beside the invariants."""
        return ()


class Token(Scenario):
    """A caller asks for a token, joins, and talks to an agent; a second agent is asked into the running room."""

    name = "token"

    async def prepare(self, stage: Stage) -> None:
        await stage.post("second agent", "/agents", {"name": "Second", "instructions": "You help, too."})

    async def act(self, stage: Stage) -> None:
        given = await stage.post("token", "/token", {"identity": "ada", "room": ROOM, "agent_config_id": 1})
        await stage.do("ada joins", "media.enter", given["token"])
        await self._agents(stage, 1)
        given = await stage.post("other token", "/token", {"identity": "bob", "room": ROOM, "agent_config_id": 2})
        await stage.do("bob joins", "media.enter", given["token"])
        await self._agents(stage, 2)

    async def _agents(self, stage: Stage, count: int) -> None:
        async def there() -> bool:
            return len(await stage.worker.held()) >= count

        await stage.until(there, f"{count} agents in the room")
        await stage.turn()

    def check(self, connection: psycopg.Connection[Any], world: World) -> Iterable[str]:
        sessions = connection.execute("select count(*) from session").fetchall()
        if sessions != [(1,)]:
            yield f"{sessions} sessions of one conversation"


class Running(Scenario):
    """A conversation that goes on when the scenario begins."""

    agent: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it

    async def prepare(self, stage: Stage) -> None:
        given = await stage.post("token", "/token", {"identity": "ada", "room": ROOM, "agent_config_id": 1})
        await stage.do("ada joins", "media.enter", given["token"])
        held = await stage.job()
        await stage.do("a word", "say", "Hello.")
        said = {"type": "line.spoken.v1", "speaker": "agent", "text": "Hello.", "timestamp_ms": 10}
        await stage.report("greeting", held.id, **said)
        await stage.turn()
        await stage.turn()

    async def is_over(self, stage: Stage) -> None:
        """The session has ended."""

        async def look() -> bool:
            found = (await stage.get("/sessions"))["sessions"]
            return all(each["status"] == "completed" for each in found)

        await stage.until(look, "the end of the session")
        await stage.turn()


class EndByApi(Running):
    """A customer ends a conversation."""

    name = "end_by_api"

    async def act(self, stage: Stage) -> None:
        await stage.post("end", f"/sessions/{ROOM}/end", {})
        await self.is_over(stage)


class EndByCaller(Running):
    """The caller leaves."""

    name = "end_by_caller"

    async def act(self, stage: Stage) -> None:
        await stage.do("ada leaves", "media.leave", FULL, "ada")
        await self.is_over(stage)


class EndByRoom(Running):
    """LiveKit's room ends."""

    name = "end_by_room"

    async def act(self, stage: Stage) -> None:
        await stage.do("the room ends", "media.close_room", FULL)
        await self.is_over(stage)


class BroughtBack(Running):
    """The worker of a conversation dies, and another persona comes in its place."""

    name = "brought_back"

    async def act(self, stage: Stage) -> None:
        await stage.do("the worker dies", "lose_worker")

        async def there() -> bool:
            return bool(await stage.worker.held())

        await stage.until(there, "another persona")
        await stage.turn()

    def check(self, connection: psycopg.Connection[Any], world: World) -> Iterable[str]:
        row = connection.execute("select outcome, epochs from session").fetchall()
        if len(row) != 1 or row[0][0] != "ok":
            yield f"the conversation did not go on: {row}"


class Dial(Scenario):
    """A customer has somebody called, who answers, talks and hangs up."""

    name = "dial"
    answer = ANSWERED

    async def prepare(self, stage: Stage) -> None:
        await stage.post("trunk", "/sip/trunks", TRUNK)
        await stage.do("the carrier", "phones.answers", self.answer)
        await stage.turn()

    async def act(self, stage: Stage) -> None:
        call = (await stage.post("dial", "/sip/dial", {"phone_number": CALLEE}))["call"]

        async def settled() -> Any:
            found = {each["id"]: each["status"] for each in (await stage.get("/sip/calls"))["calls"]}
            talks = await stage.worker.held() and found[call["id"]] not in ("queued", "dialing", "ringing")
            return found[call["id"]] in OVER or talks

        await stage.until(settled, "an answer, or none")
        await stage.turn()

    def check(self, connection: psycopg.Connection[Any], world: World) -> Iterable[str]:
        if len(world.phones.invites) > 1:
            yield f"one request, and {len(world.phones.invites)} phones rang: {world.phones.invites}"
        calls = connection.execute("select id, status, reason from call").fetchall()
        if len(calls) != 1:
            yield f"one request, and {len(calls)} calls: {calls}"


class DialRefused(Dial):
    """The same of somebody who is busy."""

    name = "dial_refused"
    answer = of_status(486, "Busy Here")


class CallIn(Scenario):
    """Somebody calls a number, talks to its agent and hangs up."""

    name = "call_in"

    async def prepare(self, stage: Stage) -> None:
        await stage.post("trunk", "/sip/trunks", TRUNK)
        config = {"name": "Inbound", "phone_number": LINE, "agent_config_id": 1}
        await stage.post("number", "/sip/configs", config)
        await stage.turn()

    async def act(self, stage: Stage) -> None:
        room = await stage.do("it rings", "phones.ring", "+17755550100")
        await stage.until(stage.worker.ever, "an agent")
        await stage.turn()
        await stage.do("the caller hangs up", "media.leave", room, "sip_+17755550100")

        async def over() -> bool:
            return (await stage.get("/sip/calls"))["calls"][0]["status"] in OVER

        await stage.until(over, "the end of the call")
        await stage.turn()

    def check(self, connection: psycopg.Connection[Any], world: World) -> Iterable[str]:
        calls = connection.execute("select status, session_id from call").fetchall()
        if len(calls) != 1 or calls[0][0] != "ended":
            yield f"one call came in: {calls}"


class RecordedCall(Scenario):
    """A caller talks to an agent that records its conversations, and leaves."""

    name = "recorded_call"

    async def prepare(self, stage: Stage) -> None:
        await stage.post("second agent", "/agents", {"name": "Second", "instructions": "You help.", "record": True})

    async def act(self, stage: Stage) -> None:
        given = await stage.post("token", "/token", {"identity": "ada", "room": ROOM, "agent_config_id": 2})
        await stage.do("ada joins", "media.enter", given["token"])
        await stage.until(stage.worker.ever, "an agent")
        await stage.turn()
        await stage.turn()
        await stage.turn()
        await stage.do("ada leaves", "media.leave", FULL, "ada")

        async def complete() -> bool:
            found = (await stage.get("/recordings"))["recordings"]
            return bool(found) and all(each["status"] != "recording" for each in found)

        await stage.until(complete, "a file")
        await stage.turn()

    def check(self, connection: psycopg.Connection[Any], world: World) -> Iterable[str]:
        rows = connection.execute("select status, error from recording").fetchall()
        if len(rows) != 1:
            yield f"one conversation, and {len(rows)} recordings: {rows}"


class Recording(Scenario):
    """A customer has a room recorded, and stops it."""

    name = "recording"

    async def prepare(self, stage: Stage) -> None:
        await stage.post("room", "/rooms", {"name": ROOM})
        await stage.do("ada joins", "media.join", FULL, "ada")
        await stage.turn()

    async def act(self, stage: Stage) -> None:
        begun = (await stage.post("start", f"/rooms/{ROOM}/recordings/start", {}))["recording"]
        path = f"/recordings/{begun['id']}"

        async def hears() -> bool:
            return (await stage.get(path))["recording"]["status"] != "recording" or await self._is_active(stage)

        await stage.until(hears, "a recorder that hears something")
        if (await stage.get(path))["recording"]["status"] == "recording":
            await stage.post("stop", f"/rooms/{ROOM}/recordings/stop", {})

        async def complete() -> bool:
            return (await stage.get(path))["recording"]["status"] != "recording"

        await stage.until(complete, "a file")
        await stage.turn()

    async def _is_active(self, stage: Stage) -> bool:
        running = await stage.tapes.list_running()
        return bool(running) and running[0].state == "active"

    def check(self, connection: psycopg.Connection[Any], world: World) -> Iterable[str]:
        rows = connection.execute("select id, status, error from recording").fetchall()
        begun = [row for row in rows if row[2] != NOT_BEGUN]  # one that came to nothing is begun anew
        if len(begun) != 1:
            yield f"one request, and {len(begun)} recordings: {rows}"


class Room(Scenario):
    """A customer makes a room and closes it."""

    name = "room"

    async def act(self, stage: Stage) -> None:
        await stage.post("room", "/rooms", {"name": ROOM})
        await stage.turn()
        await stage.delete("close", f"/rooms/{ROOM}")
        await stage.turn()
        await stage.turn()

    def check(self, connection: psycopg.Connection[Any], world: World) -> Iterable[str]:
        rows = connection.execute("select status, sid from room").fetchall()
        if len(rows) != 1 or len(world.media.made) != 1:
            yield f"one request: rows {rows}, rooms in LiveKit {world.media.made}"


BASIC: Final = (
    Token,
    Room,
    Dial,
    DialRefused,
    CallIn,
    Recording,
    RecordedCall,
    EndByApi,
    EndByCaller,
    EndByRoom,
    BroughtBack,
)
