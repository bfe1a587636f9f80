"""What is left of an erasure: a receipt that says what was erased, and that nobody can write but the platform."""

import json
from datetime import datetime, timedelta
from typing import Any, Final

from control_plane.clock import iso
from control_plane.privacy.models import PrivacyRequest
from control_plane.privacy.persons import Person
from control_plane.secrets.box import SecretKeys
from control_plane.secrets.macs import Macs

_OF_BACKUPS: Final = "Backups of the database and of recordings hold what was erased until they are deleted."


class Receipts:
    """Proofs of persons, and receipts."""

    def __init__(self, secret_keys: SecretKeys, *, backups: timedelta | None = None) -> None:
        self._persons = Macs(secret_keys, "parley privacy person v1")
        self._macs = Macs(secret_keys, "parley privacy receipt v1")
        self._backups = backups

    def person(self, person: Person, *, project_id: int) -> str:
        """What stands for a person: the same for the same names in the same project. It cannot be turned back."""
        return self._persons.sign(f"{project_id}\x00".encode() + person.said())

    def make(self, request: PrivacyRequest, *, at: datetime) -> dict[str, Any]:
        """The receipt of an erasure that is done."""
        rows = {table: count for table, count in sorted(request.progress.get("rows", {}).items()) if count}
        said: dict[str, Any] = {
            "id": request.id,
            "kind": request.kind,
            "person": request.person,
            "rows": rows,
            "recordings": request.progress.get("recordings", {"removed": 0, "to_come": 0}),
            "vectors": rows.get("knowledge_vector", 0),
            "events": rows.get("event", 0),
            "spool": request.progress.get("spool", {"sessions": 0, "told": [], "missed": []}),
            "kept": request.progress.get("kept", {}),
            "backups": {
                "note": _OF_BACKUPS,
                "until": iso(at + self._backups) if self._backups is not None else None,
            },
            "at": iso(at),
        }
        return said | {"mac": self._macs.sign(_written(said))}

    def holds(self, receipt: dict[str, Any]) -> bool:
        """Whether a receipt is as it was written."""
        said = {key: value for key, value in receipt.items() if key != "mac"}
        return self._macs.verify(_written(said), str(receipt.get("mac", "")))


def _written(said: dict[str, Any]) -> bytes:
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
