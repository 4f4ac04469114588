"""Delivers runs at one moment, each from a process of its own: ``python delivered_together.py URI RUN_DIR …``."""

from __future__ import annotations

import multiprocessing
import sys

from gan_experiments.tracking.mlflow import connection
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.synchronise import synchronise
from gan_experiments.tracking.trackers import mlflow  # noqa: F401  # before the processes part

if __name__ == "__main__":
    uri, *paths = sys.argv[1:]
    connection.load(uri)
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=synchronise, args=(RunDirectory(path), uri)) for path in paths]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    sys.exit(any(process.exitcode for process in processes))
