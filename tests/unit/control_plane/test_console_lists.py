"""Lists that the console's pages keep are those of the control plane."""

import re
from pathlib import Path
from typing import get_args

from agents.calling import Provider
from control_plane.auth.scopes import AREAS
from control_plane.events.facts import DOCUMENTED_WEBHOOKS
from control_plane.webhooks.schemas import KNOWN_EVENTS

PAGES = Path(__file__).parents[3] / "web" / "src"


def listed(file: str, name: str) -> list[str]:
    """The first text of each entry of a list in TypeScript."""
    found = re.search(rf"\b{name} = \[(.*?)\n\] as const;", (PAGES / file).read_text(), re.DOTALL)
    assert found, f"{file} has no list {name}"
    return re.findall(r'^\s*\[?"([^"]+)"', found[1], re.MULTILINE)


def test_the_events_to_choose_from_are_those_that_webhooks_carry() -> None:
    usual, named = (listed("webhooks/events.ts", name) for name in ("USUAL", "NAMED"))
    assert set(usual) == DOCUMENTED_WEBHOOKS
    assert set(named) == KNOWN_EVENTS - DOCUMENTED_WEBHOOKS
    assert len(usual + named) == len(KNOWN_EVENTS)


def test_a_key_is_confined_to_the_areas_that_there_are() -> None:
    assert listed("platform/keys.ts", "AREAS") == list(AREAS)


def test_every_provider_whose_key_may_be_kept_has_a_row() -> None:
    assert sorted(listed("settings/providers_view.ts", "PROVIDERS")) == sorted(get_args(Provider))
