"""Settings of the SIP service, from the environment (`POCKET_SIP_…`)."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from pocket.networks import Networks


class Settings(BaseSettings):
    """Times are in seconds."""

    model_config = SettingsConfigDict(env_prefix="POCKET_SIP_")

    redis_url: str = "redis://127.0.0.1:6379"
    livekit_url: str = "ws://127.0.0.1:7880"
    api_key: str
    api_secret: SecretStr
    listen_host: str = "127.0.0.1"
    port: int = Field(default=5060, description="UDP and TCP; 0: any.")
    tls_port: int = Field(default=5061, description="Only with a certificate.")
    tls_certificate: str = Field(default="", description="A file with the chain; without it there is no TLS.")
    tls_key: str = Field(default="", description="A file with the key of the certificate.")
    tls_authorities: str = Field(default="", description="A file with the authorities peers are trusted by.")
    advertised_host: str = Field(default="", description="What peers are told instead of `listen_host`.")
    rtp_first: int = 10_000
    rtp_last: int = 10_999
    health_port: int = Field(default=0, description="HTTP: / for health, /metrics for Prometheus; 0: any.")
    most_calls: int = Field(default=16, description="At once; beyond, calls are refused politely.")
    media_timeout_initial: float = 30.0
    media_timeout: float = 15.0
    least_session_interval: int = Field(default=90, description="Between refreshes (RFC 4028); less is answered 422.")
    most_memory: int = Field(default=1 << 30, description="Bytes; beyond, it ends when idle, to be started anew.")
    drain: float = Field(default=10.0, description="How long calls may go on after SIGTERM.")
    requests_per_second: float = Field(default=50.0, description="Of one source, of those that begin something.")
    closed: Networks = Field(default="", description="Networks, comma-separated, in which nobody is called.")
