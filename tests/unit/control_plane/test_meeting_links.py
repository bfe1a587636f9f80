"""Meetings' addresses and telephone entries, wherever in an event they stand."""

import pytest

from control_plane.calendars.meeting_links import find_dial_in, find_meeting_url

OWN = "https://voice.example.org"
TEAMS = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_ABC%40thread.v2/0?context=%7b%22Tid%22%3a%221%22%7d"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Join: https://zoom.us/j/98765432101?pwd=aB3.1, see you", "https://zoom.us/j/98765432101?pwd=aB3.1"),
        (
            '<a href="https://us02web.zoom.us/j/123?pwd=x&amp;from=a">x</a>',
            "https://us02web.zoom.us/j/123?pwd=x&from=a",
        ),
        ("(https://meet.google.com/abc-defg-hij)", "https://meet.google.com/abc-defg-hij"),
        (f"Teams <{TEAMS}>", TEAMS),
        ("https://teams.live.com/meet/9312345?p=abc", "https://teams.live.com/meet/9312345?p=abc"),
        (f"at {OWN}/join/Ab-12.", f"{OWN}/join/Ab-12"),
        (
            "https://www.google.com/url?q=https://meet.google.com/abc-defg-hij&sa=D",
            "https://meet.google.com/abc-defg-hij",
        ),
        (
            "https://nam02.safelinks.protection.outlook.com/?url=https%3A%2F%2Fzoom.us%2Fj%2F1234567890&data=05",
            "https://zoom.us/j/1234567890",
        ),
        ("call sip:123456@zoomcrc.com", "sip:123456@zoomcrc.com"),
        ("https://example.com/agenda and tel:+14155550100", "tel:+14155550100"),
        ("sip:a@b.example https://meet.google.com/abc-defg-hij", "https://meet.google.com/abc-defg-hij"),
        ("https://example.com/zoom.us/j/1", ""),
        ("https://meet.google.com.evil.example/abc-defg-hij", ""),
        (f"{OWN}.evil.example/join/x", ""),
        ("nothing", ""),
        ("", ""),
    ],
)
def test_the_meetings_address_is_found(text: str, found: str) -> None:
    assert find_meeting_url([None, text], own=OWN) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "+1 469-555-0100,,123456789# United States<br>Phone Conference ID: 987 654 321#",
            {"number": "+14695550100", "pin": "123456789"},
        ),
        ("Dial (US) +1 415-555-0100\nPIN: 123 456 789#", {"number": "+14155550100", "pin": "123456789"}),
        ("Call me at +1 415-555-0100", None),
        ("", None),
    ],
)
def test_the_telephone_entry_is_found(text: str, found: object) -> None:
    assert find_dial_in([None, text]) == found


def test_a_long_description_is_read_in_a_moment() -> None:
    assert find_meeting_url(["https://" * 20_000 + "<" * 50_000]) == ""
    assert find_dial_in(["+1" + "1 " * 60_000 + "<" * 60_000]) is None
