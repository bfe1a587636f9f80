"""Trunks, numbers and calls on the wire."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agents.contract import DIGITS
from control_plane.telephony.models import Call, SipConfig
from control_plane.telephony.numbers import CarrierAddress, Network, PhoneNumber
from control_plane.wire import MAX_ID, ROOM_NAME, Change, Clean, Instant, Sent, Storable

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), Clean]
Credential = Annotated[str, StringConstraints(max_length=256), Clean]
Password = Annotated[Credential, Field(json_schema_extra={"format": "password", "writeOnly": True})]
Transport = Literal["udp", "tcp", "tls"]
AgentId = Annotated[int, Field(ge=1, le=MAX_ID)]
Seconds = Annotated[int, Field(ge=10, le=24 * 3600)]
Networks = Annotated[list[Network], Field(max_length=100)]
CallStatus = Literal[
    "queued", "dialing", "ringing", "answered", "voicemail", "ended", "busy", "rejected", "no_answer", "failed"
]


class Dial(Sent):
    """`POST /sip/dial`."""

    phone_number: PhoneNumber
    agent_config_id: AgentId | None = Field(None, description="The first active agent where this is left out.")
    room_name: Annotated[str, Field(json_schema_extra=ROOM_NAME)] | None = None
    caller_id: PhoneNumber | None = Field(None, description="A number of the project's trunks.")
    metadata: Annotated[dict[str, Any], Storable] = Field(default_factory=dict)


class CallPlaced(BaseModel):
    """A call that has been begun."""

    id: int
    status: CallStatus
    room_name: str
    full_room_name: str
    phone_number: str
    caller_id: str
    trunk_id: str
    session_id: int
    sip_participant_id: str | None


class Dialled(BaseModel):
    """`POST /sip/dial`, 200."""

    success: bool = True
    call: CallPlaced
    token: str = Field(description="A supervisor's token for the room: hears, is not heard.")
    wsUrl: str


class Keys(Sent):
    """`POST /sip/calls/{id}/dtmf`."""

    model_config = ConfigDict(extra="forbid")

    digits: Annotated[str, StringConstraints(min_length=1, pattern=DIGITS)] = Field(
        description="0-9, *, #, A-D; w waits half a second."
    )


class Transfer(Sent):
    """`POST /sip/calls/{id}/transfer`."""

    model_config = ConfigDict(extra="forbid")

    to: Annotated[str, StringConstraints(pattern=r"^(\+[1-9]\d{6,14}|(sips?|tel):\S{1,250})$")] = Field(
        description="A number, or a sip:, sips: or tel: URI."
    )
    mode: Literal["cold"] = "cold"


class TrunkCreate(Sent):
    """`POST /sip/trunks`."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    phone_number: PhoneNumber
    address: CarrierAddress
    transport: Transport = "udp"
    username: Credential = ""
    password: Password | None = Field(None, repr=False)
    allowed_addresses: Networks = Field(default_factory=list)


class TrunkUpdate(Change):
    """`PATCH /sip/trunks/{id}`: a field that is not sent stays as it is."""

    name: Name | None = None
    phone_number: PhoneNumber | None = None
    address: CarrierAddress | None = None
    transport: Transport | None = None
    username: Credential | None = None
    password: Password | None = Field(None, repr=False)
    allowed_addresses: Networks | None = None


class TrunkShown(BaseModel):
    """A trunk as it is listed."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    phone_number: str
    inbound_trunk_id: str | None
    outbound_trunk_id: str | None
    dispatch_rule_id: str | None


class TrunkList(BaseModel):
    """`GET /sip/trunks`."""

    trunks: list[TrunkShown]


class TrunkAnswer(BaseModel):
    """One trunk."""

    trunk: TrunkShown


class ConfigCreate(Sent):
    """`POST /sip/configs`: who answers a number. A number belongs to one configuration on the whole server."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    phone_number: PhoneNumber
    agent_config_id: AgentId
    dtmf_enabled: bool = True
    max_call_duration: Seconds = 1800


class ConfigUpdate(Change):
    """`PATCH /sip/configs/{id}`: a field that is not sent stays as it is."""

    name: Name | None = None
    phone_number: PhoneNumber | None = None
    agent_config_id: AgentId | None = None
    dtmf_enabled: bool | None = None
    max_call_duration: Seconds | None = None


class ConfigShown(BaseModel):
    """A configuration as it is listed."""

    id: int
    name: str
    phone_number: str
    agent_config_id: int
    agent_name: str
    dtmf_enabled: bool
    max_call_duration: int
    created_at: Instant


def show_config(config: SipConfig, agent_name: str) -> ConfigShown:
    """A configuration as it is listed."""
    return ConfigShown(**config.model_dump(include=set(ConfigShown.model_fields)), agent_name=agent_name)


class ConfigList(BaseModel):
    """`GET /sip/configs`."""

    configs: list[ConfigShown]


class ConfigAnswer(BaseModel):
    """One configuration."""

    config: ConfigShown


class CallShown(BaseModel):
    """A call."""

    id: int
    room_name: str
    full_room_name: str
    phone_number: str
    direction: str
    status: str
    sip_status: int | None
    reason: str | None
    session_id: int | None
    started_at: Instant
    answered_at: Instant | None
    ended_at: Instant | None
    duration: int | None = Field(description="Seconds from the answer to the end; null until both are known.")


class CallList(BaseModel):
    """`GET /sip/calls`."""

    calls: list[CallShown]
    total: int
    page: int
    total_pages: int


def show_call(call: Call, slug: str) -> CallShown:
    """A call as it is listed."""
    duration = None
    if call.answered_at is not None and call.ended_at is not None:
        duration = round((call.ended_at - call.answered_at).total_seconds())
    rest = set(CallShown.model_fields) - {"room_name", "full_room_name", "duration"}
    return CallShown(
        **call.model_dump(include=rest),
        room_name=call.room_name.removeprefix(f"{slug}_"),
        full_room_name=call.room_name,
        duration=duration,
    )
