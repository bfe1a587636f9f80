"""What is told to Prometheus is what pages, alerts and the dashboard speak of."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from agents import metrics as of_hosts
from control_plane import metrics as of_control_plane
from control_plane.db.leadership import Lock
from tools.reference import figures_of, shown_name

CHECKOUT = Path(__file__).parents[2]
MONITORING = CHECKOUT / "deploy" / "monitoring"
FIGURES: list[MetricWrapperBase] = [*figures_of(of_control_plane), *figures_of(of_hosts)]
NAME = re.compile(r"\bparley_[a-z_]+[a-z]\b")
LABEL_NAMES = {"method", "route", "status", "reason", "outcome", "lock", "kind", "part", "service"}
"""Each has few values, all of them ours: a label more is a decision."""
UNITS = ("_total", "_seconds", "_bytes")


def samples() -> set[str]:
    """Names that a query may have."""
    found = set()
    for figure in FIGURES:
        name = shown_name(figure)
        found |= {name, *(f"{name}_{part}" for part in ("bucket", "count", "sum") if figure._type == "histogram")}
    return found


def queries() -> list[tuple[str, str]]:
    rules = yaml.safe_load((MONITORING / "alerts.yml").read_text())
    asked = [(rule["alert"], rule["expr"]) for group in rules["groups"] for rule in group["rules"]]
    dashboard = json.loads((MONITORING / "grafana.json").read_text())
    return asked + [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]]


def test_figures_have_names_units_and_words_as_the_field_has_them() -> None:
    names = [shown_name(figure) for figure in FIGURES]
    assert len(set(names)) == len(names)
    for figure in FIGURES:
        name = shown_name(figure)
        assert name.startswith("parley_")
        assert figure._documentation.endswith("."), name
        assert set(figure._labelnames) <= LABEL_NAMES, name
        if figure._type == "histogram":
            assert name.endswith("_seconds"), name


@pytest.mark.parametrize(("title", "query"), queries())
def test_every_figure_that_is_asked_for_exists(title: str, query: str) -> None:
    named = set(NAME.findall(re.sub(r'"[^"]*"', "", query)))
    assert named
    assert named <= samples(), named - samples()
    labels = set(re.findall(r"[{,]\s*(\w+)\s*[=!]", query)) | {
        name.strip() for group in re.findall(r"by \(([^)]*)\)", query) for name in group.split(",")
    }
    known = {label for figure in FIGURES for label in figure._labelnames} | {"le", "job"}
    assert labels <= known, (title, labels - known)
    assert query.count("(") == query.count(")")
    assert query.count("{") == query.count("}")


def test_every_figure_is_on_the_dashboard() -> None:
    asked = " ".join(query for _, query in queries())
    missing = {
        shown_name(figure)
        for figure in FIGURES
        if not re.search(rf"\b{shown_name(figure)}(_bucket|_count|_sum)?\b", asked)
    }
    assert missing == set()


def test_every_alert_names_its_section_of_the_page_on_incidents() -> None:
    sections = set(re.findall(r"^## (.+)$", (CHECKOUT / "docs" / "operations.md").read_text(), re.MULTILINE))
    rules: dict[str, Any] = yaml.safe_load((MONITORING / "alerts.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
            assert rule["labels"]["severity"] in ("page", "warn")
            assert rule["annotations"]["summary"].endswith(".")
            assert rule["annotations"]["section"] in sections, rule["annotations"]["section"]


def test_who_has_no_knowledge_process_is_not_asked_for_it() -> None:
    """A bot host tells 0 like every figure that it never sets: the least of all would be that."""
    asked = [query for _, query in queries() if "parley_knowledge_up" in query]
    assert len(asked) > 1
    assert [query for query in asked if 'parley_knowledge_up{job="parley-workers"}' not in query] == []


def test_calls_of_a_worker_that_is_stopped_take_no_places_of_the_others() -> None:
    """For as long as a roll-out lasts all places would seem to be taken."""
    staying = '(1 - parley_host_draining{job="parley-workers"})'
    compared = [
        query for _, query in queries() if {"parley_host_taken", "parley_host_places"} <= set(NAME.findall(query))
    ]
    assert len(compared) > 1
    for query in compared:
        for figure in ("parley_host_taken", "parley_host_places"):
            assert query.count(f'{figure}{{job="parley-workers"}} * {staying}') == query.count(figure), query


def test_the_alert_on_leaders_counts_every_lock_that_one_process_holds() -> None:
    held_by_one = set(Lock) - {Lock.HEARING}  # all control planes share it
    assert dict(queries())["ParleyNoLeader"].endswith(f"< {len(held_by_one)}")


def test_the_scrape_file_asks_processes_that_compose_runs_and_loads_the_rules() -> None:
    scrape = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    services = yaml.safe_load((CHECKOUT / "compose.yaml").read_text())["services"]
    assert scrape["rule_files"] == ["alerts.yml"]
    # Every container of a service: its name alone leads to one of them, now to this and now to that.
    asked_at = [found for job in scrape["scrape_configs"] for found in job["dns_sd_configs"]]
    assert {found["type"] for found in asked_at} == {"A"}
    assert {name for found in asked_at for name in found["names"]} == {"control-plane", "jobs", "worker", "bots"}
    assert all("static_configs" not in job for job in scrape["scrape_configs"])
    for found in asked_at:
        environment = services[found["names"][0]]["environment"]
        assert found["port"] == environment.get("PARLEY_METRICS_PORT", 8000)
    named = {job["job_name"] for job in scrape["scrape_configs"]}
    asked = " ".join(query for _, query in queries())
    assert set(re.findall(r'job="([^"]+)"', asked)) <= named


@pytest.mark.parametrize("page", ["operations.md", "metrics.md"])
def test_every_figure_that_a_page_names_exists(page: str) -> None:
    named = set(re.findall(r"`(parley_[a-z_]+)(?:\{[^`]*\})?`", (CHECKOUT / "docs" / page).read_text()))
    assert named
    assert named <= samples() | {"parley_app", "parley_knowledge"}, named - samples()


def test_every_lock_that_health_shows_is_explained() -> None:
    page = (CHECKOUT / "docs" / "operations.md").read_text()
    section = page.partition("\n## Nobody leads\n")[2].partition("\n## ")[0]
    assert [lock.name for lock in Lock if not re.search(rf"\b{lock.name.lower()}\b", section)] == []
