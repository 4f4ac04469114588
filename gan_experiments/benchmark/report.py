"""The results as a text table and as CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gan_experiments.benchmark.timing import Spread

BASELINES = ("article", "one run", "floor", "off", "staying")
"""Baselines of a row: the loop as published, one run of this project, the counted floor, no tracking, runs that never
leave their slots."""


CPU, SECONDS, MEMORY, EACH = "cpu_s", "s", "MB", "cpu_s a run more"
"""Units of whole commands: processor seconds of all their processes, seconds, megabytes, processor seconds a run."""


@dataclass(frozen=True)
class Row:
    """One contender.

    Attributes:
        part: ``step``, ``sweep``, ``optimizer``, ``exchanges``, ``tracking``, ``startup`` or ``host``.
        name: The contender.
        unit: Unit of the spread: ``us`` a step (of each member of a sweep or stack), ``us an update`` of a member by
            Adam, or one of a whole command.
        spread: The measured times; None if nothing was measured, and ``note`` says why.
        members: Number of runs that trained at once.
        against: Ratios to some ``BASELINES``: the baseline's time over this one, but for ``floor``, ``off`` and
            ``staying`` this time over the baseline's.
        note: Anything else worth knowing.
    """

    part: str
    name: str
    unit: str
    spread: Spread | None
    members: int = 1
    against: dict[str, float] = field(default_factory=dict)
    note: str = ""


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write one line a row; values that do not apply are empty."""
    columns = [name.replace(" ", "_") for name in BASELINES]
    head = ["part", "name", "members", "unit", "median", "min", "max", "member_steps_per_second"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*head, *(f"against_{column}" for column in columns), "note"])
        for row in rows:
            spread = row.spread
            values = (
                ["", "", ""] if spread is None else [f"{v:.6g}" for v in (spread.median, spread.low, spread.high)]
            )
            rate = f"{1e6 / spread.median:.6g}" if spread is not None and row.unit == "us" else ""
            against = [f"{row.against[name]:.4g}" if name in row.against else "" for name in BASELINES]
            writer.writerow([row.part, row.name, row.members, row.unit, *values, rate, *against, row.note])


def table(rows: Sequence[Row]) -> str:
    """Return all rows, part by part, in aligned columns."""
    commands = dict.fromkeys(("tracking", "startup"), _command_table)
    parts = {"step": _step_table, "sweep": _sweep_table, "optimizer": _optimizer_table}
    parts |= {"exchanges": _exchange_table} | commands
    parts["host"] = _host_table
    pieces = []
    for part, form in parts.items():
        own = [row for row in rows if row.part == part]
        if own:
            pieces.append(form(own))
    return "\n\n".join(pieces)


def _step_table(rows: Sequence[Row]) -> str:
    lines = [["one run", "us a step", "min - max", "x article", "x floor", ""]]
    for row in rows:
        ratios = [_ratio(row.against.get(name)) for name in ("article", "floor")]
        lines.append([row.name, *_numbers(row.spread), *ratios, row.note])
    return _aligned(lines, "<>>>><")


def _sweep_table(rows: Sequence[Row]) -> str:
    lines = [["members", "how", "member-steps/s", "us a member-step", "min - max", "x one run", "x floor", ""]]
    members = None
    for row in rows:
        rate = "" if row.spread is None else f"{1e6 / row.spread.median:,.0f}"
        ratios = [_ratio(row.against.get(name)) for name in ("one run", "floor")]
        number = "" if row.members == members else str(row.members)
        lines.append([number, row.name, rate, *_numbers(row.spread), *ratios, row.note])
        members = row.members
    return _aligned(lines, "><>>>>><")


def _optimizer_table(rows: Sequence[Row]) -> str:
    lines = [["members", "an update by Adam", "us a member", "min - max", ""]]
    lines += [[str(row.members), row.name, *_numbers(row.spread), row.note] for row in rows]
    return _aligned(lines, "><>><")


def _exchange_table(rows: Sequence[Row]) -> str:
    lines = [["slots", "runs", "member-steps/s", "us a member-step", "min - max", "x staying", ""]]
    for row in rows:
        assert row.spread is not None
        rate, ratio = f"{1e6 / row.spread.median:,.0f}", _ratio(row.against.get("staying"))
        lines.append([str(row.members), row.name, rate, *_numbers(row.spread), ratio, row.note])
    return _aligned(lines, "><>>>><")


def _command_table(rows: Sequence[Row]) -> str:
    lines = [[rows[0].part, "s", "min - max", "x off" if rows[0].part == "tracking" else "", ""]]
    lines += [[row.name, *_numbers(row.spread), _ratio(row.against.get("off")), row.note] for row in rows]
    return _aligned(lines, "<>>><")


def _host_table(rows: Sequence[Row]) -> str:
    lines = [["host", "runs", "CPU s", "min - max", "s", "MB", "CPU s a run more", ""]]
    for name, members in dict.fromkeys((row.name, row.members) for row in rows):
        own = {row.unit: row for row in rows if (row.name, row.members) == (name, members)}
        others = [_numbers(own[unit].spread)[0] if unit in own else "" for unit in (SECONDS, MEMORY, EACH)]
        notes = [row.note for row in own.values()]
        lines.append([name, str(members), *_numbers(own[CPU].spread), *others, max(notes, key=len)])
    return _aligned(lines, "<>>>>>><")


def _numbers(spread: Spread | None) -> list[str]:
    if spread is None:
        return ["-", ""]
    return [short(spread.median), f"{short(spread.low)} - {short(spread.high)}"]


def short(value: float) -> str:
    """Format with three digits, or with all digits before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _aligned(lines: Sequence[Sequence[str]], sides: str) -> str:
    """Align columns, each as wide as its widest cell, to the left (``<``) or to the right (``>``)."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{text:{side}{width}}" for text, side, width in zip(line, sides, widths, strict=True)).rstrip()
        for line in lines
    )
