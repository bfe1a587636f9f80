"""What listens to the framework is told its events, and asked for nothing before."""

import inspect

from livekit.rtc import EventEmitter

from agents.listening import Listener


def test_a_listener_is_told_what_is_emitted() -> None:
    emitter, told = EventEmitter[str](), list[int]()
    listener = Listener(told.append)
    emitter.on("said", listener)
    emitter.emit("said", 1)
    emitter.off("said", listener)
    emitter.emit("said", 2)
    assert told == [1]


def test_nobody_has_to_find_out_what_a_listener_takes() -> None:
    assert inspect.signature(Listener(print)) is Listener.__signature__
