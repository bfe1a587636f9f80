"""What other libraries say of people's words is not in the log, though it stands in what they raise."""

import pytest

from guard.logs import without_secrets


@pytest.mark.parametrize(
    "refused",
    [
        "Failing row contains (7, 12, My number is 0170 1234567,\nand my name is Ada, 2026-01-01).",
        "Key (email)=(ada@example.org) already exists.",
    ],
)
@pytest.mark.parametrize("after", ["", "\n[SQL: insert into line (content) values (%s)]", "\n\nThe above exception"])
def test_a_row_that_the_database_does_not_take_is_not_in_the_log(refused: str, after: str) -> None:
    before = 'psycopg.errors.CheckViolation: new row for relation "line" violates check constraint "short"'
    logged = without_secrets(f"{before}\nDETAIL:  {refused}{after}")
    assert logged == f"{before}\nDETAIL: ***{after}"
