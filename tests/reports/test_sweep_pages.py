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
from tests.support.mlflow_pages import CARD, Browser, expect_loaded, opened, served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the program chromium"),
]

EPOCHS, RUNS, SETTINGS = 3, 8, 4
SWEPT = ("train.lr=1e-4,2e-4", "model.latent_dim=16,100", "seed=0,1")
CHARTS = "&compareRunsMode=CHART"


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> SweepDirectory:
    """Eight runs and their summary."""
    folder = tmp_path_factory.mktemp("swept")
    shutil.copy(empty_database, folder / "mlflow.db")
    small = ("model=mlp_small", "model.generator_widths=[32]", "model.discriminator_widths=[32]")
    quick = (f"train.epochs={EPOCHS}", "tracking.sample_every=1", "evaluate=off", "hydra/launcher=fused")
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


def test_charts_of_the_runs_come_before_those_of_the_summary(browser: Browser) -> None:
    browser.open("runs", CHARTS)
    expect(browser.page.get_by_text(f"{RUNS + 1} matching runs")).to_be_visible()
    headers = browser.page.get_by_test_id("experiment-view-compare-runs-section-header")
    expect(headers.filter(has_text="speed").first).to_be_attached()
    names = [re.split(r"[\n (]", text.strip())[0] for text in headers.all_inner_texts()]
    of_the_summary = [name.startswith("sweep_best/") for name in names if name not in ("Model", "System")]
    assert of_the_summary == sorted(of_the_summary)
    assert any(of_the_summary)


def test_samples_are_side_by_side(browser: Browser) -> None:
    """As the README says: without the parameters, over the whole page."""
    page = browser.page
    browser.open("runs", CHARTS)
    cards = browser.section("Model metrics")
    card = cards.filter(has=page.get_by_text("samples", exact=True))
    card.get_by_test_id(f"{CARD}-menu").click()
    page.get_by_role("menuitem", name="Configure").click()
    page.get_by_role("dialog").get_by_label("Show run parameters").click()
    page.get_by_role("button", name="Save changes").click()
    card.get_by_role("button").first.click()
    images = page.get_by_role("dialog").locator("img")
    expect(images).to_have_count(RUNS)
    for _ in range(EPOCHS):
        page.get_by_role("dialog").get_by_role("slider").press("ArrowRight")
    for image in images.all():
        expect(image).to_have_attribute("src", re.compile(r"images%2Fsamples%2Bstep%2B104%2B"))
        image.scroll_into_view_if_needed()
        expect_loaded(image, 400)
    images.first.scroll_into_view_if_needed()
    (first, second), (top, beside) = zip(
        *((box["x"], box["y"]) for box in (image.bounding_box() for image in images.all()[:2]) if box), strict=True
    )
    assert first < second
    assert top == beside
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
    charts = browser.page.get_by_role("link", name="their charts").get_attribute("href")  # it opens a new window
    browser.page.goto(f"{browser.address}/{charts}")
    expect(browser.page.get_by_text(f"{RUNS} matching runs")).to_be_visible()
    for card in browser.section("loss").all():
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
