"""Room names: one full name for each room of a project, and no way into another's."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from control_plane.errors import InvalidRequest
from control_plane.names import foreign_prefix, room_name

slugs = st.from_regex(r"[a-z0-9]{3,20}", fullmatch=True)
names = st.from_regex(r"[A-Za-z0-9._-]{1,60}", fullmatch=True)


@given(slug=slugs, name=names)
def test_short_and_full_name_are_the_same_room(slug: str, name: str) -> None:
    once = room_name(name, slug)
    assert room_name(once.full, slug) == once
    assert once.full == f"{slug}_{once.short}"


@given(first=slugs, second=slugs, one=names, other=names)
def test_rooms_of_two_projects_never_meet(first: str, second: str, one: str, other: str) -> None:
    assume(first != second)
    assert room_name(one, first).full != room_name(other, second).full


@given(slug=slugs, other=slugs, name=names)
def test_another_projects_full_name_is_seen_for_what_it_is(slug: str, other: str, name: str) -> None:
    assume(slug != other)
    assert foreign_prefix(f"{other}_{name}", slug) == other


@given(slug=slugs, name=names)
def test_a_projects_own_full_name_is_not_foreign(slug: str, name: str) -> None:
    assert foreign_prefix(f"{slug}_{name}", slug) is None


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "a" * 129, "a\n", "a\x00", "..%2f"])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        room_name(name, "proj")


def test_a_plus_is_only_in_names_that_are_there_already() -> None:
    assert room_name("call_+17755550100_x", "proj").full == "proj_call_+17755550100_x"
    with pytest.raises(InvalidRequest):
        room_name("call_+17755550100_x", "proj", fresh=True)
