"""What each process of the platform is told, and what it is not."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from parley.stack.database import database_urls
from parley.stack.directories import DataDirectory
from parley.stack.errors import ProgramMissing
from parley.stack.livekit import livekit_configuration
from parley.stack.ports import WISHES
from parley.stack.secrets import Secrets
from parley.stack.services import Services, python

PORTS = {name: wish.first for name, wish in WISHES.items()}


@pytest.fixture
def services(tmp_path: Path) -> Services:
    secrets = Secrets.generate()
    parent = {
        "PATH": "/usr/bin",
        "HOME": "/home/someone",
        "AWS_SECRET_ACCESS_KEY": "theirs",
        "PYTHONPATH": "/elsewhere",
    }
    return Services(DataDirectory(tmp_path), PORTS, secrets, database_urls(54320, secrets), parent)


def test_no_child_sees_the_rest_of_our_environment(services: Services) -> None:
    children = [services.control_plane(), services.jobs(), services.worker(), services.knowledge(), services.models()]
    children.append(services.bots())
    for child in children:
        assert not {"AWS_SECRET_ACCESS_KEY", "PYTHONPATH"} & set(child.environment)
        assert child.environment["HOME"] == "/home/someone"


def test_each_process_shows_its_figures_at_a_port_of_its_own(services: Services) -> None:
    asked = replace(services, parent={**services.parent, "PARLEY_METRICS_PORT": "9464"})
    children = asked.jobs(), asked.worker(), asked.bots()
    assert [child.environment["PARLEY_METRICS_PORT"] for child in children] == ["9464", "9465", "9466"]
    assert "PARLEY_METRICS_PORT" not in asked.control_plane().environment
    assert not any("PARLEY_METRICS_PORT" in child.environment for child in (services.jobs(), services.worker()))


def test_a_worker_gets_neither_the_database_nor_the_key_of_stored_secrets(services: Services) -> None:
    environment = services.worker().environment
    assert not {"PARLEY_DATABASE_URL", "PARLEY_SECRET_KEY", "PARLEY_KNOWLEDGE_DATABASE_URL"} & set(environment)


def test_a_bot_host_gets_no_key_of_livekit_as_every_bot_has_a_token_of_its_own(services: Services) -> None:
    environment = services.bots().environment
    assert not {"PARLEY_DATABASE_URL", "PARLEY_SECRET_KEY", "PARLEY_LIVEKIT_API_SECRET"} & set(environment)
    assert environment["PARLEY_SPOOL_DIR"] != services.worker().environment["PARLEY_SPOOL_DIR"]


def test_only_the_control_plane_knows_the_operators_key(services: Services) -> None:
    assert services.control_plane().environment["PARLEY_ADMIN_KEY"] == services.secrets.admin_key
    for child in (services.jobs(), services.worker(), services.bots(), services.knowledge(), services.models()):
        assert services.secrets.admin_key not in child.environment.values()


def test_the_processes_which_start_first_outwait_those_they_report_to(services: Services) -> None:
    before = services.models().start_within + services.control_plane().start_within
    assert min(services.worker().start_within, services.bots().start_within) > before


def test_links_in_webhooks_lead_where_those_of_the_api_do(services: Services) -> None:
    public = "PARLEY_PUBLIC_URL"
    assert services.jobs().environment[public] == services.control_plane().environment[public] == services.api_url


def test_the_knowledge_process_reads_with_a_role_of_its_own(services: Services) -> None:
    environment = services.knowledge().environment
    assert environment["PARLEY_KNOWLEDGE_DATABASE_URL"] == services.database.knowledge
    assert not {"PARLEY_DATABASE_URL", "PARLEY_LIVEKIT_API_SECRET"} & set(environment)


def test_migrations_run_as_the_owner_and_requests_do_not(services: Services) -> None:
    assert services.migrate()[1]["PARLEY_DATABASE_URL"] == services.database.owner
    assert services.control_plane().environment["PARLEY_DATABASE_URL"] == services.database.app


def test_models_that_the_person_named_replace_the_offline_ones(services: Services) -> None:
    named = {
        "PARLEY_MODELS_URL": "https://models.example/v1",
        "PARLEY_MODELS_API_KEY": "k",
        "PARLEY_LLM_MODEL": "big",
    }
    theirs = replace(services, parent={**services.parent, **named})
    assert services.has_own_models
    assert not theirs.has_own_models
    assert named.items() <= theirs.worker().environment.items()


def test_all_who_embed_are_told_the_embedders_that_the_person_named(services: Services) -> None:
    named = {"PARLEY_KNOWLEDGE_EMBEDDER": "openai:small", "PARLEY_KNOWLEDGE_FORMER_EMBEDDER": "minilm"}
    theirs = replace(services, parent={**services.parent, **named})
    for environment in (theirs.control_plane().environment, theirs.knowledge().environment, theirs.seed()[1]):
        assert named.items() <= environment.items()


def test_what_the_person_says_of_privacy_is_told_to_whom_it_concerns(services: Services) -> None:
    said = {
        "PARLEY_FORMER_SECRET_KEYS": '["former"]',
        "PARLEY_BACKUPS_KEPT": "P30D",
        "PARLEY_SIGN_UP": "false",
        "PARLEY_REDACTOR": "ours:finder",
    }
    asked = replace(services, parent={**services.parent, **said})
    for child in (asked.control_plane(), asked.jobs()):
        assert said.items() <= child.environment.items()
    for child in (asked.worker(), asked.bots()):
        assert child.environment["PARLEY_REDACTOR"] == "ours:finder"
        assert "PARLEY_FORMER_SECRET_KEYS" not in child.environment


def test_a_module_that_is_not_installed_is_named() -> None:
    with pytest.raises(ProgramMissing, match=r"the module parley\.nothing is missing"):
        python("parley.nothing")
    with pytest.raises(ProgramMissing, match=r"nothing\.at\.all"):
        python("nothing.at.all")


def test_the_media_server_asks_nobody_outside_and_reports_to_the_control_plane(services: Services) -> None:
    text = livekit_configuration(PORTS, services.secrets, webhook_url=services.webhook_url)
    configuration = yaml.safe_load(text)
    assert configuration["bind_addresses"] == ["127.0.0.1"]
    assert configuration["rtc"]["use_external_ip"] is False
    (stun,) = configuration["rtc"]["stun_servers"]
    assert stun.startswith("127.0.0.1:")
    assert stun != f"127.0.0.1:{configuration['rtc']['udp_port']}", "clients would take all media for its answers"
    assert configuration["webhook"]["urls"] == ["http://127.0.0.1:8000/livekit/webhook"]
    assert configuration["room"]["enable_remote_unmute"] is True
    assert configuration["keys"] == {services.secrets.livekit_api_key: services.secrets.livekit_api_secret}


def test_whoever_works_on_the_database_is_stopped_before_it(services: Services) -> None:
    for child in (services.control_plane(), services.jobs(), services.knowledge()):
        assert "postgres" in child.after
