"""`python -m parley.offline --host 127.0.0.1 --port 8100`: the offline model server."""

import argparse
import sys

import uvicorn

from parley.offline.app import Options, create_app
from parley.offline.flite import FliteMissing, require_flite


def main() -> None:
    """Serves until SIGTERM or Ctrl-C, then ends the sockets and leaves."""
    parser = argparse.ArgumentParser(prog="python -m parley.offline", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--streams", type=int, default=6, help="callers recognised at once (default: 6)")
    parser.add_argument(
        "--silence-ms",
        type=int,
        default=120,
        help="silence that ends an utterance, an upper limit to what clients ask for (default: 120)",
    )
    parser.add_argument("--log-level", default="warning", choices=["debug", "info", "warning", "error"])
    arguments = parser.parse_args()
    try:
        require_flite()
    except FliteMissing as error:
        sys.exit(str(error))
    uvicorn.run(
        create_app(Options(streams=arguments.streams, silence_ms=arguments.silence_ms)),
        host=arguments.host,
        port=arguments.port,
        log_level=arguments.log_level,
        access_log=False,
        timeout_graceful_shutdown=3,
        ws_max_size=2 * 1024 * 1024,
        ws_per_message_deflate=False,
    )


if __name__ == "__main__":
    main()
