"""Signing up and logging in on the wire."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from control_plane.accounts.activity.schemas import AccountInfo
from control_plane.accounts.schemas import AccountName, Email, FirstProject, KeyMade, KnownEmail, NewPassword
from control_plane.wire import Clean, Exactly, Instant

GivenPassword = Annotated[str, StringConstraints(max_length=200), Clean]


class SignUp(Exactly):
    """`POST /auth/signup`."""

    model_config = ConfigDict(hide_input_in_errors=True)

    email: Email
    password: NewPassword = Field(repr=False)
    name: AccountName = ""


class LogIn(Exactly):
    """`POST /auth/login`."""

    model_config = ConfigDict(hide_input_in_errors=True)

    email: KnownEmail
    password: GivenPassword = Field(repr=False)


class PasswordChange(Exactly):
    """`POST /auth/password`."""

    model_config = ConfigDict(hide_input_in_errors=True)

    current_password: GivenPassword = Field(repr=False)
    new_password: NewPassword = Field(repr=False)


class PasswordReset(Exactly):
    """`POST /auth/reset`."""

    model_config = ConfigDict(hide_input_in_errors=True)

    token: Annotated[str, StringConstraints(min_length=1, max_length=200), Clean] = Field(
        repr=False, description="Of the link that the operator gave."
    )
    new_password: NewPassword = Field(repr=False)


class OwnAccount(BaseModel):
    """The account of who has logged in."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    email: str
    name: str
    plan: str
    created_at: Instant


class LoggedIn(BaseModel):
    """`POST /auth/login`; the session comes as a cookie."""

    account: OwnAccount


class OwnSession(BaseModel):
    """`GET /auth/session`: null where nobody has logged in."""

    account: AccountInfo | None


class SignedUp(LoggedIn):
    """`POST /auth/signup`, 201: the only time the key and its secret are shown. The session comes as a cookie."""

    project: FirstProject
    api_key: KeyMade
