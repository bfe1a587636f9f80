"""`python -m bench.stock_worker`: livekit-agents as it comes, to compare with: its own defaults, no line of ours."""

import asyncio
import os
import signal

from livekit.agents import Agent, AgentServer, AgentSession, JobContext
from livekit.plugins import openai


async def entrypoint(context: JobContext) -> None:
    """One call."""
    models = {"base_url": os.environ["STOCK_MODELS"], "api_key": "unset"}
    session: AgentSession[None] = AgentSession(
        stt=openai.STT(model="fake", use_realtime=False, **models),
        llm=openai.LLM(model="fake", **models),
        tts=openai.TTS(model="fake", voice="fake", response_format="pcm", **models),
    )
    await session.start(Agent(instructions="You are kind."), room=context.room)


async def _run() -> None:
    waiting = int(os.environ.get("STOCK_WAITING", "1"))
    # As many processes wait as on a small machine by default; load is not looked at, as all are to come.
    server = AgentServer(host="127.0.0.1", port=0, num_idle_processes=waiting, load_fnc=lambda: 0.0, drain_timeout=1)
    server.rtc_session(entrypoint, agent_name="stock")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    running = asyncio.create_task(server.run(devmode=False))
    await asyncio.wait([running, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
    await server.aclose()


if __name__ == "__main__":
    asyncio.run(_run())
