"""`python -m pocket sip|egress`: LiveKit's SIP or egress service for one machine.

Settings come from the environment (`POCKET_SIP_…`, `POCKET_EGRESS_…`).
"""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer

from guard.logs import hide_secrets
from pocket.bridge.health import serve as serve_sip_health
from pocket.bridge.service import Service as SipService
from pocket.bridge.settings import Settings as SipSettings
from pocket.memory import outgrown
from pocket.recorder.health import serve as serve_egress_health
from pocket.recorder.service import Service as EgressService
from pocket.recorder.settings import Settings as EgressSettings

log = structlog.get_logger()


async def _sip(stop: asyncio.Event) -> None:
    service = SipService(SipSettings())
    await service.start()
    runner, port = await serve_sip_health(service, service.settings.health_port)
    log.info("taking calls", sip_port=service.agent.port, health_port=port)
    await _end(stop, service.settings.most_memory, lambda: not service.calls)
    await service.close()
    await runner.cleanup()


async def _egress(stop: asyncio.Event) -> None:
    service = EgressService(EgressSettings())
    await service.start()
    runner, port = await serve_egress_health(service, service.settings.health_port)
    log.info("taking recordings", health_port=port)
    await _end(stop, service.settings.most_memory, lambda: not service.recordings)
    await service.close()
    await runner.cleanup()


async def _end(stop: asyncio.Event, most_memory: int, is_idle: Callable[[], bool]) -> None:
    """Wait until the service is told to end, or is to be started anew."""
    told, grown = asyncio.create_task(stop.wait()), asyncio.create_task(outgrown(most_memory, is_idle))
    done, pending = await asyncio.wait({told, grown}, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    if told not in done:
        log.warning("ending to be started anew: too much memory is held", most=most_memory)


SERVICES: Final = {"sip": _sip, "egress": _egress}


async def _until_told(service: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await service(stop)


class _Sdk(logging.Handler):
    """LiveKit's SDK logs whole events, with what people said: only the kind of its complaint is kept."""

    def emit(self, record: logging.LogRecord) -> None:
        cause = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        log.warning("the LiveKit SDK complains", of=record.name, template=str(record.msg)[:80], error=cause)


def main() -> None:
    """Run a service until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m pocket", description=__doc__)
    parser.add_argument("service", choices=[*SERVICES])
    service = SERVICES[parser.parse_args().service]
    configure_logs()
    asyncio.run(_until_told(service))


def configure_logs() -> None:
    """Send logs to standard error, one JSON object a line."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso"),
            ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),  # they hold passwords and tokens
            hide_secrets,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    logging.basicConfig(level=logging.ERROR, handlers=[_Sdk()], force=True)


if __name__ == "__main__":
    main()
