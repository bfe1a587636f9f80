"""Quota, projects, API keys, members and the audit trail on the wire."""

import re
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from control_plane.auth.scopes import SCOPES
from control_plane.metering.budget import Budget
from control_plane.wire import Change, Clean, Exactly, GivenId, Instant, Paged, Since, formed, once

LONGEST_RETENTION: Final = 3650
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9_-]+(\.[a-z0-9_-]+)*)(:[0-9]{1,5})?")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def _email(given: str) -> str:
    try:
        # Nothing is sent, so that names of the test domain are as good as others.
        return validate_email(given, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError as error:
        raise ValueError("must be an e-mail address") from error


def _known_email(given: str) -> str:
    """As `_email` writes it; what it refuses may be the address of an account all the same, made by `parley up`."""
    try:
        return _email(given)
    except ValueError:
        return given.lower()


def _known_scope(given: str) -> str:
    if given not in SCOPES:
        raise ValueError(f"must be one of {', '.join(SCOPES)}")
    return given


def _origin(given: str) -> str:
    """An origin as browsers send it: lower case, without the scheme's own port."""
    if given == "*":
        return given
    origin = given.lower()
    if not _ORIGIN.fullmatch(origin):
        raise ValueError("must be * or scheme://host[:port] without a path, such as https://app.example.org")
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError as error:
        raise ValueError("must have a port up to 65535, or none") from error
    return origin.rpartition(":")[0] if port is not None and port == _DEFAULT_PORTS.get(parts.scheme) else origin


AccountName = Annotated[str, StringConstraints(max_length=200, strip_whitespace=True), Clean]
NewPassword = Annotated[str, StringConstraints(min_length=8, max_length=200), Clean]
Label = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True), Clean]
Slug = Annotated[str, formed(r"^[a-z0-9]{3,20}$", "must be 3 to 20 small letters and digits")]
Email = Annotated[
    str,
    StringConstraints(max_length=254, strip_whitespace=True),
    Clean,
    AfterValidator(_email),
    Field(json_schema_extra={"format": "email"}),
]
KnownEmail = Annotated[
    str, StringConstraints(max_length=254, strip_whitespace=True), Clean, AfterValidator(_known_email)
]
Origin = Annotated[
    str,
    StringConstraints(max_length=300),
    AfterValidator(_origin),
    Field(json_schema_extra={"pattern": r"^(\*|[a-z][a-z0-9+.-]*://[a-z0-9_-]+(\.[a-z0-9_-]+)*(:[1-9][0-9]{0,3})?)$"}),
]
Origins = Annotated[list[Origin], Field(max_length=100), AfterValidator(once)]
Scope = Annotated[str, AfterValidator(_known_scope), Field(json_schema_extra={"enum": list(SCOPES)})]
Scopes = Annotated[list[Scope], Field(min_length=1, max_length=len(SCOPES)), AfterValidator(once)]
RedactName = Annotated[str, StringConstraints(min_length=2, max_length=100, strip_whitespace=True), Clean]
RedactNames = Annotated[list[RedactName], Field(max_length=1000), AfterValidator(once)]
Row = ConfigDict(from_attributes=True)


class ResourceQuota(BaseModel):
    """One resource of the plan; -1 is unlimited."""

    limit: int
    used: int
    remaining: int


class QuotaRead(BaseModel):
    """`GET /quota`."""

    plan: str
    plan_display: str
    quotas: dict[str, ResourceQuota]


class ProjectCreate(Exactly):
    """`POST /projects`."""

    name: Label
    slug: Slug | None = Field(None, description="Prefix of its LiveKit rooms; chosen by the platform if not given.")
    account_id: GivenId | None = Field(None, description="The key's own account, which is also the default.")


class ProjectUpdate(Change):
    """`PATCH /projects/{id}`: a field that is not sent stays as it is. The slug is never changed."""

    name: Label = ""
    retention_days: Annotated[int, Field(ge=1, le=LONGEST_RETENTION)] | None = Field(
        None, description="Days after which sessions are deleted, with all that belongs to them; null: never."
    )
    store_transcripts: bool = Field(True, description="Whether what is said is kept, where the agent keeps it too.")
    redact: bool = Field(False, description="Take personal data out of what is kept, shown and told of conversations.")
    redact_names: RedactNames = Field(default_factory=list, description="Names that are personal data as well.")
    announce_recordings: bool = Field(
        False, description="Agents record nothing before people have heard that they do, and the session says when."
    )
    allowed_origins: Origins = Field(default_factory=list, description="Pages that may call the API; `*`: any.")
    budget: Budget | None = Field(None, description="What the project may cost in a month; null: no limit.")


class ProjectRead(BaseModel):
    """A project."""

    model_config = Row

    id: int
    account_id: int
    name: str
    slug: str
    retention_days: int | None
    store_transcripts: bool
    redact: bool
    redact_names: list[str]
    announce_recordings: bool
    allowed_origins: list[str]
    budget: Budget | None
    created_at: Instant


class ProjectAnswer(BaseModel):
    """One project."""

    project: ProjectRead


class ProjectList(BaseModel):
    """The account's projects."""

    projects: list[ProjectRead]


class FirstProject(BaseModel):
    """The project that a new account begins with."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    slug: str


class KeyCreate(Exactly):
    """`POST /api-keys`."""

    project_id: GivenId | None = Field(None, description="The key's own project if not given.")
    label: Label
    scopes: Scopes = Field(
        default_factory=lambda: ["*"],
        description="`*` is everything; `read` and `write` go over all areas, `rooms:read` over one.",
    )
    expires_at: Since | None = None


class KeyUpdate(Change):
    """`PATCH /api-keys/{id}`: a field that is not sent stays as it is."""

    label: Label = ""
    scopes: Scopes = Field(default_factory=lambda: ["*"])
    expires_at: Since | None = Field(None, description="null: never.")


class KeyRead(BaseModel):
    """A key without its secrets."""

    model_config = Row

    id: int
    project_id: int
    key_id: str
    label: str
    status: Literal["active", "expired", "revoked"]
    prefix: str
    scopes: list[str]
    expires_at: Instant | None
    revoked_at: Instant | None
    last_used_at: Instant | None
    created_at: Instant


class KeyMade(KeyRead):
    """A new key: the only time both secrets are shown."""

    key: str
    secret: str


class KeyMadeAnswer(BaseModel):
    """`POST /api-keys`, 201."""

    api_key: KeyMade


class KeyAnswer(BaseModel):
    """One key."""

    api_key: KeyRead


class KeyList(BaseModel):
    """The account's keys."""

    api_keys: list[KeyRead]


class MemberCreate(Exactly):
    """`POST /members`."""

    email: Email
    name: Annotated[str, StringConstraints(max_length=200, strip_whitespace=True), Clean] = ""
    role: Literal["owner", "member"] = "member"


class MemberUpdate(Change):
    """`PATCH /members/{id}`: a field that is not sent stays as it is."""

    name: Annotated[str, StringConstraints(max_length=200, strip_whitespace=True), Clean] = ""
    role: Literal["owner", "member"] = "member"


class MemberRead(BaseModel):
    """Somebody who may see the account."""

    model_config = Row

    id: int
    email: str
    name: str
    role: str
    created_at: Instant


class MemberAnswer(BaseModel):
    """One member."""

    member: MemberRead


class MemberList(BaseModel):
    """The account's members, its owners among them."""

    members: list[MemberRead]


class AuditRead(BaseModel):
    """Somebody changed something."""

    model_config = Row

    id: int
    at: Instant
    key_id: str
    key_label: str | None = Field(description="null: no key, but a browser's session or the operator.")
    action: str = Field(description="Method and path template.")
    target: dict[str, Any] = Field(description="What the path named.")
    status: int


class AuditList(Paged):
    """One page of the audit trail, newest first."""

    entries: list[AuditRead]


class AuditHeadRead(BaseModel):
    """How far the chain of a trail goes. Who notes it down can tell later that nothing before it was cut off."""

    seq: int = Field(description="How many entries are linked.")
    entry_id: int
    mac: str = Field(description="The link of the last of them, in hexadecimal digits.")
    at: Instant


class AuditProblem(BaseModel):
    """An entry that is not as it was written."""

    entry_id: int | None
    kind: Literal["changed", "missing", "unlinked", "moved", "cut"]


class AuditVerdict(BaseModel):
    """`GET /audit/verify`. What was written in the last seconds is not linked yet, and not looked at."""

    intact: bool
    entries: int = Field(description="Looked at.")
    next_after: int | None = Field(description="Where to go on, as `after`; null: that was all.")
    problems: list[AuditProblem] = Field(description="The first hundred.")
    head: AuditHeadRead | None
