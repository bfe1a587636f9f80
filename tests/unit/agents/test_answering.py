"""Who answered a phone that we called, by a greeting whose words come late, wrong or not at all."""

import asyncio
import selectors
from types import SimpleNamespace
from typing import Any

import pytest
from livekit.agents import llm
from livekit.agents.voice.amd import classifier
from livekit.rtc import EventEmitter

from agents import answering
from agents.answering import By, listen_to

MAILBOX = "You have reached the voice mailbox of Tom. Please leave a message after the tone."
DESK = "Good morning, Miller and Sons, Susan speaking, how can I help?"
LABELS = {MAILBOX: "machine-vm", DESK: "human", "Hello?": "human", "Hello, this is": "human"}


class _Skipping(selectors.DefaultSelector):
    """Lets time pass at once where there is nothing to do."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found and timeout:
            self.now += timeout
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """Waits in no time."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now


class FakeModel(llm.LLM):
    """Knows the greetings of `LABELS`; others are uncertain."""

    def chat(self, *, chat_ctx: llm.ChatContext, tools: list[Any] | None = None, **_: Any) -> Any:
        label = LABELS.get(chat_ctx.messages()[-1].text_content or "", "uncertain")
        call = llm.FunctionToolCall(name="save_prediction", arguments=f'{{"label": "{label}"}}', call_id="1")

        async def collect() -> SimpleNamespace:
            return SimpleNamespace(tool_calls=[call])

        return SimpleNamespace(collect=collect, tools=tools)


class FakeSession(EventEmitter[str]):
    """As much of the framework's session as the detection touches, in which somebody speaks."""

    def __init__(self) -> None:
        super().__init__()
        self.llm, self.options = FakeModel(), SimpleNamespace(ivr_detection=False)
        self.user_state = "listening"
        self._amd: Any = None
        self._activity = self._room_io = self._ivr_activity = self._session_host = self._root_span_context = None

    async def interrupt(self, *, force: bool = False) -> None: ...

    def turns(self, state: str) -> None:
        before, self.user_state = self.user_state, state
        now = asyncio.get_running_loop().time()
        self.emit("user_state_changed", SimpleNamespace(old_state=before, new_state=state, created_at=now))
        if state == "speaking":
            self._amd._on_user_speech_started()
        else:
            self._amd._on_user_speech_ended(0.0)

    def recognises(self, words: str) -> None:
        self.emit("user_input_transcribed", SimpleNamespace(is_final=True, transcript=words))
        if self._amd is not None:
            self._amd._on_transcript(words)


def who(
    monkeypatch: pytest.MonkeyPatch, *speech: tuple[float, float], words: tuple[tuple[float, str], ...] = ()
) -> tuple[By, bool, float]:
    """Who is there after speech from a second to another, and words that come at some; and how long that took."""

    async def listen() -> tuple[By, bool, float]:
        loop, session = asyncio.get_running_loop(), FakeSession()
        clock = SimpleNamespace(time=loop.time)
        monkeypatch.setattr(classifier, "time", clock)
        monkeypatch.setattr(answering, "time", clock)
        began = loop.time()
        for begin, end in speech:
            loop.call_later(begin, session.turns, "speaking")
            loop.call_later(end, session.turns, "listening")
        for at, text in words:
            loop.call_later(at, session.recognises, text)
        by, takes_messages = await listen_to(session, "sip_1")  # type: ignore[arg-type]
        return by, takes_messages, round(loop.time() - began, 1)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(listen())


def test_a_mailbox_whose_words_come_late_is_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert who(monkeypatch, (0.2, 2.6), (3.1, 5.3), words=((7.5, MAILBOX),))[:2] == ("machine", True)


def test_a_mailbox_whose_words_never_come_is_a_machine_soon_after_it_has_finished(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert who(monkeypatch, (0.2, 2.6), (3.1, 5.3)) == ("machine", True, 8.3)


def test_a_mailbox_whose_first_words_alone_have_come_is_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert who(monkeypatch, (0.2, 6.0), words=((1.5, "Hello, this is"),))[:2] == ("machine", True)


def test_a_mailbox_whose_words_are_misunderstood_is_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = ((1.4, "lol"), (2.4, "lol"), (5.0, "who is one of the student loan"))
    assert who(monkeypatch, (0.2, 2.6), (3.1, 5.3), words=heard)[:2] == ("machine", True)


def test_a_long_greeting_of_a_human_is_a_humans_by_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert who(monkeypatch, (0.2, 3.8), words=((4.0, DESK),))[0] == "human"


def test_a_short_greeting_is_a_humans_with_or_without_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert who(monkeypatch, (0.2, 0.8)) == ("human", False, 1.8)
    assert who(monkeypatch, (0.2, 0.8), words=((1.0, "Hello?"),))[0] == "human"


def test_silence_is_nobody_in_particular(monkeypatch: pytest.MonkeyPatch) -> None:
    assert who(monkeypatch) == ("unsure", False, 10.0)
