"""What every ring of tests shares."""

import pytest

pytest_plugins = ["tests.support.database", "tests.support.platform"]


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the product does."""
    return "asyncio"
