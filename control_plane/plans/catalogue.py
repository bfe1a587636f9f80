"""What each plan allows, read from `plans.toml`."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

UNLIMITED = -1


@dataclass(frozen=True)
class Plan:
    """A plan: its name, requests per minute, how many of each resource an account may have, and the limits of calls out
    of a project without a policy of its own."""

    name: str
    display: str
    requests: int
    limits: dict[str, int]
    dialling: dict[str, int]


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads((resources.files(__package__) / "plans.toml").read_text())


@cache
def plans() -> dict[str, Plan]:
    """All plans by name."""
    return {name: Plan(name, **row) for name, row in _data()["plans"].items()}


def strangers() -> int:
    """Requests per minute and address without a good key."""
    return int(_data()["strangers"])


def limit_of(plan: str, resource: str) -> int:
    """How many of a resource a plan allows; `UNLIMITED` for no limit."""
    return plans()[plan].limits[resource]
