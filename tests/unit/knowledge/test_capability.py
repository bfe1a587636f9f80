from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.capability import CapabilityError, derive_key, sign, verify

NOW = datetime(2030, 1, 1, tzinfo=UTC)
KEY = derive_key("token")


def signed(*, key: bytes = KEY, expires_at: datetime = NOW + timedelta(hours=1)) -> str:
    return sign(key, project_id=7, base_ids=[3, 1, 3], session_id=42, expires_at=expires_at)


def test_a_capability_says_what_it_was_signed_for():
    capability = verify(KEY, signed(), NOW)
    assert (capability.project_id, capability.base_ids, capability.session_id) == (7, (1, 3), 42)
    assert capability.expires_at == NOW + timedelta(hours=1)


def test_it_ends_at_its_expiry():
    with pytest.raises(CapabilityError, match="expired"):
        verify(KEY, signed(expires_at=NOW), NOW)


def test_another_worker_token_does_not_open_it():
    with pytest.raises(CapabilityError, match="not signed"):
        verify(derive_key("another"), signed(), NOW)


def test_it_does_not_show_the_worker_token():
    assert "token" not in signed()
    assert b"token" not in KEY


@given(st.integers(0, 200), st.characters(codec="ascii"))
def test_a_changed_character_is_noticed(position, character):
    token = signed()
    position %= len(token)
    changed = token[:position] + character + token[position + 1 :]
    if changed != token:
        with pytest.raises(CapabilityError):
            verify(KEY, changed, NOW)


@given(st.text())
def test_anything_else_is_refused(token):
    with pytest.raises(CapabilityError):
        verify(KEY, token, NOW)
