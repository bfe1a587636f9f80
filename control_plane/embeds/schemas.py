"""Embed keys, and what visitors of other sites send and are told, on the wire."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from control_plane.accounts.schemas import Label, Origin
from control_plane.wire import MAX_NUMBER, Change, Clean, Exactly, GivenId, Instant, formed, once

MOST_ORIGINS: Final = 50
MOST_VARIABLES: Final = 20
LONGEST_CALL: Final = 2 * 3600


def _of_a_page(given: str) -> str:
    if not given.startswith(("https://", "http://")):
        raise ValueError("must be the origin of a page: https://host[:port], or http:// for one you develop")
    return given


PageOrigin = Annotated[
    Origin,
    AfterValidator(_of_a_page),
    Field(json_schema_extra={"pattern": r"^https?://[a-z0-9_-]+(\.[a-z0-9_-]+)*(:[1-9][0-9]{0,3})?$"}),
]
PageOrigins = Annotated[list[PageOrigin], Field(min_length=1, max_length=MOST_ORIGINS), AfterValidator(once)]
Mode = Literal["voice", "text", "both"]
Theme = Literal["auto", "light", "dark"]
Accent = Annotated[str, formed(r"^#[0-9a-fA-F]{6}$", "must be a colour such as #0a7c66")]
Words = Annotated[str, StringConstraints(max_length=60, strip_whitespace=True), Clean]
Greeting = Annotated[str, StringConstraints(max_length=300, strip_whitespace=True), Clean]
VisitorCalls = Annotated[int, Field(ge=1, le=1000)]
AddressCalls = Annotated[int, Field(ge=1, le=10_000)]
AtOnce = Annotated[int, Field(ge=1, le=1000)]
Longest = Annotated[int, Field(ge=30, le=LONGEST_CALL)]


class EmbedKeyCreate(Exactly):
    """`POST /embed-keys`."""

    agent_id: GivenId
    origins: PageOrigins = Field(description="Whose pages may use the key, exactly: scheme, host and port.")
    label: Label = "Website"
    mode: Mode = Field("both", description="How visitors may speak with the agent.")
    theme: Theme = "auto"
    accent: Accent | None = Field(None, description="Colour of the button, `#rrggbb`; null: Parley's own.")
    button: Words = Field("", description="Words on the button; empty: `Talk to` and the agent's name.")
    greeting: Greeting = Field("", description="A sentence above the conversation, before it begins.")
    visitor_calls_per_hour: VisitorCalls = 10
    address_calls_per_hour: AddressCalls = Field(60, description="Of all visitors behind one address.")
    calls_at_once: AtOnce = 10
    longest_call: Longest = Field(900, description="Seconds; the agent's own limit holds besides.")


class EmbedKeyUpdate(Change):
    """`PATCH /embed-keys/{id}`: a field that is not sent stays as it is. The key and its agent are never changed."""

    origins: PageOrigins = Field(default_factory=list)
    label: Label = "Website"
    mode: Mode = "both"
    theme: Theme = "auto"
    accent: Accent | None = None
    button: Words = ""
    greeting: Greeting = ""
    visitor_calls_per_hour: VisitorCalls = 10
    address_calls_per_hour: AddressCalls = 60
    calls_at_once: AtOnce = 10
    longest_call: Longest = 900
    is_active: bool = True


class EmbedKeyRead(BaseModel):
    """An embed key. `key` is no secret: it stands in the pages that use it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    key: str
    agent_id: int = Field(validation_alias="persona_id")
    label: str
    origins: list[str]
    mode: Mode
    theme: Theme
    accent: str | None
    button: str
    greeting: str
    visitor_calls_per_hour: int
    address_calls_per_hour: int
    calls_at_once: int
    longest_call: int
    is_active: bool
    last_used_at: Instant | None
    created_at: Instant


class EmbedKeyAnswer(BaseModel):
    """One embed key."""

    embed_key: EmbedKeyRead


class EmbedKeyList(BaseModel):
    """The project's embed keys."""

    embed_keys: list[EmbedKeyRead]


Whole = Annotated[int, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)]
Variable = Annotated[str, StringConstraints(max_length=500), Clean] | bool | Whole | float
VariableName = Annotated[str, formed(r"^[\w.-]{1,64}$", "must be 1 to 64 letters, digits, _, . and -")]


class EmbedTokenRequest(Exactly):
    """`POST /embed/token`: a visitor wants to speak with the agent."""

    visitor: Annotated[str, formed(r"^[A-Za-z0-9_-]{8,64}$", "must be 8 to 64 letters, digits, _ and -")] = Field(
        description="What the page knows this visitor by; calls are counted by it and by the address."
    )
    mode: Literal["voice", "text"]
    variables: Annotated[dict[VariableName, Variable], Field(max_length=MOST_VARIABLES)] = Field(
        default_factory=dict, description="Filled into the agent's instructions. Whoever sees the page can change them."
    )


class EmbedAgent(BaseModel):
    """The agent as visitors know it."""

    name: str


class EmbedConfig(BaseModel):
    """How the button looks and what it offers."""

    agent: EmbedAgent
    mode: Mode
    theme: Theme
    accent: str | None
    button: str
    greeting: str


class EmbedToken(BaseModel):
    """A token for a room of the visitor's own, to which the agent comes."""

    token: str
    wsUrl: str = Field(description="The address to connect to with the token.")
    agent: EmbedAgent
    mode: Literal["voice", "text"]
    longest_call: int = Field(description="Seconds after which the agent says goodbye.")
