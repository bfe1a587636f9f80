"""From a job to its models: who is asked, by which key, and what happens where somebody cannot be had."""

import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from livekit.agents import APITimeoutError, llm
from livekit.agents.utils import http_context

from agents.calling import Fallbacks, ModelChoice, PersonaJob, Powers, ProviderKey
from agents.contract import ProviderChanged
from agents.models import TRIES, Models, build_client
from agents.settings import WorkerSettings
from guard.addresses import parse_networks
from guard.outbound import Outbound
from tests.support.houses import Houses, open_houses
from tests.support.jobs import persona_job as job

pytestmark = pytest.mark.anyio


@pytest.fixture
async def houses() -> AsyncIterator[Houses]:
    async with open_houses() as running:
        yield running


@asynccontextmanager
async def models_of(
    houses: Houses, wanted: PersonaJob, *, allow: str = "127.0.0.0/8", **settings: Any
) -> AsyncIterator[Models]:
    """The models of a job whose operator's server is a house of its own."""
    chosen = WorkerSettings.model_validate(
        {
            "environment": "development",
            "worker_token": "t",
            "livekit_api_key": "k",
            "livekit_api_secret": "s",
            "spool_dir": tempfile.mkdtemp(),
            "models_url": f"{houses.url}/v1",
            "models_api_key": "the-operators",
            "llm_model": "house-model",
            "tts_model": "house-voice",
            "tts_voice": "rms",
            **settings,
        }
    )
    client = build_client(chosen)
    async with http_context.open(), Outbound(parse_networks(allow)) as outbound:
        models = Models(chosen, wanted, client, outbound)
        yield models
        await models.tts.aclose()
        await models.close()
    await client.close()


def only_changes(told: list[ProviderChanged]) -> Callable[[Any], None]:
    """Keeps who takes over, and no faults."""
    return lambda each: told.append(each) if isinstance(each, ProviderChanged) else None


async def ask(models: Models) -> str:
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="Do you?")
    async with models.llm.chat(chat_ctx=context, conn_options=TRIES) as answer:
        return "".join([chunk.delta.content or "" async for chunk in answer if chunk.delta])


async def say(models: Models) -> int:
    """How many samples are spoken."""
    async with models.tts.synthesize("Good morning.", conn_options=TRIES) as speech:
        return sum([spoken.frame.samples_per_channel async for spoken in speech])


async def test_without_switches_the_operators_server_answers_as_always(houses: Houses) -> None:
    async with models_of(houses, job(), thinking_model="deep", thinking_effort="high") as models:
        assert await ask(models) == "Yes."
    (asked,) = houses.asked
    assert (asked.key, asked.said[0]["model"]) == ("the-operators", "house-model")
    assert "reasoning_effort" not in asked.said[0]
    assert not models.thinks


@pytest.mark.parametrize(
    ("settings", "model", "effort"),
    [
        ({"thinking_model": "deep"}, "deep", None),
        ({"thinking_effort": "high"}, "own-model", "high"),
        ({"thinking_model": "deep", "thinking_effort": "low"}, "deep", "low"),
    ],
)
async def test_deep_thinking_is_another_model_or_more_effort(
    houses: Houses, settings: dict[str, str], model: str, effort: str | None
) -> None:
    wanted = job(powers=Powers(deep_thinking=True), llm=ModelChoice(model="own-model", temperature=0.2))
    async with models_of(houses, wanted, **settings) as models:
        await ask(models)
        assert models.thinks
    sent = houses.asked[0].said[0]
    assert (sent["model"], sent.get("reasoning_effort")) == (model, effort)
    assert "temperature" not in sent


async def test_pictures_have_a_model_of_their_own_where_they_are_to(houses: Houses) -> None:
    async with models_of(houses, job(powers=Powers(gpt_vision=True)), vision_model="sees") as models:
        assert models.pictures is not None
        assert models.pictures.model == "sees"
        assert models.pictures in models.counted
    async with models_of(houses, job(powers=Powers(live_vision=True)), vision_model="sees") as models:
        assert models.pictures is None


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:1"])
async def test_only_who_may_search_has_the_tool(houses: Houses, url: str | None) -> None:
    async with models_of(houses, job(powers=Powers(web_search=True)), search_url=url) as models:
        assert len(models.tools) == (1 if url else 0)
    async with models_of(houses, job(), search_url=url) as models:
        assert models.tools == []


async def test_a_projects_own_key_goes_to_openai_and_the_operators_does_not(houses: Houses) -> None:
    async with open_houses() as theirs:
        wanted = job(keys={"openai": ProviderKey(api_key="the-projects")})
        async with models_of(houses, wanted, provider_urls={"openai": theirs.url}) as models:
            await ask(models)
            await say(models)
        assert houses.asked == []
        assert [asked.key for asked in theirs.asked] == ["the-projects", "the-projects"]
        assert [asked.said[0]["model"] for asked in theirs.asked] == ["gpt-4o-mini", "gpt-4o-mini-tts"]
    assert "the-projects" not in repr(wanted)


async def test_a_provider_without_a_key_is_replaced_and_that_is_told(houses: Houses) -> None:
    told: list[ProviderChanged] = []
    async with models_of(houses, job(tts=ModelChoice(provider="elevenlabs", voice="v", model="m"))) as models:
        models.on_change(told.append)
        assert await say(models) > 0
    assert [(change.wanted, change.used, change.reason) for change in told] == [
        ("elevenlabs", "openai", "elevenlabs has no key here")
    ]
    sent = houses.of("openai")[0].said[0]
    assert (sent["model"], sent["voice"]) == ("house-voice", "rms")


@pytest.mark.parametrize(("service", "provider"), [("tts", "cartesia"), ("stt", "deepgram")])
async def test_a_provider_that_is_not_installed_says_what_to_install(
    houses: Houses, monkeypatch: pytest.MonkeyPatch, service: str, provider: str
) -> None:
    monkeypatch.setitem(sys.modules, f"livekit.plugins.{provider}", None)
    told: list[ProviderChanged] = []
    wanted = job(**{service: ModelChoice(provider=provider)})
    async with models_of(houses, wanted, provider_keys={provider: "k"}) as models:
        models.on_change(told.append)
    (change,) = told
    assert (change.service, change.wanted, change.used) == (service, provider, "openai")
    assert "pip install 'parley[voices]'" in change.reason


async def test_the_next_model_answers_where_the_first_does_not_and_that_is_told(houses: Houses) -> None:
    told: list[ProviderChanged] = []
    further = Fallbacks(llm=[ModelChoice(provider="openai", model="second")])
    async with open_houses() as theirs:
        theirs.away.add("openai")
        keys = {"openai": ProviderKey(api_key="the-projects")}
        wanted = job(llm=ModelChoice(provider="openai", model="first"), fallbacks=further, keys=keys)
        other = wanted.model_copy(update={"fallbacks": Fallbacks(llm=[ModelChoice(provider="here", model="second")])})
        async with models_of(houses, other, provider_urls={"openai": theirs.url}) as models:
            models.on_change(only_changes(told))
            assert await ask(models) == "Yes."
    assert [asked.said[0]["model"] for asked in houses.asked] == ["second"]
    assert [(change.service, change.wanted, change.used) for change in told] == [("llm", "first", "second")]


async def test_a_voice_that_fails_gives_way_to_the_next(houses: Houses) -> None:
    told: list[ProviderChanged] = []
    further = Fallbacks(tts=[ModelChoice(provider="here", model="second", voice="v2")])
    async with open_houses() as theirs:
        theirs.away.add("openai")
        keys = {"openai": ProviderKey(api_key="the-projects")}
        wanted = job(tts=ModelChoice(provider="openai"), fallbacks=further, keys=keys)
        async with models_of(houses, wanted, provider_urls={"openai": theirs.url}) as models:
            models.on_change(only_changes(told))
            assert await say(models) > 0
    assert [(asked.said[0]["model"], asked.said[0]["voice"]) for asked in houses.asked] == [("second", "v2")]
    assert [change.service for change in told] == ["tts"]


FAULTS = ("error", "limited", "hang", "drip", "cut", "garbage", "empty")
QUICK = {"llm_first_within": 0.4, "llm_next_within": 0.4, "tts_first_within": 0.4, "tts_next_within": 0.4}


@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_a_real_client_makes_of_a_fault_the_next_model_answers(houses: Houses, fault: str) -> None:
    """The virtual table has scripted models; this is how the plugins of the real ones fail."""
    houses.faults["first"] = fault
    wanted = job(llm=ModelChoice(model="first"), fallbacks=Fallbacks(llm=[ModelChoice(model="second")]))
    async with models_of(houses, wanted, **QUICK) as models:
        assert await ask(models) == "Yes."
    assert [asked.said[0]["model"] for asked in houses.asked] == ["first", "second"]


@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_a_real_client_makes_of_a_fault_the_next_voice_speaks(houses: Houses, fault: str) -> None:
    houses.faults["first"] = fault
    wanted = job(tts=ModelChoice(model="first"), fallbacks=Fallbacks(tts=[ModelChoice(model="second")]))
    async with models_of(houses, wanted, **QUICK) as models:
        assert await say(models) >= 0.3 * 24_000
    assert [asked.said[0]["model"] for asked in houses.asked] == ["first", "second"]


async def test_a_single_model_that_hangs_is_given_up_too(houses: Houses) -> None:
    houses.faults["house-model"] = "hang"
    async with models_of(houses, job(), **QUICK, last_within=1.5) as models:
        with pytest.raises(APITimeoutError):
            await ask(models)
        houses.faults.clear()
        assert await ask(models) == "Yes.", "where nobody else is left it is asked again"
