"""The Helm chart: rendered by helm itself, and held to what compose.yaml, the settings and we promise."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from agents.settings import BotHostSettings, WorkerSettings
from control_plane.__main__ import GRACE
from control_plane.settings import MigrationSettings, Settings
from knowledge.settings import KnowledgeSettings
from parley.stack.directories import cache_dir
from tests.support.tried import tried

CHECKOUT = Path(__file__).parents[2]
CHART = CHECKOUT / "deploy" / "helm" / "parley"
READS: dict[str, type[BaseSettings]] = {
    "migrate": MigrationSettings,
    "control-plane": Settings,
    "jobs": Settings,
    "knowledge": KnowledgeSettings,
    "worker": WorkerSettings,
    "bots": BotHostSettings,
}
VALUES: dict[str, Any] = {
    "image": {"repository": "registry.example.org/parley"},
    "livekit": {"url": "ws://livekit:7880", "publicUrl": "wss://livekit.example.org"},
    "publicUrl": "https://parley.example.org",
    "modelsUrl": "https://models.example.org/v1",
    "recordingsUrl": "s3://recordings?region=eu-central-1",
}
EVERYTHING: dict[str, Any] = VALUES | {
    "autoscaling": {"enabled": True, "prometheus": "http://prometheus:9090"},
    "ingress": {"enabled": True, "host": "parley.example.org", "tlsSecret": "tls", "className": "nginx"},
    "networkPolicy": {"metricsFrom": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]},
    "podMonitor": True,
    "trustedProxies": "10.0.0.0/8",
    "settings": {"PARLEY_LLM_MODEL": "gpt-4o-mini"},
}


def program(name: str) -> Path:
    """What `make check-deploy` has built."""
    module = (CHECKOUT / "tools" / "deploy" / "go.mod").read_text()
    versions = re.findall(r"(?:helm|compose-go)/v\d v([\d.]+)", module)
    found = cache_dir() / "-".join(["deploy", *versions]) / name
    if not os.access(found, os.X_OK):
        pytest.skip(f"{name} is not built: the chart was NOT looked at; `make check-deploy` builds it")
    return found


def helm(*arguments: str, values: dict[str, Any], folder: Path) -> "subprocess.CompletedProcess[str]":
    written = folder / "values.json"
    written.write_text(json.dumps(values))
    command = [str(program("helm")), *arguments, str(CHART), "-f", str(written)]
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def render(values: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    done = helm("template", "--kube-version", "1.31.0", "calls", values=values, folder=folder)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return render(EVERYTHING, tmp_path_factory.mktemp("chart"))


def pods(rendered: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in rendered:
        if each["kind"] in ("Deployment", "Job"):
            yield (
                each["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"],
                each["spec"]["template"],
            )


def containers(rendered: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = {}
    for _, pod in pods(rendered):
        for each in (*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]):
            found[each["name"]] = each
    return found


def variables(container: dict[str, Any]) -> dict[str, Any]:
    names = [each["name"] for each in container["env"]]
    assert len(names) == len(set(names))
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


def test_the_chart_passes_the_lint_of_helm(tmp_path: Path) -> None:
    done = helm("lint", "--strict", "--kube-version", "1.31.0", values=EVERYTHING, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_that_compose_runs_is_run_with_the_same_command(rendered: list[dict[str, Any]]) -> None:
    services = yaml.safe_load((CHECKOUT / "compose.yaml").read_text())["services"]
    ours = {name: service["command"] for name, service in services.items() if "build" in service}
    assert {name: one["command"] for name, one in containers(rendered).items()} == ours


def test_a_process_is_given_what_it_reads_and_no_other_secret(rendered: list[dict[str, Any]]) -> None:
    for name, container in containers(rendered).items():
        fields = READS[name].model_fields
        given = variables(container)
        known = {f"PARLEY_{field.upper()}" for field in fields}
        assert set(given) - set(EVERYTHING["settings"]) <= known, name
        assert {f"PARLEY_{field.upper()}" for field, one in fields.items() if one.is_required()} <= set(given), name
        for variable, value in given.items():
            if re.search(r"(KEY|KEYS|SECRET|TOKEN|CREDENTIALS|DATABASE_URL|REDIS_URL)$", variable):
                assert value["secretKeyRef"]["name"] == "parley", (name, variable)


def test_only_the_control_plane_knows_the_key_of_what_is_encrypted_and_only_migrations_own_the_tables(
    rendered: list[dict[str, Any]],
) -> None:
    def know(key: str) -> set[str]:
        return {name for name, one in containers(rendered).items() if f"'key': '{key}'" in str(one["env"])}

    assert know("PARLEY_SECRET_KEY") == {"control-plane", "jobs"}
    assert know("PARLEY_OWNER_DATABASE_URL") == {"migrate"}
    assert know("PARLEY_ADMIN_KEY") == {"control-plane"}
    assert know("PARLEY_DATABASE_URL") == {"control-plane", "jobs"}
    assert know("PARLEY_LIVEKIT_API_SECRET") == {"control-plane", "jobs", "worker"}


def test_a_pod_may_do_little_and_has_its_limits(rendered: list[dict[str, Any]]) -> None:
    for name, pod in pods(rendered):
        tried("containers: services × hardening", 5)
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert all(set(volume) - {"name"} == {"emptyDir"} for volume in spec["volumes"])
    for name, container in containers(rendered).items():
        tried("containers: services × hardening", 4)
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert set(container["resources"]["limits"]) == set(container["resources"]["requests"]) == {"cpu", "memory"}
        version = container["image"].rpartition(":")[2]
        assert version not in ("", "latest"), name


def test_what_takes_work_says_when_it_can(rendered: list[dict[str, Any]]) -> None:
    found = containers(rendered)
    probes = {name: found["control-plane"][f"{name}Probe"]["httpGet"]["path"] for name in ("liveness", "readiness")}
    assert probes == {"liveness": "/health/live", "readiness": "/health/ready"}
    for name in ("jobs", "worker", "bots"):
        ready = variables(found[name])["PARLEY_READY_FILE"]
        assert found[name]["readinessProbe"]["exec"]["command"] == ["test", "-f", ready]
        assert found[name]["livenessProbe"]["httpGet"] == {"path": "/metrics", "port": "metrics"}
        assert str(found[name]["ports"][0]["containerPort"]) == variables(found[name])["PARLEY_METRICS_PORT"]
    socket = variables(found["worker"])["PARLEY_KNOWLEDGE_SOCKET"]
    assert found["knowledge"]["startupProbe"]["exec"]["command"] == ["test", "-S", socket]
    assert variables(found["knowledge"])["PARLEY_KNOWLEDGE_SOCKET"] == socket
    assert found["knowledge"]["restartPolicy"] == "Always", "it outlives the worker"


def test_a_pod_gets_longer_to_end_than_its_process_takes(tmp_path: Path, rendered: list[dict[str, Any]]) -> None:
    grace = {name: pod["spec"].get("terminationGracePeriodSeconds") for name, pod in pods(rendered)}
    drain = int(variables(containers(rendered)["worker"])["PARLEY_DRAIN_TIMEOUT"])
    assert grace["worker"] >= drain + 30
    assert (
        grace["control-plane"]
        >= int(variables(containers(rendered)["control-plane"])["PARLEY_STOP_NOTICE"]) + GRACE + 5
    )
    longer = render(VALUES | {"worker": {"drainTimeout": 3600}}, tmp_path)
    assert {name: pod["spec"].get("terminationGracePeriodSeconds") for name, pod in pods(longer)}["worker"] == 3660


def test_migrations_come_before_everything_of_a_version(rendered: list[dict[str, Any]]) -> None:
    (job,) = [each for each in rendered if each["kind"] == "Job"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    others = [each for each in rendered if each is not job]
    assert not any("helm.sh/hook" in str(each) for each in others)


def test_no_roll_out_takes_places_away_before_there_are_others(rendered: list[dict[str, Any]]) -> None:
    for each in rendered:
        if each["kind"] == "Deployment" and "jobs" not in each["metadata"]["name"]:
            assert each["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    guarded = {each["metadata"]["name"]: each["spec"] for each in rendered if each["kind"] == "PodDisruptionBudget"}
    deployed = {each["metadata"]["name"]: each["spec"] for each in rendered if each["kind"] == "Deployment"}
    assert set(guarded) == set(deployed)
    for name, budget in guarded.items():
        assert budget["maxUnavailable"] == 1
        assert budget["selector"] == deployed[name]["selector"]


def test_workers_are_added_by_figures_that_exist(tmp_path: Path, rendered: list[dict[str, Any]]) -> None:
    (scaled,) = [each for each in rendered if each["kind"] == "ScaledObject"]
    worker = next(
        each for each in rendered if each["kind"] == "Deployment" and each["metadata"]["name"].endswith("worker")
    )
    assert scaled["spec"]["scaleTargetRef"]["name"] == worker["metadata"]["name"]
    assert "replicas" not in worker["spec"], "an upgrade would undo what was scaled"
    asked = set(re.findall(r"parley_[a-z_]+", scaled["spec"]["triggers"][0]["metadata"]["query"]))
    assert asked
    assert asked <= set(re.findall(r"`(parley_[a-z_]+)`", (CHECKOUT / "docs" / "metrics.md").read_text()))
    plain = render(VALUES, tmp_path)
    assert not [each for each in plain if each["kind"] in ("ScaledObject", "PodMonitor", "Ingress")]
    assert float(scaled["spec"]["triggers"][0]["metadata"]["threshold"]) < int(
        variables(containers(rendered)["worker"])["PARLEY_MAX_CALLS"]
    ), "there would be no place free before there is another worker"


@pytest.mark.parametrize(("places", "threshold"), [(8, "5.6"), (4, "2.8"), (50, "35")])
def test_workers_are_added_before_all_places_are_taken(tmp_path: Path, places: int, threshold: str) -> None:
    by_calls: dict[str, Any] = {"enabled": True, "prometheus": "http://prometheus:9090"}
    scaling = {"autoscaling": by_calls, "worker": {"maxCalls": places}}
    (scaled,) = [each for each in render(VALUES | scaling, tmp_path) if each["kind"] == "ScaledObject"]
    assert scaled["spec"]["triggers"][0]["metadata"]["threshold"] == threshold
    late = scaling | {"autoscaling": by_calls | {"callsPerWorker": places}}
    done = helm("template", "--kube-version", "1.31.0", "calls", values=VALUES | late, folder=tmp_path)
    assert "no worker would be added before all places are taken" in done.stderr


def test_what_tells_figures_is_asked_and_by_the_names_that_alerts_have(rendered: list[dict[str, Any]]) -> None:
    (monitor,) = [each for each in rendered if each["kind"] == "PodMonitor"]
    (selected,) = monitor["spec"]["selector"]["matchExpressions"]
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    jobs = {each["regex"]: each["replacement"] for each in endpoint["relabelings"] if each["targetLabel"] == "job"}
    assert set(jobs) == set(selected["values"])
    scrape = yaml.safe_load((CHECKOUT / "deploy" / "monitoring" / "prometheus.yml").read_text())
    assert set(jobs.values()) == {each["job_name"] for each in scrape["scrape_configs"]}
    assert jobs["worker"] == "parley-workers"
    # Tokens that found no place, by which workers are added, are counted by control planes.
    for component in jobs:
        told = containers(rendered)[component]
        given = variables(told)
        assert {"name": endpoint["port"], "containerPort": int(given["PARLEY_METRICS_PORT"])} in told["ports"], (
            component
        )
        assert given["PARLEY_METRICS_HOST"] == "0.0.0.0"
        policy = next(
            each["spec"]
            for each in rendered
            if each["kind"] == "NetworkPolicy" and each["metadata"]["name"].endswith(f"-{component}")
        )
        assert EVERYTHING["networkPolicy"]["metricsFrom"] in [
            rule["from"] for rule in policy["ingress"] if {"port": endpoint["port"]} in rule["ports"]
        ], component


def test_a_setting_that_pods_are_made_by_has_one_place(rendered: list[dict[str, Any]]) -> None:
    """By `settings` a worker's patience would grow, and its pod's would not."""
    names = json.loads((CHART / "values.schema.json").read_text())["properties"]["settings"]["propertyNames"]
    (refused,) = [rule["not"]["enum"] for rule in names["allOf"] if "enum" in rule["not"]]
    found = containers(rendered).values()
    given = {name for one in found for name, value in variables(one).items() if isinstance(value, str)}
    assert set(refused) == given - set(EVERYTHING["settings"])


def test_nobody_is_let_in_but_who_is_named(rendered: list[dict[str, Any]]) -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in rendered if each["kind"] == "NetworkPolicy"}
    selected = {spec["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for spec in policies.values()}
    assert selected == {name for name, _ in pods(rendered)}
    for spec in policies.values():
        assert spec["policyTypes"] == ["Ingress"]
        assert all(rule["from"] and rule["ports"] for rule in spec["ingress"]), "an empty list lets everybody in"


@pytest.mark.parametrize(
    "wrong",
    [
        {"image": {"repository": "registry.example.org/parley", "tag": "latest"}},
        {"image": {"repository": ""}},
        {"settings": {"PARLEY_SECRET_KEY": "in the open"}},
        {"settings": {"PARLEY_MODELS_API_KEY": "in the open"}},
        {"settings": {"PARLEY_DRAIN_TIMEOUT": "3600"}},
        {"metricsPort": 8000},
        {"ingress": {"enabled": True, "host": "parley.example.org"}},
        {"recordingsUrl": "file:///var/lib/parley"},
        {"worker": {"maxCalls": 0}},
        {"worker": {"maxcalls": 8}},
        {"publicUrl": ""},
    ],
)
def test_values_that_would_not_work_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    done = helm("template", "--kube-version", "1.31.0", "calls", values=VALUES | wrong, folder=tmp_path)
    assert done.returncode != 0
    assert "values don't meet the specifications of the schema" in done.stderr, done.stderr


def test_the_reader_of_compose_files_takes_ours(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    command = [str(program("compose-spec")), "--no-interpolation", "--format", "json", "compose.yaml"]
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)
    assert set(read["services"]) == set(yaml.safe_load((CHECKOUT / "compose.yaml").read_text())["services"])
