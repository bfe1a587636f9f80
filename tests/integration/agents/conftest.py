"""A livekit-server for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.support.bots import Media, media_server


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Media]:
    """The server."""
    with media_server(tmp_path_factory.mktemp("media")) as media:
        yield media
