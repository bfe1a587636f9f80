"""Proof that a report belongs to a call: made by the control plane, checked by it, opaque to workers."""

import hashlib
import hmac

from control_plane.ids import read_number


class ReportSigner:
    """Signs (project, session, epoch) with a key derived from the platform's secret."""

    def __init__(self, secret_key: str) -> None:
        self._key = hmac.digest(secret_key.encode(), b"parley report capability v1", hashlib.sha256)

    def sign(self, project_id: int, session_id: int, epoch: int) -> str:
        """The capability of one job."""
        return f"{project_id}.{self._mac(project_id, session_id, epoch)}"

    def project_of(self, capability: str, session_id: int, epoch: int) -> int | None:
        """The project a good capability belongs to; None for a bad one."""
        project, _, mac = capability.partition(".")
        project_id = read_number(project)
        if project_id is None:
            return None
        expected = self._mac(project_id, session_id, epoch)
        return project_id if hmac.compare_digest(mac.encode(), expected.encode()) else None

    def _mac(self, project_id: int, session_id: int, epoch: int) -> str:
        message = f"{project_id}:{session_id}:{epoch}".encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()
