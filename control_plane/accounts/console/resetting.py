"""Links with which somebody who forgot their password sets another: signed, good for an hour and for one use.

No row is kept. The signature covers the hash of the password that is forgotten: with another password it is no more.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlmodel import select

from control_plane.accounts.models import Account
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import NotFound, Unauthorized
from control_plane.ids import read_number
from control_plane.secrets.box import SecretKeys
from control_plane.secrets.macs import Macs

LIFETIME: Final = timedelta(hours=1)
PREFIX: Final = "rst_"
SPENT: Final = "This link was used, is older than an hour, or is no link of this server"


class ResetSigner:
    """Signs and reads their tokens: `rst_<account>-<seconds>-<mac>`."""

    def __init__(self, secret_keys: SecretKeys) -> None:
        self._macs = Macs(secret_keys, "parley password reset v1")

    def sign(self, account: Account, until: datetime) -> str:
        """The token that changes an account's password until then."""
        seconds = int(until.timestamp())
        return f"{PREFIX}{account.id}-{seconds}-{self._macs.sign(_said(account, seconds))}"

    async def find(self, db: Db, clock: Clock, token: str) -> Account:
        """The account whose password a token changes. Raises `Unauthorized`, whatever is wrong with it."""
        number, _, rest = token.removeprefix(PREFIX).partition("-")
        until, _, mac = rest.partition("-")
        account_id, seconds = read_number(number), read_number(until)
        if not token.startswith(PREFIX) or account_id is None or seconds is None:
            raise Unauthorized(SPENT)
        account = (await db.exec(select(Account).where(Account.id == account_id))).one_or_none()
        signed = account is not None and self._macs.verify(_said(account, seconds), mac)
        if account is None or not signed or clock.now().timestamp() >= seconds:
            raise Unauthorized(SPENT)
        return account


def _said(account: Account, seconds: int) -> bytes:
    return f"{account.id} {seconds} {account.password_hash}".encode()


async def make_link(
    db: Db, clock: Clock, signer: ResetSigner, email: str, *, public_url: str
) -> tuple[Account, str, datetime]:
    """Whose link it is, the link, and until when it is good. Raises `NotFound`."""
    account = (await db.exec(select(Account).where(Account.email == email))).one_or_none()
    if account is None:
        raise NotFound("There is no account with this e-mail address")
    until = datetime.fromtimestamp(int((clock.now() + LIFETIME).timestamp()), UTC)
    return account, f"{public_url}/reset#{signer.sign(account, until)}", until
