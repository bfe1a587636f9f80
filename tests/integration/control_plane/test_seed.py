"""What a first start puts into an empty database, as the README goes on from there."""

import io

import av
import httpx2
import numpy as np
import pytest
from pydantic import SecretStr

from parley.seed import SeedSettings, seed
from tests.support.platform import Platform, Tenant
from tests.support.ports import free_port

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


async def test_the_documents_recording_can_be_played(platform: Platform) -> None:
    secret, key = SecretStr("a password of the tests"), "pk_of-the-seed-0123456789012345678901"
    await seed(platform.settings, SeedSettings(api_key=SecretStr(key), api_secret=secret, account_password=secret))
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", headers={"X-API-Key": key}, timeout=30) as http:
        shown = (await http.get("/recordings/7")).json()["recording"]
        assert (shown["status"], shown["session_id"], shown["offset_ms"]) == ("completed", 42, 0)
        sound = (await http.get("/recordings/7/download")).content
    with av.open(io.BytesIO(sound)) as container:
        heard = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    assert heard.shape[1] == pytest.approx(5 * 48_000, abs=2000)
    assert np.abs(heard).max(axis=1) == pytest.approx([0.5, 0.5], abs=0.45)  # both speak


async def test_the_first_start_succeeds_while_the_bucket_of_recordings_is_away(platform: Platform) -> None:
    secret, key = SecretStr("a password of the tests"), "pk_of-the-seed-0123456789012345678901"
    nowhere = f"s3://none?endpoint=http://127.0.0.1:{free_port()}&region=us-east-1"
    away = {"recordings_url": nowhere, "recordings_credentials": {"access_key_id": "a", "secret_access_key": "b"}}
    settings = type(platform.settings).model_validate(platform.settings.model_dump() | away)
    await seed(settings, SeedSettings(api_key=SecretStr(key), api_secret=secret, account_password=secret))
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", headers={"X-API-Key": key}, timeout=30) as http:
        assert (await http.get("/recordings/7")).status_code == 404
        assert (await http.get("/agents/1")).status_code == 200
