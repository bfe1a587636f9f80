"""`python -m parley.demo --ready FILE`: calls the demo persona and shows the conversation as it happens."""

import argparse
import asyncio
import json
import secrets
import statistics
import sys
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.table import Table
from rich.text import Text

from parley.demo.caller import NotHeard
from parley.demo.conversation import Conversation, Place, Turn, questions

COLOURS = ("grey50", "cyan", "yellow", "green", "magenta", "blue", "red", "grey62")
BAR = 48
SCALE = 1200.0
"""Milliseconds that a full bar stands for."""


def bar(turn: Turn) -> Text:
    """The parts of one answer, side by side."""
    drawn = Text()
    for (name, value), colour in zip(turn.parts.items(), COLOURS, strict=False):
        cells = round(max(0.0, value) / SCALE * BAR)
        if cells:
            drawn.append("█" * cells, colour)
        if value >= 1:
            drawn.append(f" {name} {value:.0f}  ", colour)
    return drawn


def show(console: Console, turn: Turn) -> None:
    """One turn, as soon as it is over."""
    console.print(f"\n  [bold]caller [/bold] {turn.question.text}")
    if turn.answered_ms is None:
        console.print(f"  [bold red]no answer[/bold red] {turn.problem}")
        return
    mark = "[green]✓[/green]" if turn.right else "[red]✗[/red]"
    console.print(f"  [bold cyan]persona[/bold cyan] {turn.heard}  {mark}")
    console.print(f"  [dim]answered after[/dim] [bold]{turn.answered_ms:.0f} ms[/bold]")
    if turn.parts:
        console.print(Text("  ") + bar(turn))


def summary(console: Console, turns: list[Turn], greeting_ms: float | None) -> None:
    """The figures of the call."""
    answered = [turn.answered_ms for turn in turns if turn.answered_ms is not None]
    table = Table(title="The call in figures", title_justify="left", show_header=False, box=None, padding=(0, 2))
    right = sum(turn.right for turn in turns)
    table.add_row("right answers", f"{right} of {len(turns)}", "one of them an honest “I do not know”")
    if greeting_ms is not None:
        table.add_row("greeting heard", f"{greeting_ms:.0f} ms", "after the token was asked for")
    if answered:
        table.add_row("answer heard", f"{statistics.median(answered):.0f} ms", "median, after the caller stopped")
    console.print()
    console.print(table)


def next_steps(console: Console, place: Place) -> None:
    """What to try while it runs."""
    console.print("\n[bold]What to try next[/bold]")
    console.print(f"  talk to it yourself   [link]{place.api_url}/talk#key={place.api_key}[/link]", soft_wrap=True)
    console.print(f"  the API key           {place.api_key}", soft_wrap=True)
    console.print(
        f"  what was said         curl -H 'X-API-Key: {place.api_key}' {place.api_url}/api/v1/sessions", soft_wrap=True
    )


async def run(ready: dict[str, Any], arguments: argparse.Namespace) -> tuple[int, list[Turn], float | None]:
    """Call, show, judge. The status is 0 only if the caller was heard and every answer was right."""
    console = Console()
    place = Place.of(ready)
    script = questions()[: arguments.turns] if arguments.turns else questions()
    turns: list[Turn] = []
    async with httpx2.AsyncClient(timeout=30) as http:
        conversation = Conversation(place, http, room=f"demo-{secrets.token_hex(4)}")
        console.print("\n[bold]A caller speaks with the demo persona[/bold]  [dim]real audio, offline models[/dim]")
        try:
            async for turn in conversation.run(script):
                turns.append(turn)
                show(console, turn)
        except NotHeard as error:
            console.print(f"[bold red]the call failed[/bold red] {error}")
            return 1, turns, None
    summary(console, turns, conversation.greeting_ms)
    next_steps(console, place)
    status = 0 if turns and all(turn.right for turn in turns) else 1
    return status, turns, conversation.greeting_ms


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m parley.demo", description=__doc__)
    parser.add_argument("--ready", required=True, help="the file that `parley up --ready` writes")
    parser.add_argument("--turns", type=int, default=0, help="how many questions (default: all)")
    parser.add_argument("--json", default="", help="write the figures to this file")
    arguments = parser.parse_args()
    ready = json.loads(Path(arguments.ready).read_text())
    status, turns, greeting_ms = asyncio.run(run(ready, arguments))
    if arguments.json:
        rows = [{**vars(turn), "question": turn.question.text, "right": turn.right} for turn in turns]
        Path(arguments.json).write_text(json.dumps({"greeting_ms": greeting_ms, "turns": rows}))
    sys.exit(status)


if __name__ == "__main__":
    main()
