"""Writes a comparison into a folder: page, tables, and the same for programs."""

from __future__ import annotations

import json
from pathlib import Path

from gan_experiments.reports import page, tables
from gan_experiments.reports.scores import markdown
from gan_experiments.reports.study import Study
from gan_experiments.tracking.run_directory import write_atomically


def write(study: Study, folder: Path) -> Path:
    """Write the report; returns the page's file."""
    content = tables.content(study)
    texts = {
        "ranking.csv": tables.as_csv(content["ranking"]),
        "runs.csv": tables.as_csv(content["runs"]),
        "scores.md": markdown(study.scores, study.factors),
        "report.html": page.render(study),
        "report.json": json.dumps(content, indent=1) + "\n",
    }
    for name, text in texts.items():
        write_atomically(folder / name, text.encode())
    return folder / "report.html"
