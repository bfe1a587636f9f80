"""The control plane with any one of its owner predicates taken away: `pytest -p tests.support.mutants`.

Loaded before anything of `control_plane`, it has each `Something.project_id == …` ask whether it is the one that is
missing now. A process with it runs as any other while none is.
"""

import ast
import builtins
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

CHECKOUT: Final = Path(__file__).parents[2]
PACKAGE: Final = "control_plane"
ASKED: Final = "__owner_predicate__"


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
    """Every owner predicate of the control plane's own queries."""
    found: list[Predicate] = []
    for path in sorted((CHECKOUT / PACKAGE).rglob("*.py")):
        asking = _Asking(".".join(path.relative_to(CHECKOUT).with_suffix("").parts))
        asking.visit(ast.parse(path.read_text()))
        found += asking.found
    return found


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


def _install() -> None:
    if not installed():
        setattr(builtins, ASKED, MISSING)
        sys.meta_path.insert(0, _Finder())


if PACKAGE not in sys.modules and "-p" in sys.argv and "tests.support.mutants" in sys.argv:
    _install()
