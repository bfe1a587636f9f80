"""What the caller says and what it wants to hear."""

import tomllib
from importlib import resources
from itertools import cycle, islice

from pydantic import BaseModel, Field

from parley.offline.words import stem, tokens


class Question(BaseModel):
    """One turn of the caller."""

    ask: str
    expect: list[str] = Field(min_length=1)
    refused: bool = False

    def is_answered_by(self, heard: str) -> bool:
        """Whether every expected word was heard, in any form."""
        stems = {stem(word) for word in tokens(heard)}
        return all(stem(word) in stems for word in self.expect)


class Script(BaseModel):
    """The whole conversation."""

    question: list[Question]


def load_questions(count: int | None = None) -> list[Question]:
    """The questions about the demo company; with `count` that many, from the start again when there are fewer."""
    text = (resources.files("parley.demo") / "script.toml").read_text(encoding="utf-8")
    questions = Script.model_validate(tomllib.loads(text)).question
    return questions if count is None else list(islice(cycle(questions), count))
