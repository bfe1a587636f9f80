"""Voices and recognition of other houses by LiveKit's plugins: what goes over the wire, and who speaks if they fail."""

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import stt, tts

from agents.calling import ModelChoice, ProviderKey
from agents.contract import ProviderChanged
from agents.models import TRIES, Models
from tests.support.houses import RATE, TONES, Houses, open_houses
from tests.unit.agents.test_models import job, models_of, only_changes

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120), pytest.mark.filterwarnings("default")]

TEXT = "Tickets at Smith & Sons cost less than < ten > dollars."
KEYS = {name: ProviderKey(api_key=f"own-{name}", region="westeurope") for name in ("elevenlabs", "azure", "cartesia")}


@pytest.fixture
async def houses() -> AsyncIterator[Houses]:
    async with open_houses() as running:
        yield running


def at(houses: Houses, *names: str) -> dict[str, Any]:
    """Settings of a worker that reaches these at the stand-in, with the operator's keys."""
    return {
        "provider_urls": dict.fromkeys(names, houses.url),
        "provider_keys": {name: f"operators-{name}" for name in names},
        "azure_region": "westeurope",
    }


async def spoken(models: Models, text: str = TEXT) -> np.ndarray:
    """What is said, as the session has it said: streamed where the voice can."""
    voice = models.tts if models.tts.capabilities.streaming else tts.StreamAdapter(tts=models.tts)
    async with voice.stream(conn_options=TRIES) as stream:
        stream.push_text(text)
        stream.end_input()
        frames = [audio.frame async for audio in stream]
    assert {frame.sample_rate for frame in frames} == {RATE}
    return np.concatenate([np.frombuffer(frame.data, "<i2") for frame in frames])


def pitch(sound: np.ndarray) -> int:
    """The strongest tone in Hertz, to the nearest hundred."""
    spectrum = np.abs(np.fft.rfft(sound))
    return round(float(np.argmax(spectrum)) * RATE / len(sound) / 100) * 100


@pytest.mark.parametrize("provider", ["elevenlabs", "azure", "cartesia"])
@pytest.mark.parametrize("own", [False, True])
async def test_a_voice_is_asked_for_by_its_id_with_the_right_key(houses: Houses, provider: str, own: bool) -> None:
    wanted = job(tts=ModelChoice(provider=provider, voice="Voice-1"), keys=KEYS if own else {}, language="de-AT")
    async with models_of(houses, wanted, **at(houses, provider)) as models:
        assert models.changes == []
        sound = await spoken(models)
    assert pitch(sound) == TONES[provider]
    assert {asked.key for asked in houses.asked} == {f"own-{provider}" if own else f"operators-{provider}"}
    asked = houses.of(provider)[-1]
    match provider:
        case "elevenlabs":
            assert asked.path == "/v1/text-to-speech/Voice-1/multi-stream-input"
            assert (asked.query["language_code"], asked.query["output_format"]) == ("de", "pcm_24000")
            said = "".join(packet.get("text", "") for packet in asked.said)
            assert " ".join(said.split()) == TEXT
        case "cartesia":
            assert asked.path == "/tts/websocket"
            first = asked.said[0]
            assert first["voice"] == {"mode": "id", "id": "Voice-1"}
            assert (first["language"], first["output_format"]["sample_rate"]) == ("de", RATE)
            assert " ".join("".join(packet["transcript"] for packet in asked.said).split()) == TEXT
        case "azure":
            assert [name for each in houses.of("azure") for name, _ in each.said] == ["Voice-1"] * len(houses.asked)
            assert " ".join(text for each in houses.of("azure") for _, text in each.said) == TEXT


@pytest.mark.parametrize("provider", ["elevenlabs", "azure", "cartesia"])
async def test_a_voice_that_does_not_answer_gives_way_to_the_personas_own(houses: Houses, provider: str) -> None:
    told: list[ProviderChanged] = []
    houses.away.add(provider)
    wanted = job(tts=ModelChoice(provider=provider, voice="v"))
    async with models_of(houses, wanted, **at(houses, provider)) as models:
        models.on_change(only_changes(told))
        sound = await spoken(models, "Good morning.")
    assert pitch(sound) == TONES["openai"]
    assert [(change.wanted, change.used, change.reason) for change in told] == [
        (provider, "openai", "it does not answer")
    ]


async def test_an_id_of_a_voice_is_no_way_to_other_addresses_or_markup(houses: Houses) -> None:
    for provider, voice in (("elevenlabs", "../../v1/user?x="), ("azure", '"/><break time="9s"/><voice name="x')):
        wanted = job(tts=ModelChoice(provider=provider, voice=voice))
        async with models_of(houses, wanted, **at(houses, provider)) as models:
            await spoken(models, "Good morning.")
    (eleven,) = houses.of("elevenlabs")
    assert eleven.path.startswith("/v1/text-to-speech/")
    assert eleven.path.endswith("/multi-stream-input")
    assert [name for each in houses.of("azure") for name, _ in each.said] == ['"/><break time="9s"/><voice name="x']


async def test_a_provider_in_a_closed_network_is_not_reached(houses: Houses) -> None:
    told: list[ProviderChanged] = []
    wanted = job(tts=ModelChoice(provider="cartesia", voice="v"))
    async with models_of(houses, wanted, allow="", **at(houses, "cartesia")) as models:
        models.on_change(only_changes(told))
        assert pitch(await spoken(models, "Good morning.")) == TONES["openai"]
    assert houses.of("cartesia") == []
    assert [change.wanted for change in told] == ["cartesia"]


async def test_speech_is_recognised_by_deepgram(houses: Houses) -> None:
    wanted = job(stt=ModelChoice(provider="deepgram", model="nova-3"), language="en")
    async with models_of(houses, wanted, **at(houses, "deepgram")) as models:
        stream = models.stt.stream(conn_options=TRIES)
        frame = rtc.AudioFrame(b"\0\0" * 16_000, 16_000, 1, 16_000)
        stream.push_frame(frame)
        stream.flush()
        stream.end_input()
        words = [
            event.alternatives[0].text async for event in stream if event.type == stt.SpeechEventType.FINAL_TRANSCRIPT
        ]
        await stream.aclose()
    assert words == ["two tickets please"]
    (asked,) = houses.of("deepgram")
    assert (asked.key, asked.path) == ("operators-deepgram", "/v1/listen")
    assert (asked.query["model"], asked.query["language"], asked.query["encoding"]) == ("nova-3", "en", "linear16")
    assert asked.said[-1] == "CloseStream"


async def test_recognition_that_does_not_answer_gives_way_to_the_servers_own(houses: Houses) -> None:
    told: list[ProviderChanged] = []
    houses.away.add("deepgram")
    wanted = job(stt=ModelChoice(provider="deepgram"))
    async with models_of(houses, wanted, **at(houses, "deepgram"), stt_realtime=False) as models:
        models.on_change(only_changes(told))
        heard = await models.stt.recognize(rtc.AudioFrame(b"\0\0" * 16_000, 16_000, 1, 16_000), conn_options=TRIES)
        await models.stt.aclose()
    assert heard.alternatives[0].text == "three tickets please"
    assert [(change.service, change.wanted, change.used) for change in told] == [("stt", "deepgram", "openai")]


async def test_what_a_plugin_does_not_take_is_left_out(houses: Houses, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("no such model")

    monkeypatch.setattr("livekit.plugins.deepgram.STT", refuse)
    told: list[ProviderChanged] = []
    async with models_of(houses, job(stt=ModelChoice(provider="deepgram")), **at(houses, "deepgram")) as models:
        models.on_change(told.append)
    assert [(change.wanted, change.used, change.reason) for change in told] == [("deepgram", "openai", "no such model")]
