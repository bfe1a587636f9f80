"""Which models are left alone for a while, because they just failed: known to all calls of a host.

closed ── two failures within ten seconds, or a silence ──▶ open ── five seconds, then twice as long each time ──▶
half-open: one call of the host asks it with its own request ── answered ──▶ closed
                                                              └─ failed ──▶ open

What is open is a small file for each model in a folder that the host's processes share. A call of another process looks
there before it asks; so no call pays for what another has found out, and none needs anybody's word.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import structlog

FAILURES: Final = 2
WITHIN: Final = 10.0
"""So many failures in so many seconds open a breaker."""
REST: Final = 5.0
"""Seconds that the first opening lasts; each further one without an answer between lasts twice as long."""
LONGEST_REST: Final = 60.0
PROBE: Final = 15.0
"""Seconds a probe has; after that another call may probe."""
FORGOTTEN: Final = 600.0
"""Seconds after which nobody knows of an opening that nobody has asked about."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Opening:
    """A model that is left alone: since when (Unix seconds), for how many seconds, and why."""

    service: str
    model: str
    since: float
    rest: float
    reason: str
    openings: int = 1


class Breakers:
    """The breakers of one process, and through their folder those of the host. Without a folder, of the process."""

    def __init__(self, folder: Path | None = None, *, now: Callable[[], float] | None = None) -> None:
        self._folder = folder
        self._now = now or (lambda: time.time())  # looked up each time: tests have a clock of their own
        self._openings: dict[str, Opening] = {}
        self._probes: dict[str, float] = {}
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError:
                self._folder = None

    def of(self, service: str, model: str, identity: str = "") -> "Breaker":
        """The breaker of a model. `identity` tells apart what has the same name: an address, whose key it is."""
        key = hashlib.sha256(f"{service}\n{model}\n{identity}".encode()).hexdigest()[:24]
        return Breaker(self, key, service, model)

    def open(self) -> list[Opening]:
        """What is left alone at this moment, as far as this process can see, the latest first."""
        keys = set(self._openings)
        if self._folder is not None:
            with suppress(OSError):
                keys.update(path.stem for path in self._folder.glob("*.open"))
        known: list[Opening] = []
        for key in keys:
            if (opening := self.read(key)) is not None:
                known.append(opening)
            else:
                self.clear(key)  # nobody has asked about it for long
        return sorted(known, key=lambda each: -each.since)

    def read(self, key: str) -> Opening | None:
        """Why a model is left alone, also where its rest is over and nobody has asked it since."""
        opening = self._openings.get(key) if self._folder is None else self._read_file(self._folder / f"{key}.open")
        # A clock that was set back must not keep a model away for longer than its rest.
        if opening is None or abs(self._now() - opening.since) > FORGOTTEN:
            return None
        return opening

    def write(self, key: str, opening: Opening) -> None:
        """Leave a model alone."""
        self._openings[key] = opening
        if self._folder is not None:
            path = self._folder / f"{key}.open"
            with suppress(OSError):  # a full disk: each process finds out by itself
                beside = path.with_suffix(f".{os.getpid()}")
                beside.write_text(json.dumps(asdict(opening)))
                beside.replace(path)

    def clear(self, key: str) -> None:
        """It answers."""
        self._openings.pop(key, None)
        self.end_probe(key)
        if self._folder is not None:
            with suppress(OSError):
                (self._folder / f"{key}.open").unlink(missing_ok=True)

    def begin_probe(self, key: str) -> bool:
        """Whether this call may ask a model whose rest is over: one at a time may."""
        now = self._now()
        if self._folder is None:
            if abs(now - self._probes.get(key, -PROBE)) < PROBE:
                return False
            self._probes[key] = now
            return True
        path = self._folder / f"{key}.probe"
        try:
            with suppress(FileNotFoundError):
                if abs(now - float(path.read_text() or 0)) >= PROBE:
                    path.unlink(missing_ok=True)  # whoever probed is no more
            with path.open("x") as file:
                file.write(str(now))
        except FileExistsError:
            return False
        except (OSError, ValueError):
            return True  # nobody can tell; asking is better than silence
        return True

    def end_probe(self, key: str) -> None:
        """The probe is over."""
        self._probes.pop(key, None)
        if self._folder is not None:
            with suppress(OSError):
                (self._folder / f"{key}.probe").unlink(missing_ok=True)

    @property
    def now(self) -> float:
        """Unix seconds."""
        return self._now()

    @staticmethod
    def _read_file(path: Path) -> Opening | None:
        try:
            return Opening(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None


class Breaker:
    """Whether one model may be asked."""

    def __init__(self, breakers: Breakers, key: str, service: str, model: str) -> None:
        self._breakers, self._key, self.service, self.model = breakers, key, service, model
        self._failures: list[float] = []
        self._probing = False

    def is_open(self) -> bool:
        """Whether it rests, without a look at whether it may be probed."""
        return self._breakers.read(self._key) is not None

    def may_ask(self) -> bool:
        """Whether to ask it now: it works as far as anybody knows, or this call is the one to find out."""
        opening = self._breakers.read(self._key)
        if opening is None or self._probing:
            return True
        if abs(self._breakers.now - opening.since) < opening.rest:
            return False
        self._probing = self._breakers.begin_probe(self._key)
        return self._probing

    def answered(self) -> None:
        """It did its work."""
        self._failures.clear()
        if self._probing or self.is_open():
            self._breakers.clear(self._key)
        self._probing = False

    def failed(self, reason: str, *, silent: bool = False) -> None:
        """It did not; `silent`: it took all its time for it."""
        now = self._breakers.now
        before = self._breakers.read(self._key)
        self._failures = [at for at in self._failures if now - at < WITHIN] + [now]
        if before is None and not silent and len(self._failures) < FAILURES:
            return
        if before is not None and not self._probing:
            openings, rest = before.openings, before.rest  # asked for want of another: its rest begins anew
        else:
            openings = before.openings + 1 if before else 1
            rest = min(LONGEST_REST, REST * 2 ** min(10, openings - 1))
        self._breakers.write(self._key, Opening(self.service, self.model, now, rest, reason[:200], openings))
        if self._probing:
            self._breakers.end_probe(self._key)
        self._probing = False
        log.warning("model left alone", service=self.service, model=self.model, seconds=rest)

    def leave(self) -> None:
        """Whoever was to probe does not: its caller interrupted. The next may."""
        if self._probing:
            self._breakers.end_probe(self._key)
            self._probing = False
