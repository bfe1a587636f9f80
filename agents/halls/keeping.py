"""What keeps a hall from outliving its worker, from dying of a signal that is not meant for it, and from hoarding."""

import ctypes
import os
import signal
import threading
import time
from typing import Final

ORPHANED_WITHIN: Final = 4.0
"""Seconds in which a hall whose worker is no more leaves its rooms; one that is stuck does not."""
PANIC: Final = 70
"""Exit status of a hall whose native library has given up."""
_PDEATHSIG: Final = 1
_ARENA_MAX: Final = -8
_ARENAS: Final = 2


def keep() -> None:
    """Call it first of all in a process: threads that are started before would take the signals.

    SIGTERM from anybody else is for the worker, which lets the calls finish. LiveKit's library sends it to its own
    process when it cannot go on; its calls are lost then, and the sooner that is known the better.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signals = {signal.SIGTERM, signal.SIGUSR2}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    threading.Thread(target=_wait_for_signals, args=(signals,), daemon=True, name="signals").start()
    c = ctypes.CDLL(None)
    c.prctl(_PDEATHSIG, signal.SIGUSR2, 0, 0, 0)  # of the process that forked this one, which ends with the worker
    c.mallopt(_ARENA_MAX, _ARENAS)  # else each of the library's threads keeps what it has ever used


def _wait_for_signals(signals: set[signal.Signals]) -> None:
    while True:
        came = signal.sigwaitinfo(signals)
        if came.si_signo == signal.SIGUSR2:
            time.sleep(ORPHANED_WITHIN)
            os._exit(1)
        if came.si_pid == os.getpid():
            os._exit(PANIC)
