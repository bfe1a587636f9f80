"""Pipecat as its documentation shows it with LiveKit: a pipeline for each session, in one process.

Each line of its input is a room to join, `{"url": …, "room": …, "token": …}`. Run by its own interpreter.
"""

import asyncio
import json
import os
import sys
from contextlib import suppress

from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineTask
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.openai.stt import OpenAISTTService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.transports.livekit.transport import LiveKitParams, LiveKitTransport


async def converse(url: str, room: str, token: str) -> None:
    """One session, until its room is closed."""
    models = {"base_url": os.environ["STOCK_MODELS"], "api_key": "unset"}
    parameters = LiveKitParams(audio_in_enabled=True, audio_out_enabled=True)
    transport = LiveKitTransport(url=url, token=token, room_name=room, params=parameters)
    context = LLMContextAggregatorPair(LLMContext([{"role": "system", "content": "You are kind."}]))
    steps = [
        transport.input(),
        OpenAISTTService(**models),
        context.user(),
        OpenAILLMService(**models),
        OpenAITTSService(**models),
        transport.output(),
        context.assistant(),
    ]
    task = PipelineTask(Pipeline(steps))

    @transport.event_handler("on_disconnected")
    async def _over(_transport: LiveKitTransport) -> None:
        await task.cancel()

    await PipelineRunner(handle_sigint=False).run(task)


async def main() -> None:
    """A session for each line."""
    sessions = set[asyncio.Task[None]]()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        sessions.add(asyncio.create_task(converse(**json.loads(line))))
    for session in sessions:
        session.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*sessions, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
