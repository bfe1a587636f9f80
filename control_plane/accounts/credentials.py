"""A project's own keys of providers: written, named and deleted, never shown; workers get them for single calls."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select

from agents.calling import Provider, ProviderKey
from control_plane.accounts.models import ProviderCredential
from control_plane.accounts.service import AccountService
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import InvalidRequest, NotFound
from control_plane.secrets.box import SecretBox
from control_plane.wire import Exactly, Instant, formed

PRINTED = formed(r"^[\x21-\x7e]+$", "must be printed ASCII without spaces", min_length=1, max_length=500)


class CredentialSet(Exactly):
    """`PUT /projects/{id}/provider-credentials/{provider}`."""

    api_key: Annotated[str, PRINTED, Field(repr=False)]
    region: Annotated[str, formed(r"^[a-z0-9-]{1,40}$", "must be 1 to 40 small letters, digits and -")] | None = Field(
        None, description="Of the key of `azure`: `westeurope`."
    )


class CredentialRead(BaseModel):
    """That there is a key, and since when. The key itself is never shown."""

    model_config = ConfigDict(from_attributes=True)

    provider: Provider
    region: str | None
    updated_at: Instant


class CredentialAnswer(BaseModel):
    """One provider's."""

    credential: CredentialRead


class CredentialList(BaseModel):
    """Of all providers."""

    credentials: list[CredentialRead]


class Credentials:
    """The keys of the projects of one account."""

    def __init__(self, db: Db, database: Database, account: AccountService, clock: Clock, box: SecretBox) -> None:
        self.db, self.database, self.account, self.clock, self.box = db, database, account, clock, box

    async def all(self, project_id: int) -> list[ProviderCredential]:
        """For which providers a project has keys. Raises `NotFound`, `Forbidden`."""
        await self._check(project_id)
        async with self.database.tenant(project_id) as db:
            return await find_credentials(db, project_id)

    async def put(self, project_id: int, provider: Provider, body: CredentialSet) -> ProviderCredential:
        """Write a key in place of the one there was. Raises `NotFound`, `Forbidden`, `InvalidRequest`."""
        if provider == "azure" and body.region is None:
            raise InvalidRequest.field("region", "is needed for azure: the region of the key, such as westeurope")
        await self._check(project_id)
        sealed = self.box.seal(body.api_key, row=sealed_for(project_id, provider))
        values = {"sealed_key": sealed, "region": body.region, "updated_at": self.clock.now()}
        statement = insert(ProviderCredential).values(project_id=project_id, provider=provider, **values)
        keys = ["project_id", "provider"]
        async with self.database.tenant(project_id) as db:
            await db.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))
            kept = await db.get(ProviderCredential, (project_id, provider))
            assert kept is not None
            return kept

    async def delete(self, project_id: int, provider: Provider) -> None:
        """Forget a key. Raises `NotFound`, `Forbidden`."""
        await self._check(project_id)
        mine = (col(ProviderCredential.project_id) == project_id, col(ProviderCredential.provider) == provider)
        async with self.database.tenant(project_id) as db:
            gone = await db.exec(delete(ProviderCredential).where(*mine))
            if not gone.rowcount:
                raise NotFound(f"There is no key for {provider}")

    async def _check(self, project_id: int) -> None:
        """The account owns it. A key may be of another of its projects, whose rows it does not see: that needs a
        transaction of its own, begun when the request's holds no connection."""
        await self.account.project(project_id)
        await self.db.commit()


async def find_credentials(db: Db, project_id: int) -> list[ProviderCredential]:
    """The keys of a project, by provider, sealed."""
    query = select(ProviderCredential).where(ProviderCredential.project_id == project_id)
    return list((await db.exec(query.order_by(col(ProviderCredential.provider)))).all())


async def open_credentials(db: Db, box: SecretBox, project_id: int) -> dict[str, ProviderKey]:
    """The keys of a project, open, for one of its calls."""
    return {
        row.provider: ProviderKey(
            api_key=box.open(row.sealed_key, row=sealed_for(project_id, row.provider)), region=row.region or ""
        )
        for row in await find_credentials(db, project_id)
    }


def sealed_for(project_id: int, provider: str) -> str:
    """What a key is bound to."""
    return f"provider_credential:{project_id}:{provider}"
