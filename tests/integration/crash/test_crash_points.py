"""A fixed sample of `make crash-points`: processes that are killed, and what is left of it all."""

import os
import subprocess
import sys

import pytest

from parley.stack.database import database_urls
from parley.stack.postgres import EmbeddedPostgres
from parley.stack.secrets import Secrets
from tests.support.database import CHECKOUT

SAMPLE, PLAYED = 24, ("dial", "transcript")
"""So many kills; playing all scenarios takes as long as `make crash-points`."""


@pytest.mark.slow
@pytest.mark.timeout(580)
def test_a_sample_of_the_crash_points_leaves_nothing_wrong(postgres: tuple[EmbeddedPostgres, Secrets]) -> None:
    server, secrets = postgres
    urls = database_urls(server.known_port, secrets).app, server.url()
    asked = ["--postgres", *urls, "--sample", f"{SAMPLE}", "--only", *PLAYED]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)}
    played = subprocess.run(
        [sys.executable, "-m", "tests.crash", *asked],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=570,
        check=False,
    )
    assert played.returncode == 0, played.stdout + played.stderr
    last = played.stdout.strip().splitlines()[-1].split()
    assert last[0] == "all"
    assert int(last[2]) >= SAMPLE - 5, played.stdout
