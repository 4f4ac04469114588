"""Write a comparison into a folder: a page, tables, and the same as JSON."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from gan_experiments.reports import page, tables
from gan_experiments.reports.comparison import Comparison
from gan_experiments.reports.scores import markdown
from gan_experiments.tracking.run_directory import write_atomically
from gan_experiments.tracking.sweep_directory import SweepDirectory


def write(comparison: Comparison, folder: Path) -> Path:
    """Write the report and return the page's file. It replaces what was written while its sweep was at work."""
    content = tables.content(comparison)
    texts = {
        "ranking.csv": tables.as_csv(tables.rankings(comparison)),
        "runs.csv": tables.as_csv(content["runs"]),
        "scores.md": "\n".join(markdown(group.scores, group.factors) for group in comparison.groups),
        "report.html": page.render(comparison, content["runs"]),
        "report.json": json.dumps(content, indent=1) + "\n",
    }
    if comparison.slots is not None:
        texts["slots.json"] = json.dumps(comparison.slots, indent=1) + "\n"
    for name, text in texts.items():
        write_atomically(folder / name, text.encode())
    sweep = SweepDirectory(comparison.folder)
    if folder == sweep.report and comparison.at_work is None:
        shutil.rmtree(sweep.so_far, ignore_errors=True)
    return folder / "report.html"
