"""Secrets: made once, kept closed, never guessed when they are lost."""

import base64
import json
import stat
from dataclasses import asdict
from pathlib import Path

import pytest

from parley.stack.errors import DirectoryUnusable
from parley.stack.secrets import Secrets, load_or_create


def test_secrets_are_kept_for_the_next_start_and_only_the_owner_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    made = load_or_create(path, database_exists=False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create(path, database_exists=True) == made


def test_each_secret_has_the_form_its_reader_expects() -> None:
    secrets = Secrets.generate()
    for value, prefix in ((secrets.api_key, "pk_"), (secrets.api_secret, "sk_"), (secrets.admin_key, "ak_")):
        assert value.startswith(prefix)
        assert len(value) == len(prefix) + 32
    assert len(base64.b64decode(secrets.secret_key)) == 32
    assert len(secrets.livekit_api_secret) >= 32
    assert len(set(asdict(secrets).values())) == len(asdict(secrets))


def test_secrets_are_not_shown_in_a_traceback() -> None:
    secrets = Secrets.generate()
    assert secrets.api_secret not in repr(secrets)


def test_lost_secrets_of_a_database_are_an_error_and_not_new_ones(tmp_path: Path) -> None:
    with pytest.raises(DirectoryUnusable, match="backup"):
        load_or_create(tmp_path / "secrets.json", database_exists=True)
    assert not (tmp_path / "secrets.json").exists()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"api_key": ""}'])
def test_damaged_secrets_are_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(content)
    with pytest.raises(DirectoryUnusable, match="damaged"):
        load_or_create(path, database_exists=True)


def test_a_secret_file_that_others_could_read_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(json.dumps(asdict(Secrets.generate())))
    path.chmod(0o644)
    load_or_create(path, database_exists=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
