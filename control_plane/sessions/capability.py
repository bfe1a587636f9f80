"""Proof that a report belongs to a call: made by the control plane, checked by it, opaque to workers."""

from control_plane.ids import read_number
from control_plane.secrets.box import SecretKeys
from control_plane.secrets.macs import Macs


class ReportSigner:
    """Signs (project, session, epoch) with a key derived from the platform's secret."""

    def __init__(self, secret_keys: SecretKeys) -> None:
        self._macs = Macs(secret_keys, "parley report capability v1")

    def sign(self, project_id: int, session_id: int, epoch: int) -> str:
        """The capability of one job."""
        return f"{project_id}.{self._macs.sign(_said(project_id, session_id, epoch))}"

    def project_of(self, capability: str, session_id: int, epoch: int) -> int | None:
        """The project a good capability belongs to; None for a bad one."""
        project, _, mac = capability.partition(".")
        project_id = read_number(project)
        if project_id is None:
            return None
        return project_id if self._macs.verify(_said(project_id, session_id, epoch), mac) else None


def _said(project_id: int, session_id: int, epoch: int) -> bytes:
    return f"{project_id}:{session_id}:{epoch}".encode()
