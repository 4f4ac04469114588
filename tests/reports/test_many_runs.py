"""A report on more runs than a page can show at once: every run is there, and is found."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

from gan_experiments.reports.comparison import compare
from gan_experiments.reports.gather import gather
from gan_experiments.reports.images import samples
from gan_experiments.reports.write import write
from gan_experiments.tracking.complaints import Complaints
from gan_experiments.tracking.sweep_directory import SweepDirectory
from tests.support.made_up_sweep import make_up_sweep
from tests.support.mlflow_pages import FLAGS

RUNS, SEEDS, FAILED = 120, 2, 7
FIRST = {"ranking": 50, "losses": 12, "probabilities": 24, "samples": 24, "runs": 50}
"""Items of each section that are laid out at first."""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> SweepDirectory:
    """A sweep whose runs are copies of one, with other settings; one has failed."""
    return make_up_sweep(tmp_path_factory.mktemp("many") / "sweep", RUNS, SEEDS, failed=FAILED)


@pytest.fixture(scope="module")
def report(sweep: SweepDirectory) -> Path:
    return write(compare([sweep.path]), sweep.report)


def section(page: str, name: str) -> tuple[str, str]:
    """What a section shows at first, and the rest."""
    (found,) = re.findall(rf'<section id="{name}">(.*?)</section>', page, re.DOTALL)
    shown, _, rest = found.partition("<template>")
    return shown, rest


def numbers(text: str) -> list[int]:
    return [
        int(number)
        for find in re.findall(r'data-find="((?:#\d+ )+)', text)
        for number in find.replace("#", "").split()
    ]


@pytest.mark.parametrize("name", FIRST)
def test_every_run_is_in_every_section_but_only_some_are_laid_out(report: Path, name: str) -> None:
    shown, rest = section(report.read_text(), name)
    assert shown.count("data-find=") == FIRST[name]
    assert rest.count("</template>") == 1
    assert {*numbers(shown), *numbers(rest)} == set(range(RUNS))


def test_charts_show_the_best_and_a_band_of_the_others(report: Path) -> None:
    page = report.read_text()
    assert f"{RUNS // SEEDS - 30} further settings" in page
    assert section(page, "parameters")[0].count("<polyline") == 100
    assert section(page, "losses")[0].count('<use href="#bands"') == FIRST["losses"]


def test_the_tables_have_all_runs(report: Path) -> None:
    content = json.loads(report.with_name("report.json").read_text())
    assert [run["number"] for run in content["runs"]] == list(range(RUNS))
    assert len(content["ranking"]) == RUNS // SEEDS


def test_small_pictures_come_from_one_z_too(sweep: SweepDirectory) -> None:
    _, runs = gather([sweep.path], Complaints())
    together, alone = samples(runs[:4], small=True), [samples([run], small=True)[0] for run in runs[:4]]
    assert together == alone
    assert len({picture.address for picture in together if picture}) == 1  # these runs have one generator


def test_few_runs_are_shown_all_at_once(sweep: SweepDirectory, tmp_path: Path) -> None:
    for number in range(3):
        shutil.copytree(sweep.path / str(number), tmp_path / "few" / str(number))
    page = write(compare([tmp_path / "few"]), tmp_path / "out").read_text()
    assert "<template>" not in page
    assert "data-find" not in page
    assert 'id="find"' not in page


@pytest.fixture(scope="module")
def page(report: Path) -> Iterator[Page]:
    """The report in a browser without network."""
    if shutil.which("chromium") is None:
        pytest.skip("needs the program chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(offline=True, viewport=ViewportSize(width=1366, height=768))
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(report.as_uri())
        yield page
        browser.close()
        assert errors == []


@pytest.mark.slow
def test_pages_are_turned_ordered_and_searched(page: Page) -> None:
    cards = page.locator("#samples figure")
    captions, turn = page.locator("#samples figcaption small:first-child"), page.get_by_title("next")
    seen = {*captions.all_inner_texts()}
    while (following := page.locator("#samples .turn").locator(turn)).is_enabled():
        following.click()
        seen |= {*captions.all_inner_texts()}
    assert seen == {f"#{number}" for number in range(RUNS)}
    page.locator("#samples select").select_option("not finished")
    expect(cards).to_have_count(1)
    expect(cards.locator("small").first).to_have_text(f"#{FAILED}")
    page.locator("#samples select").select_option("by number")
    page.locator("#find").fill("#17")
    expect(cards).to_have_count(1)
    assert cards.locator("img").evaluate("image => image.complete && image.naturalWidth > 0")
    for name in FIRST:
        expect(page.locator(f"#{name} [data-find]")).to_have_count(1)
    page.locator("#find").fill("seed=1 lr=0.003")  # no other rate that begins like it
    expect(page.locator("#runs tr[data-find]")).to_have_count(1)
    page.locator("#find").fill("")
    expect(page.locator("#runs tr[data-find]")).to_have_count(FIRST["runs"])
