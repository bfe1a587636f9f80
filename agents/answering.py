"""Who answered a phone that we called: somebody, a machine, or a machine that asks who is calling."""

import asyncio
import time
from typing import Final, Literal

import structlog
from livekit.agents import AMD, AgentSession, AMDCategory
from livekit.agents.voice import events
from livekit.agents.voice.amd.classifier import AMD_PROMPT

By = Literal["human", "machine", "screening", "unsure"]
BY: Final[dict[AMDCategory, By]] = {
    AMDCategory.HUMAN: "human",
    AMDCategory.MACHINE_VM: "machine",
    AMDCategory.MACHINE_UNAVAILABLE: "machine",
    AMDCategory.MACHINE_IVR: "screening",
    AMDCategory.UNCERTAIN: "unsure",
}
SHORT, SILENCE_AFTER = 1.5, 1.0
"""Seconds of a greeting, and of the silence after it, that are taken for a human's while there are no words yet. The
framework's own, 2.5 and 0.5, take a mailbox's first sentence for one where recognition is slow."""
LONG = 2.4
"""Seconds of a greeting that is a machine's unless its words say otherwise."""
WORDS_WITHIN = 3.0
"""Seconds of silence after which words that still lack, or tell nothing, are not waited for any more."""
FEWEST_LETTERS = 3.0
"""Of a second of speech, in any language: where there are fewer, most of the words are still to come."""
_EXAMPLES: Final = {
    "human": (
        "Hello?",
        "Yes? Who is this?",
        "Good morning, Miller and Sons, Susan speaking, how can I help?",
    ),
    "machine-vm": (
        "Hi, you have reached Tom. Please leave a message after the tone.",
        "You have reached the voice mailbox of five five five, one two three four. Please record your message.",
        "You have reached the voice mailbox of Anna Smith.",
        "This is the voice mail box of Anna. Please leave a message after the tone.",
        "I am not at home right now. Leave your name and number and I will call you back.",
        "Your call has been forwarded to an automatic voice message system. At the tone, record your message.",
        "We cannot take your call right now. Please leave us a message and we will get back to you.",
    ),
    "machine-unavailable": (
        "The mailbox is full and cannot accept any messages at this time. Goodbye.",
        "The number you have dialed is not in service.",
    ),
    "machine-ivr": (
        "Press one for sales. Press two for support.",
        "Hi. If you record your name and reason for calling, I will see if this person is available.",
    ),
}
"""Added to the framework's own: short greetings, and mailboxes that do not say so in so many words."""
PROMPT: Final = AMD_PROMPT + "".join(
    f'\n\nInput: "{text}"\nOutput: {label}' for label, texts in _EXAMPLES.items() for text in texts
)
TAKES_MESSAGES: Final = AMDCategory.MACHINE_VM

log = structlog.get_logger()


class _Greeting:
    """How long somebody speaks after the answer, by when sound begins and ends: words come when they come."""

    def __init__(self, session: AgentSession[None]) -> None:
        self._session = session
        self._began = time.time() if session.user_state == "speaking" else None
        self._ended: float | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self.words: list[str] = []
        self.over = asyncio.Event()
        """It has been silent for so long that no words are waited for any more."""
        session.on("user_state_changed", self._on_user_state)
        session.on("user_input_transcribed", self._on_words)

    @property
    def seconds(self) -> float:
        """From the first sound to the last, pauses between sentences and all."""
        return 0.0 if self._began is None else (self._ended or time.time()) - self._began

    def close(self) -> None:
        """Listen no longer."""
        self._session.off("user_state_changed", self._on_user_state)
        self._session.off("user_input_transcribed", self._on_words)
        self._wait(None)

    def _on_user_state(self, event: events.UserStateChangedEvent) -> None:
        if event.new_state == "speaking":
            self._began, self._ended = self._began or event.created_at, None
            self._wait(None)
        elif event.old_state == "speaking" and self._began is not None:
            self._ended = event.created_at
            self._wait(WORDS_WITHIN)

    def _on_words(self, event: events.UserInputTranscribedEvent) -> None:
        if event.is_final:
            self.words.append(event.transcript)

    def _wait(self, seconds: float | None) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = asyncio.get_running_loop().call_later(seconds, self.over.set) if seconds else None


def judge(by_words: AMDCategory, words: str, seconds: float) -> AMDCategory:
    """Who it is by their words, unless these tell nothing, or are but few of all that was said in so many seconds."""
    heard = sum(letter.isalnum() for letter in words) >= FEWEST_LETTERS * seconds
    told = by_words is not AMDCategory.UNCERTAIN and (heard or by_words is not AMDCategory.HUMAN)
    return by_words if told or seconds <= LONG else AMDCategory.MACHINE_VM


async def listen_to(session: AgentSession[None], identity: str) -> tuple[By, bool]:
    """Listen until it is known who is there; nothing is said meanwhile. Also whether a message can be left.

    Takes a second after a short greeting, 1.5 s after a longer one or a machine's words, 3 s after words that come
    late or tell nothing, and 10 s in silence.
    """
    detection = AMD(
        session,
        llm=None,
        stt=None,
        participant_identity=identity,
        ivr_detection=False,
        wait_until_finished=True,
        detection_options={
            "prompt": PROMPT,
            "human_speech_threshold": SHORT,
            "human_silence_threshold": SILENCE_AFTER,
        },
        suppress_compatibility_warning=True,
    )
    greeting = _Greeting(session)
    try:
        async with detection as listening:
            by_words = await _until_known(listening, greeting)
    finally:
        greeting.close()
    found = judge(by_words, "".join(greeting.words), greeting.seconds)
    log.debug("greeting heard", seconds=round(greeting.seconds, 1), by_words=by_words, found=found)
    return BY[found], found is TAKES_MESSAGES


async def _until_known(listening: AMD, greeting: _Greeting) -> AMDCategory:
    """What the words say, as soon as they say it, or the greeting is over."""
    executing = asyncio.create_task(listening.execute())
    waiting = asyncio.create_task(greeting.over.wait())
    try:
        await asyncio.wait({executing, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return executing.result().category if executing.done() else AMDCategory.UNCERTAIN
    finally:
        for task in (executing, waiting):
            task.cancel()
        await asyncio.gather(executing, waiting, return_exceptions=True)
