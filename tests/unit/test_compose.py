"""compose.yaml: which process is told which secret, and what a container may do."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from agents.settings import BotHostSettings, WorkerSettings
from control_plane.settings import MigrationSettings, Settings
from knowledge.settings import KnowledgeSettings
from tests.support.tried import tried

CHECKOUT = Path(__file__).parents[2]
READS: dict[str, type[BaseSettings]] = {
    "migrate": MigrationSettings,
    "control-plane": Settings,
    "jobs": Settings,
    "knowledge": KnowledgeSettings,
    "worker": WorkerSettings,
    "bots": BotHostSettings,
}


def services() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((CHECKOUT / "compose.yaml").read_text())["services"]
    return parsed


@pytest.mark.parametrize("name", READS)
def test_a_process_is_given_what_it_reads_and_nothing_more(name: str) -> None:
    fields = READS[name].model_fields
    given = set(services()[name]["environment"])
    assert given <= {f"PARLEY_{field.upper()}" for field in fields}
    wanted = {f"PARLEY_{field.upper()}" for field, one in fields.items() if one.is_required()}
    assert wanted <= given, "it would not start"
    assert services()[name]["env_file"] == [{"path": "deploy/options.env", "required": False}], "it holds no secret"


def test_only_the_control_plane_knows_the_key_of_what_is_encrypted_and_only_the_migrations_own_the_tables() -> None:
    def know(variable: str) -> set[str]:
        return {name for name, one in services().items() if variable in str(one.get("environment"))}

    assert know("PARLEY_SECRET_KEY") == {"control-plane", "jobs"}
    assert know("PARLEY_OWNER_DATABASE_URL") == {"migrate"}
    assert know("PARLEY_ADMIN_KEY") == {"control-plane"}
    assert know("PARLEY_DATABASE_URL") == {"migrate", "control-plane", "jobs"}
    assert know("PARLEY_LIVEKIT_API_SECRET") == {"livekit", "control-plane", "jobs", "worker"}


def test_no_secret_stands_in_a_command_line() -> None:
    for name, service in services().items():
        assert re.search(r"\$\{", str(service.get("command", ""))) is None, name
    script = (CHECKOUT / "deploy" / "postgres" / "10-parley.sh").read_text()
    assert re.search(r"psql .*\$\{?PARLEY", script) is None


def test_every_variable_stands_in_the_example_or_has_a_default() -> None:
    text = (CHECKOUT / "compose.yaml").read_text()
    example = (CHECKOUT / "deploy" / "env.example").read_text()
    needed = set(re.findall(r"\$\{(\w+):\?", text))
    assert needed <= set(re.findall(r"^(\w+)=", example, re.MULTILINE))


@pytest.mark.parametrize("name", services())
def test_a_container_may_do_little(name: str) -> None:
    service = services()[name]
    tried("containers: services × hardening", 4)
    assert service["cap_drop"] == ["ALL"]
    assert "privileged" not in service
    if "build" not in service:
        name_of_image, _, version = service["image"].partition(":")
        assert name_of_image
        assert version not in ("", "latest")
    if name == "egress":  # its Chrome needs a sandbox and writes where it likes
        assert service["cap_add"] == ["SYS_ADMIN"]
        return
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    if name == "postgres":  # its image gives up root by itself, after it has made the folder
        assert set(service["cap_add"]) == {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
    elif name != "sip":  # whose image has a user of its own
        assert "cap_add" not in service
        assert service["user"] in ("10001:10001", "redis")


def test_the_shell_of_redis_reads_its_password_as_it_is(tmp_path: Path) -> None:
    shell, option, script = services()["redis"]["command"]
    assert (shell, option) == ("sh", "-c")
    redis = tmp_path / "redis-server"
    redis.write_text("#!/bin/sh\nexec cat\n")
    redis.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "REDIS_PASSWORD": "a b$c`d"}
    command = [shell, option, script.replace("$$", "$")]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=10).stdout
    assert told == 'requirepass "a b$c`d"\nsave ""\n'
