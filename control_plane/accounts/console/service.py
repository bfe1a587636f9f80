"""Signing up, logging in and out, changing the password.

Guesses are limited by the address they come from and by the e-mail address they are for, before anything is looked up:
what is answered, and how long it takes, is the same whether there is such an account or not.
"""

from collections.abc import Callable
from typing import Final

from sqlmodel import col, select, update

from control_plane.accounts.console.resetting import SPENT, ResetSigner
from control_plane.accounts.console.schemas import LogIn, PasswordChange, PasswordReset, SignUp
from control_plane.accounts.models import Account
from control_plane.accounts.opening import Opened, first_project, open_account
from control_plane.auth.callers import Caller
from control_plane.auth.passwords import PasswordDesk
from control_plane.auth.sessions import begin_session, end_session, end_sessions
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import Forbidden, Unauthorized
from control_plane.gate.models import AuditEntry
from control_plane.gate.window import RateLimiter
from control_plane.ids import fingerprint
from control_plane.secrets.box import SecretBox

FREE: Final = "free"
"""The plan of those who sign up."""
WRONG: Final = "E-mail address or password is wrong"
OF_ADDRESS: Final = 30
OF_EMAIL: Final = 10
"""Tries a minute."""
OF_SIGN_UPS: Final = 20
"""An hour, of an address: a sign-up has to say that an e-mail address is taken."""


class Console:
    """The way in. `opened` tells the token of a new session, which the cookie is to hold."""

    def __init__(
        self,
        db: Db,
        clock: Clock,
        box: SecretBox,
        limiter: RateLimiter,
        desk: PasswordDesk,
        entry: Callable[..., AuditEntry],
    ) -> None:
        self.db, self.clock, self.box = db, clock, box
        self.limiter, self.desk, self.entry = limiter, desk, entry

    async def sign_up(self, body: SignUp, address: str) -> tuple[Opened, str]:
        """A new account and the token of its first session; `Conflict` where the e-mail address has one."""
        await self._count_address(address)
        await self.limiter.demand(f"sign-up:address:{address}", OF_SIGN_UPS, seconds=3600)
        hashed = await self.desk.hash(body.password)
        opened = await open_account(
            self.db, self.clock, self.box, email=body.email, name=body.name, plan=FREE, password_hash=hashed
        )
        return opened, await self._begin(opened.account.id, status=201)

    async def log_in(self, body: LogIn, address: str, former: Caller | None) -> tuple[Account, str]:
        """The account and the token of a new session, in whose place `former` ends. Raises `Unauthorized`."""
        await self._count_address(address)
        await self._count_email(body.email)
        account = (await self.db.exec(select(Account).where(Account.email == body.email))).one_or_none()
        await self.db.commit()  # no connection is held while the password is compared
        if not await self.desk.verify(body.password, account.password_hash if account else None) or account is None:
            raise Unauthorized(WRONG)
        # Whoever changes the password meanwhile ends the sessions there are: this one must be among them, or not begin.
        same = (Account.id == account.id, Account.password_hash == account.password_hash)
        if (await self.db.exec(select(Account.id).where(*same).with_for_update(read=True))).one_or_none() is None:
            raise Unauthorized(WRONG)
        if former is not None and former.is_console:
            await end_session(self.db, former.key_id)
            await self.limiter.mark_changed(former.key_id)
        return account, await self._begin(account.id, status=200)

    async def log_out(self, caller: Caller) -> None:
        """End a session, in all processes."""
        await end_session(self.db, caller.key_id)
        self._note(caller.project_id, caller.key_id, status=200)
        await self._publish([caller.key_id])

    async def change_password(self, body: PasswordChange, caller: Caller) -> str:
        """Set another password, and end all sessions; the token of a new one. Raises `Forbidden`."""
        account = (await self.db.exec(select(Account).where(Account.id == caller.account_id))).one()
        await self.db.commit()
        await self.limiter.demand(
            f"log-in:account:{account.id}", OF_EMAIL
        )  # strangers' guesses must not keep it from its owner
        if not await self.desk.verify(body.current_password, account.password_hash):
            raise Forbidden("The current password is wrong")
        hashed = await self.desk.hash(body.new_password)
        # Of two changes from the same password one is made: the other's current password is not the current one.
        same = (col(Account.id) == account.id, col(Account.password_hash) == account.password_hash)
        changed = update(Account).where(*same).values(password_hash=hashed).returning(col(Account.id))
        if await self.db.scalar(changed) is None:
            raise Forbidden("The current password is wrong")
        ended = await end_sessions(self.db, account.id)
        token = await self._begin(account.id, status=200)
        await self._publish(ended)
        return token

    async def reset_password(self, body: PasswordReset, signer: ResetSigner, address: str) -> tuple[Account, str]:
        """Set another password by a link, and end all sessions; the account and the token of a new one.

        Raises `Unauthorized` for a link that is no good, or no more.
        """
        await self._count_address(address)
        account = await signer.find(self.db, self.clock, body.token)
        await self.db.commit()
        hashed = await self.desk.hash(body.new_password)
        same = (col(Account.id) == account.id, col(Account.password_hash) == account.password_hash)
        changed = update(Account).where(*same).values(password_hash=hashed).returning(col(Account.id))
        if await self.db.scalar(changed) is None:
            raise Unauthorized(SPENT)
        ended = await end_sessions(self.db, account.id)
        token = await self._begin(account.id, status=200)
        await self._publish(ended)
        return account, token

    async def _begin(self, account_id: int, *, status: int) -> str:
        token, session_id, ended = await begin_session(self.db, account_id, now=self.clock.now())
        project_id = await first_project(self.db, account_id)
        if project_id is not None:
            self._note(project_id, session_id, status=status)
        await self._publish(ended)
        return token

    async def _publish(self, ended: list[str]) -> None:
        await self.db.commit()
        if ended:
            await self.limiter.mark_changed(*ended)

    async def _count_address(self, address: str) -> None:
        await self.limiter.demand(f"log-in:address:{address}", OF_ADDRESS)

    async def _count_email(self, email: str) -> None:
        await self.limiter.demand(f"log-in:email:{fingerprint(email).hex()}", OF_EMAIL)

    def _note(self, project_id: int, session_id: str, *, status: int) -> None:
        """An entry in the trail of the account's first project."""
        self.db.add(self.entry(project_id=project_id, key_id=session_id, target={}, status=status))
