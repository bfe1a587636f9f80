"""Who has spoken in a meeting, as the customer of a bot is told of it."""

from agents.bots.streaming import MOST_SPEAKERS, Speakers


def test_who_begins_and_ends_is_told_and_nothing_else() -> None:
    speakers = Speakers()
    ada = {"name": "Ada", "id": 1, "timestamp": 10, "isSpeaking": True}
    assert speakers.note({"a": "Ada"}, 10) == [ada]
    assert speakers.note({"a": "Ada"}, 20) is None
    bob = {"name": "b", "id": 2, "timestamp": 30, "isSpeaking": True}
    assert speakers.note({"a": "Ada", "b": ""}, 30) == [ada, bob]
    assert speakers.note({"b": ""}, 40) == [ada | {"timestamp": 40, "isSpeaking": False}, bob]
    assert speakers.speaking() == ["b"]


def test_of_a_meeting_that_people_enter_for_ever_the_last_are_known() -> None:
    speakers, told = Speakers(), None
    speakers.note({"host": "Host"}, 0)
    for visitor in range(3 * MOST_SPEAKERS):
        told = speakers.note({"host": "Host", f"visitor-{visitor}": ""}, visitor)
    assert told is not None
    assert len(told) == MOST_SPEAKERS
    assert told[0]["name"] == "Host"
    numbers = [each["id"] for each in told]
    assert numbers == sorted(set(numbers))
    assert told[-1]["name"] == f"visitor-{3 * MOST_SPEAKERS - 1}"
