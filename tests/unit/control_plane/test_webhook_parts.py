"""Webhooks without a network: signatures, the schedule, lanes, filters."""

import base64
import json
import random
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from control_plane.events.facts import DOCUMENTED_WEBHOOKS, WEBHOOKS, Fact
from control_plane.webhooks import signing
from control_plane.webhooks.answers import kept_headers
from control_plane.webhooks.lanes import FIRST_AT_ONCE, LATER_AT_ONCE, EndpointQueue, Lanes, Parcel
from control_plane.webhooks.planner import wanted_types
from control_plane.webhooks.schedule import (
    JITTER,
    RETRIES,
    RETRY_AFTER_LIMIT,
    TRIES,
    Tried,
    next_try,
    read_retry_after,
)
from control_plane.webhooks.targets import Target

NOW = datetime(2026, 3, 31, 10, tzinfo=UTC)
TARGET = Target(1, 1, "https://example.org/", "whsec_x")


def parcel(number: int, room: str | None = "proj_r", *, attempts: int = 0, in_order: bool = True) -> Parcel:
    return Parcel(number, 1, 1, number, room, "{}", attempts=attempts, in_order=in_order)


def failed(status: int | None = 500, retry_after: timedelta | None = None) -> Tried:
    return Tried(NOW, 1.0, status=status, retry_after=retry_after)


def test_a_secret_has_256_random_bits_behind_its_prefix() -> None:
    secrets = {signing.new_secret() for _ in range(100)}
    assert len(secrets) == 100
    for secret in secrets:
        assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32


@given(body=st.binary(max_size=300), seed=st.integers(0, 2**32))
def test_the_reference_verifier_refuses_every_changed_message(body: bytes, seed: int) -> None:
    body = b'{"a":"' + body.hex().encode() + b'"}'
    secret, other = signing.new_secret(), signing.new_secret()
    now = int(datetime.now(UTC).timestamp())
    headers = signing.headers(body, message="42", timestamp=now, keys=[secret])
    Webhook(secret).verify(body, headers)
    dice = random.Random(seed)
    place = dice.randrange(len(body))
    changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
    late = signing.headers(body, message="42", timestamp=now - 301, keys=[secret])
    for sent, signed, key in (
        (changed, headers, secret),
        (body, headers, other),
        (body, headers | {"webhook-id": "43"}, secret),
        (body, headers | {"webhook-timestamp": str(now + 1)}, secret),
        (body, late, secret),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(key).verify(sent, signed)


def snippets(language: str) -> list[str]:
    page = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_the_python_of_the_page_verifies_a_message() -> None:
    body, secret = b'{"a": 1}', signing.new_secret()
    headers = signing.headers(body, message="42", timestamp=int(datetime.now(UTC).timestamp()), keys=[secret])
    said: dict[str, Any] = {}
    for snippet in snippets("python"):
        exec(snippet, said)
    assert said["is_genuine"](secret, headers, body)
    assert not said["is_genuine"](secret, headers, body + b" ")
    assert said["read"](secret, headers, body) == {"a": 1}


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_the_node_of_the_page_verifies_a_message() -> None:
    body, secret = '{"a": 1}', signing.new_secret()
    made = signing.headers(body.encode(), message="42", timestamp=1, keys=[secret])
    headers = json.dumps({name.lower(): value for name, value in made.items()})
    call = f"isGenuine({json.dumps(secret)}, {headers}, "
    script = snippets("js")[0] + f"console.log({call}{json.dumps(body)}), {call}{json.dumps(body + ' ')}))"
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["true", "false"]


def test_tries_follow_the_declared_schedule_within_the_jitter() -> None:
    declared = [5, 300, 1800, 7200, 18000, 36000, 36000]
    assert [pause.total_seconds() for pause in RETRIES] == declared
    for number, pause in enumerate(declared, start=1):
        for dice in (0.0, 0.5, 0.999999):
            when = next_try(failed(), number, now=NOW, dice=lambda dice=dice: dice)
            assert when is not None
            assert abs((when - NOW).total_seconds() - pause) <= pause * JITTER
    assert next_try(failed(), TRIES, now=NOW, dice=random.random) is None


def test_nothing_is_tried_again_after_410() -> None:
    assert next_try(failed(410), 1, now=NOW, dice=random.random) is None


@pytest.mark.parametrize(
    ("status", "asked", "expected"),
    [(429, 60, 60), (503, 60, 60), (500, 60, 5), (429, 1, 5), (429, 10**9, RETRY_AFTER_LIMIT.total_seconds())],
)
def test_a_receiver_may_ask_for_a_longer_pause_within_limits(status: int, asked: int, expected: float) -> None:
    when = next_try(failed(status, timedelta(seconds=asked)), 1, now=NOW, dice=lambda: 0.5)
    assert when == NOW + timedelta(seconds=expected)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30),
        ("Tue, 31 Mar 2026 10:00:30 GMT", 30),
        ("Tue, 31 Mar 2026 09:00:00 GMT", 0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 5000, 3600),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str | None, seconds: float | None) -> None:
    read = read_retry_after(value, now=NOW)
    assert (read.total_seconds() if read is not None else None) == seconds


@given(value=st.text(max_size=60))
def test_no_retry_after_is_an_error(value: str) -> None:
    read_retry_after(value, now=NOW)


@pytest.mark.parametrize(
    ("status", "succeeded"), [(200, True), (204, True), (299, True), (199, False), (301, False), (404, False)]
)
def test_only_2xx_is_success(status: int, succeeded: bool) -> None:
    assert failed(status).succeeded is succeeded


def test_without_a_filter_an_endpoint_wants_the_documents_seventeen() -> None:
    assert len(DOCUMENTED_WEBHOOKS) == 17
    assert wanted_types(None) <= DOCUMENTED_WEBHOOKS
    assert Fact.SESSION_FAILED not in wanted_types(None)
    assert wanted_types(["session.failed"]) == {Fact.SESSION_FAILED}
    assert wanted_types(list(Fact)) == WEBHOOKS


def test_a_lane_offers_one_parcel_at_a_time_in_order() -> None:
    lanes = Lanes()
    for number in (1, 2):
        lanes.put(parcel(number))
    first = lanes.take()
    assert first == parcel(1)
    assert lanes.take() is None
    lanes.put(parcel(3))
    lanes.done(first)
    second = lanes.take()
    assert second == parcel(2)
    lanes.done(second)
    assert lanes.take() == parcel(3)


def test_lanes_take_turns() -> None:
    lanes = Lanes()
    for number in range(4):
        lanes.put(parcel(number, room=f"proj_{number // 2}"))
    assert [lanes.take(), lanes.take(), lanes.take()] == [parcel(0, "proj_0"), parcel(2, "proj_1"), None]


@given(
    rooms=st.lists(st.integers(0, 4), max_size=60),
    order=st.randoms(use_true_random=False),
)
def test_whatever_finishes_first_each_room_keeps_its_order(rooms: list[int], order: random.Random) -> None:
    queue = EndpointQueue(TARGET)
    for number, room in enumerate(rooms):
        queue.put(parcel(number, room=str(room)))
    begun: list[Parcel] = []
    running: list[Parcel] = []
    while len(begun) < len(rooms):
        while (taken := queue.take()) is not None:
            begun.append(taken)
            running.append(taken)
        assert len(running) <= FIRST_AT_ONCE
        queue.done(running.pop(order.randrange(len(running))), answered=True)
    for room in set(rooms):
        numbers = [each.id for each in begun if each.room_name == str(room)]
        assert numbers == sorted(numbers)


def test_repeats_neither_wait_for_first_tries_nor_take_their_places() -> None:
    queue = EndpointQueue(TARGET)
    for number in range(20):
        queue.put(parcel(number, attempts=1))
    begun = [queue.take() for _ in range(LATER_AT_ONCE)]
    assert all(begun)
    assert queue.take() is None
    for number in range(20, 40):
        queue.put(parcel(number, room=str(number)))
    assert len([taken for taken in (queue.take() for _ in range(20)) if taken]) == FIRST_AT_ONCE


def test_an_endpoint_that_does_not_answer_is_tried_one_at_a_time() -> None:
    queue = EndpointQueue(TARGET)
    for number in range(20):
        queue.put(parcel(number, room=str(number)))
    taken = queue.take()
    assert taken is not None
    queue.done(taken, answered=False)
    taken = queue.take()
    assert taken is not None
    assert queue.take() is None
    queue.done(taken, answered=True)
    assert queue.take() is not None
    assert queue.take() is not None


def test_what_is_forgotten_counts_what_waited_only() -> None:
    queue = EndpointQueue(TARGET)
    for number in range(5):
        queue.put(parcel(number))
    taken = queue.take()
    assert taken is not None
    assert queue.empty() == 4
    assert queue.holds(taken)
    assert not queue.holds(parcel(4))
    queue.let_go(taken)
    assert queue.is_idle
    queue.done(taken, answered=True)
    assert queue.take() is None


# --- what is kept of an answer ----------------------------------------------------------------------------------


def test_of_an_answers_headers_those_are_kept_that_tell_how_it_came_about() -> None:
    told = {"content-type": "text/html", "x-request-id": "r" * 500, "server": "nginx\x1b[31m"}
    secret = {"Set-Cookie": "session=1", "Authorization": "Bearer x", "X-Api-Key": "k", "X-Amz-Security-Token": "t"}
    assert kept_headers(CIMultiDict(told | secret)) == {
        "Content-Type": "text/html",
        "X-Request-Id": "r" * 256,
        "Server": "nginx\ufffd[31m",
    }


@pytest.mark.parametrize(
    ("location", "kept"),
    [
        ("https://user:secret@example.org:8443/in?token=1#here", "https://example.org:8443/in"),
        ("/login?next=%2F", "/login"),
        ("https://[broken", ""),
    ],
)
def test_where_a_redirect_led_is_kept_without_what_opens_it(location: str, kept: str) -> None:
    assert kept_headers(CIMultiDict({"location": location})) == {"Location": kept}


@given(value=st.text(max_size=400))
def test_what_is_kept_of_a_header_can_be_stored(value: str) -> None:
    kept = kept_headers(CIMultiDict({"Via": value, "Location": value}))
    assert all(len(each) <= 256 and each.isprintable() for each in kept.values())
