"""Writes `docs/reference/`: settings and events as the code has them. `--check` fails where the pages are behind."""

import sys
from pathlib import Path
from types import ModuleType

from prometheus_client.metrics import MetricWrapperBase
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from agents import metrics as of_hosts
from agents.settings import BotHostSettings, WorkerSettings
from control_plane import metrics as of_control_plane
from control_plane.dialects.videosdk.webhooks import names_of
from control_plane.events.facts import DOCUMENTED_WEBHOOKS, MONITOR, WEBHOOKS, Fact
from control_plane.settings import Settings
from knowledge.settings import KnowledgeSettings

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
PROCESSES: dict[str, type[BaseSettings]] = {
    "Control plane: `parley serve`, `parley jobs`": Settings,
    "Worker: `parley worker`": WorkerSettings,
    "Bot host: `python -m agents bots`": BotHostSettings,
    "Knowledge process: `python -m knowledge serve`": KnowledgeSettings,
}


def settings() -> str:
    """Every variable of every process."""
    lines = [
        "# Settings",
        "",
        "Each process reads its settings once, at the start, from the environment. `parley migrate` needs only",
        "`PARLEY_DATABASE_URL`, with the owner's credentials. Written by `tools/reference.py`.",
    ]
    for title, process in PROCESSES.items():
        lines += ["", f"## {title}", "", "| variable | default | what |", "|---|---|---|"]
        prefix = process.model_config.get("env_prefix", "")
        for name, info in process.model_fields.items():
            default = _default(info.get_default(call_default_factory=True))
            lines.append(f"| `{(prefix + name).upper()}` | {default} | {info.description or ''} |")
    return "\n".join(lines) + "\n"


def _default(value: object) -> str:
    if value is PydanticUndefined:
        return "required"
    shown = "" if value is None or "Secret" in type(value).__name__ else str(value)
    return f"`{shown}`" if shown else "–"


def events() -> str:
    """Every fact, and how each sink calls it."""
    lines = [
        "# Events",
        "",
        "One row per fact; each sink has its own name for it. `data.room_name` is the short name on the monitor, with",
        "`full_room_name` beside it; webhooks carry the full name and all of the fact's data. “Where named”: sent only",
        "to endpoints whose `events` name it. VideoSDK: the webhooks of a room at `/v2`, by what is recorded or",
        "streamed. Written by `tools/reference.py`.",
        "",
        "| fact | webhook | monitor | fields on the monitor | VideoSDK |",
        "|---|---|---|---|---|",
    ]
    for fact in Fact:
        webhook = f"`{fact}`" if fact in WEBHOOKS else "–"
        if fact in WEBHOOKS and fact not in DOCUMENTED_WEBHOOKS:
            webhook += ", where named"
        shown = MONITOR.get(fact)
        monitor = f"`{shown.type}`" if shown else "–"
        fields = ", ".join(f"`{field}`" for field in shown.fields) if shown else ""
        rooms = ", ".join(f"`{name}`" for name in names_of(fact)) or "–"
        lines.append(f"| `{fact}` | {webhook} | {monitor} | {fields} | {rooms} |")
    lines += [
        "",
        "Interim lines (`transcript.new` with `is_final: false` and no `id`) are shown and not kept: of people what",
        "has been recognised so far, of a persona what it is about to say. The final line has what was heard; an",
        "interim line without words takes the one before it away. Not kept either is what a persona is doing:",
        "`persona.state` with `session_id` and `state`: `listening`, `thinking`, `speaking`, or `silent` while a",
        "supervisor has the call.",
    ]
    return "\n".join(lines) + "\n"


BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
FIGURES: dict[str, ModuleType] = {
    "Control plane: `parley serve`, `parley jobs`": of_control_plane,
    "Workers and bot hosts: `parley worker`, `python -m agents bots`": of_hosts,
}


def figures_of(module: ModuleType) -> list[MetricWrapperBase]:
    """What a module has for Prometheus, in its order."""
    return [each for each in vars(module).values() if isinstance(each, MetricWrapperBase)]


def shown_name(figure: MetricWrapperBase) -> str:
    """Its name as Prometheus has it."""
    return figure._name + "_total" * (figure._type == "counter")


def figures() -> str:
    """The page on figures, with its tables as the code has them; the rest of it is written by hand."""
    page = (REFERENCE.parent / "metrics.md").read_text()
    before, _, rest = page.partition(BEGIN)
    lines = [BEGIN]
    for title, module in FIGURES.items():
        lines += ["", f"### {title}", "", "| figure | kind | labels | what |", "|---|---|---|---|"]
        for figure in figures_of(module):
            labels = ", ".join(f"`{label}`" for label in figure._labelnames)
            lines.append(f"| `{shown_name(figure)}` | {figure._type} | {labels} | {figure._documentation} |")
    return before + "\n".join(lines) + "\n\n" + END + rest.partition(END)[2]


def main() -> None:
    """Write the pages, or compare them."""
    pages = {"settings.md": settings(), "events.md": events(), "../metrics.md": figures()}
    if "--check" in sys.argv:
        behind = [name for name, text in pages.items() if (REFERENCE / name).read_text() != text]
        if behind:
            sys.exit(f"docs/reference is behind the code: {', '.join(behind)}. Run: python tools/reference.py")
        return
    for name, text in pages.items():
        (REFERENCE / name).write_text(text)


if __name__ == "__main__":
    main()
