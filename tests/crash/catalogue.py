"""All scenarios by their names."""

from typing import Final

from tests.crash.longer import LONGER
from tests.crash.scenarios import BASIC, Scenario

SCENARIOS: Final[dict[str, type[Scenario]]] = {each.name: each for each in (*BASIC, *LONGER)}
