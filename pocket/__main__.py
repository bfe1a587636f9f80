"""`python -m pocket sip`: LiveKit's SIP service; settings from the environment (`POCKET_SIP_…`)."""

import argparse
import asyncio
import logging
import signal
import sys

import structlog

from pocket.bridge import health
from pocket.bridge.service import Service
from pocket.bridge.settings import Settings

log = structlog.get_logger()


async def _sip() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    service = Service(Settings())
    await service.start()
    runner, port = await health.serve(service, service.settings.health_port)
    log.info("taking calls", sip_port=service.agent.port, health_port=port)
    await stop.wait()
    await service.close()
    await runner.cleanup()


class _Sdk(logging.Handler):
    """LiveKit's SDK logs whole events, with what people said: only the kind of its complaint is kept."""

    def emit(self, record: logging.LogRecord) -> None:
        cause = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        log.warning("the LiveKit SDK complains", of=record.name, template=str(record.msg)[:80], error=cause)


def main() -> None:
    """Run a service until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m pocket", description=__doc__)
    parser.add_argument("service", choices=["sip"])
    parser.parse_args()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso"),
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    logging.basicConfig(level=logging.ERROR, handlers=[_Sdk()], force=True)
    asyncio.run(_sip())


if __name__ == "__main__":
    main()
