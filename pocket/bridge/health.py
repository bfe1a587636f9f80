"""What the service says of its health and counts."""

import time
from typing import Any

from aiohttp import web
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from pocket import health
from pocket.bridge.service import Service


class Figures(Collector):
    """What the service counts."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self):  # type: ignore[no-untyped-def]
        """Called by the registry."""
        service = self._service
        yield GaugeMetricFamily("pocket_sip_calls_active", "Calls now.", len(service.calls))
        yield GaugeMetricFamily("pocket_sip_calls_most", "Calls at once that are allowed.", service.settings.most_calls)
        yield GaugeMetricFamily("pocket_sip_rtp_ports_free", "Ports for media.", service.ports.free)
        yield CounterMetricFamily("pocket_sip_late_ticks", "20 ms that passed unheard.", service.late_ticks)
        messages = CounterMetricFamily("pocket_sip_messages", "SIP messages.", labels=["what"])
        for what, number in service.agent.counters.items():
            messages.add_metric([what], number)
        yield messages
        packets = CounterMetricFamily("pocket_sip_rtp_packets", "RTP packets, by what became of them.", labels=["what"])
        for what, number in service.packets.items():
            packets.add_metric([what], number)
        yield packets
        outcomes = CounterMetricFamily("pocket_sip_calls", "Calls that ended.", labels=["direction", "outcome"])
        for (direction, outcome), number in service.outcomes.items():
            outcomes.add_metric([direction, outcome], number)
        yield outcomes
        yield CounterMetricFamily("pocket_sip_cpu_seconds", "CPU used.", time.process_time())


def state_of(service: Service) -> str:
    """One of `health.STATES`."""
    if service.draining:
        return "draining"
    if not service.bus.connected:
        return "away"
    return "full" if service.full else "ok"


async def serve(service: Service, port: int) -> tuple[web.AppRunner, int]:
    """Listen; the runner that ends it, and the port."""

    def look() -> dict[str, Any]:
        return {"status": state_of(service), "calls": len(service.calls)}

    return await health.serve(service.settings.listen_host, port, Figures(service), look)
