"""A livekit-server for the tests of a file, and a recorder for each."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.studio import Recorder, Stage, Studio, a_recorder, a_studio


@pytest.fixture(scope="module")
def studio(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """The server; it goes with the file, as two of one Redis would answer each other's calls."""
    with a_studio(redis_url, tmp_path_factory.mktemp("studio")) as studio:
        yield studio


@pytest.fixture
def recorder_settings() -> dict[str, str]:
    """What a test sets otherwise."""
    return {}


@pytest.fixture
def recorder(studio: Studio, tmp_path: Path, recorder_settings: dict[str, str]) -> Iterator[Recorder]:
    """Our service; nothing of it may break unseen."""
    with a_recorder(studio, tmp_path, **recorder_settings) as recorder:
        yield recorder
    said = recorder.log.read_text()
    assert not any(word in said for word in ("Traceback", '"level": "error"')), said[-3000:]


@pytest.fixture
async def stage(studio: Studio) -> AsyncIterator[Stage]:
    """The people of a test."""
    async with Stage(studio) as stage:
        yield stage
