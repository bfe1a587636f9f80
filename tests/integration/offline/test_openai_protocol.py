"""The offline models through OpenAI's own client and through the LiveKit plugins."""

import io
import json

import httpx2
import numpy as np
import openai
import pytest
from livekit.agents import llm
from livekit.plugins import openai as plugin

KNOWLEDGE = (
    "Knowledge:\n\n[1] The observatory opens its dome on clear Friday nights. Entry is free for students.\n\n"
    "[2] The telescope was built in Jena and has a mirror of two metres."
)
PERSONA = {"role": "system", "content": "You are Vera of the Hillside Observatory. Answer briefly."}


@pytest.fixture
def client(models_url):
    with openai.OpenAI(base_url=models_url, api_key="any", max_retries=0) as client:
        yield client


def ask(client, question, **options):
    messages = [PERSONA, {"role": "system", "content": KNOWLEDGE}, {"role": "user", "content": question}]
    return client.chat.completions.create(model="extractive-1", messages=messages, **options)


def test_the_models_are_listed(client):
    assert {model.id for model in client.models.list()} == {
        "extractive-1",
        "flite-rms",
        "pocketsphinx-en",
        "all-minilm-l6-v2",
    }


def test_a_question_is_answered_with_the_sentence_that_tells(client):
    answer = ask(client, "where was the telescope built")

    assert answer.choices[0].message.content == "The telescope was built in Jena and has a mirror of two metres."
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_question_that_the_context_does_not_answer_is_refused(client):
    assert "do not know" in ask(client, "who is the director of the observatory").choices[0].message.content


def test_a_streamed_answer_is_the_whole_one_in_pieces_and_ends_with_its_usage(client):
    chunks = list(
        ask(client, "is entry free for students", stream=True, stream_options={"include_usage": True}),
    )

    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == "Entry is free for students."
    assert len(chunks) > 5
    assert chunks[-1].usage.completion_tokens > 0


def test_a_structured_answer_has_the_shape_of_its_schema(client):
    schema = {
        "type": "object",
        "properties": {"summary": {"type": "string"}, "topics": {"type": "array", "items": {"type": "string"}}},
    }
    answer = ask(
        client,
        "The caller asked about the dome. They want tickets.",
        response_format={"type": "json_schema", "json_schema": {"name": "summary", "schema": schema}},
    )

    summary = json.loads(answer.choices[0].message.content)
    assert set(summary) == {"summary", "topics"}
    assert "tickets" in summary["summary"]


@pytest.mark.anyio
async def test_the_livekit_plugin_gets_a_tool_call(models_url):
    @llm.function_tool
    async def order_status(order_id: str) -> str:
        """Look up the status of an order."""
        return order_id

    model = plugin.LLM(model="extractive-1", base_url=models_url, api_key="any")
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="what is the status of my order four two seven")
    async with model.chat(chat_ctx=context, tools=[order_status]) as stream:
        calls = [call async for chunk in stream if chunk.delta for call in chunk.delta.tool_calls]
    await model.aclose()

    assert [(call.name, json.loads(call.arguments)) for call in calls] == [("order_status", {"order_id": "427"})]


@pytest.mark.anyio
@pytest.mark.parametrize("response_format", ["pcm", "wav", "mp3"])
async def test_the_livekit_plugin_speaks_without_leading_silence(models_url, response_format):
    voice = plugin.TTS(
        model="flite-rms", voice="rms", response_format=response_format, base_url=models_url, api_key="a"
    )
    async with voice.synthesize("The dome opens at nine.") as stream:
        frames = [event.frame async for event in stream]
    await voice.aclose()

    samples = np.concatenate([np.frombuffer(frame.data, np.int16) for frame in frames]).astype(np.int32)
    assert frames[0].sample_rate == 24_000
    assert 1.0 < len(samples) / 24_000 < 4.0
    assert np.flatnonzero(np.abs(samples) > 500)[0] / 24_000 < 0.1


def test_a_recording_is_transcribed_with_word_times_in_every_container(client):
    for container in ("wav", "mp3"):
        spoken = client.audio.speech.create(
            model="flite-rms",
            voice="rms",
            input="The train leaves at seven. Platform two is on the left.",
            response_format=container,
        )
        file = io.BytesIO(spoken.read())
        file.name = f"speech.{container}"
        text = client.audio.transcriptions.create(
            model="pocketsphinx-en", file=file, response_format="verbose_json", timestamp_granularities=["word"]
        )
        assert "train leaves at seven" in text.text
        assert [word.word for word in text.words] == text.text.split()
        starts = [word.start for word in text.words]
        assert starts == sorted(starts)
        assert text.words[-1].end <= text.duration


def test_embeddings_are_the_same_as_floats_and_as_base64(client, models_url):
    texts = ["a dog", "a puppy", "the stock market"]
    body = {"model": "all-minilm-l6-v2", "input": texts, "encoding_format": "float"}
    plain = httpx2.post(f"{models_url}/embeddings", json=body, timeout=30).json()["data"]
    packed = client.embeddings.create(model="all-minilm-l6-v2", input=texts).data

    floats, unpacked = (np.array(rows) for rows in ([r["embedding"] for r in plain], [r.embedding for r in packed]))
    assert floats.shape == (3, 384)
    assert np.allclose(floats, unpacked, atol=1e-6)
    assert floats[0] @ floats[1] > floats[0] @ floats[2]


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("audio/speech", {"model": "flite-rms", "input": "hello", "voice": "alloy"}, 400, "rms"),
        ("audio/speech", {"model": "tts-1", "input": "hello", "voice": "rms"}, 404, "flite-rms"),
        ("audio/speech", {"model": "flite-rms"}, 400, "input"),
        ("chat/completions", {"model": "extractive-1", "messages": []}, 400, "messages"),
        (
            "chat/completions",
            {"model": "extractive-1", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            400,
            "image_url",
        ),
        ("nowhere", {}, 404, "/v1/models"),
    ],
)
def test_what_cannot_be_done_is_said_in_openais_error_shape(models_url, path, body, status, word):
    response = httpx2.post(f"{models_url}/{path}", json=body, timeout=30)

    assert response.status_code == status
    error = response.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert word in error["message"]
