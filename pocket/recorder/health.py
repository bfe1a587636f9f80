"""What the service says of its health and counts."""

import time
from typing import Any

from aiohttp import web
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from pocket import health
from pocket.recorder.service import Service


class Figures(Collector):
    """What the service counts."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self):  # type: ignore[no-untyped-def]
        """Called by the registry."""
        service, settings = self._service, self._service.settings
        yield GaugeMetricFamily("pocket_egress_active", "Recordings now.", len(service.recordings))
        yield GaugeMetricFamily("pocket_egress_most", "Recordings at once that are allowed.", settings.most_recordings)
        yield GaugeMetricFamily("pocket_egress_kept", "Files that could not be stored yet.", len(service.kept))
        ended = CounterMetricFamily("pocket_egress_ended", "Recordings that ended.", labels=["status"])
        for status, number in service.outcomes.items():
            ended.add_metric([status], number)
        yield ended
        yield CounterMetricFamily("pocket_egress_cpu_seconds", "CPU used.", time.process_time())


def state_of(service: Service) -> str:
    """One of `health.STATES`."""
    if service.draining:
        return "draining"
    if not service.bus.connected:
        return "away"
    return "full" if service.full or not service.has_space() else "ok"


async def serve(service: Service, port: int) -> tuple[web.AppRunner, int]:
    """Listen; the runner that ends it, and the port."""

    def look() -> dict[str, Any]:
        return {"status": state_of(service), "recordings": len(service.recordings), "kept": len(service.kept)}

    return await health.serve(service.settings.listen_host, port, Figures(service), look)
