"""Secrets: sealed for one row, signed for one call, never in a log."""

import base64
import os

import pytest

from control_plane.ids import random_secret
from control_plane.secrets.box import SecretBox
from control_plane.sessions.capability import ReportSigner
from control_plane.sessions.slots import Ticket
from guard import logs
from guard.logs import hide_secrets

KEY = base64.b64encode(os.urandom(32)).decode()


def test_a_sealed_secret_opens_only_in_its_row() -> None:
    box = SecretBox(KEY)
    sealed = box.seal("sk_1", row="api_key:1")
    assert b"sk_1" not in sealed
    assert box.open(sealed, row="api_key:1") == "sk_1"
    with pytest.raises(ValueError, match="another row"):
        box.open(sealed, row="api_key:2")


def test_sealing_twice_gives_different_bytes() -> None:
    box = SecretBox(KEY)
    assert box.seal("sk_1", row="a") != box.seal("sk_1", row="a")


def test_a_report_capability_fits_one_job() -> None:
    signer = ReportSigner(KEY)
    capability = signer.sign(1, 2, 3)
    assert signer.project_of(capability, 2, 3) == 1
    assert signer.project_of(capability, 2, 4) is None
    assert signer.project_of(capability, 3, 3) is None
    assert signer.project_of("9" + capability, 2, 3) is None
    assert signer.project_of("1.é", 2, 3) is None
    assert ReportSigner("other").project_of(capability, 2, 3) is None


@pytest.mark.parametrize("text", ["", ".", "x.", ".1", "a.b", "a.-1", "a.١", "a." + "9" * 30])
def test_what_cannot_be_a_ticket_is_none(text: str) -> None:
    assert Ticket.parse(text) is None


def test_a_ticket_is_read_as_it_was_written() -> None:
    ticket = Ticket("tk_abc.def", 12)
    assert Ticket.parse(str(ticket)) == ticket


def test_fields_that_are_secrets_by_name_are_not_logged() -> None:
    event = {"event": "x", "api_key": "pk_1", "worker_token": "t", "livekit_api_secret": "s", "room": "r"}
    assert hide_secrets(None, "info", event) == {
        "event": "x",
        "api_key": "***",
        "worker_token": "***",
        "livekit_api_secret": "***",
        "room": "r",
    }


@pytest.mark.parametrize("prefix", ["pk_", "sk_", "ak_", "tk_", "mt_", "whsec_"])
def test_a_credential_in_a_text_is_not_logged(prefix: str) -> None:
    assert hide_secrets(None, "info", {"event": f"bad {random_secret(prefix)}."}) == {"event": "bad ***."}


def test_a_key_of_somebody_elses_form_is_hidden_once_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_CONCEALED", set())
    event = {"event": "GET /v1/x?key=another-houses-key failed", "exception": "{'xi-api-key': 'another-houses-key'}"}
    logs.conceal("another-houses-key", "short")
    hidden = hide_secrets(None, "info", event | {"word": "short"})
    assert hidden == {"event": "GET /v1/x?key=*** failed", "exception": "{'xi-api-key': '***'}", "word": "short"}
