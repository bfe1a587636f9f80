"""Which rooms a pass of the reconciler looks into."""

from control_plane.media.server import LiveRoom
from control_plane.supervisor.choosing import AT_ONCE, FOR_NEWS, Choice


def rooms(count: int, *, people: int = 1) -> list[LiveRoom]:
    return [LiveRoom(f"proj_{n}", f"RM_{n}", 1.0, 300, 0, num_participants=people) for n in range(count)]


def look(choice: Choice, there: list[LiveRoom], **more: frozenset[str]) -> set[str]:
    chosen = choice.choose(there, **more)
    for room in chosen:
        choice.looked(room)
    assert len(chosen) == len({room.sid for room in chosen}) <= AT_ONCE
    return {room.sid for room in chosen}


def test_a_few_rooms_are_all_looked_into_each_time() -> None:
    choice, there = Choice(), rooms(AT_ONCE)
    for _ in range(3):
        assert look(choice, there) == {room.sid for room in there}


def test_of_a_thousand_each_has_its_turn_and_no_pass_asks_for_more_than_it_may() -> None:
    choice, there = Choice(), rooms(1000)
    seen: set[str] = set()
    for _ in range(1000 // AT_ONCE):
        seen |= look(choice, there)
    assert len(seen) == 1000


def test_a_room_whose_numbers_differ_is_next() -> None:
    choice, there = Choice(), rooms(1000)
    for _ in range(1000 // AT_ONCE):
        look(choice, there)
    there[-1] = rooms(1000, people=2)[-1]
    assert "RM_999" in look(choice, there)
    assert "RM_999" not in look(choice, there)


def test_what_is_urgent_for_ever_leaves_turns_to_the_others() -> None:
    choice, there = Choice(), rooms(1000)
    loud = frozenset(room.sid for room in there[:500])
    seen: set[str] = set()
    for _ in range(500 // (AT_ONCE - FOR_NEWS) * 2 + 1):
        seen |= look(choice, there, urgent=loud)
    assert len(seen) == 1000


def test_a_room_that_was_not_written_down_is_due_again() -> None:
    choice, there = Choice(), rooms(1000)
    assert [room.sid for room in choice.choose(there)] == [room.sid for room in choice.choose(there)]
