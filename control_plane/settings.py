"""The control plane's settings: one frozen object, read once from `PARLEY_…` variables."""

import base64
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AliasChoices, Field, SecretStr

from agents.calling import Effort, VoiceProvider
from guard.addresses import Network, parse_networks
from guard.settings import FromEnvironment, ProcessSettings

OPERATOR_KEY = range(32, 201)
"""How many characters the operator's key may have."""


def _thirty_two_bytes(value: SecretStr) -> SecretStr:
    if len(base64.b64decode(value.get_secret_value(), validate=True)) != 32:
        raise ValueError("must be 32 random bytes in base64: openssl rand -base64 32")
    return value


Key = Annotated[SecretStr, AfterValidator(_thirty_two_bytes)]


def _operator_key(value: SecretStr | None) -> SecretStr | None:
    key = value.get_secret_value() if value else ""
    if key and (not key.startswith("ak_") or len(key) not in OPERATOR_KEY):
        raise ValueError(f"must begin with ak_ and have at least {OPERATOR_KEY.start} characters in all")
    return value if key else None


def _store(url: str) -> str:
    if not re.match(r"(file:///|s3://|gs://|az://)[^/]", url):
        raise ValueError("must be file:///folder, s3://bucket, gs://bucket or az://container")
    return url


def read_carriers(value: str) -> dict[str, frozenset[str]]:
    """Hosts with the slugs of the projects that may call by them, of `host,host=slug,…`. Raises `ValueError`."""
    found: dict[str, set[str]] = {}
    for each in filter(None, (part.strip().lower() for part in value.split(","))):
        host, named, slug = each.partition("=")
        if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", host) or (named and not slug):
            raise ValueError("must be hosts, each alone or with a project: sip.example.com, sip.example.org=slug")
        projects = found.setdefault(host, set())
        projects |= {slug} if slug else set()
    return {host: frozenset(projects) for host, projects in found.items()}


def _carriers(value: str) -> str:
    read_carriers(value)
    return value


def _bridges(value: str) -> str:
    if any(read_carriers(value).values()):
        raise ValueError("must be hosts: sip.example.com, sip.example.org")
    return value


def _networks(value: str) -> str:
    parse_networks(value)
    return value


class MigrationSettings(FromEnvironment):
    """What `parley migrate` needs to know."""

    database_url: SecretStr = Field(description="`postgresql://user:password@host:port/database`.")

    @property
    def sqlalchemy_url(self) -> str:
        """The database address for SQLAlchemy with psycopg."""
        return self.database_url.get_secret_value().replace("postgresql://", "postgresql+psycopg://", 1)


class SecretsSettings(MigrationSettings, ProcessSettings):
    """What `parley rotate-secrets` needs to know."""

    secret_key: Key = Field(description="Encrypts secrets at rest, and signs: `openssl rand -base64 32`.")
    former_secret_keys: list[Key] = Field(
        default_factory=list,
        description='Keys that still open and verify what they sealed and signed, as JSON: `["…"]`; see '
        "[security](../security.md).",
    )
    recordings_url: Annotated[str, AfterValidator(_store)] = Field(
        "file:///var/lib/parley/recordings",
        description="Where recordings are kept, for us and for recorders: `file:///folder`, `s3://bucket/prefix`, "
        "`gs://…` or `az://…`; the query holds what is no secret, such as `?region=…&endpoint=…`.",
    )
    recordings_credentials: dict[str, SecretStr] = Field(
        default_factory=dict,
        description='Its secrets, as JSON: `{"access_key_id": "…", "secret_access_key": "…"}`.',
    )
    recordings_sealed: bool = Field(False, description="Encrypt the files of recordings as soon as they are complete.")

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """All keys of secrets; the first seals and signs."""
        return tuple(key.get_secret_value() for key in (self.secret_key, *self.former_secret_keys))

    @property
    def recordings_options(self) -> dict[str, str]:
        """`recordings_credentials`, read."""
        return {name: secret.get_secret_value() for name, secret in self.recordings_credentials.items()}


class Settings(SecretsSettings):
    """What `parley serve` and `parley jobs` need to know."""

    host: str = Field("127.0.0.1", description="Address that `serve` listens on.")
    port: int = Field(8000, description="Port that `serve` listens on.")
    public_url: str = Field("http://127.0.0.1:8000", description="Where customers reach this control plane.")
    trusted_proxies: Annotated[str, AfterValidator(_networks)] = Field(
        "127.0.0.1/32",
        description="Networks, comma-separated, of proxies in front of `serve`, whose `X-Forwarded-For` and "
        "`X-Forwarded-Proto` are believed. Visitors behind any other proxy share one limit.",
    )
    database_pool: int = Field(
        16, ge=2, description="Connections of a pool; a process has several: docs/operations/scale.md counts them."
    )
    redis_url: SecretStr = Field(SecretStr("redis://127.0.0.1:6379"), description="Rate windows and interim lines.")
    livekit_url: str = Field("ws://127.0.0.1:7880", description="Where we reach LiveKit.")
    livekit_public_url: str = Field("ws://127.0.0.1:7880", description="Where callers reach LiveKit: `wsUrl`.")
    livekit_api_key: str = Field(description="Key of LiveKit's configuration.")
    livekit_api_secret: SecretStr = Field(description="Its secret, at least 32 characters.")
    worker_token: SecretStr = Field(description="Opens the uplink to workers.")
    admin_key: Annotated[SecretStr | None, AfterValidator(_operator_key)] = Field(
        None, description="The operator's key `ak_…`, which opens `/api/v1/admin`; unset, nobody can."
    )
    sign_up: bool = Field(True, description="Whether anybody may make an account of their own, on the plan `free`.")
    models_url: str | None = Field(None, description="OpenAI-compatible server, for embeddings that need one.")
    models_api_key: SecretStr = Field(SecretStr(""), description="Its key.")
    knowledge_embedder: str = Field("minilm", description="Embedder of new knowledge bases.")
    analysis_model: str | None = Field(
        None, description="Model of `models_url` that reads conversations afterwards; unset: they are counted only."
    )
    stt_model: str | None = Field(
        None, description="Model of `models_url` that writes recordings down; unset: what agents heard is all there is."
    )
    gladia_url: str = Field(
        "https://api.gladia.io", description="Where bots with `speech_to_text` Gladia are written down."
    )
    runpod_url: str | None = Field(
        None, description="The same of Runpod: its endpoint of the OpenAI protocol; unset: Runpod is refused."
    )
    knowledge_former_embedder: str | None = Field(None, description="Embedder of bases until they are reindexed.")
    backups_kept: timedelta | None = Field(
        None, description="How long backups are kept: receipts of erasures say until when they hold what was erased."
    )
    recordings_longest: timedelta = Field(timedelta(hours=4), description="After this a recording is stopped.")
    llm_model: str = Field("gpt-4o-mini", description="What answers where an agent names none, as workers know it.")
    seeing_models: list[str] = Field(
        default_factory=list,
        description='Models that take pictures, for meetings with `live_vision`, as JSON: `["gpt-4o-mini"]`.',
    )
    vision_model: str | None = Field(None, description="As workers know it; unset: no meetings with `gpt_vision`.")
    thinking_model: str | None = Field(None, description="As workers know it.")
    thinking_effort: Effort | None = Field(
        None, description="As workers know it; without this and the model: no meetings with `deep_thinking`."
    )
    search_url: str | None = Field(None, description="As workers know it; unset: no meetings with `web_search`.")
    voice_providers: list[VoiceProvider] = Field(
        default_factory=list,
        description='Providers of voices for which workers hold credentials, as JSON: `["elevenlabs"]`.',
    )
    slot_lifetime: timedelta = Field(timedelta(minutes=2), description="How long a token holds a place for its caller.")
    lease: timedelta = Field(timedelta(seconds=15), description="How long a call lives without a sign of its worker.")
    stop_notice: float = Field(
        5.0,
        ge=0,
        description="Seconds for which a `serve` that is being stopped answers 503 at `/health/ready` and to what is "
        "new, before it listens no more: as long as whoever sends it requests takes to see that.",
    )
    media_timeout: float = Field(5.0, description="Seconds a call to LiveKit may take.")
    webhook_allow: Annotated[str, AfterValidator(_networks)] = Field(
        "", description="Networks, comma-separated, that webhooks and trunks may reach besides the public internet."
    )
    trunks_without_password: Annotated[str, AfterValidator(_carriers)] = Field(
        "",
        description="Hosts, comma-separated, of carriers that know this machine by its address: trunks to them need no "
        "password, outside development no others go without. `host=slug` keeps a host for that project.",
    )
    meeting_hosts: Annotated[str, AfterValidator(_bridges)] = Field(
        "",
        description="Hosts, comma-separated, of meeting services besides Zoom where bots call rooms by digits alone, "
        "as `sip:123456789@host`: at any other host digits may be a telephone number, and are not called.",
    )
    google_oauth_url: str = Field(
        "https://oauth2.googleapis.com", description="Where Google gives access tokens, at `/token` below it."
    )
    google_api_url: str = Field(
        "https://www.googleapis.com", description="Google's calendars are at `/calendar/v3` below it."
    )
    microsoft_oauth_url: str = Field(
        "https://login.microsoftonline.com",
        description="Where Microsoft gives access tokens, at `/common/oauth2/v2.0/token` below it.",
    )
    microsoft_api_url: str = Field(
        "https://graph.microsoft.com", description="Microsoft's calendars are at `/v1.0` below it."
    )
    calendar_poll: timedelta = Field(
        timedelta(minutes=1), description="How often calendars are read; less often while nothing changes in them."
    )
    calendar_push: bool = Field(
        False, description="Have Google and Microsoft tell of changes at `public_url`, which they must reach by HTTPS."
    )
    web_dir: str | None = Field(None, description="Folder of the built pages; the checkout's `web/dist` if unset.")
    redactor: str = Field(
        "",
        description="`module:factory` of what finds personal data in place of `guard.redaction`: the factory takes the "
        "names of a project's list and returns a function from a text to its spans. Workers and bot hosts need it too.",
    )
    prices: Path | None = Field(
        None,
        description="A TOML file with prices of your own, such as your carrier's, in the form of "
        "`control_plane/metering/prices.toml`; they go before those. Without one a telephone minute costs 0, and "
        "limits in dollars hold no call back.",
    )
    ready_file: str | None = Field(None, description="Written by `jobs` once it works.")
    otel_exporter_otlp_endpoint: str | None = Field(
        None,
        validation_alias=AliasChoices("parley_otel_exporter_otlp_endpoint", "otel_exporter_otlp_endpoint"),
        description="Collector of traces, by OTLP over HTTP: `http://collector:4318`; needs `parley[traces]`. Unset: "
        "none are made. Without its prefix it is heard as well, and so are OpenTelemetry's own `OTEL_EXPORTER_OTLP_…` "
        "for headers, time limits and certificates.",
    )
    otel_traces_sampler_arg: float = Field(
        1.0,
        ge=0,
        le=1,
        validation_alias=AliasChoices("parley_otel_traces_sampler_arg", "otel_traces_sampler_arg"),
        description="Which part of all calls is traced, by every process the same ones.",
    )
    metrics_host: str = Field("127.0.0.1", description="Address that `metrics_port` is opened at.")
    metrics_port: int | None = Field(
        None, description="Port of `/metrics` for Prometheus, without a key; `serve` has it at its own port, with one."
    )

    @property
    def trusting_carriers(self) -> dict[str, frozenset[str]]:
        """`trunks_without_password`, read."""
        return read_carriers(self.trunks_without_password)

    @property
    def bridges(self) -> frozenset[str]:
        """`meeting_hosts`, read."""
        return frozenset(read_carriers(self.meeting_hosts))

    @property
    def webhook_networks(self) -> tuple[Network, ...]:
        """`webhook_allow`, read."""
        return parse_networks(self.webhook_allow)
