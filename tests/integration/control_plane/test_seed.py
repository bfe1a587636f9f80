"""What a first start puts into an empty database, as the README goes on from there."""

import pytest
from pydantic import SecretStr

from parley.seed import SeedSettings, seed
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio


async def test_the_first_things_of_ones_own_have_the_number_that_the_readme_says(platform: Platform) -> None:
    await platform.add_worker()
    secret = SecretStr("a password of the tests")
    wanted = SeedSettings(api_key=SecretStr("pk_of-the-seed"), api_secret=secret, account_password=secret)
    made = [await seed(platform.settings, wanted) for _ in range(2)]
    assert made[0] == made[1]
    tenant: Tenant = await platform.tenant("other")
    for path, kind in (("/knowledge-bases", "knowledge_base"), ("/agents", "agent")):
        answer = await tenant.http.post(path, json={"name": "Library"})
        assert answer.json()[kind]["id"] == 1000
    joined = await tenant.http.post("/token", json={"identity": "me", "room": "r"})
    assert joined.json()["agents_dispatched"] == [1000]
    session = await tenant.http.post("/sessions", json={"room_name": "hello"})
    assert session.json()["session"]["id"] == 1000
