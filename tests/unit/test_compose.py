"""compose.yaml: which process is told which secret, and what a container may do."""

import os
import re
import subprocess
from base64 import b64encode
from fnmatch import fnmatch
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from agents.settings import BotHostSettings, WorkerSettings
from control_plane.db.database import Database
from control_plane.recordings.storage import open_store
from control_plane.settings import MigrationSettings, Settings
from guard.settings import wrong_settings
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

MAY = {
    "postgres": {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"},
    "folders": {"CHOWN"},
    "proxy": {"NET_BIND_SERVICE"},
}
"""What a container may do besides nothing."""


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


def example() -> dict[str, str]:
    """What an operator has who has filled in the example as it says."""
    lines = (CHECKOUT / "deploy" / "env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    filled = {name: re.sub(r"<[^>]*>", token_hex(32), value) or token_hex(32) for name, value in given.items()}
    return filled | {
        "PARLEY_SECRET_KEY": b64encode(token_bytes(32)).decode(),
        "PARLEY_ADMIN_KEY": f"ak_{token_hex(32)}",
    }


@pytest.mark.parametrize("name", READS)
def test_a_process_starts_with_the_example_filled_in(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = example()
    for variable in [each for each in os.environ if each.startswith("PARLEY_")]:
        monkeypatch.delenv(variable)
    for variable, value in services()[name]["environment"].items():
        needed = re.sub(r"\$\{(\w+)(?::[-?]([^}]*))?\}", lambda it: given.get(it[1], it[2] or ""), str(value))
        monkeypatch.setenv(variable, needed)
    try:
        READS[name]()
    except ValidationError as error:
        pytest.fail(wrong_settings(error))


@pytest.mark.parametrize(
    "kept", [".env", ".env.former", "secrets.env", "deploy/options.env", "parley.dump", "recordings/"]
)
def test_what_the_pages_have_an_operator_keep_here_comes_into_no_image_and_no_commit(kept: str) -> None:
    git = subprocess.run(["git", "check-ignore", "-q", kept], cwd=CHECKOUT, check=False)
    assert git.returncode == 0
    patterns = [line for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    path = kept.rstrip("/")
    assert any(fnmatch(path, each) or fnmatch(path, each.removeprefix("**/")) for each in patterns)


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
    assert service["pids_limit"] == 4096
    assert set(service.get("cap_add", [])) == MAY.get(name, set())
    # PostgreSQL's gives up root by itself, after it has made its folder; the SIP service's has a user of its own.
    if name not in ("postgres", "sip", "folders"):
        assert service["user"] in ("10001:10001", "redis")


def test_what_runs_as_root_ends_at_once_and_reaches_nothing() -> None:
    folders = services()["folders"]
    assert (folders["network_mode"], folders["restart"]) == ("none", "no")
    assert folders["entrypoint"] == ["chown", "10001:10001"]
    assert "environment" not in folders
    mounted = {volume.rpartition(":")[2] for volume in folders["volumes"]}
    assert set(folders["command"]) == mounted


def test_only_the_proxy_and_media_are_published_to_the_world() -> None:
    published = {
        name: [port for port in one["ports"] if not port.startswith("127.0.0.1:")]
        for name, one in services().items()
        if "ports" in one
    }
    assert {name for name, ports in published.items() if ports} == {"proxy", "livekit"}
    sites = (CHECKOUT / "deploy" / "Caddyfile").read_text()
    listens = dict(re.findall(r"(http_port|https_port) (\d+)", sites))
    assert {port.partition(":")[2] for port in published["proxy"]} == set(listens.values())
    reached = set(re.findall(r"(?:reverse_proxy|dynamic a) ([a-z-]+)", sites))
    assert reached == {"control-plane", "livekit"}
    assert reached <= set(services())
    media = yaml.safe_load((CHECKOUT / "deploy" / "livekit.yaml").read_text())
    relayed = f"{media['turn']['relay_range_start']}-{media['turn']['relay_range_end']}"
    wanted = {f"{media['rtc']['udp_port']}/udp", str(media["rtc"]["tcp_port"]), f"{media['turn']['udp_port']}/udp"}
    assert {port.partition(":")[2] for port in published["livekit"]} == wanted | {f"{relayed}/udp"}


def test_the_control_plane_believes_its_own_network_who_a_visitor_is() -> None:
    (network,) = yaml.safe_load((CHECKOUT / "compose.yaml").read_text())["networks"]["default"]["ipam"]["config"]
    assert services()["control-plane"]["environment"]["PARLEY_TRUSTED_PROXIES"] == network["subnet"]


def test_whoever_takes_work_says_when_it_can_and_gets_the_time_to_end() -> None:
    for name in set(READS) - {"migrate"}:
        assert "healthcheck" in services()[name], name
    for name in ("jobs", "worker", "bots"):
        ready = services()[name]["environment"]["PARLEY_READY_FILE"]
        assert services()[name]["healthcheck"]["test"] == ["CMD", "test", "-f", ready]
    drain = WorkerSettings.model_fields["drain_timeout"].default
    assert services()["worker"]["stop_grace_period"] == f"{drain // 60 + 1}m"
    for name in ("livekit", "sip", "egress"):
        assert services()[name]["stop_grace_period"] == f"{drain // 60 + 1}m", f"calls are in {name}"
    assert not re.search(r"container_name|ports", str(services()["worker"])), "it could not be scaled"


def test_an_up_without_numbers_keeps_as_many_as_the_example_names() -> None:
    scaled = {name: service["scale"] for name, service in services().items() if "scale" in service}
    assert set(scaled) == {"worker", "control-plane", "jobs"}
    for name, number in scaled.items():
        variable, less = re.fullmatch(r"\$\{(\w+):-(\d+)\}", number).groups()  # type: ignore[union-attr]
        assert example()[variable] == less == "1", name


def test_nothing_begins_before_the_database_is_made() -> None:
    """While it is made, at the first start, a server answers that is at a socket alone and ends then."""
    asked = services()["postgres"]["healthcheck"]["test"]
    assert asked[asked.index("-h") + 1] == "127.0.0.1"
    assert services()["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_the_database_of_compose_has_a_connection_for_everybody() -> None:
    pool = Settings.model_fields["database_pool"].default
    pools = Database("postgresql://nobody@127.0.0.1/none", pool=pool).most
    knowledge = KnowledgeSettings.model_fields["knowledge_pool"].default
    # Wake-ups, hearing and the log; and in a jobs process that leads everything its locks and what it listens for.
    serve, jobs = pools + 3, pools + 14
    page = (CHECKOUT / "docs" / "operations" / "scale.md").read_text()
    assert re.findall(r"^\| `.*` (?:and \d+ )?\| (\d+) \|$", page, re.M) == [str(serve), str(jobs), str(knowledge)]
    has = int(re.search(r"max_connections=(\d+)", str(services()["postgres"]["command"]))[1])  # type: ignore[index]
    assert has >= 3 * serve + 2 * jobs + knowledge + 10


def test_services_and_volumes_that_are_named_are_there() -> None:
    whole = yaml.safe_load((CHECKOUT / "compose.yaml").read_text())
    for name, service in services().items():
        assert set(service.get("depends_on", [])) <= set(services()), name
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert (CHECKOUT / source).exists() if source.startswith("./") else source in whole["volumes"], volume


def test_the_bucket_that_is_made_is_the_one_that_recordings_go_to() -> None:
    address = services()["control-plane"]["environment"]["PARLEY_RECORDINGS_URL"].partition(":-")[2].rstrip("}")
    bucket = services()["bucket"]["command"][-1].partition("/")[2]
    assert address.startswith(f"s3://{bucket}?")
    assert "endpoint=http://storage:9000" in address
    store = open_store(address, {"access_key_id": "a", "secret_access_key": "b"})
    assert "S3Store" in repr(store)


def test_the_shell_of_redis_reads_its_password_as_it_is(tmp_path: Path) -> None:
    shell, option, script = services()["redis"]["command"]
    assert (shell, option) == ("sh", "-c")
    redis = tmp_path / "redis-server"
    redis.write_text("#!/bin/sh\nexec cat\n")
    redis.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "REDIS_PASSWORD": "a b$c`d"}
    command = [shell, option, script.replace("$$", "$")]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=10).stdout
    assert told == 'requirepass "a b$c`d"\nsave ""\nappendonly yes\n'
