"""`python -m parley.demo --ready FILE`: a scripted caller talks to the demo persona of a running platform.

Status 0 only if the caller was heard, every answer was right, and what the knowledge base does not tell was refused.
"""

import argparse
import asyncio
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from parley.client import PlatformError, Ready
from parley.commands.running import end
from parley.demo.conversation import Outcome, converse
from parley.demo.script import Question, load_questions
from parley.demo.show import Screen
from parley.offline.flite import FliteMissing


def main() -> None:
    """Run the conversation and leave with its status."""
    parser = argparse.ArgumentParser(prog="python -m parley.demo", description=__doc__)
    parser.add_argument("--ready", type=Path, required=True, metavar="FILE", help="written by parley up --ready FILE")
    parser.add_argument("--turns", type=_count, metavar="K", help="how many questions to ask (default: all)")
    parser.add_argument("--once", action="store_true", help="do not tell what to try next")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was heard and measured there")
    arguments = parser.parse_args()
    screen = Screen(Console(highlight=False))
    try:
        ready = Ready.read(arguments.ready)
        outcome = asyncio.run(_run(ready, load_questions(arguments.turns), screen))
    except (PlatformError, FliteMissing) as error:
        sys.exit(f"parley demo: {error}")
    except asyncio.CancelledError:
        sys.exit(130)
    screen.summary(outcome)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(_as_json(outcome), indent=2) + "\n", encoding="utf-8")
    if not arguments.once:
        screen.hints(ready)
    end(0 if outcome.succeeded else 1)


async def _run(ready: Ready, questions: list[Question], screen: Screen) -> Outcome:
    """The conversation; a signal hangs up first."""
    conversation = asyncio.ensure_future(converse(ready, questions, screen))
    loop = asyncio.get_running_loop()
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_, conversation.cancel)
    return await conversation


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("at least one question")
    return count


def _as_json(outcome: Outcome) -> dict[str, Any]:
    latencies = sorted(turn.latency_s for turn in outcome.turns)
    return {
        "succeeded": outcome.succeeded,
        "failure": outcome.failure,
        "greeting": outcome.greeting,
        "p50_s": median(latencies) if latencies else None,
        "worst_s": latencies[-1] if latencies else None,
        "turns": [{**asdict(turn), "question": turn.question.model_dump()} for turn in outcome.turns],
    }


if __name__ == "__main__":
    main()
