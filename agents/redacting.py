"""What leaves a job: without personal data where its project says so, without words where none are kept.

What is said to the model and to people is not touched.
"""

import json
from typing import Final, TypeVar

from agents.attendance import Word
from agents.calling import Message, Redaction
from agents.contract import LineInterim, LineSpoken, RecordingAnnounced, TurnMeasured
from agents.noted import LONGEST_NOTE, FaultSeen, Report, ToolUsed
from guard.redaction import TAIL, Redactor, build

MOST_SPEAKERS: Final = 64
"""Whose last words are remembered, in order to find a number that is said in two lines."""

R = TypeVar("R", bound=Message)


class Redacting:
    """The reports of one job. Without a `redaction` they stay as they are, but for words that are not kept."""

    def __init__(self, redaction: Redaction | None, *, keeps_words: bool = True) -> None:
        self._redactor = build(redaction.names) if redaction is not None else None
        self._keeps_words = keeps_words
        self._said: dict[tuple[str, str], str] = {}

    def has_to_be_kept(self, report: Report) -> bool:
        """Whether a report is to survive: not what is only shown."""
        return not isinstance(report, LineInterim) and (self._keeps_words or not isinstance(report, LineSpoken))

    def clear(self, report: R) -> R:
        """A report as it may leave the job."""
        if not self._keeps_words:
            report = without_words(report)
        if self._redactor is None:
            return report
        if not isinstance(report, LineSpoken | LineInterim):
            return redacted(report, self._redactor)
        speaker = (report.speaker, report.identity)
        before = self._said.get(speaker, "")
        report = redacted(report, self._redactor, before=before)
        if isinstance(report, LineSpoken):
            self._said.pop(speaker, None)
            self._said[speaker] = f"{before}\n{report.text}"[-TAIL:]
            if len(self._said) > MOST_SPEAKERS:
                del self._said[next(iter(self._said))]
        return report


def without_words(report: R) -> R:
    """A report without what was said, but for lines: those are shown, and not kept."""
    match report:
        case TurnMeasured():
            return report.model_copy(update={"unanswered": None})
        case ToolUsed():
            return report.model_copy(update={"arguments": "", "result": ""})
        case RecordingAnnounced():
            return report.model_copy(update={"text": ""})
    return report


def redacted(report: R, redactor: Redactor, *, before: str = "") -> R:
    """A report without personal data. `before` is what the speaker of a line said just before."""
    match report:
        case LineSpoken():
            text = redactor.redact(report.text, before=before)
            words = _words(report.words, redactor, before)
            return report.model_copy(update={"text": text, "name": redactor.redact(report.name), "words": words})
        case LineInterim():
            text = redactor.redact(report.text, before=before, interim=True)
            return report.model_copy(update={"text": text, "name": redactor.redact(report.name)})
        case TurnMeasured() if report.unanswered:
            return report.model_copy(update={"unanswered": redactor.redact(report.unanswered)})
        case ToolUsed():
            given = {"arguments": _note(report.arguments, redactor), "result": _note(report.result, redactor)}
            return report.model_copy(update=given)
        case RecordingAnnounced():
            return report.model_copy(update={"text": redactor.redact(report.text)[:1000]})
        case FaultSeen():
            return report.model_copy(update={"reason": redactor.redact(report.reason)[:500]})
    return report


def _words(words: list[Word], redactor: Redactor, before: str) -> list[Word]:
    told = redactor.redact_words([word.text for word in words], before=before)
    kept: list[Word] = []
    for word, text in zip(words, told, strict=True):
        if text:
            kept.append(word.model_copy(update={"text": text}))
        elif kept:  # what stands for several words lasts as long as they
            kept[-1] = kept[-1].model_copy(update={"end_ms": max(kept[-1].end_ms, word.end_ms)})
    return kept


def _note(text: str, redactor: Redactor) -> str:
    """JSON stays JSON, where it is whole."""
    if text.startswith(("{", "[")):
        try:
            return json.dumps(redactor.redact_all(json.loads(text)), ensure_ascii=False)[:LONGEST_NOTE]
        except (ValueError, RecursionError):
            pass
    return redactor.redact(text)[:LONGEST_NOTE]
