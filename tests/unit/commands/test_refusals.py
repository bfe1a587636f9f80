"""What the platform refuses, as a command tells it: every field once."""

from typing import Any

import pytest

from parley.client import _refusal


@pytest.mark.parametrize(
    ("reason", "problem"),
    [
        ("Invalid request: phone_number", "must be a possible number"),
        ("phone_number: must be a possible number", "must be a possible number"),
    ],
)
def test_a_field_is_named_once(reason: str, problem: str) -> None:
    details = {"fields": [{"field": "phone_number", "problem": problem}]}
    body: dict[str, Any] = {"error": reason, "code": "INVALID_REQUEST", "details": details}
    told = str(_refusal(400, body))
    assert told.count("phone_number") == told.count(problem) == 1
