"""`make check-security`: every promise of security is tried in full. A line each: what, how many were tried, how many
went wrong, and how many there have to be at least.

It runs all test files that note what they tried (tests/support/tried.py), with PARLEY_FULL=1, schemathesis with two
tenants (tools/check_api.py) and bandit. What a line has to reach stands in tools/security_floors.toml. Status 0 only if
no test failed, nothing went wrong, and every line reached its floor.

That takes an hour on two cores. `--part 2/8 --notes FILE` does an eighth of it and adds what it tried to FILE: the
table shows all that stands there, and is judged by the floors with the last part.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

TREE: Final = Path(__file__).resolve().parent.parent
FLOORS: Final = TREE / "tools" / "security_floors.toml"
PACKAGES: Final = ("agents", "control_plane", "guard", "knowledge", "parley", "pocket", "sip")
NOTES: Final = "from tests.support.tried import"
PATIENCE: Final = 1800
"""Seconds one test may take where everything is tried."""


@dataclass
class Line:
    """A promise: what was tried of it."""

    what: str
    floor: int | None
    tried: int = 0
    violations: int = 0

    @property
    def verdict(self) -> str:
        """What is wrong with it; empty where nothing is."""
        if self.violations:
            return "violated"
        if self.floor is not None and self.tried < self.floor:
            return "not tried" if self.tried == 0 else "too few"
        return ""


def main() -> int:
    """Try everything; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="", metavar="WORD", help="lines that begin with this word, and their tests")
    parser.add_argument("--samples", action="store_true", help="as `make test` does: fewer, and without floors")
    parser.add_argument("--processes", default="2", help="test processes")
    parser.add_argument("--part", default="1/1", metavar="N/OF", help="try a part of it")
    parser.add_argument("--notes", type=Path, metavar="FILE", help="keep here what each part tried")
    asked = parser.parse_args()
    number, of = map(int, asked.part.split("/"))
    if not 1 <= number <= of or (of > 1 and asked.notes is None):
        parser.error("--part is N/OF, N from 1 to OF, and goes with --notes")
    floors: dict[str, int] = tomllib.loads(FLOORS.read_text())["floors"]
    last = number == of
    wanted = {what: floor for what, floor in floors.items() if what.startswith(asked.only)}
    with tempfile.TemporaryDirectory(prefix="parley-security-") as folder:
        noted = (asked.notes or Path(folder) / "tried.jsonl").resolve()
        noted.touch()
        files = files_of(asked.only)[number - 1 :: of]
        failed = run_tests(files, noted, full=not asked.samples, processes=asked.processes)
        if not asked.samples and "schemathesis".startswith(asked.only.partition(":")[0]):
            failed |= run_search(noted, asked.part)
        found = [json.loads(line) for line in noted.read_text().splitlines()]
    if last and "bandit".startswith(asked.only):
        found.append(run_bandit())
    found = [each for each in found if each["line"].startswith(asked.only)]
    lines = collect(found, wanted if last and not asked.samples else {})
    if asked.only and not lines and not failed:
        begun = sorted({what.partition(":")[0] for what in floors} | {"second wall", "audit chain", "schemathesis"})
        print(f"No line begins with {asked.only!r} that was tried; there are {', '.join(begun)}", file=sys.stderr)
    show(lines)
    bad = [line for line in lines if line.verdict]
    if failed:
        print("A test failed: its output stands above.", file=sys.stderr)
    return 1 if bad or failed or not lines else 0


def files_of(only: str) -> list[Path]:
    """The test files that note what they tried; of one word, those with a line that begins with it."""
    files = sorted(path for path in (TREE / "tests").rglob("test_*.py") if NOTES in path.read_text())
    line = re.compile(rf'"{re.escape(only)}[^"\n]*' + ("" if ":" in only else ":"))
    return [path for path in files if line.search(path.read_text())] if only else files


def run_tests(files: Sequence[Path], noted: Path, *, full: bool, processes: str) -> bool:
    """Run them; whether one failed."""
    if not files:
        return False
    environment = {**os.environ, "PARLEY_TRIED": str(noted)} | ({"PARLEY_FULL": "1"} if full else {})
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-n", processes, "--dist", "loadfile"]
    command += ["-o", f"timeout={PATIENCE}", *(str(path.relative_to(TREE)) for path in files)]
    return subprocess.run(command, cwd=TREE, env=environment, check=False).returncode != 0


def run_search(noted: Path, part: str) -> bool:
    """Search the API with one tenant's key and another's ids; whether something was found."""
    command = [sys.executable, "-m", "tools.check_api", "--search-only", "--part", part]
    return (
        subprocess.run(command, cwd=TREE, env={**os.environ, "PARLEY_TRIED": str(noted)}, check=False).returncode != 0
    )


def run_bandit() -> dict[str, object]:
    """What bandit looked at, and what it found."""
    command = [sys.executable, "-m", "bandit", "-q", "-c", "pyproject.toml", "-f", "json", "-r", *PACKAGES]
    done = subprocess.run(command, cwd=TREE, capture_output=True, text=True, check=False)
    try:
        told = json.loads(done.stdout)
    except ValueError:
        print(done.stderr, file=sys.stderr)
        return {"line": "bandit: files", "tried": 0, "violations": 1}
    for each in told["results"]:
        print(f"{each['filename']}:{each['line_number']}: {each['test_id']}: {each['issue_text']}", file=sys.stderr)
    return {"line": "bandit: files", "tried": len(told["metrics"]) - 1, "violations": len(told["results"])}


def collect(found: Iterable[Mapping[str, object]], floors: Mapping[str, int]) -> list[Line]:
    """Lines in the order of their floors, then what has none; notes of the same line are added up."""
    lines = {what: Line(what, floor) for what, floor in floors.items()}
    for each in found:
        what = str(each["line"])
        line = lines.setdefault(what, Line(what, None))
        line.tried += int(str(each["tried"]))
        line.violations += int(str(each["violations"]))
    return list(lines.values())


def show(lines: Sequence[Line]) -> None:
    """The table."""
    table = Table(title="What is promised of security", title_justify="left", header_style="bold")
    for name, justify in (
        ("what", "left"),
        ("tried", "right"),
        ("at least", "right"),
        ("violations", "right"),
        ("", "left"),
    ):
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=name != "what")
    for line in lines:
        verdict = line.verdict
        table.add_row(
            Text(line.what),
            f"{line.tried:,}",
            "–" if line.floor is None else f"{line.floor:,}",
            Text(f"{line.violations:,}", style="bold red" if line.violations else ""),
            Text(verdict or "held", style="bold red" if verdict else "green"),
        )
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    console.print(table)
    bad = sum(bool(line.verdict) for line in lines)
    tried = sum(line.tried for line in lines)
    console.print(
        f"{len(lines)} lines, {tried:,} tried, {sum(line.violations for line in lines)} violations, {bad} not held"
    )


if __name__ == "__main__":
    sys.exit(main())
