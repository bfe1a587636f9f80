"""What every ring of tests shares."""

import pytest
from hypothesis import HealthCheck, settings

from guard import logs

pytest.register_assert_rewrite("tests.support")
pytest_plugins = [
    "tests.support.database",
    "tests.support.platform",
    "tests.support.plans",
    "tests.support.receiver",
    "tests.support.calls",
    "tests.support.models",
    "tests.support.partitions",
    "tests.support.console",
    "tests.support.recordings",
    "tests.support.calendars",
]

# How fast a machine is says nothing about what is tested.
settings.register_profile("parley", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("parley")

# As in production: structlog's own default draws every local variable of a traceback, however large.
logs.configure("json")


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the product does."""
    return "asyncio"
