"""What a command has used is counted with all processes that it started, and told by the run."""

import sys
from pathlib import Path

import pytest

from gan_experiments.benchmark import host
from gan_experiments.benchmark.host import Spent
from gan_experiments.benchmark.options import Plan
from gan_experiments.benchmark.report import table
from gan_experiments.errors import RunFailedError

WORK = "import time\nwhile time.process_time() < {}: pass\n"


def plan(out: Path, members: int = 64) -> Plan:
    return Plan(("host",), "digits", "data", "cpu", 1, 1, 1.0, members, 2, "fp32", 1.0, 1, out)


def test_processes_of_processes_count_even_those_that_outlive_theirs(tmp_path: Path) -> None:
    (tmp_path / "grandchild.py").write_text(f"held = bytearray(60_000_000)\n{WORK.format(0.6)}")
    (tmp_path / "child.py").write_text(
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, 'grandchild.py'])\n"  # and nobody waits for it
        f"subprocess.run([sys.executable, '-c', {WORK.format(0.6)!r}], check=True)\n{WORK.format(0.6)}"
    )
    spent = host.spend(plan(tmp_path), tmp_path, [sys.executable, "child.py"], "three processes")
    assert 1.8 <= spent.cpu < 10
    assert spent.seconds > 0.6
    assert spent.memory > 60


def test_a_command_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(RunFailedError, match="ended with status 3"):
        host.spend(plan(tmp_path), tmp_path, [sys.executable, "-c", "raise SystemExit(3)"], "fails")


def test_the_table_says_what_each_run_more_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def spend(_: Plan, folder: Path, command: list[str], said: str) -> Spent:
        asked.append(said)
        (folder / "mlflow.db").touch()
        runs = next((int(part[11:-1]) for part in command if part.startswith("seed=range(")), 1)
        return Spent(10.0 + 0.5 * runs, 5.0, 200.0 + runs)

    monkeypatch.setattr(host, "spend", spend)
    monkeypatch.setattr(host, "TRACKING", ("off",))
    lines = table(host.measure(plan(tmp_path))).splitlines()
    assert asked == [
        "makes a database",
        "tracking=off",
        *(f"tracking=off hydra/launcher=fused seed=range({n}) -m" for n in (8, 64)),
        *(f"tracking=off hydra/launcher=basic seed=range({n}) -m" for n in (2, 6)),
        *(f"tracking=off hydra/launcher=joblib hydra.launcher.n_jobs=2 seed=range({n}) -m" for n in (2, 6)),
    ]
    assert [" ".join(line.split()) for line in lines[:4]] == [
        "host runs CPU s min - max s MB CPU s a run more",
        "a run by itself, tracking=off 1 10.5 10.5 - 10.5 5 201",
        "fused, tracking=off 8 14 14 - 14 5 208",
        "fused, tracking=off 64 42 42 - 42 5 264 0.5 from 8 to 64 runs",
    ]
