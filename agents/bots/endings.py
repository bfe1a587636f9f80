"""Why a bot is done."""

from dataclasses import dataclass

from agents.contract import EndReason


@dataclass
class Over(Exception):
    """A bot has nothing more to do in its meeting."""

    reason: EndReason
    failed: bool = False


class Lost(Exception):
    """The connection to the meeting's server is gone for good, and nobody has decided that; the text says how."""
