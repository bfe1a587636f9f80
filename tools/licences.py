"""Checks the licences of everything that is installed, and writes `docs/licences.md`. `--check` only looks.

Python packages: those of `requirements.lock`, by what they say of themselves. Modules of npm: those of the lock files.
What is allowed, and who is an exception, stands in `licences.toml`.
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

TREE = Path(__file__).parent.parent
LOCKS = {"web": TREE / "web" / "package-lock.json", "newman": TREE / "tools" / "newman" / "package-lock.json"}
RULES = TREE / "licences.toml"
PAGE = TREE / "docs" / "licences.md"
ELSEWHERE = frozenset({"async-timeout", "httpx2-jsfetch"})
"""Named by the lock for other versions of Python or other platforms alone."""


@dataclass(frozen=True, order=True)
class Package:
    """Something installed, and what it says of its licence."""

    name: str
    source: str
    said: str
    runs: bool = True


def main() -> int:
    """0 where everything is allowed and the page says so."""
    rules = tomllib.loads(RULES.read_text())
    packages = sorted([*of_python(), *of_npm()])
    wrong = problems(packages, rules)
    page = render(packages, rules)
    if "--check" in sys.argv and PAGE.read_text() != page:
        wrong.append("docs/licences.md is behind: make licences")
    elif "--check" not in sys.argv:
        PAGE.write_text(page)
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"licences: {len(packages)} packages, {len(wrong)} problems, {len(rules['exceptions'])} exceptions")
    return 1 if wrong else 0


def names_of(lock: str) -> list[str]:
    """The packages that a requirements file names, as the index spells them."""
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)==", lock, re.MULTILINE)
    return sorted({re.sub(r"[-_.]+", "-", name).lower() for name in found})


def of_python() -> Iterable[Package]:
    """Those of the lock that are installed."""
    for name in names_of((TREE / "requirements.lock").read_text()):
        try:
            yield Package(name, "python", said_by(metadata(name)))
        except PackageNotFoundError:
            if name not in ELSEWHERE:
                yield Package(name, "python", "")


def said_by(about: Any) -> str:
    """The expression of a package's licence, else its one line of text, else its classifiers."""
    if expression := about.get("License-Expression"):
        return str(expression)
    told = str(about.get("License") or "").strip()
    if told and "\n" not in told and len(told) <= 60:
        return told
    classifiers = (each for each in about.get_all("Classifier") or () if each.startswith("License :: OSI Approved :: "))
    return " OR ".join(each.rpartition(" :: ")[2] for each in classifiers)


def of_npm() -> Iterable[Package]:
    """Modules of the pages and of the tools."""
    seen = set()
    for source, lock in LOCKS.items():
        for place, each in json.loads(lock.read_text())["packages"].items():
            name = place.rpartition("node_modules/")[2]
            if name and (source, name) not in seen:
                seen.add((source, name))
                runs = source == "web" and not each.get("dev", False)
                yield Package(name, f"npm ({source})", str(each.get("license") or ""), runs)


def problems(packages: Iterable[Package], rules: Mapping[str, Any]) -> list[str]:
    """What may not be installed, in a line each; and exceptions that nobody needs."""
    wrong, needless = [], set(rules["exceptions"])
    for each in packages:
        exception = rules["exceptions"].get(each.name)
        if exception is not None:
            needless.discard(each.name)
        elif not is_allowed(each.said, rules):
            wrong.append(
                f"{each.name} ({each.source}): the licence {each.said or 'that it does not name'!r} is not allowed"
            )
    return [*wrong, *(f"{name}: an exception of nothing that is installed" for name in sorted(needless))]


def is_allowed(said: str, rules: Mapping[str, Any]) -> bool:
    """Whether an expression holds with allowed licences: all parts of AND, one of OR."""
    text = said.strip()
    if text in rules["spellings"]:
        return rules["spellings"][text] in rules["allowed"]
    while text.startswith("(") and text.endswith(")") and _closes(text):
        text = text[1:-1].strip()
    for word, holds in ((" OR ", any), (" AND ", all)):
        parts = _parts(text, word)
        if len(parts) > 1:
            return holds(is_allowed(part, rules) for part in parts)
    return rules["spellings"].get(text, text) in rules["allowed"]


def _closes(text: str) -> bool:
    """Whether the first bracket is the last one's."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return place == len(text) - 1
    return False


def _parts(text: str, word: str) -> list[str]:
    """The text between words that stand in no brackets."""
    parts, depth, begin, place = [], 0, 0, 0
    while place < len(text):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0 and text.startswith(word, place):
            parts.append(text[begin:place])
            begin = place = place + len(word)
        else:
            place += 1
    return [*parts, text[begin:]]


def render(packages: Iterable[Package], rules: Mapping[str, Any]) -> str:
    """The page: what is an exception and why, then everything."""
    lines = [
        "# Licences",
        "",
        "Written by `make licences` from what is installed; `make check` fails where something has a licence that",
        "[licences.toml](../licences.toml) does not allow. Parley itself is Apache-2.0.",
        "",
        "## Exceptions",
        "",
        "| package | licence | why it may be here |",
        "|---|---|---|",
    ]
    for name, each in sorted(rules["exceptions"].items()):
        where = "" if each.get("runs", True) else "Development and tests only. "
        lines.append(f"| {name} | {each['licence']} | {where}{each['reason']} |")
    lines += ["", "## Everything", "", "| package | from | licence |", "|---|---|---|"]
    for each in packages:
        exception = rules["exceptions"].get(each.name)
        told = exception["licence"] if exception else rules["spellings"].get(each.said, each.said)
        lines.append(f"| {each.name} | {each.source}{'' if each.runs else ', development'} | {told} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
