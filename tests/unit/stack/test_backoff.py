"""The waits between the restarts of a child that keeps dying."""

from parley.stack.backoff import Backoff


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_first_restart_is_immediate_and_the_following_wait_longer_and_longer() -> None:
    backoff = Backoff(first=0.5, longest=4.0, clock=FakeClock())
    waits = []
    for _ in range(7):
        backoff.started()
        waits.append(backoff.died())
    assert waits == [0.0, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_a_child_that_lived_long_enough_starts_again_without_a_wait() -> None:
    clock = FakeClock()
    backoff = Backoff(forgiven_after=20.0, clock=clock)
    for _ in range(3):
        backoff.started()
        backoff.died()
    backoff.started()
    clock.now += 20.0
    assert backoff.died() == 0.0


def test_a_thousand_deaths_do_not_overflow() -> None:
    backoff = Backoff(longest=15.0, clock=FakeClock())
    assert [backoff.died() for _ in range(2000)][-1] == 15.0
