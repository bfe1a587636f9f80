"""A client of Parley's API: `Parley(url, key)`."""

from parley_client.client import Parley
from parley_client.errors import ParleyError, Unreachable
from parley_client.webhooks import verify

__all__ = ["Parley", "ParleyError", "Unreachable", "verify"]
