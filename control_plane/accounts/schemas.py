"""Projects and API keys on the wire."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from control_plane.wire import MAX_ID, Clean, Instant, Moment

Label = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True), Clean]
Scope = Annotated[str, StringConstraints(pattern=r"^\*$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{3,20}$")]


class ProjectCreate(BaseModel):
    """`POST /projects`."""

    name: Label
    slug: Slug | None = Field(None, description="Prefix of its LiveKit rooms; chosen by the platform if not given.")


class ProjectRead(BaseModel):
    """A project."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    slug: str
    store_transcripts: bool
    created_at: Instant


class ProjectAnswer(BaseModel):
    """One project."""

    project: ProjectRead


class ProjectList(BaseModel):
    """The account's projects."""

    projects: list[ProjectRead]


class KeyCreate(BaseModel):
    """`POST /api-keys`."""

    project_id: Annotated[int, Field(ge=1, le=MAX_ID)] | None = None
    label: Label
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=1)] = Field(
        default_factory=lambda: ["*"], description="`*`: everything the project may."
    )
    expires_at: Moment | None = None


class KeyRead(BaseModel):
    """A key without its secrets."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    project_id: int
    key_id: str
    label: str
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


class KeyAnswer(BaseModel):
    """`POST /api-keys`, 201."""

    api_key: KeyMade


class KeyList(BaseModel):
    """The account's keys."""

    api_keys: list[KeyRead]
