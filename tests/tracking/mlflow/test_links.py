"""The addresses of MLflow's pages that runs print, and the command that serves them."""

from __future__ import annotations

import shlex
import socket

import pytest

from gan_experiments.tracking.mlflow import pages

RUN = {"run_id": "abc", "experiment_id": "7"}


def test_a_server_has_its_own_address_and_its_password_is_not_shown() -> None:
    found = pages.links("https://me:secret@host.org:8080/mlflow/", [RUN])
    base = "https://host.org:8080/mlflow/#/experiments/7/runs"
    assert found == [
        ("page", f"{base}/abc?workflowType=machine_learning"),
        ("all runs", f"{base}?workflowType=machine_learning"),
    ]


def test_a_database_is_served_by_a_command_that_a_shell_understands() -> None:
    (label, command), page, _ = pages.links("sqlite:////it's here/mlflow.db", [RUN])
    assert label == "browse"
    *words, port = shlex.split(command)
    assert words == ["mlflow", "ui", "--backend-store-uri", "sqlite:////it's here/mlflow.db", "--port"]
    address = f"http://127.0.0.1:{port}/#/experiments/7/runs/abc?workflowType=machine_learning"
    assert page == ("page", address)


def test_several_runs_have_the_page_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [label for label, _ in pages.links("sqlite:////mlflow.db", [RUN, RUN | {"run_id": "def"}])]
    assert labels == ["browse", "all runs"]
    assert [label for label, _ in pages.links("sqlite:////mlflow.db", [])] == ["browse"]


def test_the_port_of_another_program_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(pages, "_FIRST_PORT", port)
        monkeypatch.setattr(pages, "_PATIENCE", 0.2)
        assert pages._port("abc") > port
    assert pages._port("abc") == port
