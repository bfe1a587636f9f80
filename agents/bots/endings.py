"""Why a bot is done."""

from dataclasses import dataclass

from agents.contract import EndReason


@dataclass
class Over(Exception):
    """A bot has nothing more to do in its meeting."""

    reason: EndReason
    failed: bool = False
