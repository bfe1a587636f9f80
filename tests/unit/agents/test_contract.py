"""The wire between the planes, from both sides: what one sends the other reads, also one version apart."""

import json
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from polyfactory.factories.pydantic_factory import ModelFactory
from pydantic import BaseModel, TypeAdapter, ValidationError

from agents import contract
from agents.contract import FROM_WORKER, REPORT, TO_WORKER


def examples(adapter: TypeAdapter[Any], kinds: Any) -> list[tuple[TypeAdapter[Any], type[BaseModel]]]:
    return [(adapter, message) for message in get_args(get_args(kinds)[0])]


EVERYTHING = [
    *examples(FROM_WORKER, contract.AnyFromWorker),
    *examples(TO_WORKER, contract.AnyToWorker),
    *examples(REPORT, contract.AnyReport),
]


@pytest.mark.parametrize(("adapter", "message"), EVERYTHING, ids=lambda value: getattr(value, "__name__", ""))
def test_every_message_is_read_as_it_was_written(adapter: TypeAdapter[Any], message: type[BaseModel]) -> None:
    factory = ModelFactory.create_factory(message)
    factory.seed_random(1)
    for _ in range(20):
        sent = factory.build()
        assert adapter.validate_json(sent.model_dump_json()) == sent


@pytest.mark.parametrize(("adapter", "message"), EVERYTHING, ids=lambda value: getattr(value, "__name__", ""))
def test_a_field_of_a_later_version_is_ignored(adapter: TypeAdapter[Any], message: type[BaseModel]) -> None:
    factory = ModelFactory.create_factory(message)
    factory.seed_random(2)
    sent = factory.build()
    later = json.loads(sent.model_dump_json()) | {"from_a_later_version": True}
    assert adapter.validate_python(later) == adapter.validate_json(sent.model_dump_json())


def test_an_unknown_kind_of_report_is_an_error_not_a_guess() -> None:
    with pytest.raises(ValidationError):
        REPORT.validate_python({"type": "line.spoken.v2", "at": datetime.now(UTC).isoformat()})


def test_credentials_are_not_shown_when_messages_are_logged() -> None:
    shown = repr(contract.Submission(session_id=1, epoch=1, sequence=1, capability="canary-secret", report={})) + repr(
        contract.Exchange(ticket="canary-secret", job_id="AJ", room_name="r")
    )
    assert "canary" not in shown


def test_types_of_reports_carry_their_version() -> None:
    for _, message in examples(REPORT, contract.AnyReport):
        assert message.model_fields["type"].default.endswith(".v1")
