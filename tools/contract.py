"""Write down the wire between the planes as it is: `python tools/contract.py`, before its protocol version is raised.

Tests replay what was written down against the present, both ways: `tests/unit/agents/test_skew.py`.
"""

import json
from pathlib import Path
from typing import Any, Final, get_args

from polyfactory.factories.pydantic_factory import ModelFactory
from pydantic import BaseModel

from agents import contract

FOLDER: Final = Path(__file__).parent.parent / "tests" / "contracts"
DIRECTIONS: Final = {
    "from_worker": contract.AnyFromWorker,
    "to_worker": contract.AnyToWorker,
    "reports": contract.AnyReport,
}
EXAMPLES: Final = 3
"""Of each message."""


def messages(union: Any) -> list[type[BaseModel]]:
    """The kinds of one direction."""
    return list(get_args(get_args(union)[0]))


def examples(message: type[BaseModel], count: int, *, seed: int) -> list[dict[str, Any]]:
    """Messages of a kind as they travel; the same ones for the same seed."""
    factory = ModelFactory.create_factory(message)
    factory.seed_random(seed)
    return [json.loads(factory.build().model_dump_json()) for _ in range(count)]


def bare(schema: Any) -> Any:
    """A schema without what is said to people; fields may be called the same."""
    if isinstance(schema, list):
        return [bare(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    said = ("title", "description")
    return {name: bare(part) for name, part in schema.items() if name not in said or not isinstance(part, str)}


def snapshot() -> dict[str, Any]:
    """The contract of this checkout: of each kind of message its schema and examples."""
    content: dict[str, Any] = {"protocol": contract.PROTOCOL_VERSION}
    for direction, union in DIRECTIONS.items():
        content[direction] = {
            message.model_fields["type"].default: {
                "schema": bare(message.model_json_schema()),
                "examples": examples(message, EXAMPLES, seed=1),
            }
            for message in messages(union)
        }
    return content


def main() -> None:
    """Write the file of this version."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"v{contract.PROTOCOL_VERSION}.json"
    path.write_text(json.dumps(snapshot(), ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
