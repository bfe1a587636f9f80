"""What every ring of tests shares."""

import pytest

from guard import logs

pytest_plugins = ["tests.support.database", "tests.support.platform", "tests.support.receiver", "tests.support.calls"]

# As in production: structlog's own default draws every local variable of a traceback, however large.
logs.configure("json")


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the product does."""
    return "asyncio"
