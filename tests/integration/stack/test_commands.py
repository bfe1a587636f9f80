"""The commands of compose.yaml, run as the processes they are: without settings each says what it needs."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from parley.stack.livekit import livekit_program

CHECKOUT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((CHECKOUT / "compose.yaml").read_text())
OURS = {name: service["command"] for name, service in COMPOSE["services"].items() if "build" in service}


@pytest.mark.parametrize("name", OURS)
def test_a_process_without_settings_names_what_is_missing(name: str) -> None:
    program, *arguments = OURS[name]
    command = [str(Path(sys.executable).parent / program), *arguments]
    done = subprocess.run(
        command, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode != 0
    lines = done.stderr.strip().splitlines()
    assert lines
    assert [line for line in lines if "PARLEY_" not in line] == []


def test_livekit_takes_the_configuration_of_compose_and_opens_its_turn_server(tmp_path: Path) -> None:
    configuration = yaml.safe_load((CHECKOUT / "deploy" / "livekit.yaml").read_text())
    configuration["rtc"]["use_external_ip"] = False  # it would ask a server of the world
    written = tmp_path / "livekit.yaml"
    written.write_text(yaml.safe_dump(configuration))
    environment = {"PATH": "/usr/bin:/bin", "LIVEKIT_KEYS": f"parley: {'s' * 40}"}
    # An unknown word in the file, or a value of the wrong kind, and it does not start.
    command = [livekit_program(), "--config", str(written), "ports"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=True)
    assert "3478 - TURN/UDP" in done.stdout
