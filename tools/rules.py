"""Rules of security that no linter knows, held over all of our code by `make check`. Each has a sample that it refuses
and one that it lets pass; tests/unit/test_security_rules.py tries them.

A rule looks at one node of a parsed Python file, or for the pages at one line of TypeScript.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rulebook import MARKUP, RULES

TREE: Final = Path(__file__).parent.parent
PYTHON: Final = ("agents", "control_plane", "guard", "knowledge", "parley", "pocket", "sip")


@dataclass(frozen=True)
class Found:
    """A line that a rule refuses."""

    place: str
    line: int
    rule: str
    why: str

    def __str__(self) -> str:
        return f"{self.place}:{self.line}: {self.rule}: {self.why}"


def judge(text: str, place: str) -> Iterator[Found]:
    """What rules refuse in a Python file."""
    asked = [rule for rule in RULES if rule.holds_in(place)]
    module = ast.parse(text)
    functions = [
        each for each in ast.walk(module) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    ]
    at_work = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(module):
        for rule in asked:
            if (id(node) in at_work or not rule.at_work) and rule.refuses(node):
                yield Found(place, getattr(node, "lineno", 0), rule.name, rule.why)


def judge_page(text: str, place: str) -> Iterator[Found]:
    """The same of a line of TypeScript: text never becomes markup or code."""
    for number, line in enumerate(text.splitlines(), 1):
        if MARKUP.search(line) and not line.lstrip().startswith(("*", "//", "/*")):
            yield Found(place, number, "text-as-markup", "text is set as text: element()")


def judge_tree(tree: Path = TREE) -> tuple[int, list[Found]]:
    """How many files there are, and what is refused in them."""
    sources = sorted(path for package in PYTHON for path in (tree / package).rglob("*.py") if "_pb2" not in path.name)
    pages = sorted((tree / "web" / "src").rglob("*.ts"))
    found = [each for path in sources for each in judge(path.read_text(), str(path.relative_to(tree)))]
    found += [each for path in pages for each in judge_page(path.read_text(), str(path.relative_to(tree)))]
    return len(sources) + len(pages), found


def main() -> int:
    """0 where nothing is refused."""
    files, found = judge_tree()
    for each in found:
        print(each, file=sys.stderr)
    print(f"rules: {len(RULES) + 1} over {files} files, {len(found)} refused")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
