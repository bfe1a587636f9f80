"""A few games of the chaos in stepped time, always the same; `make chaos-seeds` plays more."""

import pytest

from tests.chaos.simulation import play, quiet
from tests.support.database import Clone

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_goes_wrong_everything_comes_to_its_end_once(clone: Clone, seed: int) -> None:
    with quiet():
        played = await play(seed, clone)
    assert played.wrong == [], "\n".join(played.told[-50:])
    assert played.figures["faults"] > 5
    assert played.figures["lines"] > 20


async def test_where_nothing_goes_wrong_no_conversation_fails(clone: Clone) -> None:
    with quiet():
        played = await play(1, clone, calm=True)
    assert played.wrong == [], "\n".join(played.told[-50:])
