"""What search runs inside PostgreSQL: functions and triggers, each in a file of SQL, for migrations and new databases.

A released migration makes them from these files, so a file stays as it is: a function that changes gets a file of a
higher number, which the next migration runs.
"""

from pathlib import Path
from typing import Final

NAMES: Final = ("nearest_1", "search_1", "index_base_1", "count_terms_1", "count_inserted_1", "count_deleted_1")


def read_function(name: str) -> str:
    """The statement that makes, or replaces, a function or trigger."""
    return Path(__file__).with_name(f"{name}.sql").read_text("utf-8")
