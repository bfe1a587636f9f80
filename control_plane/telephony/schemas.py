"""Trunks, numbers and calls on the wire."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from agents.contract import DIGITS
from control_plane.phones import PhoneNumber
from control_plane.telephony.models import Call, SipConfig
from control_plane.telephony.numbers import CarrierAddress, Country, Network
from control_plane.telephony.policy import canonical
from control_plane.wire import FRESH_ROOM_NAME, Change, Clean, Exactly, GivenId, Instant, Paged, Storable, formed

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), Clean]
Credential = Annotated[str, StringConstraints(max_length=256), Clean]
Password = Annotated[Credential, Field(json_schema_extra={"format": "password", "writeOnly": True})]
Transport = Literal["udp", "tcp", "tls"]
Seconds = Annotated[int, Field(ge=10, le=24 * 3600)]
Networks = Annotated[list[Network], Field(max_length=100)]
CallsPerSecond = Annotated[float, Field(ge=0.1, le=50, allow_inf_nan=False)]
CallsAtOnce = Annotated[int, Field(ge=1, le=1000)]
Amount = Annotated[int, Field(ge=0, le=1_000_000_000)]
Dollars = Annotated[float, Field(ge=0, le=1_000_000_000, allow_inf_nan=False)]
TimeOfDay = Annotated[str, formed(r"^([01][0-9]|2[0-3]):[0-5][0-9]$", "must be a time of day, from 00:00 to 23:59")]
PRESSED = formed(DIGITS, "must be 1 to 64 keys of a telephone: 0-9, *, #, A-D, and w for half a second", min_length=1)
CALLED = formed(
    r"^(\+[1-9]\d{6,14}|(sips?|tel):\S{1,250})$", "must be a number such as +14155550123, or a sip:, sips: or tel: URI"
)
CallStatus = Literal[
    "queued", "dialing", "ringing", "answered", "voicemail", "ended", "busy", "rejected", "no_answer", "failed"
]


class Dial(Exactly):
    """`POST /sip/dial`."""

    phone_number: Annotated[PhoneNumber, AfterValidator(canonical)]
    agent_config_id: GivenId | None = Field(None, description="The first active agent where this is left out.")
    room_name: Annotated[str, Field(json_schema_extra=FRESH_ROOM_NAME)] | None = None
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
    sip_status: int | None = Field(description="As in `GET /sip/calls`; null while it is not known.")
    reason: str | None = Field(description="The same. What becomes known later `call.status` tells.")


class Dialled(BaseModel):
    """`POST /sip/dial`, 200."""

    success: bool = True
    call: CallPlaced
    token: str = Field(description="A supervisor's token for the room: hears, is not heard.")
    wsUrl: str


class Keys(Exactly):
    """`POST /sip/calls/{id}/dtmf`."""

    digits: Annotated[str, PRESSED] = Field(description="0-9, *, #, A-D; w waits half a second.")


class Transfer(Exactly):
    """`POST /sip/calls/{id}/transfer`."""

    to: Annotated[str, CALLED] = Field(description="A number, or a sip:, sips: or tel: URI.")
    mode: Literal["cold", "warm"] = Field(
        "cold", description="cold: the phone calls them itself. warm: the persona asks them first; numbers only."
    )


class TrunkCreate(Exactly):
    """`POST /sip/trunks`."""

    name: Name
    phone_number: PhoneNumber
    address: CarrierAddress
    transport: Transport = "udp"
    username: Credential = ""
    password: Password | None = Field(None, repr=False)
    allowed_addresses: Networks = Field(default_factory=list)
    calls_per_second: CallsPerSecond = Field(1, description="As many as the carrier takes; others wait in the queue.")


class TrunkUpdate(Change):
    """`PATCH /sip/trunks/{id}`: a field that is not sent stays as it is."""

    name: Name = ""
    phone_number: PhoneNumber = ""
    address: CarrierAddress = ""
    transport: Transport = "udp"
    username: Credential = ""
    password: Password = Field("", repr=False)
    allowed_addresses: Networks = Field(default_factory=list)
    calls_per_second: CallsPerSecond = 1


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


class TrunkDetail(TrunkShown):
    """A trunk as it was given, without its password."""

    address: str
    transport: str
    username: str
    allowed_addresses: list[str]
    calls_per_second: float
    has_password: bool


class TrunkRead(BaseModel):
    """`GET /sip/trunks/{id}`."""

    trunk: TrunkDetail


class TrunkTest(BaseModel):
    """What a carrier's server said to an OPTIONS."""

    model_config = ConfigDict(from_attributes=True)

    ok: bool = Field(description="It answers, and refuses neither the line nor its credentials.")
    sip_status: int | None = Field(description="Of its last answer.")
    latency_ms: float | None = Field(description="From the last question to its answer.")
    problem: str | None = Field(description="What is wrong, where it is not ok.")
    advice: str | None = Field(description="What to do, or what this test does not show.")


class TrunkTestAnswer(BaseModel):
    """`POST /sip/trunks/{id}/test`."""

    test: TrunkTest


class ConfigCreate(Exactly):
    """`POST /sip/configs`: who answers a number. A number belongs to one configuration on the whole server."""

    name: Name
    phone_number: PhoneNumber
    agent_config_id: GivenId
    dtmf_enabled: bool = True
    max_call_duration: Seconds = 1800
    max_concurrent: CallsAtOnce | None = Field(
        None, description="Calls the number answers at once; null: as many as the plan allows."
    )


class ConfigUpdate(Change):
    """`PATCH /sip/configs/{id}`: a field that is not sent stays as it is."""

    name: Name = ""
    phone_number: PhoneNumber = ""
    agent_config_id: GivenId = 0
    dtmf_enabled: bool = True
    max_call_duration: Seconds = 1800
    max_concurrent: CallsAtOnce | None = None


class ConfigShown(BaseModel):
    """A configuration as it is listed."""

    id: int
    name: str
    phone_number: str
    agent_config_id: int
    agent_name: str
    dtmf_enabled: bool
    max_call_duration: int
    max_concurrent: int | None
    has_trunk: bool = Field(description="Whether a trunk of the project has the number: else nobody can call it.")
    created_at: Instant


def show_config(config: SipConfig, agent_name: str, has_trunk: bool) -> ConfigShown:
    """A configuration as it is listed."""
    own = config.model_dump(include=set(ConfigShown.model_fields))
    return ConfigShown(**own, agent_name=agent_name, has_trunk=has_trunk)


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


class CallList(Paged):
    """`GET /sip/calls`."""

    calls: list[CallShown]


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


class QuietTimes(Exactly):
    """When nobody is called, in the callee's local time; over midnight where `end` comes first, all day where both
    are the same."""

    start: TimeOfDay = Field(examples=["21:00"])
    end: TimeOfDay = Field(examples=["08:00"])


class DialLimits(Exactly):
    """How much may be used by calls out; null is no limit, 0 is nothing. Days are those of UTC. A call that goes on
    counts all the minutes that it may still take."""

    concurrent: Amount | None = Field(None, description="Calls at once, those in the queue included.")
    calls_per_day: Amount | None = Field(None, description="But for calls that cannot have rung anywhere.")
    minutes_per_day: Amount | None = Field(
        None, description="Minutes begun, of the calls begun on the day. A call is no longer than what is left."
    )
    usd_per_day: Dollars | None = Field(None, description="Those minutes by the platform's `telephony` prices.")
    key_calls_per_day: Amount | None = Field(None, description="The same of each key with which calls are asked for.")
    key_minutes_per_day: Amount | None = None
    key_usd_per_day: Dollars | None = None
    destination_calls_per_day: Amount | None = Field(None, description="The same of each number that is called.")
    destination_minutes_per_day: Amount | None = None
    destination_usd_per_day: Dollars | None = None


class DialPolicySet(Exactly):
    """`PUT /projects/{id}/dial-policy`: the whole policy; what is not sent is as if there were none."""

    countries: Annotated[list[Country], Field(max_length=300)] | None = Field(
        None, description="ISO 3166 alpha-2; null: the country of the trunk's own number."
    )
    quiet_hours: QuietTimes | None = None
    limits: DialLimits = Field(default_factory=DialLimits)
    do_not_call: Annotated[list[PhoneNumber], Field(max_length=10_000)] = Field(default_factory=list)
    consent_required: bool = Field(False, description="Call only numbers with a consent to calls (`/sip/consents`).")
    opt_out_key: Annotated[str, formed(r"^[0-9*#]$", "must be one key of a telephone: 0-9, * or #")] | None = Field(
        None, description="Who is called and presses it alone is not called again; null: no key says so."
    )


class DialPolicyRead(BaseModel):
    """A dial policy as it applies."""

    countries: list[str]
    quiet_hours: QuietTimes | None
    limits: DialLimits
    do_not_call: list[str]
    consent_required: bool
    opt_out_key: str | None


class DialStep(BaseModel):
    """One rule that was asked."""

    rule: str
    held: bool
    said: str = Field(description="What was compared, in a sentence.")


class DialDecided(BaseModel):
    """A decision of the dial policy, and why."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: Instant
    kind: Literal["dial", "transfer", "warm", "bot", "placing"] = Field(
        description="What was asked for. `placing`: of a call that had waited in the queue."
    )
    destination: str
    key_id: str | None
    call_id: int | None
    allowed: bool
    rule: str | None = Field(description="The rule that was broken.")
    steps: list[DialStep] = Field(description="In order, up to the rule that was broken.")
    longest_seconds: int = Field(description="How long the call might last; 0 where it was not allowed.")


class DialDecisionList(Paged):
    """`GET /projects/{id}/dial-decisions`."""

    decisions: list[DialDecided]


class ConsentCreate(Exactly):
    """`POST /sip/consents`: what somebody said about being called."""

    number: PhoneNumber
    kind: Literal["calls", "recording"] = "calls"
    given: bool = Field(True, description="False: withdrawn, or refused. Of `calls`, nobody calls the number any more.")
    evidence: Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True), Clean] = Field(
        description="How that is known: a form and its date, a letter, a call."
    )


class ConsentShown(BaseModel):
    """One entry of the record; the newest of a number and a kind holds."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    number: str
    kind: str
    given: bool
    evidence: str
    session_id: int | None = Field(description="Of the conversation in which it was said.")
    at: Instant


class ConsentAnswer(BaseModel):
    """One consent."""

    consent: ConsentShown


class ConsentList(Paged):
    """`GET /sip/consents`."""

    consents: list[ConsentShown]
