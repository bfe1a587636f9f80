"""The conversation on a terminal."""

from statistics import median
from typing import Final

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from parley.client import Ready
from parley.demo.conversation import TO_CALLER, TO_WORKER, Answered, Outcome
from parley.demo.script import Question

_BAR_WIDTH: Final = 60
_BAR_S: Final = 1.2  # what the whole width stands for; longer answers get a longer bar
_LABEL: Final = 10
_PARTS: Final = {
    TO_WORKER: ("there", "bright_black"),
    "recognition_ms": ("hearing", "cyan"),
    "endpointing_ms": ("turn end", "blue"),
    "retrieval_ms": ("knowledge", "green"),
    "model_ms": ("model", "yellow"),
    "tools_ms": ("tools", "bright_blue"),
    "speech_ms": ("voice", "magenta"),
    "playout_ms": ("playout", "red"),
    "other_ms": ("other", "white"),
    TO_CALLER: ("back", "bright_black"),
}


class Screen:
    """Prints each step as it happens."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._explained = False

    def calling(self, room: str) -> None:
        """The caller is about to join."""
        self._line("caller", Text(f"joins {room} and waits for the persona", style="dim"))

    def greeted(self, text: str, seconds: float) -> None:
        """The persona spoke first."""
        self._line("persona", Text(f"“{text}”"))
        self._line("", Text(f"spoke {seconds:.2f} s after the caller had joined", style="dim"))

    def asking(self, question: Question) -> None:
        """The caller begins to speak."""
        self._console.print()
        hint = "  (not in the knowledge base)" if question.refused else ""
        self._line("caller", Text.assemble(question.ask, (hint, "dim")), style="bold")

    def answered(self, turn: Answered) -> None:
        """The answer is over and was checked."""
        verdict = ("  ✓ right", "bold green") if turn.right else ("  ✗ wrong", "bold red")
        if turn.question.refused and turn.right:
            verdict = ("  ✓ refused, as it should be", "bold green")
        heard = turn.heard or "nothing that could be understood"
        self._line("persona", Text.assemble(f"“{turn.written or heard}”", verdict))
        if turn.written:
            self._line("", Text(f"heard on the line: {heard}", style="dim"))
        if not turn.right:
            self._line("", Text(f"expected to hear: {', '.join(turn.question.expect)}", style="red"))
        self._line("", Text.assemble((f"{turn.latency_s:.2f} s ", "bold"), _bar(turn)))
        if turn.parts and not self._explained:
            self._explained = True
            legend = [(f"█ {name}  ", colour) for part, (name, colour) in _PARTS.items() if part in turn.parts]
            self._line("", Text.assemble(("where the time went:  ", "dim"), *legend))

    def failed(self, reason: str) -> None:
        """The conversation ended early."""
        self._console.print(Text(reason, style="bold red"))

    def summary(self, outcome: Outcome) -> None:
        """Where the time of every turn went."""
        if not outcome.turns:
            return
        columns = [part for part in _PARTS if any(part in turn.parts for turn in outcome.turns)]
        table = Table(
            title="From the end of the caller's speech to the first sound of the answer, in ms",
            title_justify="left",
            box=SIMPLE,
            padding=(0, 1, 0, 0),
        )
        table.add_column("#", justify="right", no_wrap=True)
        for part in columns:
            name, colour = _PARTS[part]
            table.add_column(name, justify="right", style=colour, no_wrap=True)
        table.add_column("all", justify="right", style="bold")
        for number, turn in enumerate(outcome.turns, start=1):
            cells = [f"{turn.parts[part]:.0f}" if part in turn.parts else "–" for part in columns]
            table.add_row(str(number), *cells, f"{turn.latency_s * 1000:.0f}")
        self._console.print()
        self._console.print(table)
        middle = median(turn.latency_s for turn in outcome.turns)
        right = sum(turn.right for turn in outcome.turns)
        style = "bold green" if outcome.succeeded else "bold red"
        self._console.print(
            Text(f"{right} of {len(outcome.turns)} answers right, half of them within {middle:.2f} s", style=style)
        )

    def hints(self, ready: Ready) -> None:
        """What to try next."""
        lines = (
            "",
            f"Talk to the persona yourself:  {ready.api_url}/talk#key={ready.api_key}",
            f"API key:                       {ready.api_key}",
            f"Its conversations:             curl -H 'X-API-Key: {ready.api_key}' {ready.api_url}/api/v1/sessions",
        )
        self._console.print(Text("\n".join(lines)), soft_wrap=True)

    def _line(self, who: str, what: Text, *, style: str = "") -> None:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=_LABEL)
        table.add_column(overflow="fold")
        table.add_row(Text(who, style="bold cyan" if who == "caller" else "bold magenta"), what, style=style)
        self._console.print(table)


def _bar(turn: Answered) -> Text:
    """The turn's parts, each as long as it took; without a report of the parts, one bar for all of it."""
    parts = turn.parts or {TO_CALLER: turn.latency_s * 1000}
    bar = Text()
    for part, (_, colour) in _PARTS.items():
        bar.append("█" * round(parts.get(part, 0.0) / 1000 / _BAR_S * _BAR_WIDTH), style=colour)
    return bar
