"""Settings of the egress service, from the environment (`POCKET_EGRESS_…`)."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from pocket.networks import Networks


class Settings(BaseSettings):
    """Times are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix="POCKET_EGRESS_", frozen=True)

    redis_url: str = "redis://127.0.0.1:6379"
    livekit_url: str = "ws://127.0.0.1:7880"
    api_key: str
    api_secret: SecretStr
    listen_host: str = "127.0.0.1"
    health_port: int = Field(default=0, description="HTTP: / for health, /metrics for Prometheus; 0: any.")
    root: Path = Field(default=Path("recordings"), description="Recordings without a bucket go below this folder.")
    state: Path | None = Field(default=None, description="What is under way; `.recorder` in the root if not named.")
    backup: Path | None = Field(default=None, description="Where files go whose upload failed, to be tried again.")
    most_recordings: int = Field(default=16, ge=1, description="At once; beyond, requests are left to others.")
    session_limit: float = Field(default=0.0, ge=0, description="After which a recording is ended; 0: never.")
    size_limit: int = Field(default=0, ge=0, description="Of a file, after which a recording is ended; 0: never.")
    least_free: int = Field(default=256 << 20, ge=0, description="Left on the disk; with less, recordings end.")
    source_within: float = Field(default=30.0, gt=0, description="For a named track or participant to come.")
    upload_within: float = Field(default=120.0, gt=0, description="For one file to be stored.")
    upload_again: float = Field(default=300.0, gt=0, description="Between tries of uploads that failed.")
    reconcile_every: float = Field(default=60.0, gt=0, description="Between looks for recordings without a recorder.")
    abandoned_after: float = Field(default=120.0, gt=0, description="Of such a recording, until it is failed.")
    most_memory: int = Field(default=1 << 30, description="Bytes; beyond, it ends when idle, to be started anew.")
    threads: int = Field(default=2, ge=1, description="That mix and encode.")
    closed: Networks = Field(default="", description="Networks, comma-separated, into which nothing is streamed.")

    @property
    def state_folder(self) -> Path:
        """Where journals and unfinished files are."""
        return (self.state or self.root / ".recorder").absolute()
