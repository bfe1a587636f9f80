"""The clock that tests turn."""

from datetime import UTC, datetime, timedelta

from control_plane.clock import Clock

BEGINNING = datetime(2026, 3, 1, 12, tzinfo=UTC)


class SteppedClock(Clock):
    """Stands until it is moved by hand: `step` lets time pass, `jump` sets the wall clock alone, as an operator does,
    or a machine that was asleep."""

    def __init__(self, at: datetime = BEGINNING) -> None:
        self.at, self.passed = at, 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.passed

    def step(self, **time: float) -> None:
        """Let so much time pass, as `timedelta` has it."""
        self.at += timedelta(**time)
        self.passed += timedelta(**time).total_seconds()

    def jump(self, **time: float) -> None:
        """Set the wall clock forward by so much, or back."""
        self.at += timedelta(**time)


class TurnedClock(Clock):
    """The wall clock, ahead by what a test sets: `TurnedClock(days=3)`, as `timedelta` has it."""

    def __init__(self, **ahead: float) -> None:
        self.ahead = timedelta(**ahead)

    def now(self) -> datetime:
        return super().now() + self.ahead
