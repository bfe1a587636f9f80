"""Settings of workers and of the bot host: one frozen object each, read once from `PARLEY_…` variables."""

import sys
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, ValidationError

from agents.calling import Effort, Provider
from guard.addresses import Network, parse_networks
from guard.settings import ProcessSettings, wrong_settings


def _networks(value: str) -> str:
    parse_networks(value)
    return value


class _OutsideSettings(ProcessSettings):
    """What every process of this plane needs to know."""

    control_plane_url: str = Field("http://127.0.0.1:8000", description="Where the uplink is opened.")
    worker_token: SecretStr = Field(description="Opens it.")
    livekit_url: str = Field("ws://127.0.0.1:7880", description="Where jobs and media come from.")
    models_url: str | None = Field(None, description="OpenAI-compatible server; unset: that of the OpenAI library.")
    models_api_key: SecretStr = Field(SecretStr("unset"), description="Its key.")
    outbound_allow: Annotated[str, AfterValidator(_networks)] = Field(
        "",
        description="Networks, comma-separated, that providers, search and the sockets of bots may be in besides the "
        "public internet.",
    )
    spool_dir: Path = Field(
        Path("/var/lib/parley/spool"),
        description="Reports that are not acknowledged yet; processes that share it take a folder each.",
    )
    redactor: str = Field("", description="As the control plane knows it.")
    ready_file: Path | None = Field(None, description="Written once the process can take work.")
    metrics_host: str = Field("127.0.0.1", description="Address that `metrics_port` is opened at.")
    metrics_port: int | None = Field(None, description="Port of `/metrics` for Prometheus, without a key.")

    @property
    def outbound_networks(self) -> tuple[Network, ...]:
        """`outbound_allow`, read."""
        return parse_networks(self.outbound_allow)


class WorkerSettings(_OutsideSettings):
    """What `parley worker` needs to know."""

    livekit_api_key: str = Field(description="Key of LiveKit's configuration.")
    livekit_api_secret: SecretStr = Field(description="Its secret.")
    stt_model: str = Field("gpt-4o-transcribe", description="Speech recognition unless the agent names one.")
    stt_realtime: bool = Field(True, description="Recognise while the caller speaks, over the realtime socket.")
    llm_model: str = Field("gpt-4o-mini", description="Answers unless the agent names one.")
    tts_model: str = Field("gpt-4o-mini-tts", description="Speech unless the agent names one.")
    tts_voice: str = Field("alloy", description="Voice unless the agent names one.")
    tts_format: Literal["wav", "pcm", "mp3"] = Field("pcm", description="What speech arrives as.")
    thinking_model: str | None = Field(None, description="Answers in meetings with `deep_thinking`; unset: as others.")
    thinking_effort: Effort | None = Field(None, description="How hard it thinks there, where the model can be told.")
    vision_model: str | None = Field(None, description="Answers turns with a picture in meetings with `gpt_vision`.")
    search_url: str | None = Field(None, description="SearXNG server, its JSON format switched on, for `web_search`.")
    llm_first_within: float = Field(
        3.0, gt=0, description="Seconds for a model's first word, where another could take over."
    )
    llm_next_within: float = Field(3.0, gt=0, description="Seconds from one word of a model to the next.")
    tts_first_within: float = Field(
        2.0, gt=0, description="Seconds for the first sound of a voice, where another could take over."
    )
    tts_next_within: float = Field(2.0, gt=0, description="Seconds from one piece of speech to the next.")
    last_within: float = Field(
        10.0, gt=0, description="Seconds for the first word or sound of a model after which no other is left."
    )
    provider_keys: dict[Provider, SecretStr] = Field(
        default_factory=dict,
        description='Keys of providers of voices and recognition, as JSON: `{"elevenlabs": "…", "deepgram": "…"}`.',
    )
    provider_urls: dict[Provider, str] = Field(
        default_factory=dict,
        description='Where they are, if not at their makers\', as JSON: `{"azure": "https://speech.example.org"}`.',
    )
    azure_region: str = Field("", description="Region of the key of `azure`: `westeurope`.")
    knowledge_socket: Path = Field(Path("/run/parley/knowledge.sock"), description="The host's knowledge process.")
    max_calls: int = Field(8, ge=1, description="Calls this worker takes at once.")
    calls_per_process: int = Field(
        1,
        ge=1,
        le=64,
        description="Calls that share a process; 1: each has its own. More take less memory: `docs/density.md`.",
    )
    otel_exporter_otlp_endpoint: str | None = Field(
        None,
        validation_alias=AliasChoices("parley_otel_exporter_otlp_endpoint", "otel_exporter_otlp_endpoint"),
        description="As the control plane knows it; unset: no traces.",
    )
    otel_traces_sampler_arg: float = Field(
        1.0,
        ge=0,
        le=1,
        validation_alias=AliasChoices("parley_otel_traces_sampler_arg", "otel_traces_sampler_arg"),
        description="As the control plane knows it.",
    )
    idle_processes: int = Field(1, ge=0, description="Job processes kept warm.")
    drain_timeout: int = Field(600, ge=0, description="Seconds running calls get after SIGTERM.")

    @property
    def is_dense(self) -> bool:
        """Whether calls share processes."""
        return self.calls_per_process > 1


class BotHostSettings(_OutsideSettings):
    """What `python -m agents bots` needs to know."""

    spool_dir: Path = Field(
        Path("/var/lib/parley/bots"), description="Reports that are not acknowledged yet; shared as those of workers."
    )
    words_model: str | None = Field(
        None, description="Speech recognition that tells words' times, unless a bot names one; unset: PARLEY_STT_MODEL."
    )
    stt_model: str = Field("whisper-1", description="Speech recognition where no other is named.")
    max_bots: int = Field(30, ge=1, le=1000, description="Bots this host sends into meetings at once.")


Read = TypeVar("Read", WorkerSettings, BotHostSettings)


def read_settings(kind: type[Read], process: str) -> Read:
    """The settings of this process; it ends with what is missing."""
    try:
        return kind()
    except ValidationError as error:
        sys.exit(f"parley {process} cannot start: {wrong_settings(error)} (see docs/reference/settings.md)")
