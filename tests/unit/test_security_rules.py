"""The rules of security: each refuses its sample and lets the other pass, and none refuses anything of ours."""

import ast
import importlib.util
import json
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.tried import tried

CHECKOUT = Path(__file__).parents[2]


def tool(name: str) -> ModuleType:
    """A module of `tools/`, which is no package."""
    sys.path.insert(0, str(CHECKOUT / "tools"))
    try:
        spec = importlib.util.spec_from_file_location(name, CHECKOUT / "tools" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(CHECKOUT / "tools"))
    return module


rules, licences, sbom, table = tool("rules"), tool("licences"), tool("sbom"), tool("check_security")


def refused(sample: str, rule: Any) -> bool:
    inside = textwrap.dedent(f"async def work(**given):\n    {sample}\n")
    place = rule.within[0].replace("*", "sample" if rule.within[0].endswith(".py") else "sample.py")
    ast.parse(inside)
    return rule.name in {found.rule for found in rules.judge(inside, place)}


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.name)
def test_a_rule_refuses_its_sample_and_lets_the_other_pass(rule: Any) -> None:
    assert refused(rule.bad, rule)
    assert not refused(rule.good, rule)
    tried("own rules: samples", 2)


@pytest.mark.parametrize(
    "sample",
    [
        'db.execute("select " + name)',
        'db.execute(text("select {}".format(name)))',
        'db.scalar(text(f"select {self.name!r}"))',
        'await connection.execute(f"listen {name:>3}")',
    ],
)
def test_a_statement_of_input_is_refused_however_it_is_put_together(sample: str) -> None:
    assert refused(sample, rules.RULES[0])


@pytest.mark.parametrize(
    "line", ["node.innerHTML = x", "x.insertAdjacentHTML('a', b)", "eval(code)", "document.write(x)"]
)
def test_text_of_a_page_becomes_no_markup(line: str) -> None:
    assert [found.rule for found in rules.judge_page(line, "a.ts")] == ["text-as-markup"]
    assert not [*rules.judge_page("node.textContent = x", "a.ts")]
    tried("own rules: samples", 2)


def test_nothing_of_ours_is_refused() -> None:
    files, found = rules.judge_tree()
    tried("own rules: files", files, len(found))
    assert [str(each) for each in found] == []
    assert files > 800


def test_what_a_rule_does_not_hold_for_is_there() -> None:
    for rule in rules.RULES:
        for place in rule.but:
            assert [*CHECKOUT.glob(place)], f"{rule.name}: {place}"


ALLOWED = tomllib.loads((CHECKOUT / "licences.toml").read_text())


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        ("MIT", True),
        ("BSD License", True),
        ("(Apache-2.0 AND BSD-3-Clause)", True),
        ("MIT AND (BSD-2-Clause OR LGPL-2.1-or-later)", True),
        ("(MIT) OR (GPL-3.0-only)", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-or-later", False),
        ("AGPL-3.0-only", False),
        ("SSPL-1.0", False),
        ("Proprietary", False),
        ("", False),
    ],
)
def test_a_licence_is_allowed_by_its_expression(said: str, allowed: bool) -> None:
    assert licences.is_allowed(said, ALLOWED) is allowed


def test_an_unknown_licence_and_a_needless_exception_are_told() -> None:
    packages = [licences.Package("good", "python", "MIT"), licences.Package("bad", "python", "Proprietary")]
    told = licences.problems(packages, ALLOWED | {"exceptions": {"gone": {"licence": "MIT", "reason": "r"}}})
    assert [line.partition(" ")[0] for line in told] == ["bad", "gone:"]


def test_everything_installed_has_a_licence_that_is_allowed() -> None:
    """And the page says what is installed."""
    done = subprocess.run(
        [sys.executable, "tools/licences.py", "--check"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    packages = [*licences.of_python(), *licences.of_npm()]
    tried("licences: packages", len(packages), len(licences.problems(packages, ALLOWED)))
    assert done.returncode == 0, done.stderr
    assert all(each["reason"] and each["licence"] for each in ALLOWED["exceptions"].values())


def test_everything_of_the_locks_is_in_the_bill_of_materials(tmp_path: Path) -> None:
    made = tmp_path / "sbom.json"
    command = [sys.executable, "tools/sbom.py", str(made)]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True)
    first = made.read_bytes()
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True)
    assert made.read_bytes() == first, "the same locks, the same file"
    document = json.loads(first)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    references = [each["bom-ref"] for each in document["components"]]
    assert len(references) == len(set(references))
    named = {each["name"].lower() for each in document["components"] if each["purl"].startswith("pkg:pypi/")}
    assert named == set(licences.names_of((CHECKOUT / "requirements.lock").read_text()))
    assert all(each["hashes"] for each in document["components"])
    modules = [each for each in document["components"] if each["purl"].startswith("pkg:npm/")]
    assert {each["hashes"][0]["alg"] for each in modules} == {"SHA-512"}
    tried("supply: components with hashes", len(references))


@pytest.mark.parametrize("lock", licences.LOCKS.values(), ids=licences.LOCKS)
def test_every_module_is_pinned_by_its_hash(lock: Path) -> None:
    modules = {place: each for place, each in json.loads(lock.read_text())["packages"].items() if place}
    loose = [place for place, each in modules.items() if not str(each.get("integrity", "")).startswith("sha512-")]
    tried("supply: modules pinned", len(modules), len(loose))
    assert loose == []
    assert not [place for place, each in modules.items() if "resolved" in each or each.get("link")]


def test_a_line_of_the_table_is_held_where_enough_was_tried_and_nothing_went_wrong() -> None:
    notes = [
        {"line": "a", "tried": 6, "violations": 0},
        {"line": "a", "tried": 4, "violations": 0},
        {"line": "b", "tried": 9, "violations": 0},
        {"line": "c", "tried": 50, "violations": 1},
        {"line": "e", "tried": 1, "violations": 0},
    ]
    lines = table.collect(notes, {"a": 10, "b": 10, "c": 10, "d": 1})
    assert [(line.what, line.tried, line.verdict) for line in lines] == [
        ("a", 10, ""),
        ("b", 9, "too few"),
        ("c", 50, "violated"),
        ("d", 0, "not tried"),
        ("e", 1, ""),
    ]


@pytest.mark.parametrize(
    ("body", "floor", "status", "shown"),
    [
        ("tried('x: all', 5, 1)", 5, 1, "violated"),
        ("tried('x: all', 5); assert False", 5, 1, "held"),
        ("assert FULL and tried('x: all', 5) is None", 5, 0, "held"),
    ],
)
def test_the_table_ends_with_what_its_tests_found(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    body: str,
    floor: int,
    status: int,
    shown: str,
) -> None:
    test = CHECKOUT / "tests" / "unit" / "test_compose.py"
    sample = tmp_path / "test_sample.py"
    sample.write_text(f"from tests.support.tried import FULL, tried\ndef test_it(): {body}\n")
    floors = tmp_path / "floors.toml"
    floors.write_text(f'[floors]\n"x: all" = {floor}\n"y: other" = 1\n')
    assert test in table.files_of("containers")
    monkeypatch.setattr(table, "FLOORS", floors)
    monkeypatch.setattr(table, "files_of", lambda only: [sample])
    monkeypatch.setattr(table, "TREE", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    monkeypatch.setattr(sys, "argv", ["check_security.py", "--only", "x:", "--processes", "0"])
    assert table.main() == status
    told = capsys.readouterr().out
    assert shown in told
    assert "y: other" not in told


def test_of_one_word_the_files_run_which_have_a_line_that_begins_with_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    named = {path.name for path in table.files_of("webhooks")}
    assert "test_webhook_signatures.py" in named
    assert "test_predicates.py" not in named  # it speaks of a folder of that name
    monkeypatch.setattr(sys, "argv", ["check_security.py", "--samples", "--only", "nothing of ours"])
    assert table.main() == 1
    assert "there are addresses, audit chain," in capsys.readouterr().err
