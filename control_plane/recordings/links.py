"""Links that open one file to whoever has them, for a time: for players and colleagues without a key."""

from datetime import UTC, datetime
from typing import Final

from control_plane.secrets.box import SecretKeys
from control_plane.secrets.macs import Macs

LONGEST: Final = 7 * 24 * 3600
DIGITS: Final = 40
"""Of a proof, as many as a link tells."""


class LinkSigner:
    """Signs project, recording, method and expiry together: none of them can be changed."""

    def __init__(self, secret_keys: SecretKeys, *, use: str = "parley recording link v1") -> None:
        self._macs = Macs(secret_keys, use)

    def sign(self, project_id: int, recording_id: int, *, expires_at: datetime) -> str:
        """What opens a recording for reading until then: `<project>.<seconds>.<mac>`."""
        seconds = int(expires_at.timestamp())
        return f"{project_id}.{seconds}.{self._macs.sign(_said(project_id, recording_id, seconds))[:DIGITS]}"

    def project_of(self, signature: str, recording_id: int, *, now: datetime) -> int | None:
        """The project whose recording it opens now; None where it opens nothing."""
        project, _, rest = signature.partition(".")
        seconds, _, mac = rest.partition(".")
        if not (project.isascii() and project.isdigit() and seconds.isascii() and seconds.isdigit()):
            return None
        if len(project) > 18 or len(seconds) > 12:
            return None
        if not self._macs.verify(_said(int(project), recording_id, int(seconds)), mac, length=DIGITS):
            return None
        return int(project) if now < datetime.fromtimestamp(int(seconds), UTC) else None


def _said(project_id: int, recording_id: int, seconds: int) -> bytes:
    return f"GET {project_id} {recording_id} {seconds}".encode()
