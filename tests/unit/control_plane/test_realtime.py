"""The list of events says what the code sends and hears."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import control_plane.dialects.onepizza as dialect
import control_plane.meetings as meetings
from control_plane.dialects.onepizza.sockets import MeetingSockets
from control_plane.events.facts import MONITOR
from control_plane.reference.realtime import HEARD, INTERIM, SENT, TOLD, describe_realtime

NAME = re.compile(r"[a-z]+(-[a-z]+)?(:[a-z]+)?")
CALLS = {"emit": 0, "_tell": 1, "_show": 1}
"""Functions that tell sockets something, and which argument is the event's name."""
BETWEEN_PROCESSES = {"participant:admitted", "participant:removed", "seat:taken"}
"""Told to other processes, which tell sockets something else."""


def strings(node: ast.AST) -> set[str]:
    found = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    return {text for text in found if NAME.fullmatch(text)}


def told(module: ast.Module) -> Iterator[str]:
    """Names that a function tells, and those that stand before their data in a pair."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLS:
            place = CALLS[node.func.attr]
            if len(node.args) > place and isinstance(node.args[place], ast.Constant | ast.IfExp):
                yield from strings(node.args[place])
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.ctx, ast.Load):
            first, second = node.elts
            if isinstance(first, ast.Constant | ast.IfExp) and isinstance(second, ast.Dict | ast.BinOp | ast.Name):
                yield from strings(first)


def folder(package: Any) -> Path:
    return Path(package.__file__).parent


def test_every_event_that_a_socket_is_told_is_listed_and_no_other() -> None:
    sources = [*folder(dialect).glob("*.py"), folder(meetings) / "hosting.py"]
    found = {name for source in sources for name in told(ast.parse(source.read_text()))}
    assert found - BETWEEN_PROCESSES == set(HEARD)


def test_every_event_that_a_socket_may_send_is_listed_and_no_other() -> None:
    nobody = cast("Any", None)
    sockets = MeetingSockets(nobody, nobody, nobody, nobody, nobody, nobody)
    assert set(sockets.server.handlers["/"]) - {"disconnect", "*"} == set(SENT)


def test_every_type_of_the_monitor_is_explained_and_no_other() -> None:
    assert {name.type for name in MONITOR.values()} | set(INTERIM) == set(TOLD)
    shown = {event["event"]: [field["name"] for field in event["fields"]] for event in describe_realtime()["monitor"]}
    for name in MONITOR.values():
        assert shown[name.type][2:] == list(name.fields)
