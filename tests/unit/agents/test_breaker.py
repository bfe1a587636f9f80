"""What has just failed is left alone by all calls of a host, and tried again by one of them."""

from pathlib import Path

import pytest

from agents.breaker import FORGOTTEN, LONGEST_REST, PROBE, REST, Breakers


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["one process", "a host"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "breakers" if request.param == "a host" else None


def test_one_error_is_forgiven_and_two_are_not(clock: Clock, folder: Path | None) -> None:
    breaker = Breakers(folder, now=clock).of("llm", "m")
    breaker.failed("away")
    assert breaker.may_ask()
    clock.now += 11
    breaker.failed("away")
    assert breaker.may_ask(), "the first was long ago"
    clock.now += 1
    breaker.failed("away")
    assert not breaker.may_ask()


def test_a_silence_is_not_forgiven(clock: Clock, folder: Path | None) -> None:
    breaker = Breakers(folder, now=clock).of("llm", "m")
    breaker.failed("it did not answer in time", silent=True)
    assert not breaker.may_ask()


def test_after_a_rest_it_is_asked_once_and_is_back_if_it_answers(clock: Clock, folder: Path | None) -> None:
    breakers = Breakers(folder, now=clock)
    one, other = breakers.of("llm", "m"), breakers.of("llm", "m")
    one.failed("late", silent=True)
    clock.now += REST - 0.1
    assert not one.may_ask()
    clock.now += 0.2
    assert one.may_ask()
    assert not other.may_ask(), "one call finds out, the others need not wait for it"
    one.answered()
    assert other.may_ask()
    assert breakers.open() == []


def test_each_failed_try_makes_the_rest_longer_up_to_an_end(clock: Clock, folder: Path | None) -> None:
    breakers = Breakers(folder, now=clock)
    breaker = breakers.of("llm", "m")
    rests = []
    breaker.failed("late", silent=True)
    for _ in range(6):
        rest = breakers.open()[0].rest
        rests.append(rest)
        clock.now += rest - 0.01
        assert not breaker.may_ask()
        clock.now += 0.02
        assert breaker.may_ask()
        breaker.failed("late", silent=True)
    assert rests == [REST, 2 * REST, 4 * REST, 8 * REST, LONGEST_REST, LONGEST_REST]


def test_who_died_while_it_tried_keeps_nobody_from_trying(clock: Clock, folder: Path | None) -> None:
    breakers = Breakers(folder, now=clock)
    dead, other = breakers.of("llm", "m"), breakers.of("llm", "m")
    dead.failed("late", silent=True)
    clock.now += REST + 1
    assert dead.may_ask()
    clock.now += PROBE - 1
    assert not other.may_ask()
    clock.now += 2
    assert other.may_ask()


def test_who_gives_up_trying_lets_the_next(clock: Clock, folder: Path | None) -> None:
    breakers = Breakers(folder, now=clock)
    one, other = breakers.of("llm", "m"), breakers.of("llm", "m")
    one.failed("late", silent=True)
    clock.now += REST + 1
    assert one.may_ask()
    one.leave()
    assert other.may_ask()


def test_processes_of_a_host_know_of_each_other(clock: Clock, tmp_path: Path) -> None:
    one = Breakers(tmp_path, now=clock).of("tts", "m", "url")
    other = Breakers(tmp_path, now=clock).of("tts", "m", "url")
    elsewhere = Breakers(tmp_path, now=clock).of("tts", "m", "another url")
    one.failed("it did not answer in time", silent=True)
    assert not other.may_ask()
    assert elsewhere.may_ask()
    clock.now += REST + 1
    assert other.may_ask()
    assert not one.may_ask()
    other.answered()
    assert one.may_ask()


def test_a_clock_that_jumps_leaves_nothing_alone_for_ever(clock: Clock, folder: Path | None) -> None:
    breaker = Breakers(folder, now=clock).of("llm", "m")
    breaker.failed("late", silent=True)
    clock.now -= FORGOTTEN + 1
    assert breaker.may_ask()


def test_what_is_open_tells_what_it_is_and_no_secret(tmp_path: Path) -> None:
    Breakers(tmp_path).of("llm", "m", "https://x\nsk-secret").failed("it cannot be reached", silent=True)
    (opening,) = Breakers(tmp_path).open()
    assert (opening.service, opening.model, opening.reason, opening.rest) == ("llm", "m", "it cannot be reached", REST)
    assert not any(b"secret" in path.read_bytes() or "secret" in path.name for path in tmp_path.iterdir())


def test_a_file_that_cannot_be_read_leaves_nothing_alone(tmp_path: Path) -> None:
    breakers = Breakers(tmp_path)
    breaker = breakers.of("llm", "m")
    breaker.failed("late", silent=True)
    for path in tmp_path.glob("*.open"):
        path.write_text("{")
    assert breaker.may_ask()
    assert breakers.open() == []


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    breakers = Breakers(tmp_path / "file" / "breakers")
    breaker = breakers.of("llm", "m")
    breaker.failed("late", silent=True)
    assert not breaker.may_ask()
