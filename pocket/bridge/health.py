"""Health and figures over HTTP: `/` says whether calls are taken, `/metrics` is for Prometheus."""

import time
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from pocket.bridge.service import Service

STATES: Final = {"ok": 200, "full": 429, "draining": 503, "away": 503}
"""As LiveKit's own service answers."""


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
    """One of `STATES`."""
    if service.draining:
        return "draining"
    if not service.bus.connected:
        return "away"
    return "full" if service.full else "ok"


async def serve(service: Service, port: int) -> tuple[web.AppRunner, int]:
    """Listen; the runner that ends it, and the port."""
    registry = CollectorRegistry()
    registry.register(Figures(service))

    async def health(_: web.Request) -> web.Response:
        state = state_of(service)
        return web.json_response({"status": state, "calls": len(service.calls)}, status=STATES[state])

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), content_type="text/plain")

    application = web.Application()
    application.add_routes([web.get("/", health), web.get("/metrics", metrics)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, service.settings.listen_host, port).start()
    return runner, runner.addresses[0][1]
