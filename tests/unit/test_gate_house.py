"""House rule of the telephone: nobody is called, and no phone sent on, but by a decision of the dial gate."""

import ast
from collections.abc import Iterator
from pathlib import Path

TREE = Path(__file__).parents[2]
PRODUCT = ("agents", "bench", "control_plane", "guard", "knowledge", "parley", "pocket", "sip")
JUDGES = {"demand_right_to_call", "judge_call"}
"""What asks the gate; who has a `DialDecision` has asked it."""
DIALLED = {("control_plane/telephony/placing.py", "_call"), ("control_plane/telephony/switchboard.py", "transfer")}
"""The only functions that have phones called: the first what stands in the queue, the second what `_write` allowed."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[str, Function]]:
    for package in PRODUCT:
        for path in sorted((TREE / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, Function):
                    yield str(path.relative_to(TREE)), node


def name_of(call: ast.Call) -> str:
    match call.func:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
    return ""


def calls(function: Function) -> list[ast.Call]:
    return [node for node in ast.walk(function) if isinstance(node, ast.Call)]


def is_dialling(call: ast.Call) -> bool:
    """`….dialer.call(…)` or `….dialer.transfer(…)`."""
    match call.func:
        case ast.Attribute(value=ast.Attribute(attr="dialer") | ast.Name("dialer"), attr="call" | "transfer"):
            return True
    return False


def is_call_out(call: ast.Call) -> bool:
    """A row that has somebody called: `Call(…, status="queued")`, or `Transfer(…)` of the models."""
    given = {each.arg: each.value for each in call.keywords}
    status = given.get("status")
    queued = isinstance(status, ast.Constant) and status.value == "queued"
    return (name_of(call) == "Call" and queued) or (name_of(call) == "Transfer" and "asked_by" in given)


def is_judged(function: Function, row: ast.Call) -> bool:
    """Whether a decision is taken before in the same function, or handed to it; and its longest duration is heeded."""
    handed = any(
        isinstance(each.annotation, ast.Name) and each.annotation.id == "DialDecision" for each in function.args.args
    )
    taken = any(name_of(each) in JUDGES and each.lineno < row.lineno for each in calls(function))
    longest = next((each.value for each in row.keywords if each.arg == "longest_seconds"), None)
    return (handed or taken) and isinstance(longest, ast.Attribute) and longest.attr == "longest_seconds"


def test_only_two_functions_have_phones_called() -> None:
    found = {(path, each.name) for path, each in functions() for call in calls(each) if is_dialling(call)}
    assert found == DIALLED


def test_whatever_has_somebody_called_was_decided_before() -> None:
    rows = [(path, each, call) for path, each in functions() for call in calls(each) if is_call_out(call)]
    assert len(rows) >= 4, "dialling, people called in, bots and transfers"
    assert [(path, each.name) for path, each, row in rows if not is_judged(each, row)] == []


def test_a_transfer_is_written_before_the_carrier_is_asked() -> None:
    ((_, transfer),) = [
        (path, each)
        for path, each in functions()
        if path.endswith("telephony/switchboard.py") and each.name == "transfer"
    ]
    names = [name_of(call) for call in sorted(calls(transfer), key=lambda call: call.lineno)]
    assert names.index("_write") < names.index("transfer")


def test_the_rule_sees_what_breaks_it() -> None:
    (bad,) = [
        node
        for node in ast.walk(
            ast.parse("async def go(self, db):\n    db.add(Call(status='queued', longest_seconds=row.longest_seconds))")
        )
        if isinstance(node, Function)
    ]
    (row,) = [call for call in calls(bad) if is_call_out(call)]
    assert not is_judged(bad, row)
