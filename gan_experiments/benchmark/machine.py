"""Where and with what the figures were taken."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import torch

from gan_experiments.benchmark.recipe import Recipe

_PACKAGES = ("gan-experiments", "torch", "torchvision", "lightning")


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def confined(threads: int) -> Iterator[None]:
    """Let this process, and those that it starts, use so many cores and threads; put back afterwards.

    Without it, processes side by side would get more cores than a single one with fewer threads. Where the system
    cannot bind a process to cores, threads alone are limited.
    """
    before = torch.get_num_threads()
    bound = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    torch.set_num_threads(threads)
    if bound is not None:
        os.sched_setaffinity(0, sorted(bound)[:threads])
    try:
        yield
    finally:
        torch.set_num_threads(before)
        if bound is not None:
            os.sched_setaffinity(0, bound)


def facts(recipe: Recipe, threads: int) -> list[str]:
    """Lines that name date, machine, versions and recipe, for the head of a report."""
    device, train = recipe.device, recipe.train
    gpu = f"; {torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}" if device.type == "cuda" else ""
    load = psutil.getloadavg()[0]
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, on {device}{gpu}",
        f"{_processor()}, {os.cpu_count()} cores; of each contender: {threads}; load at the start: {load:.1f}",
        f"Python {platform.python_version()}, " + ", ".join(_versions()),
        f"{recipe.dataset.name} ({len(recipe.dataset):,} images), batches of {train.batch_size}, Adam {train.lr:g}, "
        f"G {'-'.join(map(str, recipe.generator_sizes))}, D {'-'.join(map(str, recipe.discriminator_sizes))}",
    ]


def _processor() -> str:
    """The processor's name as the system gives it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _versions() -> list[str]:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:  # a source tree on the path, or an extra that is not installed
            continue
    return found
