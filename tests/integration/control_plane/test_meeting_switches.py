"""The AI switches of a meeting over HTTP: refused without what they need, and in the job of its worker with it."""

from typing import Any

import pytest

from agents.calling import ModelChoice, PersonaJob, Powers
from tests.integration.control_plane.test_meetings import hold, make_meeting, make_scenario
from tests.support.platform import Platform, Tenant
from tests.support.uplink import worker

pytestmark = pytest.mark.anyio

SWITCHES = ("deep_thinking", "live_vision", "gpt_vision", "web_search")
ALL: dict[str, Any] = {
    "thinking_effort": "high",
    "seeing_models": ["gpt-4o-mini"],
    "vision_model": "gpt-4o",
    "search_url": "http://127.0.0.1:8888",
    "voice_providers": ["cartesia"],
}


def give(platform: Platform, **settings: Any) -> None:
    """Run on with other settings."""
    platform.app.state.settings = platform.settings.model_copy(update=settings)


async def store(tenant: Tenant, provider: str, key: str = "own-key", **fields: str) -> None:
    path = f"/projects/{tenant.project.id}/provider-credentials/{provider}"
    assert (await tenant.http.put(path, json={"api_key": key} | fields)).status_code == 200


async def job_of(platform: Platform, made: dict[str, Any]) -> PersonaJob:
    return PersonaJob.model_validate((await hold(platform, made))["job"])


@pytest.mark.parametrize(
    ("switch", "told"),
    [
        ("deep_thinking", "PARLEY_THINKING_EFFORT"),
        ("live_vision", "PARLEY_SEEING_MODELS"),
        ("gpt_vision", "PARLEY_VISION_MODEL"),
        ("web_search", "PARLEY_SEARCH_URL"),
        ("use_own_keys", "provider-credentials"),
    ],
)
async def test_a_switch_without_what_it_needs_is_refused_with_what_to_set(
    tenant: Tenant, switch: str, told: str
) -> None:
    scenario = await make_scenario(tenant)
    body = {"name": "Ada", "scenario_id": scenario["id"], switch: True}
    answer = await tenant.http.post("/meetings", json=body)
    assert answer.status_code == 400
    (problem,) = answer.json()["details"]["fields"]
    assert problem["field"] == switch
    assert told in problem["problem"]
    assert (await tenant.http.get("/meetings")).json()["meetings"] == []


async def test_what_is_switched_on_is_in_the_job_of_the_worker(platform: Platform, tenant: Tenant) -> None:
    give(platform, **ALL)
    made = await make_meeting(tenant, **dict.fromkeys(SWITCHES, True))
    assert {name: made["meeting"]["controls"][name] for name in SWITCHES} == dict.fromkeys(SWITCHES, True)
    job = await job_of(platform, made)
    assert job.powers == Powers(deep_thinking=True, live_vision=True, gpt_vision=True, web_search=True)
    assert job.keys == {}


async def test_a_model_that_does_not_see_is_not_shown_anything(platform: Platform, tenant: Tenant) -> None:
    give(platform, **ALL)
    agent = await tenant.make_agent(llm_model="gpt-3.5-turbo")
    scenario = await make_scenario(tenant, agent_id=agent, persona=None)
    answer = await tenant.http.post(
        "/meetings", json={"name": "Ada", "scenario_id": scenario["id"], "live_vision": True}
    )
    assert answer.status_code == 400
    assert "where gpt-3.5-turbo does" in answer.text


async def test_own_keys_come_to_the_worker_of_this_meeting_and_nowhere_else(platform: Platform, tenant: Tenant) -> None:
    await store(tenant, "elevenlabs", "own-elevenlabs-key")
    await store(tenant, "azure", "own-azure-key", region="westeurope")
    made = await make_meeting(tenant, use_own_keys=True, voice_provider="elevenlabs", voice_id="Ada")
    assert made["meeting"]["voice_provider_used"] == "elevenlabs"
    assert "own-elevenlabs-key" not in str(made)
    job = await job_of(platform, made)
    assert job.keys["elevenlabs"].api_key == "own-elevenlabs-key"
    assert (job.keys["azure"].api_key, job.keys["azure"].region) == ("own-azure-key", "westeurope")
    assert "own-elevenlabs-key" not in repr(job)
    other = await make_meeting(tenant)
    answer = await hold(platform, other, job_id="AJ_2")
    assert PersonaJob.model_validate(answer["job"]).keys == {}


async def test_keys_of_another_project_are_nobodys(platform: Platform, tenant: Tenant) -> None:
    await store(tenant, "elevenlabs")
    other = await platform.tenant("other")
    scenario = await make_scenario(other)
    answer = await other.http.post("/meetings", json={"name": "A", "scenario_id": scenario["id"], "use_own_keys": True})
    assert answer.status_code == 400


async def test_an_asked_voice_comes_before_the_personas_own_and_its_further_ones(
    platform: Platform, tenant: Tenant
) -> None:
    give(platform, **ALL)
    further = {"tts": [{"provider": "azure", "voice_id": "en-US-Ava"}], "llm": [{"provider": "openai", "model": "m2"}]}
    agent = await tenant.make_agent(tts_model="tts-1", voice_id="nova", fallbacks=further)
    scenario = await make_scenario(tenant, agent_id=agent, persona=None)
    made = await make_meeting(tenant, scenario_id=scenario["id"], voice_provider="cartesia", voice_id="v-1")
    job = await job_of(platform, made)
    assert job.tts == ModelChoice(provider="cartesia", voice="v-1")
    assert job.fallbacks.tts == [
        ModelChoice(provider="openai", model="tts-1", voice="nova"),
        ModelChoice(provider="azure", voice="en-US-Ava"),
    ]
    assert job.fallbacks.llm == [ModelChoice(provider="openai", model="m2")]


async def test_a_voice_that_fails_is_told_by_the_meeting_and_its_transcript(platform: Platform, tenant: Tenant) -> None:
    give(platform, **ALL)
    made = await make_meeting(tenant, voice_provider="cartesia")
    job = await job_of(platform, made)
    change = {"service": "tts", "wanted": "cartesia", "used": "openai", "reason": "it does not answer"}
    async with worker(platform) as fake:
        for _ in range(2):
            verdict = await fake.report(job, 1, type="provider.changed.v1", **change)
    assert verdict["refused"] is None
    meeting = (await tenant.http.get(f"/meetings/{made['meeting']['id']}")).json()["meeting"]
    assert (meeting["voice_provider"], meeting["voice_provider_used"]) == ("cartesia", "openai")
    lines = (await tenant.http.get(f"/sessions/{job.session_id}/transcript")).json()["transcripts"]
    assert [(line["speaker"], line["content"]) for line in lines] == [
        ("system", "openai speaks from here on. cartesia: it does not answer.")
    ]
