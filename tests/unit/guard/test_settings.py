"""No process starts in production with a secret that everybody knows."""

import base64
import json
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from agents.settings import BotHostSettings, WorkerSettings
from control_plane.settings import Settings
from guard import logs
from guard.settings import WELL_KNOWN, wrong_settings
from knowledge.settings import KnowledgeSettings
from tests.support.tried import tried

OWN = base64.b64encode(bytes(range(32))).decode()
GIVEN: dict[type[BaseSettings], dict[str, Any]] = {
    Settings: {
        "database_url": f"postgresql://parley_app:{OWN}@db/parley",
        "redis_url": f"redis://:{OWN.replace('/', '_')}@redis:6379",
        "livekit_api_key": "parley",
        "livekit_api_secret": OWN,
        "secret_key": OWN,
        "worker_token": OWN,
        "models_api_key": OWN,
        "recordings_credentials": {"access_key_id": "parley", "secret_access_key": OWN},
    },
    KnowledgeSettings: {
        "knowledge_database_url": f"postgresql://parley_knowledge:{OWN}@db/parley",
        "knowledge_socket": "/run/knowledge.sock",
        "worker_token": OWN,
        "models_api_key": OWN,
    },
    WorkerSettings: {
        "worker_token": OWN,
        "livekit_api_key": "parley",
        "livekit_api_secret": OWN,
        "models_api_key": OWN,
        "provider_keys": {"deepgram": OWN},
    },
    BotHostSettings: {"worker_token": OWN, "models_api_key": OWN},
}
SECRETS = [
    (kind, name)
    for kind, given in GIVEN.items()
    for name in given
    if name not in ("livekit_api_key", "knowledge_socket", "secret_key")
]


def with_secret(kind: type[BaseSettings], name: str, secret: str) -> dict[str, Any]:
    before = GIVEN[kind][name]
    if isinstance(before, dict):
        return GIVEN[kind] | {name: dict.fromkeys(before, secret)}
    address = f"{before.partition('://')[0]}://user:{secret}@host/name" if "://" in before else secret
    return GIVEN[kind] | {name: address}


@pytest.mark.parametrize("kind", GIVEN)
def test_secrets_of_ones_own_start(kind: type[BaseSettings]) -> None:
    kind.model_validate(GIVEN[kind])


@pytest.mark.parametrize(("kind", "name"), SECRETS, ids=lambda value: getattr(value, "__name__", value))
def test_a_well_known_one_does_not_start_outside_development(kind: type[BaseSettings], name: str) -> None:
    for secret in (*WELL_KNOWN, "Password", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", base64.b64encode(bytes(32)).decode()):
        if "/" in secret:
            continue
        given = with_secret(kind, name, secret)
        with pytest.raises(ValidationError) as refused:
            kind.model_validate(given)
        told = wrong_settings(refused.value)
        assert f"PARLEY_{name.upper()}" in told
        assert len(secret) < 9 or secret not in told
        kind.model_validate(given | {"environment": "development"})
        tried("default secrets: settings × values", 1)


def test_a_key_of_zeros_encrypts_nothing() -> None:
    zeros = base64.b64encode(bytes(32)).decode()
    with pytest.raises(ValidationError, match="PARLEY_SECRET_KEY"):
        Settings.model_validate(GIVEN[Settings] | {"secret_key": zeros})


def test_what_is_no_json_is_refused_by_its_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GIVEN[Settings].items():
        monkeypatch.setenv(f"PARLEY_{name.upper()}", json.dumps(value) if isinstance(value, dict) else value)
    monkeypatch.setenv("PARLEY_FORMER_SECRET_KEYS", OWN)  # without its brackets
    with pytest.raises(ValidationError) as refused:
        Settings()
    told = wrong_settings(refused.value)
    assert told == "PARLEY_FORMER_SECRET_KEYS: Input should be a valid list"
    assert OWN not in str(refused.value)


def test_a_former_key_is_as_good_as_the_first() -> None:
    other = base64.b64encode(bytes(range(1, 33))).decode()
    settings = Settings.model_validate(GIVEN[Settings] | {"former_secret_keys": [other]})
    assert settings.secret_keys == (OWN, other)
    for wrong in ("short", base64.b64encode(bytes(32)).decode()):
        with pytest.raises(ValidationError, match=r"former_secret_keys|PARLEY_FORMER_SECRET_KEYS"):
            Settings.model_validate(GIVEN[Settings] | {"former_secret_keys": [wrong]})


@pytest.mark.parametrize("kind", GIVEN)
def test_no_secret_of_a_process_comes_into_its_log(kind: type[BaseSettings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_CONCEALED", set())
    mine = "A-Secret-Of-My-Own/+1"
    names = [name for name in GIVEN[kind] if (kind, name) in SECRETS]
    for name in names:
        quoted = mine.replace("/", "%2F").replace("+", "%2B")
        kind.model_validate(with_secret(kind, name, quoted if "://" in str(GIVEN[kind][name]) else mine))
        written = logs.hide_secrets(None, "info", {"event": f"it is {mine}", "address": [f"?k={quoted}"]})
        assert written == {"event": "it is ***", "address": ["?k=***"]}, name
        logs._CONCEALED.clear()


@pytest.mark.parametrize("name", ["worker_token", "livekit_api_secret"])
def test_a_short_one_that_only_we_use_does_not_start(name: str) -> None:
    with pytest.raises(ValidationError, match=f"PARLEY_{name.upper()}"):
        WorkerSettings.model_validate(GIVEN[WorkerSettings] | {name: "x7Kq93bT"})


def test_an_empty_variable_is_as_if_it_were_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GIVEN[BotHostSettings].items():
        monkeypatch.setenv(f"PARLEY_{name.upper()}", value)
    monkeypatch.setenv("PARLEY_MAX_BOTS", "")
    assert BotHostSettings().max_bots == 30  # type: ignore[call-arg]  # from the environment
    monkeypatch.setenv("PARLEY_WORKER_TOKEN", "")
    with pytest.raises(ValidationError, match="worker_token"):
        BotHostSettings()  # type: ignore[call-arg]
