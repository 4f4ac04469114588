"""The report of a sweep that prunes: who came how far, what is ranked, and what was saved."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import ViewportSize, sync_playwright

from gan_experiments import compare
from gan_experiments.reports import pruning_chart
from gan_experiments.reports.comparison import Comparison
from gan_experiments.reports.comparison import compare as comparison_of
from gan_experiments.reports.pruning import Pruning, Rung
from gan_experiments.reports.record import read_record
from gan_experiments.tracking.sweep_directory import JobDirectory
from tests.support.mlflow_pages import FLAGS

STEPS = 10
"""Steps of an epoch."""
EPOCHS, RUNGS = 9, [1, 3]
METRIC = "eval/frechet_classifier_distance"
SCORES: dict[str, list[list[float]]] = {  # by rate: the scores of two seeds at the epochs 1, 3 and 9
    "0.1": [[50, 30, 10], [52, 32, 14]],
    "0.2": [[40, 20, 15], [44, 26, 19]],
    "0.3": [[60, 38], [50, 40]],
    "0.4": [[90], [70]],
    "0.5": [[51], [89]],
    "0.6": [[99], [88]],
}


def line(kind: str, epoch: float, key: str = "", **content: Any) -> dict[str, Any]:
    step = round(epoch * STEPS)
    return {"kind": kind, "key": key, "step": step, "epoch": epoch, "time": 1_700_000_000_000 + step * 1000} | content


def scored(epoch: int, value: float, metric: str = METRIC) -> list[dict[str, Any]]:
    return [
        line("metrics", epoch, "epoch", values={"loss/generator": 1.0}),
        line("metrics", epoch, "eval", values={metric: value}),
    ]


def ended(epoch: int, rung: int | None = None) -> list[dict[str, Any]]:
    """The last lines of a run that has finished, pruned at a rung or not."""
    if rung is None:
        return [line("status", epoch, "a", status="FINISHED", reason="all epochs are done")]
    reason = f"pruned at rung {rung}, after {epoch} of {EPOCHS} epochs"
    tags = line("tags", epoch, "pruned", values={"pruned": str(rung)})
    return [tags, line("status", epoch, "a", status="FINISHED", reason=reason)]


def write_run(folder: Path, number: int, params: dict[str, str], lines: Sequence[dict[str, Any]]) -> JobDirectory:
    run = JobDirectory(folder)
    folder.mkdir(parents=True)
    name = " ".join(f"{key.rpartition('.')[2]}={value}" for key, value in params.items())
    identity = {"name": name, "experiment": "gan", "uri": None, "is_image": True, "total_steps": EPOCHS * STEPS}
    run.run.write_text(json.dumps(identity))
    run.job.write_text(json.dumps({"number": number, "overrides": []}))
    first = [line("params", 0, values=params), line("session", 0, "a", members=4)]
    run.journal.write_text("".join(f"{json.dumps(each)}\n" for each in [*first, *lines]))
    return run


def write_sweep(folder: Path, scores: dict[str, list[list[float]]] = SCORES, metric: str = METRIC) -> Path:
    """A sweep of a rate by two seeds, of which each setting was trained as far as it has scores."""
    runs = [(rate, seed, values) for rate, seeds in scores.items() for seed, values in enumerate(seeds)]
    for number, (rate, seed, values) in enumerate(runs):
        epochs = [*RUNGS, EPOCHS][: len(values)]
        lines = [each for epoch, value in zip(epochs, values, strict=True) for each in scored(epoch, value, metric)]
        last = ended(epochs[-1], None if epochs[-1] == EPOCHS else len(values))
        write_run(folder / str(number), number, {"train.lr": rate, "seed": str(seed)}, [*lines, *last])
    pruning = {"pruner": "asha", "eta": 3, "rungs": RUNGS, "epochs": EPOCHS, "metric": metric, "places": len(scores)}
    rates = {"train.lr": ",".join(scores), "seed": "0,1"}
    sweep = {"name": "lr", "nonce": "a", "varied": rates, "jobs": [[]] * 2 * len(scores), "search": None}
    sweep |= {"uri": None, "run_id": None, "status": "FINISHED", "overrides": {"task": []}, "pruning": pruning}
    (folder / "sweep.json").write_text(json.dumps(sweep))
    return folder


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return write_sweep(tmp_path / "sweep")


def pruning(found: Comparison) -> Pruning:
    assert found.pruning is not None
    return found.pruning


def test_settings_are_counted_at_each_rung_with_their_means_over_seeds(sweep: Path) -> None:
    found = comparison_of([sweep])
    assert pruning(found).rungs == [
        Rung(1, 1, arrived=6, went_on=3, pruned=3, best=42.0, median=(55.0 + 70.0) / 2),
        Rung(2, 3, arrived=3, went_on=2, pruned=1, best=23.0, median=31.0),
        Rung(3, 9, arrived=2, went_on=0, pruned=0, best=12.0, median=14.5),
    ]
    assert not pruning(found).undecided
    assert [(run.number, run.pruned, pruning(found).score(run)) for run in pruning(found).pruned[-3:]] == [
        (11, 1, 88.0),
        (4, 2, 38.0),
        (5, 2, 40.0),
    ]


def test_only_what_reached_the_last_rung_is_ranked(sweep: Path) -> None:
    found = comparison_of([sweep])
    (group,) = found.groups
    assert [(place.setting.label, place.mean) for place in group.ranked] == [("lr=0.1", 12.0), ("lr=0.2", 17.0)]
    assert "2 of 6 settings reached the last rung, 4 were pruned before." in found.headline
    assert found.headline.startswith("lr=0.1 has the lowest Fréchet classifier distance 12")
    assert [run.number for run in group.in_order] == [0, 1, 2, 3, 4, 5, *range(6, 12)]  # then who came furthest
    assert found.unfinished == []


def test_the_metric_that_decides_who_is_pruned_ranks(sweep: Path, tmp_path: Path) -> None:
    another = write_sweep(tmp_path / "another", metric="loss/generator")
    (group,) = comparison_of([another]).groups
    assert (group.metric.name, group.metric.meaning) == (
        "loss/generator",
        "The mean over the last tenth of the epochs. The metric by which the sweep prunes.",
    )
    assert comparison_of([another], "loss/generator").groups[0].metric.meaning.endswith("Asked for with --metric.")
    assert comparison_of([sweep]).groups[0].metric.name == METRIC


def test_what_was_saved_is_counted_in_steps_of_the_runs(sweep: Path) -> None:
    found = pruning(comparison_of([sweep]))
    trained = STEPS * (2 * 2 * 9 + 2 * 3 + 2 * 3 * 1)
    assert (found.steps, found.total_steps) == (trained, 12 * 9 * STEPS)
    assert found.saved == found.total_steps - trained
    assert found.saving == (
        "12 runs trained 480 of the 1,080 member-steps that all of them take to their ends, 44.4 %; "
        "pruning saved 600, 55.6 %."
    )


def test_larger_is_better_where_the_metric_says_so(tmp_path: Path) -> None:
    found = comparison_of([write_sweep(tmp_path / "sweep", metric="eval/coverage")])
    assert [rung.best for rung in pruning(found).rungs] == [93.5, 39.0, 17.0]
    assert [place.setting.label for place in found.groups[0].ranked] == ["lr=0.2", "lr=0.1"]


def test_if_everything_was_pruned_nothing_is_ranked_and_the_headline_says_why(tmp_path: Path) -> None:
    found = comparison_of([write_sweep(tmp_path / "sweep", {"0.1": [[5], [6]], "0.2": [[7], [8]]})])
    assert found.headline == "No run has reached the last rung yet, so there is nothing to rank."


def test_a_paused_run_is_not_finished_and_waits_at_its_rung(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = sweep / "2" / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)[:4]
    paused = [line("status", 1, "a", status="PAUSED", reason="paused at rung 1, after 1 of 9 epochs")]
    for number in (2, 3):
        (sweep / str(number) / "journal.jsonl").write_text("".join([*lines, *map(json.dumps, paused), "\n"]))
    found = comparison_of([sweep])
    assert [run.number for run in found.unfinished] == [2, 3]
    assert (pruning(found).rungs[0].went_on, pruning(found).rungs[0].pruned, pruning(found).undecided) == (2, 3, True)
    compare.main([str(sweep)])
    page = (sweep / "report" / "report.html").read_text()
    assert "Not finished: 2 of 12 runs" in page
    assert page.count("paused at rung 1, after 1 of 9 epochs") == 2
    assert "2 of 6" not in capsys.readouterr().out


def test_a_run_counts_as_it_last_ended_over_all_its_sessions(tmp_path: Path) -> None:
    """It is paused, joins again, is pruned; and whoever resumes it takes that back."""
    away = [line("status", 1, "a", status="PAUSED", reason="paused at rung 1"), line("session", 1, "b", members=2)]
    away[1]["time"] += 1_000_000
    back = [{**each, "time": each["time"] + 1_000_000} for each in [*scored(3, 5.0), *ended(3, 2)]]
    run = read_record(write_run(tmp_path / "a", 0, {"a": "1"}, [*scored(1, 9.0), *away, *back]), 0, {})
    assert (run.outcome.state, run.pruned, run.steps, run.epochs) == ("finished", 2, 3 * STEPS, 3)
    assert run.metrics[METRIC] == [(1, 9.0), (3, 5.0)]
    assert (run.seconds, run.device_seconds) == (10 + 20, 10 / 4 + 20 / 2)  # the pause is none of it
    more = [line("session", 3, "c", members=1), *scored(9, 2.0), *ended(9)]
    again = write_run(tmp_path / "b", 0, {"a": "1"}, [*scored(1, 9.0), *ended(1, 1), *more])
    assert read_record(again, 0, {}).pruned is None


def test_the_chart_has_a_line_for_each_setting_that_ends_where_it_was_pruned(sweep: Path) -> None:
    chart = pruning_chart.draw(pruning(comparison_of([sweep])))
    assert chart is not None
    assert [tick.text for tick in chart.rungs] == ["epoch 1", "epoch 3", "epoch 9"]
    places = [tick.place for tick in chart.rungs]
    ends = {each.text.partition(":")[0]: (each.kind, each.end[0]) for each in chart.lines}
    assert ends == {
        "lr=0.1": ("survived", places[2]),
        "lr=0.2": ("survived", places[2]),
        "lr=0.3": ("pruned", places[1]),
        **{f"lr=0.{n}": ("pruned", places[0]) for n in (4, 5, 6)},
    }
    assert [each.kind for each in chart.lines[-2:]] == ["survived"] * 2  # on top of the others
    assert chart.lines[-2].text == "lr=0.1: 51, 31, 12; to the end"


def test_scores_of_several_powers_of_ten_are_drawn_to_a_logarithmic_scale(tmp_path: Path) -> None:
    scores = {"0.1": [[1000, 100, 10]] * 2, "0.2": [[1000]] * 2}
    chart = pruning_chart.draw(pruning(comparison_of([write_sweep(tmp_path / "sweep", scores)])))
    assert chart is not None
    heights = [100 - float(point.partition(",")[2]) for point in chart.lines[-1].points.split()]
    assert heights == pytest.approx([100, 50, 0])
    assert [tick.text for tick in chart.ticks] == ["10", "20", "50", "100", "200", "500", "1000"]


SLOTS = {
    **{"slots": 4, "programs_built": 1, "runs": 12, "slot_steps": 1000, "slot_steps_used_while_waiting": 978},
    **{"slot_steps_in_all": 1200, "slot_steps_used_in_all": 1100},
}


def test_the_page_and_the_tables_have_it_too(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sweep / "slots.json").write_text(json.dumps(SLOTS))
    compare.main([str(sweep)])
    assert "2 of 6 settings reached the last rung" in capsys.readouterr().out
    page = (sweep / "report" / "report.html").read_text()
    (section,) = re.findall(r'<section id="pruning">.*?</section>', page, re.DOTALL)
    assert section.count("<polyline") == 6
    assert "asha, eta 3, judged all settings by eval/frechet_classifier_distance" in section
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", section, re.DOTALL)]
    assert ["1", "1", "6", "3", "3", "42", "62.5"] in cells
    assert ["4", "lr=0.3 seed=0", "2", "3", "38", "30 of 90"] in cells
    assert "12 runs through 4 slots of 1 program; 97.8 % of their steps were spent on runs while any waited" in page
    assert "any waited, 91.7 % in all" in page
    assert "12 finished; 8 of the finished were pruned" in page
    content = json.loads((sweep / "report" / "report.json").read_text())
    assert content["states"] == {"finished": 12}
    assert [rung["arrived"] for rung in content["pruning"]["rungs"]] == [6, 3, 2]
    assert content["slots"] == json.loads((sweep / "report" / "slots.json").read_text()) == SLOTS
    with (sweep / "report" / "runs.csv").open() as file:
        assert [row["pruned"] for row in csv.DictReader(file)] == [*[""] * 4, "2", "2", *["1"] * 6]


def test_where_nobody_waited_the_whole_time_counts(sweep: Path) -> None:
    (sweep / "slots.json").write_text(json.dumps(SLOTS | {"slot_steps": 0, "slot_steps_used_while_waiting": 0}))
    compare.main([str(sweep)])
    page = (sweep / "report" / "report.html").read_text()
    assert "4 slots of 1 program; none had to wait, and 91.7 % of their steps were spent on runs" in page


def test_runs_of_several_folders_are_ranked_without_the_pruned_ones(sweep: Path, tmp_path: Path) -> None:
    compare.main([str(sweep), str(write_sweep(tmp_path / "other")), "--out", str(tmp_path / "out")])
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert "pruning" not in content
    assert [row["train.lr"] for row in content["ranking"]] == ["0.1", "0.2"]
    assert sum(run["pruned"] is not None for run in content["runs"]) == 16


def test_a_sweep_that_does_not_prune_has_nothing_of_it(sweep: Path) -> None:
    content = json.loads((sweep / "sweep.json").read_text())
    (sweep / "sweep.json").write_text(json.dumps({key: content[key] for key in content if key != "pruning"}))
    for number in range(4, 12):
        journal = sweep / str(number) / "journal.jsonl"
        lines = journal.read_text().splitlines(keepends=True)
        journal.write_text("".join(each for each in lines if '"pruned"' not in each))
    compare.main([str(sweep)])
    page = (sweep / "report" / "report.html").read_text()
    assert not re.search("prun|slots|rung[^ ]", re.sub("pruned at rung", "", page))
    assert json.loads((sweep / "report" / "report.json").read_text()).keys().isdisjoint({"pruning", "slots"})
    assert ",pruned," not in (sweep / "report" / "runs.csv").read_text()
    assert not (sweep / "report" / "slots.json").exists()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the program chromium")
def test_in_a_browser_every_line_ends_above_its_rung(sweep: Path) -> None:
    compare.main([str(sweep)])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(offline=True, viewport=ViewportSize(width=1366, height=768))
        page.goto((sweep / "report" / "report.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        centre = "all => all.map(each => each.getBoundingClientRect()).map(box => Math.round(box.x + box.width / 2))"
        rungs = page.locator("#pruning .epochs span").evaluate_all(centre)
        ends = page.locator("#chart-rungs b").evaluate_all(centre)
        browser.close()
    assert [min(range(3), key=lambda rung: abs(rungs[rung] - end)) for end in ends] == [1, 0, 0, 0, 2, 2]
    assert all(min(abs(rung - end) for rung in rungs) <= 1 for end in ends)
