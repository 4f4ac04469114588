"""The command, on the recipe in small: it writes what it says, whatever the figures are."""

import csv

import pytest
from PIL import Image

from gan_experiments.benchmark import commands, exchanges, optimizer, rivals, steps, sweep
from gan_experiments.benchmark.__main__ import main
from gan_experiments.benchmark.options import Plan
from gan_experiments.benchmark.recipe import Recipe
from gan_experiments.errors import RunFailedError

QUICK = ("--device", "cpu", "--threads", "1", "--rounds", "1", "--seconds", "0.001")


@pytest.fixture
def small(recipe, monkeypatch):
    monkeypatch.setattr(Recipe, "on", lambda *_: recipe)
    return recipe


def rows_of(path):
    with path.open(newline="") as file:
        return {(row["part"], row["name"], int(row["members"])): row for row in csv.DictReader(file)}


@pytest.mark.slow
def test_it_writes_table_csv_and_picture(small, tmp_path, capsys):
    main([*QUICK, "--members", "2", "--only", "article,hand,graph,tf32,smaller,floor,sweep", "--out", str(tmp_path)])
    rows = rows_of(tmp_path / "benchmark.csv")
    for name in ("the article's loop", "by hand, one pass of D", "this project, graph", "counted floor, fp32"):
        assert float(rows["step", name, 1]["median"]) > 0
    assert float(rows["step", "this project, mlp_small", 1]["median"]) > 0
    assert "no tf32" in rows["step", "this project, tf32", 1]["note"]
    for members in (1, 2):
        for way in ("fused", "processes", "one after another"):
            assert float(rows["sweep", way, members]["member_steps_per_second"]) > 0
    with Image.open(tmp_path / "benchmark.png") as picture:
        assert picture.width > 1000
    out = capsys.readouterr().out
    for words in ("UTC", "torch 2", "of each contender: 1;", "tiny (20 images)"):
        assert words in out
    assert "the article's loop" in (tmp_path / "benchmark.txt").read_text()


def failing(*_, **__):
    raise RuntimeError("CUBLAS_STATUS_EXECUTION_FAILED\nand more")


@pytest.mark.slow
def test_a_contender_that_fails_is_lost_alone(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(rivals, "article", failing)
    monkeypatch.setattr(steps, "large_product", failing)
    main([*QUICK, "--only", "article,eager,floor", "--out", str(tmp_path)])
    rows = rows_of(tmp_path / "benchmark.csv")
    why = "not measured: RuntimeError: CUBLAS_STATUS_EXECUTION_FAILED"
    assert rows["step", "the article's loop", 1]["note"] == why
    assert rows["step", "counted floor, fp32", 1]["note"].startswith(
        "not measured: large product, fp32: RuntimeError"
    )
    ours = rows["step", "this project, eager", 1]
    assert float(ours["median"]) > 0
    assert (ours["against_article"], ours["against_floor"]) == ("", "")
    assert "Traceback" in capsys.readouterr().err  # of which the note has a line


@pytest.mark.slow
def test_a_way_to_train_a_sweep_that_fails_is_lost_alone(small, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "SideBySide", failing)
    main([*QUICK, "--members", "2", "--only", "sweep", "--out", str(tmp_path)])
    rows = rows_of(tmp_path / "benchmark.csv")
    assert rows["sweep", "processes", 1]["note"] == "not measured: RuntimeError: CUBLAS_STATUS_EXECUTION_FAILED"
    assert rows["sweep", "processes", 2]["note"] == "not measured: it failed with 1"
    assert float(rows["sweep", "fused", 2]["median"]) > 0


@pytest.mark.slow
def test_sizes_of_a_sweep_that_were_finished_stay(small, tmp_path, monkeypatch):
    """As after an error that ends the CUDA context, when even free memory cannot be asked for."""
    monkeypatch.setattr(sweep.SweepBenchmark, "_refusal", lambda _, way, members: failing() if members > 1 else None)
    main([*QUICK, "--members", "2", "--only", "sweep", "--out", str(tmp_path)])
    rows = rows_of(tmp_path / "benchmark.csv")
    for way in ("fused", "processes", "one after another"):
        assert float(rows["sweep", way, 1]["median"]) > 0
        assert rows["sweep", way, 2]["note"].startswith("not measured: RuntimeError: CUBLAS")


@pytest.mark.slow
def test_a_stack_that_has_no_room_is_not_made(small, tmp_path, monkeypatch):
    monkeypatch.setattr(optimizer, "free_memory", lambda _: {"the host": 1000})
    main([*QUICK, "--members", "1", "--only", "optimizer", "--out", str(tmp_path)])
    row = rows_of(tmp_path / "benchmark.csv")["optimizer", "operations over all members", 1]
    assert row["note"] == "not measured: needs about 0 GB; the host has 0 GB free"


@pytest.mark.slow
def test_a_part_that_fails_as_a_whole_takes_no_other_along(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(optimizer, "measure", failing)
    monkeypatch.setattr(exchanges, "STEPS", 10)
    with pytest.raises(SystemExit) as end:
        main([*QUICK, "--slots", "2", "--only", "optimizer,exchanges", "--out", str(tmp_path)])
    assert end.value.code == 1
    line = "optimizer: not measured: RuntimeError: CUBLAS_STATUS_EXECUTION_FAILED"
    assert capsys.readouterr().err.splitlines()[-1] == f"error: {line}"
    assert line in (tmp_path / "benchmark.txt").read_text()
    assert ("exchanges", "never leave", 2) in rows_of(tmp_path / "benchmark.csv")


@pytest.mark.slow
def test_adam_is_timed_in_each_of_its_forms(small, tmp_path, capsys):
    main([*QUICK, "--members", "8", "--only", "optimizer", "--out", str(tmp_path)])
    rows = rows_of(tmp_path / "benchmark.csv")
    for members in (1, 8):
        for form in ("torch's fused function, a call a member", "operations over all members"):
            assert float(rows["optimizer", form, members]["median"]) > 0
            assert rows["optimizer", form, members]["member_steps_per_second"] == ""
        assert rows["optimizer", "one kernel", members]["note"].startswith("not measured: needs CUDA")
    assert "GB/s" in capsys.readouterr().out


@pytest.mark.slow
def test_what_would_take_too_long_is_not_measured_and_said(small, tmp_path):
    main([*QUICK, "--members", "2", "--max-seconds", "1e-9", "--only", "sweep", "--out", str(tmp_path)])
    rows = rows_of(tmp_path / "benchmark.csv")
    assert rows["sweep", "fused", 2]["median"] == ""
    assert "--max-seconds" in rows["sweep", "fused", 2]["note"]


@pytest.mark.slow
def test_runs_that_come_and_go_are_timed_beside_runs_that_stay(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(exchanges, "STEPS", 10)
    main([*QUICK, "--slots", "2", "--only", "exchanges", "--out", str(tmp_path)])
    rows = rows_of(tmp_path / "benchmark.csv")
    stay, leave = rows["exchanges", "never leave", 2], rows["exchanges", "of 5 to 15 steps, exchanged", 2]
    assert float(leave["against_staying"]) == pytest.approx(float(leave["median"]) / float(stay["median"]), rel=1e-3)
    assert "x staying" in capsys.readouterr().out


@pytest.mark.slow
def test_a_command_that_fails_is_no_measurement(tmp_path):
    plan = Plan(("tracking",), "digits", "data", "abacus", 1, 1, 1.0, 1, 2, "fp32", 1.0, 1, tmp_path)
    with pytest.raises(RunFailedError, match=r"gan_experiments\.run data=digits .* ended with status 2: .*abacus"):
        commands.tracking(plan)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--only", "speed"], "error: --only speed: no such part; there are article, hand"),
        (["--rounds", "0"], "error: --rounds 0: must be at least 1"),
        (["--slots", "1"], "error: --slots 1: must be at least 2"),
        (["--seconds", "nan"], "error: --seconds nan: must be a number above 0"),
        (["--threads", "100000"], "error: --threads 100000: must be from 1 to"),
        (["--device", "abacus"], "error: device=abacus: unknown"),
        (["--device", "cpu", "--precision", "tf32", "--only", "sweep"], "error: --precision tf32: cpu has no tf32"),
    ],
)
def test_mistakes_are_one_line(arguments, line, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--out", str(tmp_path / "out")])
    assert end.value.code == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(line)
