"""MLflow's pages on a sweep, in a browser: runs overlaid, seeds grouped, samples side by side, the report.

What was seen is kept in ``.pytest_artifacts/``.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from gan_experiments.tracking.sweep_directory import SweepDirectory
from tests.support import real_runs
from tests.support.mlflow_pages import Browser, expect_in_sight, expect_loaded, opened, served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the program chromium"),
]

EPOCHS, RUNS, SETTINGS = 3, 8, 4
SWEPT = ("train.lr=1e-4,2e-4", "model.latent_dim=16,100", "seed=0,1")
CHARTS = "&compareRunsMode=CHART"
SCORE = "score/frechet_classifier_distance"


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> SweepDirectory:
    """Eight runs and their summary."""
    folder = tmp_path_factory.mktemp("swept")
    shutil.copy(empty_database, folder / "mlflow.db")
    small = ("model=mlp_small", "model.generator_widths=[32]", "model.discriminator_widths=[32]")
    quick = (f"train.epochs={EPOCHS}", "tracking.sample_every=1", "evaluate.samples=500", "hydra/launcher=fused")
    real_runs.succeed(folder, "-m", *SWEPT, *small, *quick, "hydra.sweep.dir=sweep")
    return SweepDirectory(folder / "sweep")


@pytest.fixture(scope="module")
def browser(
    sweep: SweepDirectory, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Browser]:
    store = ("ui", "--backend-store-uri", sweep.content()["uri"])
    screenshots = pytestconfig.rootpath / ".pytest_artifacts"
    with (
        served(store, tmp_path_factory.mktemp("elsewhere")) as address,
        opened(address, sweep.content()["experiment_id"], tmp_path_factory.mktemp("profile"), screenshots) as browser,
    ):
        yield browser


def test_the_summary_adds_no_charts(browser: Browser) -> None:
    browser.open("runs", CHARTS)
    expect(browser.page.get_by_text(f"{RUNS + 1} matching runs")).to_be_visible()
    assert not [name for name in browser.sections() if name.startswith("sweep")]


def test_the_table_has_what_was_swept(browser: Browser, sweep: SweepDirectory) -> None:
    browser.open("runs", f"&viewStateShareKey={sweep.content()['run_id']}")
    expect(browser.page.get_by_role("link", name=re.compile("^lr=.* seed="))).to_have_count(RUNS)
    for key in ("train.lr", "model.latent_dim", "seed", SCORE):
        expect_in_sight(browser.page.get_by_role("columnheader", name=key).first)
    browser.keep("sweep-table")


def test_samples_and_histograms_are_side_by_side(browser: Browser, sweep: SweepDirectory) -> None:
    browser.open("runs", f"{CHARTS}&viewStateShareKey={sweep.content()['run_id']}")
    images = browser.section("pictures").locator("img")
    expect(images).to_have_count(2 * RUNS)
    for image in images.all():
        expect(image).to_have_attribute("src", re.compile(r"images%2Flatest~(samples|histograms)%2Bstep%2B0%2B"))
        image.scroll_into_view_if_needed()
        expect_loaded(image, 400)
    browser.keep("sweep-samples")


def test_the_report_is_beside_the_summary(browser: Browser, sweep: SweepDirectory) -> None:
    browser.open(f"runs/{sweep.content()['run_id']}/artifacts")
    browser.page.get_by_text("report", exact=True).click()
    browser.page.get_by_text("report.html", exact=True).click()
    report = browser.page.frame_locator("iframe")
    expect(report.get_by_role("heading", level=1)).to_have_text(sweep.content()["name"])
    expect(report.locator("#chart-ranking .area .mean").first).to_be_visible()
    browser.keep("sweep-report")


def test_the_summary_leads_to_the_charts_of_all_runs(browser: Browser, sweep: SweepDirectory) -> None:
    browser.open(f"runs/{sweep.content()['run_id']}")
    expect(browser.page.get_by_role("link", name=re.compile("^best run: lr="))).to_be_visible()
    browser.keep("sweep-summary")
    # MLflow remembers the filter that this sets.
    charts = browser.page.get_by_role("link", name="side by side").get_attribute("href")  # it opens a new window
    browser.page.goto(f"{browser.address}/{charts}")
    expect(browser.section("sweep")).to_have_count(2)  # parallel coordinates, and a bar a run
    assert browser.sections()[:3] == ["sweep", "pictures", "curves"]
    for card in browser.section("curves").all():
        expect(card.locator(".scatterlayer .point")).to_have_count(RUNS * EPOCHS)
    browser.keep("sweep-charts")


def test_seeds_are_grouped_by_setting(browser: Browser) -> None:
    browser.open("runs", CHARTS)
    browser.page.get_by_role("button", name="Group by").click()
    browser.page.get_by_placeholder("Search").last.fill("setting")
    browser.page.get_by_text("setting", exact=True).click()
    expect(browser.page.get_by_text("Group: lr=")).to_have_count(SETTINGS)
    for card in browser.section("loss").all():
        curves = 3 * SETTINGS  # means, and the two edges of each band
        expect(card.locator(".scatterlayer .point")).to_have_count(curves * EPOCHS)
    browser.keep("sweep-grouped")
