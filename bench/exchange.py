"""What `python -m bench phone` calls through: Redis, livekit-server and our SIP service, on loopback."""

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.request import urlopen

import yaml
from livekit import api

from bench.platform import ALL_CORES, start, wait_for
from parley.stack.livekit import NO_STUN, livekit_program

KEY, SECRET = "devkey", "devsecret-devsecret-devsecret-devsecret"
LIVEKIT: Final = 9580
SIP, HEALTH, REDIS = 9584, 9585, 9586
RTP: Final = (44_000, 44_399)
HOST: Final = "127.0.0.1"


@dataclass(frozen=True)
class Exchange:
    """The processes, by pid."""

    service: int
    livekit: int
    url: str = f"http://{HOST}:{LIVEKIT}"

    def token(self, room: str, identity: str) -> str:
        """For somebody who joins a room."""
        grants = api.VideoGrants(room_join=True, room=room)
        return api.AccessToken(KEY, SECRET).with_identity(identity).with_grants(grants).to_jwt()

    def api(self) -> api.LiveKitAPI:
        """A client of LiveKit's API."""
        return api.LiveKitAPI(self.url, KEY, SECRET)

    def figure(self, name: str) -> float:
        """One of the service's metrics."""
        with urlopen(f"http://{HOST}:{HEALTH}/metrics") as answer:
            found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.M)
        assert found
        return float(found[1])


@contextmanager
def exchange(*, most_calls: int) -> Iterator[Exchange]:
    """Start everything; it ends with the block."""
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="parley-bench-")))
        rtc = {
            "tcp_port": LIVEKIT + 1,
            "udp_port": LIVEKIT + 2,
            "use_external_ip": False,
            "enable_loopback_candidate": True,
            "node_ip": HOST,
            "interfaces": {"includes": ["lo"]},
            # As on the platform: else clients are told public ones, and each call waits for their names in threads.
            "stun_servers": [NO_STUN],
        }
        configuration = {
            "port": LIVEKIT,
            "bind_addresses": [HOST],
            "redis": {"address": f"{HOST}:{REDIS}"},
            "keys": {KEY: SECRET},
            "rtc": rtc,
            "room": {"auto_create": True, "empty_timeout": 30, "departure_timeout": 2},
            "logging": {"level": "error"},
        }
        (folder / "livekit.yaml").write_text(yaml.safe_dump(configuration))
        settings = {
            "POCKET_SIP_REDIS_URL": f"redis://{HOST}:{REDIS}",
            "POCKET_SIP_LIVEKIT_URL": f"ws://{HOST}:{LIVEKIT}",
            "POCKET_SIP_API_KEY": KEY,
            "POCKET_SIP_API_SECRET": SECRET,
            "POCKET_SIP_PORT": str(SIP),
            "POCKET_SIP_HEALTH_PORT": str(HEALTH),
            "POCKET_SIP_RTP_FIRST": str(RTP[0]),
            "POCKET_SIP_RTP_LAST": str(RTP[1]),
            "POCKET_SIP_MOST_CALLS": str(most_calls),
            "POCKET_SIP_DRAIN": "0.5",
            "POCKET_SIP_REQUESTS_PER_SECOND": "1000",
        }
        redis = ["redis-server", "--port", str(REDIS), "--save", "", "--dir", str(folder)]
        start(cleanup, redis, {}, ALL_CORES)
        server = [livekit_program(), "--config", str(folder / "livekit.yaml")]
        livekit = start(cleanup, server, {}, ALL_CORES)
        wait_for(LIVEKIT)
        service = start(cleanup, [sys.executable, "-m", "pocket", "sip"], settings, ALL_CORES)
        wait_for(HEALTH)
        yield Exchange(service, livekit)
