"""Secrets: sealed for one row, signed for one call, never in a log."""

import base64
import os
import random
import string
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import LargeBinary
from sqlmodel import SQLModel

from control_plane import tables
from control_plane.accounts.console.resetting import ResetSigner
from control_plane.accounts.models import Account
from control_plane.auth.callers import key_hash
from control_plane.calendars.push import Channels
from control_plane.errors import Unauthorized
from control_plane.ids import is_mistyped, random_secret
from control_plane.recordings.links import LinkSigner
from control_plane.secrets.box import SecretBox
from control_plane.secrets.rotating import SEALED
from control_plane.sessions.capability import ReportSigner
from control_plane.sessions.slots import StandingSigner, Ticket, TicketSigner
from guard import logs
from guard.logs import hide_secrets
from tests.support.tried import sample, tried

KEY = base64.b64encode(os.urandom(32)).decode()
FORMER = base64.b64encode(os.urandom(32)).decode()


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


def test_what_a_former_key_sealed_opens_and_is_sealed_with_the_first_from_then_on() -> None:
    sealed = SecretBox(FORMER).seal("sk_1", row="a")
    both = SecretBox((KEY, FORMER))
    assert both.open(sealed, row="a") == "sk_1"
    assert SecretBox(KEY).open(both.seal("sk_1", row="a"), row="a") == "sk_1"
    with pytest.raises(ValueError, match="another key"):
        SecretBox(KEY).open(sealed, row="a")


@pytest.mark.parametrize("key", [KEY, FORMER], ids=["the first", "a former one"])
def test_what_was_sealed_before_there_were_key_ids_opens(key: str) -> None:
    box, nonce = SecretBox((KEY, FORMER)), os.urandom(12)
    for begins in (nonce, box.head + nonce[5:]):  # by chance, as the sealed bytes of today
        sealed = begins + AESGCM(base64.b64decode(key)).encrypt(begins, b"sk_1", b"a")
        assert box.open(sealed, row="a") == "sk_1"
        with pytest.raises(ValueError, match="another row"):
            box.open(sealed, row="b")


def test_sealed_bytes_that_were_changed_do_not_open() -> None:
    box, chance = SecretBox((KEY, FORMER)), random.Random(1)
    whole, count, opened = box.seal("sk_1", row="a"), sample(2_000, 200), 0
    for _ in range(count):
        place = chance.randrange(len(whole))
        changed = bytearray(whole)
        changed[place] ^= 1 << chance.randrange(8)
        try:
            opened += box.open(bytes(changed), row="a") is not None
        except ValueError:
            continue
    tried("secrets: sealed bytes changed", count, opened)
    assert opened == 0


def test_every_sealed_column_has_its_place_in_the_rotation() -> None:
    assert tables.TENANT_TABLES
    named = {(each.table, each.column) for each in SEALED if each.member is None}
    found = {
        (table.name, column.name)
        for table in SQLModel.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary) and column.name.startswith("sealed")
    }
    assert named == found
    for each in SEALED:
        columns = SQLModel.metadata.tables[each.table].columns
        wanted = {part.partition("}")[0] for part in each.row.split("{")[1:]} | {*each.key}
        assert wanted <= {*columns.keys()}
        assert [column.name for column in columns if column.primary_key] == [*each.key]


def test_signatures_of_a_former_key_are_good_and_new_ones_are_of_the_first() -> None:
    both, only, now = (KEY, FORMER), KEY, datetime.now(UTC)
    account = Account(id=7, email="a@example.org", name="a", password_hash="h")

    def signed(keys: str | tuple[str, ...]) -> list[str]:
        return [
            ReportSigner(keys).sign(1, 2, 3),
            LinkSigner(keys).sign(1, 2, expires_at=now + timedelta(hours=1)),
            StandingSigner(keys, "number").sign(4, 5).secret,
            ResetSigner(keys).sign(account, now),
            Channels(keys, "https://example.org", wanted=True).secret(calendar),
        ]

    calendar = uuid4()
    for keys, accepts in ((both, True), (only, False)):
        report, link, ticket, *_ = signed(FORMER)
        assert (ReportSigner(keys).project_of(report, 2, 3) == 1) is accepts
        assert (LinkSigner(keys).project_of(link, 2, now=now) == 1) is accepts
        assert (StandingSigner(keys, "number").holder_of(Ticket(ticket, 5)) == 4) is accepts
    assert signed(both) == signed(only)


def test_a_slot_that_waits_keeps_its_ticket_when_another_key_is_the_first() -> None:
    former, both = TicketSigner(FORMER), TicketSigner((KEY, FORMER))
    nonce = former.new_nonce()
    assert both.secret(nonce) == former.secret(nonce)
    assert TicketSigner(KEY).secret(both.new_nonce()) != former.secret(nonce)
    assert both.secret("a nonce without a name") == TicketSigner(KEY).secret("a nonce without a name")


def test_a_mistyped_key_is_known_before_anybody_looks_for_it() -> None:
    chance, count, unseen = random.Random(2), sample(20_000, 2_000), 0
    for _ in range(count):
        key = random_secret("pk_")
        place = chance.randrange(3, len(key))
        other = chance.choice([each for each in string.ascii_letters + string.digits + "-_" if each != key[place]])
        unseen += not is_mistyped(key[:place] + other + key[place + 1 :], "pk_") or is_mistyped(key, "pk_")
    tried("secrets: keys mistyped", count, unseen)
    assert unseen == 0


def test_a_wrong_checksum_is_refused_and_a_key_from_before_there_was_one_is_not() -> None:
    key = random_secret("pk_")
    assert key_hash(key)
    with pytest.raises(Unauthorized, match="Invalid or deactivated"):
        key_hash(key[:-1] + ("a" if key[-1] != "a" else "b"))
    for older in ("pk_" + "x" * 32, "pk_chosen", "ak_" + "x" * 38):
        assert key_hash(older)


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


@pytest.mark.parametrize(
    "prefix", ["pk_", "sk_", "ak_", "ek_", "tk_", "mt_", "cs_", "adm_", "sup_", "rst_", "rpl_", "whsec_"]
)
def test_a_credential_in_a_text_is_not_logged(prefix: str) -> None:
    assert hide_secrets(None, "info", {"event": f"bad {random_secret(prefix)}."}) == {"event": "bad ***."}


def test_a_key_of_somebody_elses_form_is_hidden_once_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_CONCEALED", set())
    event = {"event": "GET /v1/x?key=another-houses-key failed", "exception": "{'xi-api-key': 'another-houses-key'}"}
    logs.conceal("another-houses-key", "short")
    hidden = hide_secrets(None, "info", event | {"word": "short"})
    assert hidden == {"event": "GET /v1/x?key=*** failed", "exception": "{'xi-api-key': '***'}", "word": "short"}


NESTED = "hidden-in-a-nested-value"
HIDDEN = {
    "a ticket that stands": str(StandingSigner(KEY, "meeting").sign(3, 4).secret),
    "a call's capability": ReportSigner(KEY).sign(1, 2, 3),
    "a link to a recording": LinkSigner(KEY).sign(1, 2, expires_at=datetime(2030, 1, 1, tzinfo=UTC)),
    "a token": jwt.encode({"sub": "a"}, KEY, algorithm="HS256"),
    "the password of an address": "parley_app:s3cr3t-of-mine",
    "a livestream's key": "live.example.org/app/abcd-efgh",
}


@pytest.mark.parametrize("what", HIDDEN)
def test_what_can_be_told_by_its_form_is_not_logged(what: str) -> None:
    secret = HIDDEN[what]
    told = {
        "the password of an address": f"cannot reach postgresql://{secret}@db:5432/parley",
        "a livestream's key": f"rtmps://{secret} is away",
    }.get(what, f"refused: {secret}, said LiveKit")
    event = hide_secrets(
        None, "info", {"event": told, "deep": {"list": [told, (told.encode(),)]}, "error": OSError(told)}
    )
    assert secret not in str(event)
    assert "***" in event["event"]


def test_secrets_are_hidden_however_deep_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_CONCEALED", set())
    logs.conceal(NESTED)
    event = {
        "event": "x",
        "body": {"Authorization": "Basic dXNlcjpwYXNz", "inner": [{"api_key": "k", "say": f"it is {NESTED}"}]},
        "given": (NESTED.encode(), {NESTED}, ValueError(NESTED)),
        "count": 3,
        "ok": True,
        "nothing": None,
    }
    hidden = hide_secrets(None, "info", event)
    assert hidden["body"] == {"Authorization": "***", "inner": [{"api_key": "***", "say": "it is ***"}]}
    assert hidden["given"] == ["***", ["***"], "***"]
    assert (hidden["count"], hidden["ok"], hidden["nothing"]) == (3, True, None)


def test_what_nests_in_itself_is_written_all_the_same() -> None:
    loop: list[object] = ["a"]
    loop.append(loop)
    assert "***" not in str(hide_secrets(None, "info", {"event": "x", "loop": loop})["event"])
