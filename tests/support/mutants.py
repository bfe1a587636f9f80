"""The control plane with any one of its owner predicates taken away: `pytest -p tests.support.mutants`.

Loaded before anything of `control_plane`, it has each `Something.project_id == …` ask whether it is the one that is
missing now; each `project_id = …` of a statement in SQL is taken away as the statement goes to the database. A process
with it runs as any other while none is missing; PARLEY_MISSING says which is from the start.
"""

import ast
import builtins
import importlib.abc
import importlib.machinery
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

CHECKOUT: Final = Path(__file__).parents[2]
PACKAGE: Final = "control_plane"
ASKED: Final = "__owner_predicate__"
OWNS: Final = re.compile(r"(?:\w+\.)?project_id = (?:%\(\w+\)s(?:::\w+)?|(?<!:):\w+|\w+\.project_id)")
"""An owner predicate of a statement in SQL, as it is written and as it is sent."""
SENT: Final = re.compile(r"%\((\w+)\)s(?:::\w+)?")


@dataclass(frozen=True)
class Predicate:
    """A comparison with an owner in the source."""

    module: str
    function: str
    text: str

    def __str__(self) -> str:
        return f"{self.module} {self.function}: {self.text}"


class _Asking(ast.NodeTransformer):
    """Finds owner predicates, and has each ask."""

    def __init__(self, module: str) -> None:
        self.module, self.found = module, list[Predicate]()
        self._inside: list[str] = []

    def _enter(self, node: Any) -> Any:
        self._inside.append(node.name)
        self.generic_visit(node)
        self._inside.pop()
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _enter

    def visit_Compare(self, node: ast.Compare) -> Any:
        self.generic_visit(node)
        if len(node.ops) != 1 or not isinstance(node.ops[0], ast.Eq) or not _is_owner(node.left):
            return node
        found = Predicate(self.module, ".".join(self._inside), ast.unparse(node))
        self.found.append(found)
        name = ast.Name(ASKED, ast.Load())
        return ast.copy_location(ast.Call(name, [ast.Constant(str(found)), node], []), node)


def _is_owner(node: ast.expr) -> bool:
    if isinstance(node, ast.Call) and len(node.args) == 1:
        node = node.args[0]
    return isinstance(node, ast.Attribute) and node.attr == "project_id"


def predicates() -> list[Predicate]:
    """Every owner predicate of the control plane's queries and statements."""
    found: list[Predicate] = []
    for path in sorted((CHECKOUT / PACKAGE).rglob("*.py")):
        asking = _Asking(".".join(path.relative_to(CHECKOUT).with_suffix("").parts))
        asking.visit(ast.parse(path.read_text()))
        found += asking.found
    return [*found, *(each for statement in statements() for each in statement.predicates)]


@dataclass(frozen=True)
class Statement:
    """A text in the source that is a statement, or a part of one, and has owner predicates."""

    pattern: re.Pattern[str]
    predicates: tuple[Predicate, ...] = field(compare=False)


@cache
def statements() -> tuple[Statement, ...]:
    """Every text of the control plane with an owner predicate."""
    found: list[Statement] = []
    for path in sorted((CHECKOUT / PACKAGE).rglob("*.py")):
        module, known = ".".join(path.relative_to(CHECKOUT).with_suffix("").parts), Counter[str]()
        for name, pieces in _texts(ast.parse(path.read_text()), ""):
            if owning := OWNS.findall("".join(pieces)):
                first = known[name] + 1
                known[name] += len(owning)
                counted = [f"{each} #{place}" for place, each in enumerate(owning, first)]
                pattern = re.compile(".*?".join(re.escape(_plain(piece)) for piece in pieces))
                found.append(Statement(pattern, tuple(Predicate(module, name, each) for each in counted)))
    return tuple(found)


def _texts(node: ast.AST, inside: str) -> Iterator[tuple[str, list[str]]]:
    """Texts and what they are called; one with values in it comes in pieces."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        inside = f"{inside}.{node.name}".strip(".")
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        inside = f"{inside}.{ast.unparse(target)}".strip(".")
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield inside, [node.value]
    elif isinstance(node, ast.JoinedStr):
        pieces = [""]
        for part in node.values:
            if isinstance(part, ast.Constant):
                pieces[-1] += str(part.value)
            else:
                pieces.append("")
        yield inside, pieces
    else:
        for child in ast.iter_child_nodes(node):
            yield from _texts(child, inside)


def _plain(sql: str) -> str:
    """SQL in one spelling, as written and as sent."""
    named = re.sub(r"(?<!:):(\w+)(?:::\w+)?", r":\1", SENT.sub(r":\1", sql.replace("\\:", ":").replace("%%", "%")))
    return re.sub(r"\s+", " ", named)


@cache
def _owning(sent: str) -> tuple[tuple[Predicate, int], ...]:
    """The owner predicates of a statement that goes out, and the how-manieth of all of its text each is."""
    plain, found = _plain(sent), list[tuple[Predicate, int]]()
    for statement in statements():
        if match := statement.pattern.search(plain):
            before = len(OWNS.findall(plain[: match.start()]))
            found += [(each, before + place) for place, each in enumerate(statement.predicates)]
    return tuple(found)


def _without(_connection: Any, _cursor: Any, sent: str, values: Any, _context: Any, _many: bool) -> tuple[str, Any]:
    """What goes to the database instead of a statement."""
    if "project_id = " in sent:
        for predicate, place in _owning(sent):
            MISSING.asked.add(str(predicate))
            if str(predicate) == MISSING.now:
                found = list(OWNS.finditer(sent))[place]
                sent = f"{sent[: found.start()]}true{sent[found.end() :]}"
                break
    return sent, values


class Missing:
    """Which predicate is missing now, and which have been asked since somebody forgot."""

    def __init__(self) -> None:
        self.now = ""
        self.asked = set[str]()

    def __call__(self, predicate: str, condition: Any) -> Any:
        self.asked.add(predicate)
        if predicate != self.now:
            return condition
        if isinstance(condition, bool):
            return True
        return sys.modules["sqlalchemy"].true()


MISSING: Final = Missing()


class _Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        tree = _Asking(fullname).visit(ast.parse(Path(self.path).read_text()))
        return compile(ast.fix_missing_locations(tree), self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] != PACKAGE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path or [str(CHECKOUT)], target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


def installed() -> bool:
    """Whether this process can miss a predicate."""
    return any(isinstance(finder, _Finder) for finder in sys.meta_path)


def pytest_configure() -> None:
    """Of a plugin: it is loaded before the tests are."""
    _install()
    from sqlalchemy import Engine, event

    event.listen(Engine, "before_cursor_execute", _without, retval=True)
    MISSING.now = os.environ.get("PARLEY_MISSING", "")


def _install() -> None:
    if not installed():
        setattr(builtins, ASKED, MISSING)
        sys.meta_path.insert(0, _Finder())


if PACKAGE not in sys.modules and "-p" in sys.argv and "tests.support.mutants" in sys.argv:
    _install()
