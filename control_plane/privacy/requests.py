"""Requests while they are worked on: locked, and whom they are about."""

import json
from dataclasses import asdict

from sqlmodel import select

from control_plane.db.database import Db
from control_plane.privacy.finding import Found
from control_plane.privacy.models import PrivacyRequest
from control_plane.privacy.persons import Person
from control_plane.secrets.box import SecretBox


async def lock_request(db: Db, request_id: int) -> PrivacyRequest | None:
    """A request, locked until the commit."""
    query = select(PrivacyRequest).where(PrivacyRequest.id == request_id).with_for_update()
    return (await db.exec(query.execution_options(populate_existing=True))).one_or_none()


def sealed(box: SecretBox, request: PrivacyRequest, person: Person, found: Found | None = None) -> bytes:
    """Whom a request is about and what was found of them, for its row."""
    kept = {"person": asdict(person), "found": (found or Found()).as_json()}
    return box.seal(json.dumps(kept), row=request.sealed_as)


def opened(box: SecretBox, request: PrivacyRequest) -> tuple[Person, Found]:
    """The reverse of `sealed`."""
    assert request.sealed_person is not None
    kept = json.loads(box.open(request.sealed_person, row=request.sealed_as))
    return Person(**kept["person"]), Found.of_json(kept["found"])
