"""Who answered a phone that we called: somebody, a machine, or a machine that asks who is calling."""

from typing import Final, Literal

from livekit.agents import AMD, AgentSession, AMDCategory
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
_EXAMPLES: Final = {
    "human": (
        "Hello?",
        "Yes? Who is this?",
        "Good morning, Miller and Sons, Susan speaking, how can I help?",
    ),
    "machine-vm": (
        "Hi, you have reached Tom. Please leave a message after the tone.",
        "You have reached the voice mailbox of five five five, one two three four. Please record your message.",
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


async def listen_to(session: AgentSession[None], identity: str) -> tuple[By, bool]:
    """Listen until it is known who is there; nothing is said meanwhile. Also whether a message can be left.

    Takes a second after a short greeting, 1.5 s after a longer one or a machine's words, and 20 s in silence.
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
    async with detection as listening:
        found = await listening.execute()
    return BY[found.category], found.category is TAKES_MESSAGES
