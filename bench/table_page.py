"""The table of `make bench` on a terminal, as a page, and as a picture."""

import math
from collections.abc import Iterator
from typing import Any

from rich.table import Table

from bench.rows import LIMIT, OURS, Judged, Result, Spread


def number(value: float) -> str:
    """Three figures."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def with_spread(spread: Spread) -> str:
    """The median, and between what the middle half lies."""
    if spread.low == spread.high:
        return number(spread.median)
    return f"{number(spread.median)} ({number(spread.low)}–{number(spread.high)})"


def verdict(judged: Judged, unit: str) -> str:
    """A bar, and whether it is reached."""
    said = {True: "reached", False: "NOT reached", None: "not told"}[judged.reached]
    found = "" if judged.figure is None else f" ({number(judged.figure)})"
    return f"{judged.bar.text(unit)}: {said}{found}"


def lines(result: Result) -> Iterator[tuple[str, str, str, str]]:
    """Whoever is in a row: the name, its figure, ours as a multiple of it, and the bars that are about it."""
    row, ratios, bars = result.row, result.ratios(), result.judged()
    recorded = [name for name in row.recorded if name not in result.contestants]
    absent = [name for name in result.missing if name not in result.contestants]
    expected = [*([LIMIT] if row.limit else []), *row.peers]
    unknown = [name for name in expected if name not in [*result.contestants, *absent]]
    for name in [*(name for name in result.contestants if name != OURS), *recorded, *absent, *unknown]:
        about = "; ".join(verdict(each, row.unit) for each in bars if each.bar.of == name)
        ratio = with_spread(ratios[name]) if name in ratios else ""
        if name in result.contestants:
            yield name, with_spread(result.spread(name)), ratio, about
        elif name in recorded:
            yield f"{name}, recorded", number(row.recorded[name].value), ratio, about
        else:
            yield name, "not here" if name in absent else "not measured", "", about
    about = "; ".join(verdict(each, row.unit) for each in bars if not each.bar.of)
    measured = OURS in result.contestants
    yield OURS, with_spread(result.spread(OURS)) if measured else "not measured", "", about


def shown(results: list[Result]) -> Table:
    """For the terminal."""
    table = Table(title="medians over interleaved rounds (and quartiles)", title_justify="left")
    for heading in ("row", "who", "figure", "ours ÷ it", "bars"):
        table.add_column(heading, justify="right" if heading in ("figure", "ours ÷ it") else "left")
    for result in results:
        for place, each in enumerate(lines(result)):
            table.add_row(f"{result.row.name}, {result.row.unit}" if place == 0 else "", *each)
        if result.failed:
            table.add_row("", f"[dim]{result.failed}[/]")
        table.add_section()
    return table


def page(result: dict[str, Any], results: list[Result]) -> str:
    """For people, in Markdown."""
    machine, versions = result["machine"], result["versions"]
    told = [
        "# Bench",
        "",
        f"{result['at'][:16].replace('T', ' ')} UTC, {result['command']}, {result['minutes']:.0f} minutes. "
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}; "
        f"load at the start {machine['load']:.1f}.",
        "",
        ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
        "",
        "Medians over interleaved rounds, quartiles beside them; what a row means and how peers are set up:",
        "[docs/bench.md](../../docs/bench.md).",
        "",
        "![ours beside others](bench.svg)",
        "",
        "| row | who | figure | ours ÷ it | bars |",
        "|---|---|---|---|---|",
    ]
    notes = []
    for each in results:
        for place, (name, figure, ratio, about) in enumerate(lines(each)):
            title = f"**{each.row.name}**, {each.row.unit}" if place == 0 else ""
            told.append(f"| {title} | {name} | {figure} | {ratio} | {about} |")
        notes.append(f"* **{each.row.name}**: {each.row.what}. {len(each.rounds)} rounds in {each.seconds:.0f} s.")
        if each.row.limit:
            notes[-1] += f" Limit: {each.row.limit}."
        notes += [f"  * {name}: {recorded.source}." for name, recorded in each.row.recorded.items()]
        notes += [f"  * {name}: {why}." for name, why in each.missing.items()]
        notes += [f"  * {each.failed}." for _ in range(bool(each.failed))]
    return "\n".join([*told, "", *notes, ""])


def picture(results: list[Result]) -> str:
    """How many times as good ours is as each other: the median, and a line from quartile to quartile."""
    dots = [
        (result.row.name, name, _as_good(spread, result.row.better))
        for result in results
        for name, spread in result.ratios().items()
    ]
    wide, left, right, step, head = 760, 270, 50, 20, 34
    high = head + step * len(dots) + 30
    reach = max([1.0, *(abs(math.log10(each)) for _, _, s in dots for each in (s.low, s.high))])
    power = math.ceil(reach)

    def x(times: float) -> float:
        return left + (math.log10(times) + power) / (2 * power) * (wide - left - right)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="sans-serif" font-size="12">',
        f'<rect width="{wide}" height="{high}" fill="#ffffff"/>',
        f'<text x="{left}" y="14" fill="#374151">how many times as good ours is (grey: as the limit)</text>',
    ]
    for exponent in range(-power, power + 1):
        place, colour = x(10.0**exponent), "#6b7280" if exponent == 0 else "#e5e7eb"
        parts.append(f'<path d="M{place:.1f} {head - 8}V{high - 24}" stroke="{colour}"/>')
        parts.append(
            f'<text x="{place:.1f}" y="{high - 8}" text-anchor="middle" fill="#374151">{10.0**exponent:g}</text>'
        )
    for place, (row, name, spread) in enumerate(dots):
        y = head + step * place + 6
        colour = "#9ca3af" if name == LIMIT else "#16a34a" if spread.median >= 1 else "#dc2626"
        first = place == 0 or dots[place - 1][0] != row
        parts.append(f'<text x="8" y="{y + 4}" fill="#111827" font-weight="bold">{row if first else ""}</text>')
        parts.append(f'<text x="{left - 12}" y="{y + 4}" text-anchor="end" fill="#374151">{name}</text>')
        middle_half = f"M{x(spread.low):.1f} {y}H{x(spread.high):.1f}"
        parts.append(f'<path d="{middle_half}" stroke="{colour}" stroke-width="3" opacity="0.4"/>')
        parts.append(f'<circle cx="{x(spread.median):.1f}" cy="{y}" r="4" fill="{colour}"/>')
    return "\n".join([*parts, "</svg>\n"])


def _as_good(spread: Spread, better: str) -> Spread:
    """Of ratios in the row's unit; where less is better, the other way round."""
    if better == "more":
        return spread
    return Spread(1 / spread.median, 1 / spread.high, 1 / spread.low)
