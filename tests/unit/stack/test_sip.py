"""Where phones reach the SIP service of a platform."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from parley.cli import app
from parley.stack.ports import WISHES
from parley.stack.secrets import Secrets
from parley.stack.sip import sip_child

PORTS = {name: wish.first for name, wish in WISHES.items()}


def test_phones_of_the_network_reach_the_address_that_was_named(tmp_path: Path) -> None:
    child = sip_child(tmp_path, PORTS, Secrets.generate(), host="192.0.2.7", pocket=(["pocket"], {}))
    assert child.environment["POCKET_SIP_LISTEN_HOST"] == "192.0.2.7"


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.7", "localhost", ""])
def test_an_address_that_no_phone_could_call_is_refused_at_once(tmp_path: Path, address: str) -> None:
    result = CliRunner().invoke(app, ["up", "--data", str(tmp_path), "--sip-host", address])
    assert result.exit_code == 2
    assert "--sip-host" in result.output
    assert not list(tmp_path.iterdir())
