"""What became of the packets of a stream."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Numbers of packets since the stream was opened."""

    sent: int = 0
    unsent: int = 0
    """Refused by the network or the kernel."""
    received: int = 0
    """Taken in: from the right source, well formed, authentic, of an agreed payload type."""
    lost: int = 0
    """Never came, or came too late."""
    concealed: int = 0
    """Lost ones that were filled in."""
    late: int = 0
    duplicate: int = 0
    restarted: int = 0
    """Times the sender began a new sequence."""
    stranger: int = 0
    """From another source, or before an agreement."""
    malformed: int = 0
    unauthentic: int = 0
    """Not encrypted with the agreed key, or repeated."""
    unknown: int = 0
    """Of a payload type that was not agreed."""
    flood: int = 0
    """More than twice what a stream of our codecs has."""
