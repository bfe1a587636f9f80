"""What is said of a request that is wrong: in words that its sender can act on."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from control_plane.accounts.schemas import ProjectCreate
from control_plane.faults import of_validation
from control_plane.personas.schemas import AgentCreate
from control_plane.telephony.schemas import DialPolicySet, Keys, Transfer

CONTROL_PLANE = Path(__file__).parents[3] / "control_plane"


@pytest.mark.parametrize(
    ("shape", "body", "field", "problem"),
    [
        (
            DialPolicySet,
            {"quiet_hours": {"start": "9 pm", "end": "08:00"}},
            "quiet_hours.start",
            "must be a time of day, from 00:00 to 23:59",
        ),
        (DialPolicySet, {"opt_out_key": "99"}, "opt_out_key", "must be one key of a telephone: 0-9, * or #"),
        (
            Keys,
            {"digits": "one"},
            "digits",
            "must be 1 to 64 keys of a telephone: 0-9, *, #, A-D, and w for half a second",
        ),
        (
            Transfer,
            {"to": "reception"},
            "to",
            "must be a number such as +14155550123, or a sip:, sips: or tel: URI",
        ),
        (
            AgentCreate,
            {"name": "Ada", "language": "German (Germany)"},
            "language",
            "must be a language tag, such as en or de-CH",
        ),
        (ProjectCreate, {"name": "Ada", "slug": "Ada's"}, "slug", "must be 3 to 20 small letters and digits"),
    ],
)
def test_a_text_of_another_form_is_asked_for_in_words(
    shape: type[BaseModel], body: dict[str, Any], field: str, problem: str
) -> None:
    with pytest.raises(ValidationError) as wrong:
        shape.model_validate(body)
    (told,) = (of_validation(list(wrong.value.errors())).details or {})["fields"]  # type: ignore[arg-type]

    assert told == {"field": field, "problem": problem}


def test_nobody_is_asked_for_text_by_a_regular_expression_alone() -> None:
    wordless = {
        str(path.relative_to(CONTROL_PLANE))
        for path in CONTROL_PLANE.rglob("*.py")
        for found in re.findall(r"\bpattern=(\S+)", path.read_text())
        if path.name != "wire.py" and not found.startswith("NO_NUL")
    }
    assert wordless == set()
