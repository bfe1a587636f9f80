"""A project's own keys of providers: stored sealed, listed without themselves, seen by nobody else."""

import pytest
from sqlmodel import select

from control_plane.accounts.models import ProviderCredential
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

KEY = "a-key-of-elevenlabs-1234"


def path(tenant: Tenant, provider: str = "") -> str:
    return f"/projects/{tenant.project.id}/provider-credentials" + (f"/{provider}" if provider else "")


async def test_a_key_is_stored_sealed_and_never_shown_again(platform: Platform, tenant: Tenant) -> None:
    put = await tenant.http.put(path(tenant, "elevenlabs"), json={"api_key": KEY})
    assert put.status_code == 200, put.text
    listed = await tenant.http.get(path(tenant))
    assert [(each["provider"], each["region"]) for each in listed.json()["credentials"]] == [("elevenlabs", None)]
    async with platform.database.platform() as db:
        row = (await db.exec(select(ProviderCredential))).one()
    assert KEY.encode() not in row.sealed_key
    trail = await tenant.http.get("/audit")
    assert trail.json()["entries"][0]["action"] == "PUT /projects/{project_id}/provider-credentials/{provider}"
    assert KEY not in put.text + listed.text + trail.text


async def test_a_key_is_replaced_and_deleted(tenant: Tenant) -> None:
    for key in ("first", "second"):
        assert (await tenant.http.put(path(tenant, "cartesia"), json={"api_key": key})).status_code == 200
    assert len((await tenant.http.get(path(tenant))).json()["credentials"]) == 1
    assert (await tenant.http.delete(path(tenant, "cartesia"))).status_code == 200
    assert (await tenant.http.delete(path(tenant, "cartesia"))).status_code == 404
    assert (await tenant.http.get(path(tenant))).json()["credentials"] == []


async def test_nobody_else_sees_or_changes_a_projects_keys(platform: Platform, tenant: Tenant) -> None:
    other = await platform.tenant("other")
    for answer in (
        await other.http.get(path(tenant)),
        await other.http.put(path(tenant, "azure"), json={"api_key": KEY, "region": "westeurope"}),
        await other.http.delete(path(tenant, "azure")),
    ):
        assert answer.status_code == 403
    reader = await tenant.http.post("/api-keys", json={"label": "reads", "scopes": ["read"]})
    headers = {"X-API-Key": reader.json()["api_key"]["key"]}
    refused = await tenant.http.put(path(tenant, "openai"), json={"api_key": KEY}, headers=headers)
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("provider", "body", "field"),
    [
        ("azure", {"api_key": KEY}, "region"),
        ("azure", {"api_key": KEY, "region": "evil.example.org/"}, "region"),
        ("elevenlabs", {"api_key": "two\nlines"}, "api_key"),
        ("elevenlabs", {"api_key": ""}, "api_key"),
        ("elevenlabs", {"api_key": KEY, "base_url": "http://127.0.0.1"}, "base_url"),
        ("nobody", {"api_key": KEY}, "provider"),
    ],
)
async def test_what_is_no_key_of_a_provider_is_refused(
    tenant: Tenant, provider: str, body: dict[str, str], field: str
) -> None:
    answer = await tenant.http.put(path(tenant, provider), json=body)
    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["details"]["fields"]] == [field]
    assert (await tenant.http.get(path(tenant))).json()["credentials"] == []
