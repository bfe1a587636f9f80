"""The worker's settings: one frozen object, read once from `PARLEY_…` variables."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from agents.choices import Effort, Provider
from guard.addresses import Network, parse_networks


def _networks(value: str) -> str:
    parse_networks(value)
    return value


class WorkerSettings(BaseSettings):
    """What `parley worker` needs to know."""

    model_config = SettingsConfigDict(env_prefix="PARLEY_", frozen=True, extra="ignore", hide_input_in_errors=True)

    environment: Literal["development", "production"] = Field(
        "production", description="A well-known secret starts only in development."
    )
    control_plane_url: str = Field("http://127.0.0.1:8000", description="Where the uplink is opened.")
    worker_token: SecretStr = Field(description="Opens it.")
    livekit_url: str = Field("ws://127.0.0.1:7880", description="Where jobs and media come from.")
    livekit_api_key: str = Field(description="Key of LiveKit's configuration.")
    livekit_api_secret: SecretStr = Field(description="Its secret.")
    models_url: str | None = Field(None, description="OpenAI-compatible server; unset: that of the OpenAI library.")
    models_api_key: SecretStr = Field(SecretStr("unset"), description="Its key.")
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
    provider_keys: dict[Provider, SecretStr] = Field(
        default_factory=dict,
        description='Keys of providers of voices and recognition, as JSON: `{"elevenlabs": "…", "deepgram": "…"}`.',
    )
    provider_urls: dict[Provider, str] = Field(
        default_factory=dict,
        description='Where they are, if not at their makers\', as JSON: `{"azure": "https://speech.example.org"}`.',
    )
    azure_region: str = Field("", description="Region of the key of `azure`: `westeurope`.")
    outbound_allow: Annotated[str, AfterValidator(_networks)] = Field(
        "", description="Networks, comma-separated, that providers and search may be in besides the public internet."
    )
    knowledge_socket: Path = Field(Path("/run/parley/knowledge.sock"), description="The host's knowledge process.")
    spool_dir: Path = Field(Path("/var/lib/parley/spool"), description="Reports that are not acknowledged yet.")
    max_calls: int = Field(8, ge=1, description="Calls this worker takes at once.")
    idle_processes: int = Field(1, ge=0, description="Job processes kept warm.")
    drain_timeout: int = Field(600, ge=0, description="Seconds running calls get after SIGTERM.")
    ready_file: Path | None = Field(None, description="Written once the worker can take calls.")
    log_format: Literal["json", "console"] = Field("json", description="How log lines are written.")

    @property
    def outbound_networks(self) -> tuple[Network, ...]:
        """`outbound_allow`, read."""
        return parse_networks(self.outbound_allow)

    @property
    def jobs_socket(self) -> Path:
        """Where job processes reach the main process."""
        return self.spool_dir / "jobs.sock"
