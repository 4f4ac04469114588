"""The machine: what it can do, how much room it has, and its description for the head of a report."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import torch

from gan_experiments.benchmark.recipe import Recipe

_PACKAGES = ("gan-experiments", "torch", "torchvision", "lightning")


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def confined(threads: int) -> Iterator[None]:
    """Limit this process, and those that it starts, to a number of cores and threads; lift the limit afterwards.

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
    """Return lines that name date, machine, versions and recipe, for the head of a report."""
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


def conditions(device: torch.device, threads: int) -> str:
    """Return what must be equal for measurements of two days to stand in one table: machine, threads and versions."""
    gpu = f"; {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    versions = [text for text in _versions() if text.startswith(("gan-experiments ", "torch "))]
    place = f"{_processor()}, {threads} of {os.cpu_count()} cores{gpu}"
    return f"{place}; Python {platform.python_version()}, {', '.join(versions)}"


def lacks(device: torch.device, precision: str) -> str | None:
    """Return why a precision is not measured on a device, or None where it is native."""
    if precision == "tf32":
        native = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
        return None if native else f"{device} has no tf32 arithmetic"
    if precision == "bf16":
        if device.type == "cuda":
            native = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            # torch says so only for x86; other processors are measured as they are.
            native = platform.machine().lower() not in ("x86_64", "amd64") or torch.cpu._is_avx512_bf16_supported()
        return None if native else f"{device} has no bf16 arithmetic of its own"
    return None


def free_memory(device: torch.device) -> dict[str, int]:
    """Return the free bytes of the host and of a device that has its own memory."""
    free = {"the host": psutil.virtual_memory().available}
    if device.type == "cuda":
        torch.cuda.empty_cache()
        free[str(device)] = torch.cuda.mem_get_info(device)[0]
    return free


def shortage(free: Mapping[str, int], needed: Mapping[str, int]) -> str | None:
    """Return what is missing of ``free_memory`` for so many bytes a place, or None if they fit."""
    for where, size in needed.items():
        if size > free[where]:
            return f"needs about {size / 1e9:.0f} GB; {where} has {free[where] / 1e9:.0f} GB free"
    return None


def _processor() -> str:
    """Return the processor's name as the system gives it."""
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
