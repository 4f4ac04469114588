"""Scores in words and in tables, from the lines of the journal that hold them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from gan_experiments.tracking.journal import Line
from gan_experiments.tracking.mlflow.shown import headline
from gan_experiments.tracking.naming import in_words

_COLUMNS = ("epoch", "step", "samples", "score", "value", "error", "real_data")


def score_rows(lines: Sequence[Line]) -> str:
    """Return all scores as comma-separated values: a row a score and a time, with its error and real data's score."""
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for line in lines:
        details = line["details"]
        for name, value, error, floor in _scores(line):
            writer.writerow([line["epoch"], line["step"], details["samples"], name, value, error, floor])
    return content.getvalue()


def last_score(lines: Sequence[Line]) -> str:
    """Return the last score to judge by in a few words, or an empty string where nothing was scored."""
    if not lines:
        return ""
    best = headline(lines[-1]).rpartition("/")[2]
    for name, value, _, floor in _scores(lines[-1]):
        if name == best:
            return f"{in_words(name)} {value:.4g}" + (f" (real data {floor:.3g})" if floor is not None else "")
    return ""


def score_table(line: Line) -> str:
    """Return the scores of a line as a table in Markdown."""
    details = line["details"]
    head = f"| score at epoch {line['epoch']:g}, {details['samples']} samples | value | error | real data |"
    rows = [
        f"| {in_words(name)} | {' | '.join('' if number is None else f'{number:.4g}' for number in numbers)} |"
        for name, *numbers in _scores(line)
    ]
    return "\n".join([head, "| --- | --- | --- | --- |", *rows])


def _scores(line: Line) -> Iterator[tuple[str, float, float | None, float | None]]:
    """Yield the name, the value, the error and real data's value of each score."""
    details = line["details"]
    for name, score in details["values"].items():
        yield name, score["value"], score["error"], details["floors"].get(name, {}).get("value")
