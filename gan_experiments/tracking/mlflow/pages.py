"""Addresses of MLflow's pages, and the command that serves them."""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

_FIRST_PORT, _PORTS = 5000, 20
_PATIENCE = 1.0
_TRAINING = "?workflowType=machine_learning"


def links(uri: str, delivered: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return how to look at runs: the command where no server is there, the page of one run, and that of all.

    Args:
        uri: Where the runs are.
        delivered: Their ids there, as ``run_id`` and ``experiment_id``.
    """
    found = []
    if uri.startswith("http"):
        base = without_password(uri)
    else:
        port = _port(delivered[0]["run_id"] if delivered else None)
        base = f"http://127.0.0.1:{port}"
        found.append(("browse", f"mlflow ui --backend-store-uri {shlex.quote(uri)} --port {port}"))
    if not delivered:
        return found or [("browse", base)]
    # Without `workflowType` both open on MLflow's pages for language models.
    experiment = f"{base}/#/experiments/{delivered[0]['experiment_id']}/runs"
    if len(delivered) == 1:
        found.append(("page", f"{experiment}/{delivered[0]['run_id']}{_TRAINING}"))
    return [*found, ("all runs", f"{experiment}{_TRAINING}")]


def without_password(uri: str) -> str:
    """Return a server's address as anybody may see it."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")


def _port(run_id: str | None) -> int:
    """Return the first port, from MLflow's own on, that nobody listens on or where a server knows the run already."""
    for port in range(_FIRST_PORT, _FIRST_PORT + _PORTS):
        with socket.socket() as probe:
            probe.settimeout(_PATIENCE)
            if probe.connect_ex(("127.0.0.1", port)) != 0 or _knows(port, run_id):
                return port
    return _FIRST_PORT


def _knows(port: int, run_id: str | None) -> bool:
    """Tell whether an MLflow server of this machine has a run."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/api/2.0/mlflow/runs/get?run_id={run_id}", timeout=_PATIENCE) as answer:
            return json.load(answer)["run"]["info"]["run_id"] == run_id
    except (OSError, HTTPException, ValueError, LookupError, TypeError):  # another program's port
        return False
