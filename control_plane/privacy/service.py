"""Requests of a project to hand out or erase what is known of somebody."""

from typing import Any, Final

from sqlmodel import select

from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.db.rows import read_excerpt
from control_plane.errors import Gone, NotFound
from control_plane.jobs.queue import enqueue
from control_plane.privacy.erasing import ERASE, progress_of
from control_plane.privacy.exporting import EXPORT
from control_plane.privacy.models import PrivacyRequest, RequestKind, RequestStatus
from control_plane.privacy.persons import Person
from control_plane.privacy.receipts import Receipts
from control_plane.privacy.requests import sealed
from control_plane.recordings.links import LinkSigner
from control_plane.secrets.box import SecretBox, SecretKeys
from control_plane.wire import SURFACE, Excerpt

_JOBS: Final = {RequestKind.EXPORT: EXPORT, RequestKind.ERASURE: ERASE}


def export_links(secret_keys: SecretKeys) -> LinkSigner:
    """What signs the links to exports."""
    return LinkSigner(secret_keys, use="parley privacy export link v1")


class PrivacyRequests:
    """The requests of one project."""

    def __init__(self, db: Db, caller: Caller, clock: Clock, box: SecretBox, receipts: Receipts) -> None:
        self.db, self.caller, self.clock, self.box, self.receipts = db, caller, clock, box, receipts

    async def ask(self, kind: RequestKind, person: Person) -> PrivacyRequest:
        """Have it done; once more is harmless, and has a receipt of its own."""
        project_id = self.caller.project_id
        request = PrivacyRequest(
            project_id=project_id,
            kind=kind,
            key_id=self.caller.key_id,
            person=self.receipts.person(person, project_id=project_id),
            created_at=self.clock.now(),
        )
        self.db.add(request)
        await self.db.flush()
        request.sealed_person = sealed(self.box, request, person)
        wanted = {"project_id": project_id, "request_id": request.id}
        await enqueue(self.db, _JOBS[kind], f"{request.id}", run_at=self.clock.now(), **wanted)
        return request

    async def get(self, kind: RequestKind, request_id: int) -> PrivacyRequest:
        """One request of a kind. Raises `NotFound`."""
        query = select(PrivacyRequest).where(
            PrivacyRequest.project_id == self.caller.project_id,
            PrivacyRequest.id == request_id,
            PrivacyRequest.kind == kind,
        )
        found = (await self.db.exec(query)).one_or_none()
        if found is None:
            raise NotFound(f"There is no {kind.value} {request_id}")
        return found

    async def page(self, kind: RequestKind, excerpt: Excerpt) -> tuple[list[PrivacyRequest], int]:
        """An excerpt of those of a kind, newest first, and how many there are."""
        query: Any = select(PrivacyRequest).where(
            PrivacyRequest.project_id == self.caller.project_id, PrivacyRequest.kind == kind
        )
        rows, total = await read_excerpt(self.db, query, PrivacyRequest.id, excerpt)
        return [row[0] for row in rows], total


def show_erasure(request: PrivacyRequest, receipts: Receipts) -> dict[str, Any]:
    """An erasure as the API answers it."""
    receipt = request.receipt
    seen = {"progress": progress_of(request), "receipt_holds": receipts.holds(receipt) if receipt else None}
    return request.model_dump() | seen


def show_export(request: PrivacyRequest, links: LinkSigner, public_url: str, clock: Clock) -> dict[str, Any]:
    """An export as the API answers it, with a link while its file is there."""
    url, until = None, request.expires_at
    if request.status == RequestStatus.COMPLETED and request.storage_key and until and until > clock.now():
        signature = links.sign(request.project_id, request.id, expires_at=until)
        url = f"{public_url}{SURFACE}/privacy/exports/{request.id}/file?signature={signature}"
    return request.model_dump() | {"url": url}


async def find_file(db: Db, clock: Clock, project_id: int, request_id: int) -> tuple[str, int]:
    """Where the file of an export is, and its bytes. Raises `NotFound`, and `Gone` where its time is over."""
    query = select(PrivacyRequest).where(
        PrivacyRequest.project_id == project_id,
        PrivacyRequest.id == request_id,
        PrivacyRequest.kind == RequestKind.EXPORT,
    )
    request = (await db.exec(query)).one_or_none()
    if request is None:
        raise NotFound(f"There is no export {request_id}")
    if not request.storage_key or request.expires_at is None or request.expires_at <= clock.now():
        raise Gone("The time of this export is over")
    return request.storage_key, request.size_bytes or 0
