"""What the offline models say of a conversation: pieces of it, marked so, in the shape that is asked for."""

import json
from collections.abc import Sequence

import numpy as np
import pytest

from control_plane.analysis.reading import Findings
from parley.offline.conversations import SCHEMA, analyse
from parley.offline.errors import InvalidRequest
from parley.offline.words import telling

SAID = [
    ("agent", "Hello, what can I do for you?"),
    ("user", "What is the price of the telephone?"),
    ("agent", "The telephone costs forty dollars."),
    ("user", "I will send you the address. Thank you, that is great."),
]
ASKED = {
    "about": "A sale.",
    "objectives": ["Ask for the price of the telephone", "Sing a song"],
    "criteria": [{"name": "Names the costs in dollars"}],
    "lines": [{"id": number, "speaker": who, "text": text} for number, (who, text) in enumerate(SAID, 7)],
}


def encode(texts: Sequence[str]) -> np.ndarray:
    """Texts by the words they share."""
    known = sorted({word for text in texts for word in telling(text)})
    rows = np.array([[word in telling(text) for word in known] for text in texts], np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def test_everything_it_says_was_said() -> None:
    findings = Findings.model_validate_json(analyse(json.dumps(ASKED), encode))
    rest = findings.summary
    for _, text in SAID:
        rest = rest.replace(text, "")
    assert findings.summary
    assert not rest.strip()
    assert "telephone" in findings.topics
    assert findings.sentiment == "positive"
    assert [item.text for item in findings.action_items] == [SAID[3][1]]
    assert [(each.met, each.evidence) for each in findings.objectives] == [(True, [8, 9]), (False, [])]
    assert 9 in findings.criteria[0].evidence


def test_a_conversation_without_words_has_an_empty_analysis() -> None:
    findings = Findings.model_validate_json(analyse(json.dumps(ASKED | {"lines": []}), encode))
    assert (findings.summary, findings.topics, findings.criteria[0].score) == ("", [], 0)


@pytest.mark.parametrize("asked", ["", "[]", '{"lines": 1}', '{"lines": [{"id": 1}]}', "{}"])
def test_what_is_no_conversation_is_refused(asked: str) -> None:
    with pytest.raises(InvalidRequest):
        analyse(asked, encode)


def test_its_name_is_the_one_that_is_asked_for() -> None:
    assert SCHEMA == "conversation_analysis"
