"""Reading figures as Prometheus does."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]


def read(text: str) -> dict[str, dict[Labels, float]]:
    """Every sample by its name and its labels. Raises `ValueError` for what is not Prometheus's text format."""
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def value(found: dict[str, dict[Labels, float]], name: str, **labels: Any) -> float:
    """One sample; 0 where nothing was counted."""
    return found.get(name, {}).get(tuple(sorted(labels.items())), 0.0)
