"""OpenRTC as it comes: one process whose sessions are tasks. Run by its own interpreter, `openrtc_worker.py start`.

But for its turn detector, whose model is fetched from a hub at run time: here speech alone ends a turn, and the process
that would have held the model is saved.
"""

import os
import sys
from types import ModuleType

from livekit.agents import Agent
from livekit.plugins import openai

for name in ("livekit.plugins.turn_detector", "livekit.plugins.turn_detector.multilingual"):
    sys.modules[name] = ModuleType(name)
sys.modules[name].MultilingualModel = lambda: "vad"  # type: ignore[attr-defined]

from openrtc import AgentPool  # noqa: E402


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
