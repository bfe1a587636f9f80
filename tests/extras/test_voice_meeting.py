"""A voice of another house in a meeting of the running platform: heard where it answers, replaced where it does not."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest

from tests.e2e.conftest import RunningPlatform, start_platform
from tests.e2e.test_meeting import SCENARIO, until
from tests.support.houses import TONES, Houses, open_houses
from tests.support.rooms import RATE, somebody

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300), pytest.mark.filterwarnings("default")]

PORT = 18_895
HELLO = "Welcome to the pharmacy."


@pytest.fixture
async def houses() -> AsyncIterator[Houses]:
    async with open_houses(PORT) as running:
        yield running


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    """A platform whose operator has a key of Cartesia, and whose models and providers are all at the stand-in."""
    providers = ("elevenlabs", "cartesia")
    settings = {
        "PARLEY_MODELS_URL": f"http://127.0.0.1:{PORT}/v1",
        "PARLEY_MODELS_API_KEY": "operators-openai",
        "PARLEY_STT_REALTIME": "false",
        "PARLEY_PROVIDER_URLS": json.dumps(dict.fromkeys(providers, f"http://127.0.0.1:{PORT}")),
        "PARLEY_PROVIDER_KEYS": json.dumps({"cartesia": "operators-cartesia"}),
        "PARLEY_VOICE_PROVIDERS": json.dumps(["cartesia"]),
    }
    with pytest.MonkeyPatch.context() as environment:
        for name, value in settings.items():
            environment.setenv(name, value)
        with start_platform(tmp_path_factory.mktemp("voices"), port=18860) as platform:
            yield platform


async def hear(running: RunningPlatform, **fields: object) -> tuple[int, dict[str, object], list[str]]:
    """The strongest tone of the greeting in Hertz, the meeting afterwards, and the system's lines of its transcript."""
    with running.client() as client:
        scenario = client.post("/scenarios", json=SCENARIO).json()["scenario"]
        body = {"name": "Ada", "scenario_id": scenario["id"], "welcome_message": HELLO} | fields
        made = client.post("/meetings", json=body)
        assert made.status_code == 201, made.text
        meeting = made.json()["meeting"]
        async with somebody(made.json()["livekit_url"], made.json()["room_token"]) as person:
            identity = f"agent-{meeting['agent_id']}"
            sound = await listen(person.heard, identity)
        ended = await until(client, f"/meetings/{meeting['id']}", "meeting", status="completed")
        lines = client.get(f"/sessions/{ended['session_id']}/transcript").json()["transcripts"]
    spectrum = np.abs(np.fft.rfft(sound))
    system = [line["content"] for line in lines if line["speaker"] == "system"]
    return round(float(np.argmax(spectrum)) * RATE / len(sound) / 100) * 100, ended, system


async def listen(heard: dict[str, list[np.ndarray]], identity: str) -> np.ndarray:
    """A fifth of a second of what somebody says, from their first sound on."""
    async with asyncio.timeout(60):
        while True:
            frames = heard.get(identity, [])
            loud = [frame for frame in frames if np.abs(frame).max(initial=0) > 1000]
            if sum(map(len, loud)) >= RATE // 5:
                return np.concatenate(loud)
            await asyncio.sleep(0.05)


async def test_a_meeting_speaks_with_the_voice_of_the_projects_own_key(
    running: RunningPlatform, houses: Houses
) -> None:
    with running.client() as client:
        project = client.get("/projects").json()["projects"][0]["id"]
        path = f"/projects/{project}/provider-credentials/elevenlabs"
        assert client.put(path, json={"api_key": "own-elevenlabs"}).status_code == 200
    pitch, meeting, system = await hear(running, use_own_keys=True, voice_provider="elevenlabs", voice_id="Voice-1")
    assert (pitch, meeting["voice_provider_used"], system) == (TONES["elevenlabs"], "elevenlabs", [])
    asked = {(each.key, each.path.split("/")[3]) for each in houses.of("elevenlabs")}
    assert asked == {("own-elevenlabs", "Voice-1")}
    assert HELLO not in str(houses.of("openai")), "it only keeps sentences ready for when no voice answers"
    logs = [path.read_text() for path in running.ready_file.parent.rglob("*.log")]
    assert any("call ended" in log for log in logs)
    assert not any("own-elevenlabs" in log for log in logs)


async def test_a_meeting_whose_voice_does_not_answer_goes_on_with_the_personas_own(
    running: RunningPlatform, houses: Houses
) -> None:
    houses.away.add("cartesia")
    pitch, meeting, system = await hear(running, voice_provider="cartesia")
    assert pitch == TONES["openai"]
    assert (meeting["voice_provider"], meeting["voice_provider_used"]) == ("cartesia", "openai")
    assert system == ["openai speaks from here on. cartesia: it does not answer."]
