"""Who knows a password, and who may take our time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocket.sip import admission, digest
from pocket.sip.admission import Admission, Rate
from pocket.sip.digest import Challenges
from pocket.sip.uri import SipError

RFC_2617 = (
    'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
    'uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1", '
    'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)
RFC_7616 = (
    'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm={algorithm}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, '
    'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="{response}"'
)
MD5 = "8ca523f5e9506fed4657c9700eebdbec"
SHA256 = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"


@pytest.fixture
def clock(monkeypatch):
    """The time of day and since the start, which the test moves."""

    class Clock:
        now = 1_000_000.0

    monkeypatch.setattr(digest.time, "time", lambda: Clock.now)
    monkeypatch.setattr(admission.time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.mark.parametrize(
    ("said", "realm", "password"),
    [
        (RFC_2617, "testrealm@host.com", "Circle Of Life"),
        (RFC_7616.format(algorithm="MD5", response=MD5), "http-auth@example.org", "Circle of Life"),
        (RFC_7616.format(algorithm="SHA-256", response=SHA256), "http-auth@example.org", "Circle of Life"),
    ],
)
def test_the_examples_of_the_standards_are_right(said, realm, password):
    assert Challenges().is_right(said, realm, "Mufasa", password, "GET")
    assert not Challenges().is_right(said, realm, "Mufasa", password + "!", "GET")
    assert not Challenges().is_right(said, realm, "Scar", password, "GET")
    assert not Challenges().is_right(said, realm, "Mufasa", password, "INVITE")
    assert not Challenges().is_right(said, "another realm", "Mufasa", password, "GET")


@pytest.mark.parametrize("qop", [', qop="auth,auth-int"', ""])
@pytest.mark.parametrize("algorithm", [", algorithm=SHA-256", ", algorithm=MD5", ""])
def test_our_answer_to_a_challenge_is_right(qop, algorithm):
    challenge = f'Digest realm="carrier", nonce="abc", opaque="o"{algorithm}{qop}'
    said = digest.answer(challenge, "me", "sécret", "INVITE", "sip:a@b")
    assert Challenges().is_right(said, "carrier", "me", "sécret", "INVITE")
    assert 'opaque="o"' in said


@pytest.mark.parametrize("name", ['Ada "the" Countess', "DOMAIN\\ada", 'a\\"b', "\\", '"'])
def test_quotes_and_backslashes_of_names_are_quoted_and_read_as_they_were_meant(name):
    challenges = Challenges()
    said = digest.answer(challenges.make(name, "call"), name, "secret", "INVITE", "sip:a@b")
    assert f'username="{name.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))}", realm=' in said
    assert challenges.is_right(said, name, name, "secret", "INVITE")
    assert challenges.is_fresh(said, "call")
    assert not challenges.is_right(said, name, name + "x", "secret", "INVITE")


@pytest.mark.parametrize("challenge", ["Basic realm=x", 'Digest realm="x", nonce="y", algorithm=MD5-sess', ""])
def test_a_challenge_we_cannot_answer_is_refused(challenge):
    with pytest.raises(SipError):
        digest.answer(challenge, "me", "secret", "INVITE", "sip:a@b")


def test_a_challenge_may_be_answered_for_a_minute_and_by_its_call(clock):
    challenges = Challenges()
    said = digest.answer(challenges.make("r", "call-1"), "me", "secret", "INVITE", "sip:a@b")
    assert challenges.is_right(said, "r", "me", "secret", "INVITE")
    assert challenges.is_fresh(said, "call-1")
    assert not challenges.is_fresh(said, "call-2")
    assert not Challenges().is_fresh(said, "call-1")
    clock.now += 59
    assert challenges.is_fresh(said, "call-1")
    clock.now += 2
    assert not challenges.is_fresh(said, "call-1")


@given(st.text(max_size=80))
@pytest.mark.parametrize("form", ["{}", "Digest {}", 'Digest nonce="{}.a"', "Digest nonce={}, uri={}"])
def test_of_any_text_as_a_proof_nothing_comes_but_no(form, text):
    said = form.replace("{}", text)
    assert not Challenges().is_fresh(said, "c")
    assert not Challenges().is_right(said, "r", "me", "secret", "INVITE")


def test_a_time_beyond_all_numbers_is_not_fresh():
    assert not Challenges().is_fresh(f'Digest nonce="{"f" * 3000}.a"', "c")


def test_each_source_and_all_together_have_a_rate(clock):
    gate = Admission(Rate(10, 20), Rate(15, 30))
    assert sum(gate.admits(b"INVITE ", "a") for _ in range(100)) == 20
    assert sum(gate.admits(b"OPTIONS ", "b") for _ in range(100)) == 10  # what was left for all
    clock.now += 1
    assert sum(gate.admits(b"INVITE ", "a") for _ in range(100)) == 10
    assert sum(gate.admits(b"INVITE ", "b") for _ in range(100)) == 5


@pytest.mark.parametrize("message", [b"ACK ", b"BYE ", b"CANCEL ", b"SIP/2.0 200", b"INFO "])
def test_what_belongs_to_a_call_is_read_during_a_flood(clock, message):
    gate = Admission(Rate(1, 1), Rate(1, 1))
    assert [gate.admits(b"INVITE ", "a") for _ in range(2)] == [True, False]
    assert gate.admits(message, "a")


def test_a_million_invented_sources_are_not_remembered(clock):
    gate = Admission(Rate(1, 1), Rate(10**9, 10**9))
    for number in range(2 * admission.REMEMBERED):
        gate.admits(b"INVITE ", str(number))
    assert len(gate._sources) == admission.REMEMBERED
