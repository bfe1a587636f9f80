"""The models of a persona: OpenAI's protocol at the operator's server, and voices and recognition of other houses.

What was asked for and cannot be had, or fails, is replaced by the next of its kind, last of all by the server's own;
each change is told. All of a kind are one chain, which waits for none of them for longer than it may take.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, cast, get_args

import httpx2
import openai
import structlog
from livekit.agents import llm, stt, tts
from livekit.agents.types import NOT_GIVEN, APIConnectOptions
from livekit.agents.utils import http_context
from livekit.plugins import openai as plugin

from agents.attempts import ONCE, Limits
from agents.breaker import Breakers
from agents.calling import ModelChoice, PersonaJob, Provider
from agents.chains import Chain, Member, Service, Tell, changed
from agents.contract import ProviderChanged
from agents.noted import FaultSeen
from agents.providers import HOMES, Access, NotToBeHadError, build_recognition, build_voice
from agents.recognisers import Recognisers
from agents.replies import Replies
from agents.searching import build_search
from agents.settings import WorkerSettings
from agents.speech import SpeechFinder
from agents.voices import Voices
from guard.outbound import Outbound

TRIES = APIConnectOptions(max_retry=1, retry_interval=0.3, timeout=5.0)
"""Of what is asked outside of a turn. In a turn nobody is asked twice in a row: see `attempts.py`."""
THINKS = 30.0
"""Seconds for a model that thinks before its first word."""
LOOKS = 10.0
"""Seconds for a model that is shown a picture."""
MIN_SILENCE = 0.12
"""Seconds of silence that recognition needs to call a phrase finished."""
SENTENCE_SILENCE = 0.25
"""Seconds of silence that end a sentence, for recognition that takes sentences."""
HOUSE: Final = "openai"
"""The provider that is the operator's own server."""

Built = tuple[str, Any, str]
"""A model, its provider's or its own name, and what else it is known by to the breaker."""

log = structlog.get_logger()


def build_client(settings: WorkerSettings) -> openai.AsyncOpenAI:
    """One HTTP client for all models of a process: connections and TLS are set up once."""
    key = settings.models_api_key.get_secret_value() or "unset"
    return _client(key, settings.models_url, calls=settings.calls_per_process)


def _client(api_key: str, url: str | None, *, calls: int = 1) -> openai.AsyncOpenAI:
    limits = httpx2.Limits(max_connections=50 * calls, max_keepalive_connections=8 * calls, keepalive_expiry=600)
    # The certificates of all authorities are read once for a process; which takes 40 ms, and a megabyte.
    http = httpx2.AsyncClient(timeout=30, limits=limits, verify=http_context._create_ssl_context())
    return openai.AsyncOpenAI(api_key=api_key, base_url=url, max_retries=0, http_client=http)


class Models:
    """Recognition, answers and speech for one persona. Close them."""

    def __init__(
        self, settings: WorkerSettings, job: PersonaJob, client: openai.AsyncOpenAI, outbound: Outbound
    ) -> None:
        self.settings, self.job, self.outbound = settings, job, outbound
        self.changes: list[ProviderChanged | FaultSeen] = []
        """What cannot be had from the beginning."""
        self._tell: Tell = self.changes.append
        self._breakers = Breakers(settings.spool_dir / "breakers")
        own = job.keys.get(HOUSE)
        url = settings.provider_urls.get(HOUSE, HOMES[HOUSE]).rstrip("/")
        self._own = _client(own.api_key, f"{url}/v1") if own else None
        self._client = client
        self.stt = self._recognition()
        self.llm = self._answers()
        self.tts = self._voices()
        self.pictures: Replies | None = None
        """Answers turns with a picture, where that is another one's work."""
        if job.powers.gpt_vision and settings.vision_model:
            sees = plugin.LLM(model=settings.vision_model, client=self._client_of(job.llm))
            members = self._members("llm", [(settings.vision_model, sees, self._whose(job.llm))])
            self.pictures = Replies(members, replace(self._limits("llm"), last=LOOKS), self._told)
            # The session knows one model, and listens to its errors alone.
            self.pictures.on("error", lambda error: self.llm.emit("error", error))

    @property
    def counted(self) -> list[Any]:
        """What is billed."""
        return [model for model in (self.stt, self.llm, self.tts, self.pictures) if model is not None]

    @property
    def tools(self) -> list[llm.Tool]:
        """What the model may use besides what the persona may do."""
        if not self.job.powers.web_search or not self.settings.search_url:
            return []
        return [build_search(self.outbound, self.settings.search_url, self.job.language)]

    @property
    def thinks(self) -> bool:
        """Whether an answer may take long."""
        return self.job.powers.deep_thinking

    def on_change(self, tell: Tell) -> None:
        """Call this when another model takes over or makes a fault good, and now with what could not be had."""
        self._tell = tell
        while self.changes:
            tell(self.changes.pop(0))

    async def close(self) -> None:
        """Leave no model that is being tried, and no connection of the project's own."""
        for each in self.counted:
            cast("Chain[Any]", each.chain).leave()
        if self._own is not None:
            await self._own.close()

    def _recognition(self) -> Recognisers:
        choices = [self.job.stt, *self.job.fallbacks.stt]
        built = self._build("stt", choices, self._house_recognition, build_recognition)
        built = [(name, _streaming(model), whose) for name, model, whose in built]
        return Recognisers(self._members("stt", built), self._limits("stt"), self._told)

    def _voices(self) -> Voices:
        built = self._build("tts", [self.job.tts, *self.job.fallbacks.tts], self._house_voice, build_voice)
        return Voices(self._members("tts", built), self._limits("tts"), self._told)

    def _answers(self) -> Replies:
        choices = [self.job.llm, *self.job.fallbacks.llm]
        built: list[Built] = [
            (choice.model or choice.provider or HOUSE, self._house_answers(choice), self._whose(choice))
            for choice in choices
        ]
        return Replies(self._members("llm", built), self._limits("llm"), self._told)

    def _members(self, service: Service, built: Sequence[Built]) -> list[Member[Any]]:
        return [
            Member(name, model, self._breakers.of(service, name, f"{model.model}\n{whose}"))
            for name, model, whose in built
        ]

    def _limits(self, service: Service) -> Limits:
        settings = self.settings
        match service:
            case "llm" if self.thinks:
                return Limits(THINKS, settings.llm_next_within, THINKS)
            case "llm":
                return Limits(settings.llm_first_within, settings.llm_next_within, settings.last_within)
            case "tts":
                return Limits(settings.tts_first_within, settings.tts_next_within, settings.last_within)
        return Limits(ONCE.timeout, ONCE.timeout, ONCE.timeout)  # recognition has no first piece that could be late

    def _whose(self, choice: ModelChoice) -> str:
        """What tells apart models of one name: their server, and the key they are asked with, as far as it matters."""
        named = choice.provider if choice.provider in get_args(Provider) else None
        own = self.job.keys.get(named or HOUSE)
        secret = own.api_key if own else ""
        return "\n".join([self.settings.models_url or "", *self.settings.provider_urls.values(), secret])

    def _told(self, change: ProviderChanged | FaultSeen) -> None:
        self._tell(change)

    def _build(
        self,
        service: Service,
        choices: Sequence[ModelChoice],
        house: Callable[[ModelChoice], Any],
        elsewhere: Callable[..., Any],
    ) -> list[Built]:
        """Whatever of the choices can be had, and the server's own at the end."""
        built: list[Built] = []
        missing: list[tuple[str, str]] = []
        has_house = False
        for choice in choices:
            try:
                access = self._access(choice.provider)
                made = elsewhere(choice, self.job.language, access, self.outbound.http) if access else house(choice)
                has_house = has_house or access is None
                built.append((choice.provider or HOUSE, made, self._whose(choice)))
            except (NotToBeHadError, ValueError) as error:  # the latter of a plugin that does not take what was chosen
                missing.append((choice.provider or HOUSE, str(error)))
        if not has_house:
            built.append((HOUSE, house(ModelChoice()), self._whose(ModelChoice())))
        for wanted, reason in missing:
            self._changed(service, wanted, built[0][0], reason)
        return built

    def _access(self, provider: str | None) -> Access | None:
        """How a provider is reached: None for the operator's own server, which any name stands for that is not known.

        Raises `NotToBeHadError` where there is no key.
        """
        if provider is None or provider == HOUSE or provider not in get_args(Provider):
            return None
        known = cast("Provider", provider)
        url = self.settings.provider_urls.get(known, HOMES.get(known, "")).rstrip("/")
        own, operators = self.job.keys.get(known), self.settings.provider_keys.get(known)
        if own is not None:
            return Access(known, own.api_key, url, own.region)
        if operators is None:
            raise NotToBeHadError(f"{provider} has no key here")
        return Access(known, operators.get_secret_value(), url, self.settings.azure_region)

    def _changed(self, service: Service, wanted: str, used: str, reason: str) -> None:
        log.warning("provider changed", session=self.job.session_id, service=service, wanted=wanted, used=used)
        self._tell(changed(service, wanted, used, reason))

    def _client_of(self, choice: ModelChoice) -> openai.AsyncOpenAI:
        is_own = self._own is not None and choice.provider in (None, HOUSE)
        return self._own if is_own and self._own else self._client

    def _default(self, choice: ModelChoice, name: str) -> str:
        """A model's name where none was asked for: with the project's own key, what OpenAI has."""
        is_own = self._client_of(choice) is self._own
        return str(WorkerSettings.model_fields[name].default if is_own else getattr(self.settings, name))

    def _house_recognition(self, choice: ModelChoice) -> stt.STT[Any]:
        silence = round(max(MIN_SILENCE, self.job.turn_taking.vad_min_silence) * 1000)
        return plugin.STT(
            model=choice.model or self._default(choice, "stt_model"),
            language=self.job.language.split("-")[0],
            client=self._client_of(choice),
            use_realtime=self.settings.stt_realtime,
            # The realtime socket finds the end of speech by itself; what it waits for is lost to the answer.
            turn_detection={
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": silence,
            },
        )

    def _house_answers(self, choice: ModelChoice) -> llm.LLM[Any]:
        thinks = self.job.powers.deep_thinking and choice is self.job.llm
        thinking, effort = (self.settings.thinking_model, self.settings.thinking_effort) if thinks else (None, None)
        temperature = self.job.llm.temperature if choice.temperature is None else choice.temperature
        return plugin.LLM(
            model=thinking or choice.model or self._default(choice, "llm_model"),
            client=self._client_of(choice),
            temperature=NOT_GIVEN if temperature is None or thinks else temperature,  # models that think take none
            reasoning_effort=effort or NOT_GIVEN,
        )

    def _house_voice(self, choice: ModelChoice) -> tts.TTS[Any]:
        return plugin.TTS(
            model=choice.model or self._default(choice, "tts_model"),
            voice=choice.voice or self._default(choice, "tts_voice"),
            response_format=self.settings.tts_format,
            client=self._client_of(choice),
        )


def _streaming(model: stt.STT[Any]) -> stt.STT[Any]:
    if model.capabilities.streaming:
        return model
    return stt.StreamAdapter(stt=model, vad=SpeechFinder(min_silence=SENTENCE_SILENCE))
