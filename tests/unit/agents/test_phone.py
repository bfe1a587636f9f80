"""The keys of a phone, whom a persona waits for, and what it can do besides talking."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from livekit.agents import llm
from livekit.rtc import EventEmitter, ParticipantKind

from agents import phone
from agents.acts import build_tools
from agents.arrival import wait_for_answer, wait_for_person
from agents.calling import Act, Listed
from agents.contract import EndReason
from agents.deciding import decision_of
from agents.phone import Keypad

pytestmark = pytest.mark.anyio


class FakeRoom(EventEmitter[str]):
    """A room whose local participant notes the keys it presses."""

    def __init__(self, *people: SimpleNamespace) -> None:
        super().__init__()
        self.remote_participants = {person.identity: person for person in people}
        self.pressed: list[str] = []
        self.local_participant = SimpleNamespace(publish_dtmf=self._press)

    async def _press(self, *, code: int, digit: str) -> None:
        assert "0123456789*#ABCD"[code] == digit
        self.pressed.append(digit)

    def key(self, digit: str, identity: str = "sip_1") -> None:
        self.emit("sip_dtmf_received", SimpleNamespace(digit=digit, participant=SimpleNamespace(identity=identity)))


def somebody(identity: str, status: str = "", kind: int = ParticipantKind.PARTICIPANT_KIND_SIP) -> SimpleNamespace:
    return SimpleNamespace(identity=identity, kind=kind, attributes={"sip.callStatus": status})


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(phone, "ENTERED_AFTER", 0.05)
    return []


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_keys_are_one_entry_until_a_pause_or_a_hash(entered: list[str]) -> None:
    room = FakeRoom()
    Keypad(room, "sip_1", entered.append)  # type: ignore[arg-type]
    for digit in "12#":
        room.key(digit)
    assert entered == ["12"]
    for digit in "7*":
        room.key(digit)
    room.key("5", "sip_2")
    await until(lambda: len(entered) == 2)
    room.key("#")
    await until(lambda: len(entered) == 3)
    assert entered == ["12", "7*", "#"]


async def test_nothing_is_entered_after_the_end(entered: list[str]) -> None:
    room = FakeRoom()
    keypad = Keypad(room, "sip_1", entered.append)  # type: ignore[arg-type]
    room.key("1")
    assert keypad.close() == "1", "whoever presses a key and hangs up has pressed it"
    room.key("2")
    await asyncio.sleep(0.1)
    assert entered == []


async def test_keys_are_pressed_one_request_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phone, "PAUSE", 0.02)
    room = FakeRoom()
    keypad = Keypad(room, "sip_1", None)  # type: ignore[arg-type]
    keypad.press("1w2")
    keypad.press("3")
    await until(lambda: len(room.pressed) == 3)
    assert room.pressed == ["1", "2", "3"]


async def test_an_answer_is_what_the_phones_call_status_says() -> None:
    ringing = somebody("sip_1", "ringing")
    room = FakeRoom(ringing)
    waiting = asyncio.create_task(wait_for_answer(room, "sip_1"))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    room.emit("participant_attributes_changed", {}, somebody("sip_2", "active"))
    assert not waiting.done()
    room.emit("participant_attributes_changed", {}, somebody("sip_1", "active"))
    assert await waiting


@pytest.mark.parametrize("event", [("participant_disconnected", somebody("sip_1")), ("disconnected", "room deleted")])
async def test_a_phone_that_leaves_or_a_room_that_ends_is_no_answer(event: tuple[str, Any]) -> None:
    room = FakeRoom(somebody("sip_1", "ringing"))
    waiting = asyncio.create_task(wait_for_answer(room, "sip_1"))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    room.emit(*event)
    assert not await waiting


async def test_another_persona_in_the_room_is_nobody() -> None:
    room = FakeRoom(somebody("agent-2", kind=ParticipantKind.PARTICIPANT_KIND_AGENT))
    waiting = asyncio.create_task(wait_for_person(room))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert not waiting.done()
    room.emit("participant_connected", somebody("user1", kind=ParticipantKind.PARTICIPANT_KIND_STANDARD))
    assert await waiting


class FakeStage:
    """A conversation that notes what is done in it."""

    def __init__(self, problem: str | None = None) -> None:
        self.done: list[tuple[str, str]] = []
        self.problem = problem

    def wind_up(self, reason: EndReason) -> None:
        self.done.append(("wind_up", reason))

    def end(self, reason: EndReason) -> None:
        self.done.append(("end", reason))

    def press(self, digits: str) -> bool:
        self.done.append(("press", digits))
        return self.problem is None

    async def transfer(self, to: str) -> str | None:
        self.done.append(("transfer", to))
        return self.problem

    def hand_over(self, to: str) -> None:
        self.done.append(("hand over", to))


NUMBERS = [Listed(number="+17751234567", name="Sales"), Listed(number="+442071838750", name="Night desk")]


def tools(stage: FakeStage) -> dict[str, Any]:
    acts = [Act(name=name, description="when asked") for name in ("end_call", "send_dtmf")]
    acts.append(Act(name="transfer_call", description="when asked", numbers=NUMBERS))
    return {tool.info.name: tool for tool in build_tools(acts, stage)}  # type: ignore[union-attr]


async def test_a_persona_has_the_tools_it_was_given_and_no_others() -> None:
    (only,) = build_tools([Act(name="end_call", description="at the end")], FakeStage())
    assert (only.info.name, only.info.description) == ("end_call", "at the end")  # type: ignore[union-attr]


async def test_a_persona_ends_the_call_with_a_goodbye() -> None:
    stage = FakeStage()
    assert await tools(stage)["end_call"]() is None
    assert stage.done == [("wind_up", "persona_ended")]


async def test_a_persona_presses_keys_and_learns_which_there_are() -> None:
    stage = FakeStage()
    await tools(stage)["send_dtmf"](digits="12#")
    with pytest.raises(llm.ToolError, match="Keys are 0 to 9"):
        await tools(stage)["send_dtmf"](digits="call mum")
    assert stage.done == [("press", "12#")]


async def played() -> None:
    return None


@pytest.mark.parametrize("problem", [None, "busy"])
async def test_a_transfer_ends_the_conversation_only_where_it_succeeds(problem: str | None) -> None:
    stage = FakeStage(problem)
    told = await tools(stage)["transfer_call"](SimpleNamespace(wait_for_playout=played), to="+17751234567")
    assert stage.done[0] == ("transfer", "+17751234567")
    assert (("end", "transferred") in stage.done) == (problem is None)
    assert told is None if problem is None else "busy" in told


async def test_a_persona_may_be_told_to_hand_callers_over_to_people() -> None:
    stage = FakeStage()
    act = Act(name="transfer_call", description="when asked", warm=True, numbers=NUMBERS)
    (only,) = build_tools([act], stage)
    await only(SimpleNamespace(wait_for_playout=played), to="+17751234567")  # type: ignore[operator]
    assert stage.done == [("hand over", "+17751234567")]


@pytest.mark.parametrize("to", ["+19005551234", "17751234567", "911", "sip:desk@evil.example", "operator", "", "Sal"])
async def test_a_model_transfers_to_nobody_who_is_not_listed(to: str) -> None:
    stage = FakeStage()
    with pytest.raises(llm.ToolError, match=r"nobody else than Sales \(\+17751234567\), Night desk"):
        await tools(stage)["transfer_call"](SimpleNamespace(wait_for_playout=played), to=to)
    assert stage.done == []


@pytest.mark.parametrize(
    ("to", "number"),
    [
        ("Sales", "+17751234567"),
        ("  night  DESK ", "+442071838750"),
        ("+1 (775) 123-4567", "+17751234567"),
        ("tel:+442071838750", "+442071838750"),
    ],
)
async def test_a_model_may_name_whom_it_means(to: str, number: str) -> None:
    stage = FakeStage("busy")
    await tools(stage)["transfer_call"](SimpleNamespace(wait_for_playout=played), to=to)
    assert stage.done == [("transfer", number)]


def test_a_model_is_told_whom_it_may_transfer_to() -> None:
    assert "Sales (+17751234567), Night desk (+442071838750)" in tools(FakeStage())["transfer_call"].info.description


@pytest.mark.parametrize(
    ("words", "decision"),
    [
        ("Yes please, put them through", True),
        ("okay", True),
        ("No, not now", False),
        ("No thank you", False),
        ("sorry I am busy", False),
        ("I can't, okay?", False),
        ("No problem, put them through", True),
        ("Sure, I’ll take it", True),
        ("who is this", None),
        ("Okay, who is it?", None),
        ("I'm not sure", None),
        ("", None),
        ("I know nothing", None),
    ],
)
def test_words_that_take_a_call_and_words_that_do_not(words: str, decision: bool | None) -> None:
    assert decision_of(words) is decision


@pytest.mark.parametrize(
    ("language", "words", "decision"),
    [
        ("de", "Ja, bitte stellen Sie durch", True),
        ("de-AT", "Nein, ich kann jetzt gerade nicht", False),
        ("de", "Wer ist da?", None),
        ("de", "Ja, wer ist denn da?", None),
        ("es", "Sí, por favor, pásemelo", True),
        ("es", "No puedo ahora", False),
        ("fr", "D\u2019accord, passez-le moi", True),
        ("fr", "Non, désolée, je suis occupée", False),
        ("it", "Sì, va bene, me lo passi pure", True),
        ("it", "Adesso non posso", False),
        ("pt-BR", "Sim, pode passar", True),
        ("pt", "Não, estou ocupado agora", False),
        ("nl", "Ja hoor", None),
        ("nl", "Ja graag, verbind maar door", True),
        ("nl", "Nee, ik kan nu niet", False),
        ("xx", "yes please", True),
    ],
)
def test_a_call_is_taken_in_the_language_it_is_offered_in(language: str, words: str, decision: bool | None) -> None:
    assert decision_of(words, language) is decision
