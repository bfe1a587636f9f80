"""What the service's log shows of a fault."""

import json
import subprocess
import sys

from tests.support.database import CHECKOUT

FAULT = """
import structlog
from pocket.__main__ import configure_logs

configure_logs()

def connect(password):
    raise ConnectionError("the trunk is away")

try:
    connect("hunter2" + "hunter2")
except ConnectionError:
    structlog.get_logger().exception("a call failed")
"""


def test_a_fault_is_logged_with_its_place_and_without_what_the_variables_held() -> None:
    told = subprocess.run(
        [sys.executable, "-c", FAULT], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stderr
    assert "hunter2hunter2" not in told
    (fault,) = json.loads(told)["exception"]
    assert (fault["exc_type"], fault["frames"][-1]["name"]) == ("ConnectionError", "connect")
