"""The processes that train a sweep's runs."""

from __future__ import annotations

from pathlib import Path

import psutil


def tasks_of(launcher: int) -> list[psutil.Process]:
    """The processes in which submitit's jobs run here."""
    return [task for controller in psutil.Process(launcher).children() for task in controller.children()]


def opened_folders(process: psutil.Process) -> set[Path]:
    """Where the files lie that a process has open."""
    return {Path(file.path).parent for file in process.open_files()}
