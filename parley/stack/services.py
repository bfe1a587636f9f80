"""Parley's own processes as children, with the environment each of them reads and nothing more."""

from __future__ import annotations

import importlib.util
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from guard.addresses import closed_networks, parse_networks
from parley.stack import probes
from parley.stack.children import Child, ready_file_exists
from parley.stack.database import DatabaseUrls
from parley.stack.directories import DataDirectory
from parley.stack.errors import ProgramMissing
from parley.stack.ports import is_free
from parley.stack.secrets import Secrets

# What a person may set for `parley up` and for its children alike.
PASSED_ON = (
    "PARLEY_MODELS_API_KEY",
    "PARLEY_STT_MODEL",
    "PARLEY_STT_REALTIME",
    "PARLEY_LLM_MODEL",
    "PARLEY_ANALYSIS_MODEL",
    "PARLEY_TTS_MODEL",
    "PARLEY_TTS_VOICE",
    "PARLEY_TTS_FORMAT",
    "PARLEY_THINKING_MODEL",
    "PARLEY_THINKING_EFFORT",
    "PARLEY_SEEING_MODELS",
    "PARLEY_VISION_MODEL",
    "PARLEY_SEARCH_URL",
    "PARLEY_VOICE_PROVIDERS",
    "PARLEY_KNOWLEDGE_EMBEDDER",
    "PARLEY_KNOWLEDGE_FORMER_EMBEDDER",
)
_OF_TRACES = ("PARLEY_OTEL_EXPORTER_OTLP_ENDPOINT", "PARLEY_OTEL_TRACES_SAMPLER_ARG")
"""Passed on to the control plane and to workers, which make the spans."""
METRICS_PORTS = {"jobs": 0, "worker": 1, "bots": 2}
"""Where figures are, counted from `PARLEY_METRICS_PORT`; the control plane has them at its own port."""
_OF_BOTS = ("PARLEY_WORDS_MODEL", "PARLEY_MAX_BOTS", "PARLEY_OUTBOUND_ALLOW", "PARLEY_REDACTOR")
"""Passed on to the bot host alone."""
_OF_WORKERS = (
    "PARLEY_PROVIDER_KEYS",
    "PARLEY_PROVIDER_URLS",
    "PARLEY_AZURE_REGION",
    "PARLEY_OUTBOUND_ALLOW",
    "PARLEY_REDACTOR",
)
"""Passed on to workers alone."""
OFFLINE_MODELS = {
    "PARLEY_MODELS_API_KEY": "offline",
    "PARLEY_STT_MODEL": "pocketsphinx-en",
    "PARLEY_LLM_MODEL": "extractive-1",
    "PARLEY_ANALYSIS_MODEL": "extractive-1",
    "PARLEY_TTS_MODEL": "flite-rms",
    "PARLEY_TTS_VOICE": "rms",
    "PARLEY_THINKING_EFFORT": "high",
    "PARLEY_SEEING_MODELS": '["extractive-1"]',
    "PARLEY_VISION_MODEL": "extractive-1",
}
_DEFAULT_CALLS = "3"
_HOST = "127.0.0.1"
_LOOPBACK = "127.0.0.0/8,::1/128"
_STARTS_WITHIN = 120.0
"""Seconds for the imports of one process: half a minute on a busy small machine, and more of several at once."""


def python(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs a module of Parley; raises when that module is not installed."""
    if not _is_runnable(module):
        raise ProgramMissing(
            f"the module {module} is missing", "this installation of Parley is not whole", "Run `make setup`"
        )
    return [sys.executable, "-m", module, *arguments]


def _is_runnable(module: str) -> bool:
    try:
        found = importlib.util.find_spec(module)
        if found is not None and found.submodule_search_locations is not None:
            found = importlib.util.find_spec(f"{module}.__main__")
    except ModuleNotFoundError:
        return False
    return found is not None


_OWN_SETTINGS = (
    "PARLEY_RECORDINGS_URL",
    "PARLEY_RECORDINGS_SEALED",
    "PARLEY_RECORDINGS_CREDENTIALS",
    "PARLEY_RECORDINGS_LONGEST",
    "PARLEY_PRICES",
    "PARLEY_FORMER_SECRET_KEYS",
    "PARLEY_BACKUPS_KEPT",
    "PARLEY_SIGN_UP",
    "PARLEY_REDACTOR",
)
"""Passed on from our own environment, where they are named there."""


@dataclass(frozen=True)
class Services:
    """Makes the children of one installation."""

    directory: DataDirectory
    ports: Mapping[str, int]
    secrets: Secrets
    database: DatabaseUrls
    parent: Mapping[str, str]
    sip_host: str = _HOST

    @property
    def api_url(self) -> str:
        """Where the control plane is reached."""
        return f"http://{_HOST}:{self.ports['control_plane']}"

    @property
    def livekit_url(self) -> str:
        """Where livekit-server is reached."""
        return f"ws://{_HOST}:{self.ports['livekit']}"

    @property
    def webhook_url(self) -> str:
        """Where livekit-server sends its webhooks."""
        return f"{self.api_url}/livekit/webhook"

    @property
    def has_own_models(self) -> bool:
        """Whether the offline model server is used: the person named no other."""
        return not self.parent.get("PARLEY_MODELS_URL")

    @property
    def models_url(self) -> str:
        """The OpenAI-compatible server that personas use."""
        return self.parent.get("PARLEY_MODELS_URL") or f"http://{_HOST}:{self.ports['models']}/v1"

    def migrate(self) -> tuple[list[str], dict[str, str]]:
        """Return command and environment of the migrations, which run as the database's owner."""
        return python("control_plane", "migrate"), self._environment({"PARLEY_DATABASE_URL": self.database.owner})

    def seed(self) -> tuple[list[str], dict[str, str]]:
        """Return command and environment of the step that makes the demo project."""
        secrets = self.secrets
        return python("parley.seed"), self._environment(
            self._control_plane(),
            self._models(),
            {
                "PARLEY_SEED_API_KEY": secrets.api_key,
                "PARLEY_SEED_API_SECRET": secrets.api_secret,
                "PARLEY_SEED_ACCOUNT_EMAIL": secrets.account_email,
                "PARLEY_SEED_ACCOUNT_PASSWORD": secrets.account_password,
                "PARLEY_SEED_CARRIER": self.phone_address,
            },
        )

    def models(self) -> Child:
        """Return the offline model server."""
        port = self.ports["models"]

        async def answers() -> bool:
            return await probes.http_status(port, "/v1/models") == 200

        return Child(
            name="models",
            command=python("parley.offline", "--host", _HOST, "--port", str(port)),
            environment=self._environment({}),
            ready=answers,
            start_within=_STARTS_WITHIN,
        )

    def control_plane(self) -> Child:
        """Return the control plane: HTTP, monitor sockets, the uplink."""
        port = self.ports["control_plane"]

        async def answers() -> bool:
            return await probes.http_status(port, "/health/ready") == 200

        return Child(
            name="control_plane",
            command=python("control_plane", "serve"),
            environment=self._environment(
                self._control_plane(),
                self._models(),
                {
                    "PARLEY_HOST": _HOST,
                    "PARLEY_PORT": str(port),
                    "PARLEY_PUBLIC_URL": self.api_url,
                    "PARLEY_ADMIN_KEY": self.secrets.admin_key,
                    "PARLEY_STOP_NOTICE": "0",  # nobody stands in front of it
                    **self._traces(),
                },
            ),
            ready=answers,
            after=("postgres", "migrations", "redis", "livekit", "models"),
            start_within=_STARTS_WITHIN,
            stop_within=4.0,
            stop_signals=(signal.SIGTERM, signal.SIGINT),  # the second makes uvicorn drop what is still open
        )

    def jobs(self) -> Child:
        """Return the process of the sequencer, the supervisor, the reconciler and the job table."""
        ready_file = self.directory.run / "jobs.ready"
        return Child(
            name="jobs",
            command=python("control_plane", "jobs"),
            environment=self._environment(
                self._control_plane(),
                self._models(),
                {"PARLEY_PUBLIC_URL": self.api_url, "PARLEY_READY_FILE": str(ready_file), **self._metrics("jobs")},
            ),
            ready=ready_file_exists(ready_file),
            prepare=lambda: ready_file.unlink(missing_ok=True),
            after=("postgres", "migrations", "redis", "livekit", "models"),
            start_within=_STARTS_WITHIN,
            stop_within=4.0,
        )

    def knowledge(self) -> Child:
        """Return the process that searches the knowledge bases for the calls of this machine."""
        path = self._knowledge_socket

        async def answers() -> bool:
            return await probes.socket_accepts(path)

        return Child(
            name="knowledge",
            command=python("knowledge", "serve"),
            environment=self._environment(
                self._models(),
                {
                    "PARLEY_KNOWLEDGE_DATABASE_URL": self.database.knowledge,
                    "PARLEY_KNOWLEDGE_SOCKET": str(path),
                    "PARLEY_WORKER_TOKEN": self.secrets.worker_token,
                },
            ),
            ready=answers,
            after=("postgres", "migrations"),
            start_within=_STARTS_WITHIN,
        )

    def worker(self) -> Child:
        """Return the worker, which answers the calls."""
        ready_file = self.directory.run / "worker.ready"
        return Child(
            name="worker",
            command=python("agents"),
            environment=self._environment(
                self._livekit(),
                self._models(),
                {
                    "PARLEY_WORKER_TOKEN": self.secrets.worker_token,
                    "PARLEY_CONTROL_PLANE_URL": self.api_url,
                    "PARLEY_KNOWLEDGE_SOCKET": str(self._knowledge_socket),
                    "PARLEY_SPOOL_DIR": str(self.directory.spool),
                    "PARLEY_MAX_CALLS": self.parent.get("PARLEY_MAX_CALLS") or _DEFAULT_CALLS,
                    "PARLEY_DRAIN_TIMEOUT": "4",
                    **{name: self.parent[name] for name in _OF_WORKERS if self.parent.get(name)},
                    **self._traces(),
                    **self._metrics("worker"),
                    "PARLEY_READY_FILE": str(ready_file),
                },
            ),
            ready=ready_file_exists(ready_file),
            prepare=lambda: ready_file.unlink(missing_ok=True),
            # Its imports are the longest of all, so it starts beside those that it reports to at the end.
            after=("livekit",),
            outlived_by=("control_plane", "jobs", "knowledge", "models"),
            start_within=3 * _STARTS_WITHIN,  # ready when the models and then the control plane are, and itself
            stop_within=13.0,  # the drain, and two seconds each to hand calls on and to bury them, and five to report
        )

    def bots(self) -> Child:
        """Return the bot host, which sends bots into meetings."""
        ready_file = self.directory.run / "bots.ready"
        return Child(
            name="bots",
            command=python("agents", "bots"),
            environment=self._environment(
                self._models(),
                {
                    "PARLEY_LIVEKIT_URL": self.livekit_url,
                    "PARLEY_WORKER_TOKEN": self.secrets.worker_token,
                    "PARLEY_CONTROL_PLANE_URL": self.api_url,
                    "PARLEY_SPOOL_DIR": str(self.directory.bots_spool),
                    "PARLEY_OUTBOUND_ALLOW": _LOOPBACK,
                    **{name: self.parent[name] for name in _OF_BOTS if self.parent.get(name)},
                    **self._metrics("bots"),
                    "PARLEY_READY_FILE": str(ready_file),
                },
            ),
            ready=ready_file_exists(ready_file),
            prepare=lambda: ready_file.unlink(missing_ok=True),
            after=("livekit",),
            outlived_by=("control_plane", "jobs", "models"),
            start_within=3 * _STARTS_WITHIN,  # as the worker
            stop_within=8.0,  # to leave rooms, and to write down what was just said
        )

    def phone(self) -> Child:
        """Return the phone that answers calls out of this machine's demo line."""
        ports = self.ports["phone"], self.ports["phone_rtp"]

        async def answers() -> bool:
            return not is_free(ports[0], transport="udp")

        return Child(
            name="phone",
            command=python("parley.demo.telephone", "--port", str(ports[0]), "--rtp-first", str(ports[1])),
            environment=self._environment({}),
            ready=answers,
            start_within=_STARTS_WITHIN,
        )

    def pocket(self, service: str) -> tuple[list[str], dict[str, str]]:
        """Return command and environment of one of LiveKit's services in its pocket edition, without settings."""
        closed = ",".join(map(str, closed_networks(parse_networks(_LOOPBACK))))
        return python("pocket", service), self._environment({f"POCKET_{service.upper()}_CLOSED": closed})

    @property
    def phone_address(self) -> str:
        """Where the answering phone is called."""
        return f"{_HOST}:{self.ports['phone']}"

    @property
    def sip_address(self) -> str:
        """Where phones call, as host and port; UDP and TCP."""
        return f"{self.sip_host}:{self.ports['sip']}"

    @property
    def _knowledge_socket(self) -> Path:
        return self.directory.run / "knowledge.sock"

    def _livekit(self) -> dict[str, str]:
        return {
            "PARLEY_LIVEKIT_URL": self.livekit_url,
            "PARLEY_LIVEKIT_PUBLIC_URL": self.livekit_url,
            "PARLEY_LIVEKIT_API_KEY": self.secrets.livekit_api_key,
            "PARLEY_LIVEKIT_API_SECRET": self.secrets.livekit_api_secret,
        }

    def _models(self) -> dict[str, str]:
        chosen = {name: self.parent[name] for name in PASSED_ON if self.parent.get(name)}
        offline = OFFLINE_MODELS if self.has_own_models else {}
        return {**offline, **chosen, "PARLEY_MODELS_URL": self.models_url}

    def _control_plane(self) -> dict[str, str]:
        return {
            **self._livekit(),
            "PARLEY_DATABASE_URL": self.database.app,
            "PARLEY_REDIS_URL": f"redis://:{self.secrets.redis_password}@{_HOST}:{self.ports['redis']}/0",
            "PARLEY_SECRET_KEY": self.secrets.secret_key,
            "PARLEY_WORKER_TOKEN": self.secrets.worker_token,
            "PARLEY_WEBHOOK_ALLOW": _LOOPBACK,
            "PARLEY_RECORDINGS_URL": self.directory.recordings.as_uri(),
            **{name: self.parent[name] for name in _OWN_SETTINGS if name in self.parent},
        }

    def _traces(self) -> dict[str, str]:
        return {name: self.parent[name] for name in _OF_TRACES if self.parent.get(name)}

    def _metrics(self, process: str) -> dict[str, str]:
        first = self.parent.get("PARLEY_METRICS_PORT", "")
        return {"PARLEY_METRICS_PORT": str(int(first) + METRICS_PORTS[process])} if first.isdecimal() else {}

    def _environment(self, *parts: Mapping[str, str]) -> dict[str, str]:
        environment = {
            "PATH": self.parent.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
            "HOME": self.parent.get("HOME", "/"),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",  # so that a log's last lines are there when a child dies
            "PYTHONSAFEPATH": "1",  # nothing is imported from the working directory
            "PARLEY_ENVIRONMENT": "development",
        }
        for part in parts:
            environment.update(part)
        return environment
