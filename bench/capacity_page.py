"""The result of `bench/capacity.py` for people: a page and a picture."""

import math
from typing import Any


def rounded(value: float) -> str:
    """For a table: three figures, thousands apart."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def page(result: dict[str, Any]) -> str:
    """The result for people."""
    plans, costs = result["plans"], result["costs"]
    rows = [
        ("worker nodes of 16 cores", "worker_nodes"),
        ("worker processes", "workers"),
        ("warm job processes of each", "warm_processes_each"),
        ("LiveKit nodes of 16 cores", "livekit_nodes"),
        ("control planes", "serve_processes"),
        ("databases (shards of projects)", "databases"),
        ("regions", "regions"),
        ("calls that begin, a second", "starts_per_second"),
        ("transactions that write, a second", "writes_per_second"),
        ("rows written, a second", "rows_per_second"),
        ("events a day", "events_per_day"),
        ("GB of events a day", "event_gb_per_day"),
    ]
    head = "| calls at once | " + " | ".join(f"{each['calls']:,}" for each in plans) + " |"
    lines = [
        "# Capacity",
        "",
        f"A model, {result['at'][:10]}. Made by `python -m bench capacity` of the costs below; **most of them are",
        "placeholders**, as the table says, and nothing that rests on one is a measurement.",
        "",
        "![parts over calls](capacity.svg)",
        "",
        head,
        "|---" * (len(plans) + 1) + "|",
        *(f"| {name} | " + " | ".join(rounded(each[key]) for each in plans) + " |" for name, key in rows),
        "| short first | " + " | ".join((each["first_limit"] or "nothing").partition(":")[0] for each in plans) + " |",
        "| short as well | "
        + " | ".join(
            ", ".join(name.partition(":")[0] for name in each["limits_reached"][1:]) or "nothing" for each in plans
        )
        + " |",
        "| next | " + " | ".join((each["next_limit"] or "nothing").partition(":")[0] for each in plans) + " |",
        "",
        "## What there is once, and at how many calls it is short",
        "",
        "| what | calls at once | cure | rests on placeholders |",
        "|---|---|---|---|",
        *(
            f"| {each['name']} | {rounded(each['reached'])} | {each['cure']} | "
            f"{', '.join(each['placeholders']) or 'no'} |"
            for each in result["limits"]
        ),
        "",
        "Databases are shards by project: a project lives in one, chosen by a hash of its id, and nothing joins two.",
        "A region has its LiveKit, control planes, workers and databases; a project's home is one region, and its",
        "callers' tokens name that region's LiveKit. One database is what there is in the code today.",
        "",
        "## Warm processes",
        "",
        "For each worker: the least w with P(X < w) >= 0.99, X of the Poisson distribution with mean λs: λ calls a",
        "second that come to it, s seconds to warm a process; and as many more as come in one burst. Played event by",
        "event, with calls that come at random to workers with a place:",
        "",
        "| calls at once | workers played | calls played | warm each | p99 of the wait, s | longest, s | refused |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {each['calls']:,} | {each['simulated_workers']:,} | {each['simulated_calls']:,} | {each['warm']} | "
            f"{each['p99_wait_s']:.2f} | {each['longest_wait_s']:.2f} | {each['refused']} |"
            for each in result["validated"]
        ),
        "",
        "The simulation was not yet compared with real calls: `python -m bench capacity --real FILE` does that.",
        "",
        "## Costs",
        "",
        "| cost | value | from |",
        "|---|---|---|",
        *(
            f"| {name.replace('_', ' ')} | {rounded(each['value'])} | {each['source']} |"
            for name, each in costs.items()
        ),
        "",
    ]
    return "\n".join(lines)


def picture(result: dict[str, Any]) -> str:
    """Worker nodes, LiveKit nodes, control planes and databases over calls, both axes logarithmic."""
    wide, high, left, foot = 720, 400, 60, 40
    kinds = {
        "worker_nodes": ("worker nodes", "#2563eb"),
        "livekit_nodes": ("LiveKit nodes", "#16a34a"),
        "serve_processes": ("control planes", "#d97706"),
        "databases": ("databases", "#dc2626"),
    }
    top = math.ceil(max(math.log10(each[kind]) for each in result["plans"] for kind in kinds) or 1)
    last = math.log10(result["plans"][-1]["calls"]) - 1

    def x(calls: float) -> float:
        return left + (math.log10(calls) - 1) / last * (wide - left - 130)

    def y(count: float) -> float:
        return high - foot - math.log10(count) / top * (high - foot - 20)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="sans-serif" font-size="12">',
        f'<rect width="{wide}" height="{high}" fill="#ffffff"/>',
    ]
    for power in range(top + 1):
        parts.append(f'<path d="M{left} {y(10**power):.1f}H{wide - 130}" stroke="#e5e7eb"/>')
        parts.append(
            f'<text x="{left - 8}" y="{y(10**power) + 4:.1f}" text-anchor="end" fill="#374151">{10**power:,}</text>'
        )
    parts += [
        f'<text x="{x(each["calls"]):.1f}" y="{high - 18}" text-anchor="middle" fill="#374151">{each["calls"]:,}</text>'
        for each in result["plans"]
    ]
    for number, (kind, (name, colour)) in enumerate(kinds.items()):
        points = " ".join(f"{x(each['calls']):.1f},{y(each[kind]):.1f}" for each in result["plans"])
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{wide - 122}" y="{40 + 18 * number}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>\n"])
