"""What a call's process has counted and not told its main process yet."""

from collections import Counter

_attempts: Counter[tuple[str, str]] = Counter()


def count_attempt(service: str, outcome: str) -> None:
    """A model was asked: `answered`, `failed` or `silent`."""
    _attempts[service, outcome] += 1


def take_attempts() -> list[tuple[str, str, int]]:
    """What was counted since this was asked last: service, outcome, how often."""
    taken = [(service, outcome, count) for (service, outcome), count in _attempts.items()]
    _attempts.clear()
    return taken
