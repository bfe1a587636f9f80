"""What a job says of a conversation leaves it without personal data, or without words: before the disk has it."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agents.attendance import BotJob, Word
from agents.bots.reporting import BotReporter
from agents.calling import Redaction
from agents.contract import LineInterim, LineSpoken, Submission, TurnMeasured
from agents.noted import Report, ToolUsed
from agents.redacting import redacted
from agents.reporter import Reporter
from agents.spool import Spool
from guard.redaction import build
from tests.support.jobs import persona_job
from tests.support.privates import NAMES, leaks, make_secrets, said_in_turn
from tests.support.tried import sample, tried

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)
NUMBER = "+1 415 555 2671"


def a_bot(**more: Any) -> BotJob:
    given = {"job_id": "b", "session_id": 1, "epoch": 1, "project_id": 1, "capability": "c", "bot_id": "x"}
    return BotJob.model_validate(given | {"identity": "bot-x", "token": "t", "started_at": NOW} | more)


def a_line(text: str, **more: Any) -> LineSpoken:
    return LineSpoken.model_validate({"at": NOW, "speaker": "user", "text": text, "timestamp_ms": 0} | more)


async def spooled(folder: Path, job: BotJob, *reports: Report) -> tuple[str, list[Submission]]:
    """What is on the disk and what was sent, once a bot has reported all."""
    sent: list[Submission] = []
    spool = Spool(folder)

    async def submit(submission: Submission) -> None:
        sent.append(submission)

    async with BotReporter(job, spool, submit) as reporter:
        for report in reports:
            reporter.report(report)
    spool.close()
    return "".join(path.read_text() for path in folder.iterdir()), sent


async def test_no_secret_reaches_the_spool_or_the_uplink(tmp_path: Path) -> None:
    secrets = make_secrets(sample(1000, 200))
    job, wrong = a_bot(redaction=Redaction(names=list(NAMES))), []
    reports = [
        a_line(
            line, identity=f"p{secret_number}", words=[Word(text=each, start_ms=0, end_ms=1) for each in line.split()]
        )
        for secret_number, secret in enumerate(secrets)
        for line in secret.lines
    ]

    disk, sent = await spooled(tmp_path, job, *reports)

    told: dict[str, str] = {}
    for submission in sent:
        report = submission.report
        words = " ".join(each["text"] for each in report["words"])
        told[report["identity"]] = f"{told.get(report['identity'], '')}\n{report['text']}\n{words}"
    for number, secret in enumerate(secrets):
        if leaks(secret, told[f"p{number}"]):
            wrong.append((secret, told[f"p{number}"]))
    tried("redaction: lines on a spool's disk", len(reports), len(wrong))
    assert not wrong, wrong[:3]
    assert disk.count("line.spoken.v1") == len(reports)
    assert len(list(said_in_turn(secrets))) == len(reports)


async def test_a_call_that_keeps_no_words_has_none_on_the_disk_and_shows_them_all_the_same(tmp_path: Path) -> None:
    job = a_bot(keeps_words=False)
    tool = ToolUsed(at=NOW, name="look", arguments='{"q": "flamingo"}', result="flamingo", began_at=NOW, ms=1)

    disk, sent = await spooled(tmp_path, job, a_line("flamingo"), TurnMeasured(at=NOW, unanswered="flamingo"), tool)

    assert "flamingo" not in disk
    assert [(each.sequence, "flamingo" in json.dumps(each.report)) for each in sent] == [
        (0, True),
        (1, False),
        (2, False),
    ]


async def test_a_call_tells_its_worker_nothing_personal() -> None:
    reporter = Reporter(asyncio.StreamReader(), None)  # type: ignore[arg-type]
    reporter._job = persona_job(redaction=Redaction(names=["Ada Lovelace"]))
    arguments = json.dumps({"to": NUMBER, "who": "Ada Lovelace", "id": 4155552671})
    for report in (
        a_line(f"I am Ada Lovelace, {NUMBER}", name="Ada Lovelace"),
        LineInterim(at=NOW, room_name="r", speaker="user", text="it is 415 55", timestamp_ms=0),
        TurnMeasured(at=NOW, unanswered="Is j.doe@example.org yours?"),
        ToolUsed(at=NOW, name="call", arguments=arguments, result=f"called {NUMBER}", began_at=NOW, ms=1),
    ):
        reporter.report(report)

    line, interim, turn, tool = [reporter._queue.get_nowait()["report"]["report"] for _ in range(4)]

    assert (line["text"], line["name"]) == ("I am [name], [phone]", "[name]")
    assert interim["text"] == "it is [number]"
    assert turn["unanswered"] == "Is [email] yours?"
    assert json.loads(tool["arguments"]) == {"to": "[phone]", "who": "[name]", "id": "[number]"}
    assert tool["result"] == "called [phone]"


async def test_without_redaction_everything_is_told_as_it_was_said() -> None:
    reporter = Reporter(asyncio.StreamReader(), None)  # type: ignore[arg-type]
    reporter._job = persona_job()
    reporter.report(a_line(NUMBER))

    assert reporter._queue.get_nowait()["report"]["report"]["text"] == NUMBER


def test_what_stands_for_several_words_lasts_as_long_as_they() -> None:
    said = ["call", "415", "555", "2671", "now"]
    words = [Word(text=text, start_ms=place * 100, end_ms=place * 100 + 90) for place, text in enumerate(said)]
    line = LineSpoken(at=datetime.now(UTC), speaker="user", text=" ".join(said), timestamp_ms=0, words=words)
    told = redacted(line, build([]))
    assert [(word.text, word.start_ms, word.end_ms) for word in told.words] == [
        ("call", 0, 90),
        ("[phone]", 100, 390),
        ("now", 400, 490),
    ]
