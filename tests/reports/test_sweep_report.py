"""The report of real runs: the page in a real browser, its tables, and the command that writes it."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from gan_experiments import compare
from gan_experiments.reports.gather import gather
from gan_experiments.reports.images import samples
from gan_experiments.tracking.complaints import Complaints
from gan_experiments.tracking.journal import WARNING, Journal
from gan_experiments.tracking.sweep_directory import SweepDirectory
from tests.support.mlflow_pages import FLAGS
from tests.support.real_runs import client, database
from tests.support.sweeps import Swept

pytestmark = pytest.mark.slow
FRAMES = "[...document.querySelectorAll('.scroll')]"
"""The frames around the page's tables."""


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_tables_say_the_same_in_csv_and_json(whole_sweep: SweepDirectory) -> None:
    content = json.loads((whole_sweep.report / "report.json").read_text())
    ranking, runs = rows(whole_sweep.report / "ranking.csv"), rows(whole_sweep.report / "runs.csv")
    assert [row["model.latent_dim"] for row in ranking] == [row["model.latent_dim"] for row in content["ranking"]]
    assert [float(row["mean"]) for row in ranking] == [row["mean"] for row in content["ranking"]]
    assert [row["seeds"] for row in ranking] == ["2", "2"]
    assert float(ranking[0]["mean"]) <= float(ranking[1]["mean"])
    assert [(run["model.latent_dim"], run["seed"], run["state"]) for run in runs] == [
        (latent_dim, seed, "finished") for latent_dim in ("4", "8") for seed in ("0", "1")
    ]
    assert all(float(run["training_seconds"]) > 0 for run in runs)
    assert {factor["key"] for factor in content["factors"]} == {"model.latent_dim"}
    assert content["best"]["metrics"]["loss/generator"] in [float(run["last loss/generator"]) for run in runs]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if shutil.which("chromium") is None:
        pytest.skip("needs the program chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser, whole_sweep: SweepDirectory) -> Iterator[Page]:
    """The report in a browser without network, in either theme."""
    size = ViewportSize(width=1366, height=768)
    context = browser.new_context(offline=True, color_scheme=request.param, viewport=size)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    asked: list[str] = []
    page.on("request", lambda asking: asked.append(asking.url))
    page.goto((whole_sweep.report / "report.html").as_uri())
    yield page
    assert errors == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    context.close()


def test_the_page_shows_everything(page: Page, request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> None:
    assert page.locator("#chart-ranking .area .interval").count() == 2
    assert page.locator("#chart-losses polyline").count() == 8  # D and G of every run
    assert page.locator("#chart-parallel polyline").count() == 4
    assert page.locator("#chart-parallel .name").all_inner_texts()[0] == "latent dim"
    assert page.locator("#scores tr").count() == 4  # the head, two settings, real samples
    for section, pictures in (("samples", 4), ("probabilities", 8)):
        images = page.locator(f"#{section} img")
        expect(images).to_have_count(pictures)
        for image in images.all():  # without scrolling: a picture of the whole page, or print, has them all
            assert image.evaluate("image => image.complete && image.naturalWidth > 0")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(f"{FRAMES}.every(frame => frame.scrollWidth <= frame.clientWidth)")
    seen = pytestconfig.rootpath / ".pytest_artifacts"
    seen.mkdir(exist_ok=True)
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=seen / f"report-{request.node.callspec.params['page']}.png", full_page=True)


def test_nothing_is_cut_off_in_print_and_the_paper_is_white(page: Page) -> None:
    page.emulate_media(media="print")
    page.set_viewport_size(ViewportSize(width=700, height=990))  # A4 between its margins
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(f"{FRAMES}.every(frame => frame.scrollWidth <= frame.clientWidth)")
    assert page.locator("nav").is_hidden()


def test_colours_follow_the_theme(page: Page, request: pytest.FixtureRequest) -> None:
    tick = page.locator("#chart-ranking .axis small").first

    def brightness(what: str) -> float:
        numbers = re.findall(r"[\d.]+", what)
        return sum(map(float, numbers[:3]))

    def contrast() -> float:
        text = tick.evaluate("tick => getComputedStyle(tick).color")
        return brightness(page.evaluate("getComputedStyle(document.body).backgroundColor")) - brightness(text)

    dark = request.node.callspec.params["page"] == "dark"
    assert (contrast() < -150) is dark
    assert (contrast() > 150) is not dark
    page.get_by_role("button", name="Light / dark").click()
    assert (contrast() < -150) is not dark


def test_samples_of_all_runs_come_from_one_z(whole_sweep: SweepDirectory) -> None:
    """A run's picture does not depend on the runs beside it."""
    _, runs = gather([whole_sweep.path], Complaints())
    together, alone = samples(runs), [samples([run])[0] for run in runs]
    assert together[2:] == alone[2:]  # of the largest latent size
    assert len({picture.address for picture in together if picture}) == len(runs)
    assert not any(picture.remark for picture in together if picture)


def compared(*arguments: str) -> int:
    try:
        compare.main(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_another_metric_and_another_folder(
    whole_sweep: SweepDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (whole_sweep.report / "report.json").read_bytes()
    assert compared(str(whole_sweep.path), "--metric", "loss/generator", "--out", str(tmp_path / "new")) == 0
    content = json.loads((tmp_path / "new" / "report.json").read_text())
    assert content["metric"]["name"] == "loss/generator"
    assert content["headline"] in capsys.readouterr().out
    assert (whole_sweep.report / "report.json").read_bytes() == before


def test_a_sweep_whose_process_is_gone_is_marked_as_killed(whole_sweep: SweepDirectory, tmp_path: Path) -> None:
    sweep = SweepDirectory(shutil.copytree(whole_sweep.path, tmp_path / "sweep"))
    sweep.remember(status="RUNNING")
    with filelock.FileLock(sweep.lock):  # its process is at work
        assert compared(str(sweep.path)) == 0
        assert sweep.content()["status"] == "RUNNING"
    assert compared(str(sweep.path)) == 0
    assert (sweep.content()["status"], sweep.content()["reason"]) == ("KILLED", "its process ended without a word")


def test_warning_lights_are_listed_with_their_steps(whole_sweep: SweepDirectory, tmp_path: Path) -> None:
    sweep = SweepDirectory(shutil.copytree(whole_sweep.path, tmp_path / "sweep"))
    journal = Journal(sweep.jobs()[2].journal)
    for name, step, epoch in (("oscillation", 300, 9), ("mode_collapse", 420, 12)):
        key = f"{WARNING}{name}"
        journal.append("tags", key=key, step=step, epoch=epoch, values={key: f"since step {step}, epoch {epoch}"})
    journal.close()
    assert compared(str(sweep.path)) == 0
    content = json.loads((sweep.report / "report.json").read_text())
    assert content["warnings"] == [
        {"number": 2, "name": content["runs"][2]["name"], "light": name, "step": step, "epoch": epoch}
        for name, step, epoch in (("oscillation", 300, 9), ("mode_collapse", 420, 12))
    ]
    runs = rows(sweep.report / "runs.csv")
    assert [run["warning.oscillation"] for run in runs] == ["", "", "300", ""]
    assert sum(int(row["warned"]) for row in rows(sweep.report / "ranking.csv")) == 1
    page = (sweep.report / "report.html").read_text()
    (section,) = re.findall(r'<section id="lights">.*?</section>', page, re.DOTALL)
    cells = re.findall(r'<td class="number light">\s*(.*?)</td>', section)
    assert cells == ["420 (12)", "300 (9)"]
    assert "gets nowhere" in section  # what it means
    assert 'id="lights"' not in (whole_sweep.report / "report.html").read_text()


def test_a_folder_of_runs_is_compared_as_well(whole_sweep: SweepDirectory, tmp_path: Path) -> None:
    for number in (0, 2):
        shutil.copytree(whole_sweep.path / str(number), tmp_path / "some" / str(number))
    assert compared(str(tmp_path / "some")) == 0
    content = json.loads((tmp_path / "some" / "report" / "report.json").read_text())
    assert [row["model.latent_dim"] for row in content["runs"]] == ["4", "8"]


def test_any_runs_and_sweeps_are_compared_each_once_and_broken_ones_are_named(
    whole_sweep: SweepDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("first", "second", "cut"):
        shutil.copytree(whole_sweep.path / "0", tmp_path / "runs" / name)
    (tmp_path / "runs/cut/journal.jsonl").write_text("{\n")
    shutil.copytree(whole_sweep.path, tmp_path / "sweep", ignore=shutil.ignore_patterns("0", "report"))
    assert compared("runs/first", "runs", "./sweep", "sweep/1", "nowhere") == 2
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == f"report    {tmp_path}/comparison/report.html"
    assert [line.rpartition(": ")[0] for line in err.splitlines() if "nowhere" in line] == ["error: nowhere"]
    assert sum(f"{tmp_path}/runs/cut: this run's files are damaged" in line for line in err.splitlines()) == 1
    runs = json.loads((tmp_path / "comparison/report.json").read_text())["runs"]
    assert [run["folder"] for run in runs] == [
        "runs/first",
        "runs/second",
        "sweep/0",
        "sweep/1",
        "sweep/2",
        "sweep/3",
    ]
    assert len({run["name"] for run in runs}) == 6
    assert [run["state"] for run in runs] == ["finished"] * 2 + ["waiting"] + ["finished"] * 3


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere"], "nowhere: must be a sweep's folder, a folder of runs, or an MLflow run id"),
        (["."], "there is no run in it or below it"),
        (["0" * 32], f"run {'0' * 32}: cannot be looked up"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str],
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert compared(*arguments) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_run_s_id_finds_its_sweep_and_the_summary_gets_the_new_report(failed_sweep: Swept) -> None:
    runs = json.loads((failed_sweep.directory.report / "report.json").read_text())["runs"]
    page = failed_sweep.directory.report / "report.html"
    before = page.stat().st_mtime_ns
    command = [sys.executable, "-m", "gan_experiments.compare", runs[1]["run_id"], "--metric", "loss/discriminator"]
    ended = subprocess.run(command, cwd=failed_sweep.folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert page.stat().st_mtime_ns > before
    summary = client(database(failed_sweep.folder)).get_run(failed_sweep.directory.content()["run_id"])
    assert summary.data.tags["metric"] == "loss/discriminator"
    assert summary.info.status == "FAILED"


def test_the_failed_run_is_in_the_report_with_its_reason(failed_sweep: Swept) -> None:
    page = (failed_sweep.directory.report / "report.html").read_text()
    (section,) = re.findall(r'<section id="failures">.*?</section>', page, re.DOTALL)
    assert "lr=1e+30" in section
    assert "the generator&#39;s loss is nan at step 1" in section
