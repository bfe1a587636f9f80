"""Voices and recognition of other houses, by LiveKit's plugins: optional packages, imported when one is asked for."""

import importlib
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import escape

import aiohttp
from livekit.agents import stt, tts

from agents.calling import ModelChoice, Provider

HOMES: Final[dict[Provider, str]] = {
    "cartesia": "https://api.cartesia.ai",
    "deepgram": "https://api.deepgram.com",
    "elevenlabs": "https://api.elevenlabs.io",
    "openai": "https://api.openai.com",
}
"""Where providers are unless the settings say otherwise. Azure's depends on the region."""
REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
SAMPLE_RATE: Final = 24_000
"""Of all voices, so that one can take over from another."""


class NotToBeHadError(Exception):
    """A provider that cannot be used here; its text says what is missing."""


@dataclass(frozen=True, slots=True)
class Access:
    """How a provider is reached in one call."""

    provider: Provider
    api_key: str
    url: str
    region: str = ""

    def __repr__(self) -> str:
        return f"Access({self.provider})"


def plugin(provider: Provider) -> Any:
    """LiveKit's plugin of a provider, on the main thread alone. Raises `NotToBeHadError` where it is not installed."""
    try:
        return importlib.import_module(f"livekit.plugins.{provider}")
    except (ImportError, OSError) as error:  # the latter of native code that does not fit the machine
        raise NotToBeHadError(
            f"livekit-plugins-{provider} is not installed on the worker: pip install 'parley[voices]'"
        ) from error


def build_voice(choice: ModelChoice, language: str, access: Access, http: aiohttp.ClientSession) -> tts.TTS[Any]:
    """A voice of another house. Raises `NotToBeHadError`."""
    made = plugin(access.provider)
    asked = {"model": choice.model, "voice": choice.voice}
    match access.provider:
        case "elevenlabs":
            voice_id = quote(choice.voice, safe="") if choice.voice else None  # it becomes a part of an address
            return made.TTS(  # type: ignore[no-any-return]
                **_given(model=choice.model and quote(choice.model, safe=""), voice_id=voice_id),
                language=language.split("-")[0],
                encoding="pcm_24000",
                api_key=access.api_key,
                base_url=f"{access.url}/v1",
                http_session=http,
            )
        case "cartesia":
            return made.TTS(  # type: ignore[no-any-return]
                **_given(**asked),
                language=language.split("-")[0],
                sample_rate=SAMPLE_RATE,
                api_key=access.api_key,
                base_url=access.url,
                http_session=http,
            )
        case "azure":
            voice = made.TTS(
                **_given(voice=choice.voice and escape(choice.voice, {'"': "&quot;"})),
                language=language,
                sample_rate=SAMPLE_RATE,
                speech_key=access.api_key,
                speech_region=access.region,
                speech_endpoint=_azure(access),
                http_session=http,
            )
            voice.synthesize = _escaping(voice.synthesize)
            return voice  # type: ignore[no-any-return]
    raise NotToBeHadError(f"{access.provider} has no voices")


def build_recognition(choice: ModelChoice, language: str, access: Access, http: aiohttp.ClientSession) -> stt.STT[Any]:
    """Recognition of another house. Raises `NotToBeHadError`."""
    if access.provider != "deepgram":
        raise NotToBeHadError(f"{access.provider} is not used for recognition")
    return plugin("deepgram").STT(  # type: ignore[no-any-return]
        **_given(model=choice.model),
        language=language,
        api_key=access.api_key,
        base_url=f"{access.url}/v1/listen",
        http_session=http,
    )


def _azure(access: Access) -> str:
    if access.url:
        return f"{access.url}/cognitiveservices/v1"
    if not REGION.fullmatch(access.region):
        raise NotToBeHadError("the key of azure needs its region")
    return f"https://{access.region}.tts.speech.microsoft.com/cognitiveservices/v1"


def _escaping(synthesize: Any) -> Any:
    """The plugin puts the text into its markup as it is."""

    def safely(text: str, **options: Any) -> Any:
        return synthesize(escape(text), **options)

    return safely


def _given(**options: str | None) -> dict[str, str]:
    return {name: value for name, value in options.items() if value}
