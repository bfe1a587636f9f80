"""What tests of telephone calls share."""

import pytest

from tests.support.calls import LISTED, TRUNK
from tests.support.platform import Platform, Tenant


@pytest.fixture
async def tenant(platform: Platform) -> Tenant:
    """A project with an agent and a trunk, and a worker with places."""
    await platform.add_worker()
    tenant = await platform.tenant(plan="enterprise")
    assert (await tenant.http.post("/agents", json={"name": "Support", "transfer_numbers": LISTED})).status_code == 201
    assert (await tenant.http.post("/sip/trunks", json=TRUNK)).status_code == 201
    return tenant
