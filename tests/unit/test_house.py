"""Habits that no linter knows: where things may be said, how long a file may be, which folders there are."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic_settings import BaseSettings

from agents.settings import BotHostSettings, WorkerSettings
from control_plane.settings import Settings
from knowledge.settings import KnowledgeSettings

CHECKOUT = Path(__file__).parents[2]
PACKAGES = ("agents", "control_plane", "guard", "knowledge", "parley", "pocket", "sip")
SOURCES = sorted(path for package in PACKAGES for path in (CHECKOUT / package).rglob("*.py"))
BANNED_NAMES = {"utils", "util", "common", "core", "helpers", "helper", "base", "misc"}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_a_source_file_keeps_the_habits(path: Path) -> None:
    text = path.read_text()
    module = tree(path)
    assert len(text.splitlines()) <= 400, "read in one sitting: split it"
    assert path.stem not in BANNED_NAMES, "name it by what it is"
    assert path.name == "__init__.py" or ast.get_docstring(module), "say what it is for"
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = [child for child in ast.walk(node) if isinstance(child, ast.Import | ast.ImportFrom)]
            assert not inside, f"{node.name} imports inside a function: a late import is a wrong arrow"
        if isinstance(node, ast.Name) and "control_plane" in path.parts and path.name != "faults.py":
            assert node.id != "HTTPException", "raise an error of errors.py"
    assert "TODO" not in text
    assert "FIXME" not in text


@pytest.mark.parametrize("package", ["agents", "control_plane"])
def test_the_environment_is_read_only_by_settings(package: str) -> None:
    for path in (CHECKOUT / package).rglob("*.py"):
        if path.name != "settings.py":
            assert "os.environ" not in path.read_text(), path


def test_agents_has_nothing_in_its_init_so_that_the_contract_needs_no_livekit() -> None:
    assert (CHECKOUT / "agents" / "__init__.py").read_text() == ""
    wire = ("contract", "attendance", "audience", "calling", "figures", "noted")
    allowed = {"pydantic", "collections.abc", "datetime", "typing", *(f"agents.{name}" for name in wire)}
    for name in wire:
        assert set(imports(tree(CHECKOUT / "agents" / f"{name}.py"))) <= allowed


def test_livekit_is_imported_only_behind_its_seams() -> None:
    allowed = ("media/", "livekit_hooks/", "tokens/signer.py", "app.py")
    for path in (CHECKOUT / "control_plane").rglob("*.py"):
        place = str(path.relative_to(CHECKOUT / "control_plane"))
        if any(name.split(".")[0] == "livekit" for name in imports(tree(path))):
            assert place.startswith(allowed), place


PASSES = {
    "bots/entering.py": 1,
    "meetings/passes.py": 2,
    "supervision/service.py": 1,
    "telephony/routes.py": 1,
    "tokens/service.py": 1,
}
"""Who says what a token says, and how often: tests/integration/security/test_grants.py tries each of them."""


def test_tokens_are_made_in_known_places_only() -> None:
    made = dict[str, int]()
    for path in (CHECKOUT / "control_plane").rglob("*.py"):
        calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
        names = [getattr(call.func, "id", getattr(call.func, "attr", "")) for call in calls]
        if count := names.count("Pass"):
            made[str(path.relative_to(CHECKOUT / "control_plane"))] = count
        assert not {"AccessToken", "with_grants"} & set(names), path
    assert made == PASSES


def test_routes_speak_http_and_no_sql() -> None:
    routes = [path for path in (CHECKOUT / "control_plane").rglob("*.py") if "\nrouter = " in path.read_text()]
    assert len(routes) > 10
    for path in routes:
        spoken = {name.split(".")[0] for name in imports(tree(path))}
        assert not spoken & {"sqlalchemy", "sqlmodel", "psycopg"}, f"{path}: ask a repository, a service or a noun"


def test_the_fixed_top_level_names_are_there() -> None:
    wanted = ["pyproject.toml", "control_plane", "agents", "knowledge", "sip", "alembic", "tests", "compose.yaml"]
    wanted += ["parley", "pocket", "guard", "web", "docs", "bench", "deploy", "clients", "requirements.lock"]
    assert [name for name in wanted if not (CHECKOUT / name).exists()] == []
    assert not (CHECKOUT / "alembic" / "__init__.py").exists(), "it would hide the library"
    assert list((CHECKOUT / "tests").rglob("__init__.py")) == []


def test_locks_name_no_registry() -> None:
    for name in ("requirements.lock", "requirements-sentence-transformers.lock", "requirements-voices.lock"):
        lock = (CHECKOUT / name).read_text()
        assert "://" not in lock
        assert "--hash=sha256:" in lock
    assert '"resolved"' not in (CHECKOUT / "web" / "package-lock.json").read_text()
    assert not (CHECKOUT / "uv.lock").exists()


def test_compose_runs_the_same_processes_as_the_command() -> None:
    compose = yaml.safe_load((CHECKOUT / "compose.yaml").read_text())
    services = compose["services"]
    commands = {name: service.get("command") for name, service in services.items()}
    assert commands["control-plane"] == ["parley", "serve"]
    assert commands["jobs"] == ["parley", "jobs"]
    assert commands["worker"] == ["parley", "worker"]
    assert commands["bots"] == ["python", "-m", "agents", "bots"]
    assert commands["migrate"] == ["parley", "migrate"]
    for name in ("livekit", "sip", "egress"):
        assert services[name]["image"].startswith("livekit/")
    assert services["livekit"]["image"].endswith("v1.13.5")


def test_the_page_on_architecture_shows_the_floors_that_are_held() -> None:
    contracts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["name"] == "Floors of the control plane")
    page = (CHECKOUT / "docs" / "architecture.md").read_text()
    shown = page.partition("a room imports only from floors below its own:\n\n```\n")[2].partition("```")[0]
    floors = [set(line[len("foundation   ") :].split(" · ")) for line in shown.splitlines()]
    assert floors == [set(re.findall(r"\w+", layer)) for layer in reversed(layers)]


def test_every_decision_is_listed() -> None:
    pages = CHECKOUT / "docs" / "decisions"
    listed = (pages / "README.md").read_text()
    for page in pages.glob("0*.md"):
        title = page.read_text().partition("\n")[0].partition(" · ")[2]
        assert f"| [{page.name[:4]}]({page.name}) | {title} |" in listed


def test_every_incident_says_what_to_do_and_names_tests_that_try_it() -> None:
    tests = "\n".join(path.read_text() for path in (CHECKOUT / "tests").rglob("test_*.py"))
    known = set(re.findall(r"^\s*(?:async )?def (test_\w+)", tests, re.MULTILINE))
    for section in (CHECKOUT / "docs" / "operations.md").read_text().split("\n## ")[1:]:
        title = section.partition("\n")[0]
        for said in ("**Callers notice**", "**You see**", "**By itself**", "**Do**", "**Test**"):
            assert section.count(said) == 1, (title, said)
        named = set(re.findall(r"`(test_\w+)`", section))
        assert named, title
        assert named <= known, (title, named - known)


@pytest.mark.parametrize("page", ["scale", "upgrade", "backup"])
def test_every_way_of_operating_names_tests_that_try_it(page: str) -> None:
    tests = "\n".join(path.read_text() for path in (CHECKOUT / "tests").rglob("test_*.py"))
    known = set(re.findall(r"^\s*(?:async )?def (test_\w+)", tests, re.MULTILINE))
    for section in (CHECKOUT / "docs" / "operations" / f"{page}.md").read_text().split("\n## ")[1:]:
        named = set(re.findall(r"`(test_\w+)`", section.partition("**Test**")[2]))
        assert named, section.partition("\n")[0]
        assert named <= known, named - known


def test_the_reference_pages_say_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, "tools/reference.py", "--check"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("settings", [Settings, WorkerSettings, BotHostSettings, KnowledgeSettings])
def test_every_setting_is_described(settings: type[BaseSettings]) -> None:
    assert [name for name, info in settings.model_fields.items() if not info.description] == []
