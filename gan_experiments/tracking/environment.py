"""What trains a run, as far as its bits depend on it: code, packages and processor."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from gan_experiments.tracking.chain import digest, digest_of
from gan_experiments.tracking.metadata import git, leaves

_PACKAGE = Path(__file__).parents[1]
_TARGET = "_target_"


@cache
def code() -> Mapping[str, str]:
    """Return the state of this package's code: always ``sources``, and ``commit`` and ``changes`` where git knows.

    ``sources`` is the SHA-256 of the package's source files with their names, ``changes`` that of ``git diff HEAD``
    where that is not empty. A process asks once, as the code that it has loaded stays the same.
    """
    algorithm = hashlib.sha256()
    for file in sorted(_PACKAGE.rglob("*.py")):
        content = file.read_bytes()
        algorithm.update(f"{file.relative_to(_PACKAGE).as_posix()} {len(content)}\n".encode() + content)
    state = {"sources": algorithm.hexdigest()}
    # A package that lies in somebody else's checkout, as in a virtual environment, is not of that commit.
    head = git(_PACKAGE, "rev-parse", "HEAD", "HEAD:./__init__.py")
    if head:
        state["commit"] = head.split()[0]
        changes = git(_PACKAGE, "diff", "HEAD")
        if changes:
            state["changes"] = digest(changes.encode(errors="surrogateescape"))
    return MappingProxyType(state)


def own_parts(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the modules outside of this package that a configuration names, each with the SHA-256 of its file."""
    found: dict[str, str] = {}
    for key, target in leaves(dict(config)).items():
        if key.rpartition(".")[2] != _TARGET or not isinstance(target, str):
            continue
        name = target.rpartition(".")[0]
        while name and name not in sys.modules:
            name = name.rpartition(".")[0]
        file = getattr(sys.modules.get(name), "__file__", None)
        if name.partition(".")[0] not in ("", _PACKAGE.name) and file and (sha := digest_of(Path(file))):
            found[name] = sha
    return found


@cache
def processor() -> str:
    """Return the processor's name, family and model, with the instructions that torch uses of it."""
    known: dict[str, str] = {}
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines():
            key, _, value = line.partition(":")
            known[key.strip()] = value.strip()
    name = known.get("model name") or platform.processor() or platform.machine()
    kind = " ".join(f"{key} {known[key]}" for key in ("cpu family", "model", "stepping") if key in known)
    return ", ".join(filter(None, (name, kind, torch.backends.cpu.get_cpu_capability())))
