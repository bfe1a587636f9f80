"""OpenRTC as it comes: one process whose sessions are tasks. Run by its own interpreter, `openrtc_worker.py start`."""

import os

from livekit.agents import Agent
from livekit.plugins import openai
from openrtc import AgentPool


class Kind(Agent):
    """What the agents of all workers are told."""

    def __init__(self) -> None:
        super().__init__(instructions="You are kind.")


def main() -> None:
    """Serve dispatches to `stock`, as many as come."""
    models = {"base_url": os.environ["STOCK_MODELS"], "api_key": "unset"}
    pool = AgentPool(agent_name="stock", max_concurrent_sessions=100, drain_timeout=1, port=0)
    pool.add(
        "stock",
        Kind,
        stt=openai.STT(model="fake", use_realtime=False, **models),
        llm=openai.LLM(model="fake", **models),
        tts=openai.TTS(model="fake", voice="fake", response_format="pcm", **models),
    )
    pool.run()


if __name__ == "__main__":
    main()
