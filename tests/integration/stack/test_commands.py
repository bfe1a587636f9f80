"""The commands of compose.yaml, run as the processes they are: without settings each says what it needs."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((CHECKOUT / "compose.yaml").read_text())
OURS = {name: service["command"] for name, service in COMPOSE["services"].items() if "build" in service}


@pytest.mark.parametrize("name", OURS)
def test_a_process_without_settings_names_what_is_missing(name: str) -> None:
    program, *arguments = OURS[name]
    command = [str(Path(sys.executable).parent / program), *arguments]
    done = subprocess.run(
        command, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    lines = done.stderr.strip().splitlines()
    assert lines
    assert [line for line in lines if "PARLEY_" not in line] == []
