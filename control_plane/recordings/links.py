"""Links that open one file to whoever has them, for a time: for players and colleagues without a key."""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Final

LONGEST: Final = 7 * 24 * 3600


class LinkSigner:
    """Signs project, recording, method and expiry together: none of them can be changed."""

    def __init__(self, secret_key: str) -> None:
        self._key = hmac.digest(secret_key.encode(), b"parley recording link v1", hashlib.sha256)

    def sign(self, project_id: int, recording_id: int, *, expires_at: datetime) -> str:
        """What opens a recording for reading until then: `<project>.<seconds>.<mac>`."""
        seconds = int(expires_at.timestamp())
        return f"{project_id}.{seconds}.{self._mac(project_id, recording_id, seconds)}"

    def project_of(self, signature: str, recording_id: int, *, now: datetime) -> int | None:
        """The project whose recording it opens now; None where it opens nothing."""
        project, _, rest = signature.partition(".")
        seconds, _, mac = rest.partition(".")
        if not (project.isascii() and project.isdigit() and seconds.isascii() and seconds.isdigit()):
            return None
        if len(project) > 18 or len(seconds) > 12:
            return None
        right = self._mac(int(project), recording_id, int(seconds))
        if not hmac.compare_digest(mac.encode(), right.encode()):
            return None
        return int(project) if now < datetime.fromtimestamp(int(seconds), UTC) else None

    def _mac(self, project_id: int, recording_id: int, seconds: int) -> str:
        said = f"GET {project_id} {recording_id} {seconds}".encode()
        return hmac.digest(self._key, said, hashlib.sha256).hex()[:40]
