"""Who hears whom while somebody supervises a call: what the platform, the workers and the tests go by."""

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import AwareDatetime, Field

from agents.calling import Message

Mode = Literal["listen", "whisper", "barge", "takeover"]
Party = Literal["caller", "persona", "supervisor"]
Place = Literal["nowhere", "aside", "call"]

MODES: Final[tuple[Mode, ...]] = ("listen", "whisper", "barge", "takeover")
PARTIES: Final[tuple[Party, ...]] = ("caller", "persona", "supervisor")
REACHES: Final[Mapping[Mode, Mapping[Party, frozenset[Party]]]] = {
    "listen": {
        "caller": frozenset({"persona", "supervisor"}),
        "persona": frozenset({"caller", "supervisor"}),
        "supervisor": frozenset(),
    },
    "whisper": {
        "caller": frozenset({"persona", "supervisor"}),
        "persona": frozenset({"caller", "supervisor"}),
        "supervisor": frozenset({"persona"}),
    },
    "barge": {
        "caller": frozenset({"persona", "supervisor"}),
        "persona": frozenset({"caller", "supervisor"}),
        "supervisor": frozenset({"caller", "persona"}),
    },
    "takeover": {
        "caller": frozenset({"persona", "supervisor"}),
        "persona": frozenset(),
        "supervisor": frozenset({"caller", "persona"}),
    },
}
"""By mode and speaker, who hears them."""

SUPERVISOR_PREFIX: Final = "supervisor-"
"""How the identities of supervisors begin in a room, and those of nobody else."""
VOICE_SUFFIX: Final = "-voice"
"""How the identity ends under which a supervisor speaks; they listen under the same without it."""
SUPERVISING: Final = "parley.supervising"
"""Attribute of who speaks in the call: `barge` or `takeover`. Tokens alone set it."""
SUPERVISING_SINCE: Final = "parley.supervising.since"
"""Attribute beside it: when the mode was asked for, in milliseconds; of one supervisor it only goes up, so that a token
of what they gave back is known by it."""


def hears(mode: Mode, listener: Party, speaker: Party) -> bool:
    """Whether the one is to hear the other."""
    return listener in REACHES[mode][speaker]


def may_speak(mode: Mode, party: Party) -> bool:
    """Whether anybody is to hear them."""
    return bool(REACHES[mode][party])


def place_of(mode: Mode) -> Place:
    """Where a supervisor's microphone stands: in the call, aside in a room of the persona's, or nowhere.

    LiveKit shows whoever is in a room to all in it, so what the caller must not hear is said in another room, for
    which the caller's token is no good.
    """
    if hears(mode, "caller", "supervisor"):
        return "call"
    return "aside" if may_speak(mode, "supervisor") else "nowhere"


def is_voice(identity: str) -> bool:
    """Whether somebody is a supervisor who speaks."""
    return identity.startswith(SUPERVISOR_PREFIX) and identity.endswith(VOICE_SUFFIX)


def voice_of(identity: str) -> str:
    """The identity under which a supervisor speaks."""
    return identity + VOICE_SUFFIX


class PersonaStated(Message):
    """A report of what a persona is doing from here on. Not spooled, may be lost."""

    type: Literal["persona.state.v1"] = "persona.state.v1"
    at: AwareDatetime
    room_name: str
    state: Literal["listening", "thinking", "speaking", "silent"] = Field(
        description="`silent`: a supervisor has the call."
    )
