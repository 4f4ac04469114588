"""MLflow's pages on finished runs, in a browser: charts are drawn, pictures are there, nothing is empty.

What was seen is kept in ``.pytest_artifacts/``.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.support.finished_runs import EPOCHS, SAMPLED, FinishedRuns
from tests.support.mlflow_pages import Browser, expect_in_sight, expect_loaded, opened, served
from tests.support.real_runs import client, run_id

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the program chromium"),
]

CHARTS = {
    "loss": ["discriminator", "generator"],
    "prob": ["accuracy", "fake", "real"],
    "training": [
        *("epoch", "grad_norm_discriminator", "grad_norm_generator"),
        *("rate_discriminator", "rate_generator", "steps_per_second"),
    ],
}
SECTIONS = ["latest", "loss", "prob", "score", "step_loss", "training", "Model metrics"]


@pytest.fixture(scope="module")
def browser(
    finished_runs: FinishedRuns, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Browser]:
    """On the pages that the command serves which a run printed at its end."""
    (line,) = (line for line in finished_runs.ended[0].out if line.startswith("browse "))
    _, program, *arguments = shlex.split(line)
    assert program == "mlflow"
    experiment = client(finished_runs.uri).get_experiment_by_name("gan").experiment_id
    screenshots = pytestconfig.rootpath / ".pytest_artifacts"
    with (
        served(arguments, tmp_path_factory.mktemp("elsewhere")) as address,
        opened(address, experiment, tmp_path_factory.mktemp("profile"), screenshots) as browser,
    ):
        yield browser


@pytest.fixture
def run(finished_runs: FinishedRuns) -> str:
    return f"runs/{run_id(finished_runs.directories[0])}"


def test_the_runs_are_listed(browser: Browser, finished_runs: FinishedRuns) -> None:
    browser.open("runs")
    for name in ("experiment=quickstart epochs=6", "experiment=quickstart epochs=6 lr=0.001 seed=1"):
        expect(browser.page.get_by_role("link", name=name, exact=True)).to_be_visible()
    expect(browser.page.get_by_text("2 matching runs")).to_be_visible()
    expect(browser.page.get_by_text("digits (").first).to_be_visible()
    browser.keep("runs")


def test_a_run_s_page_shows_it_at_a_glance(browser: Browser, run: str) -> None:
    browser.open(run)
    strip = browser.page.locator("img[src*='glance']")
    expect_loaded(strip, 700)
    expect_in_sight(strip)
    expect_in_sight(browser.page.get_by_text("loss/discriminator", exact=True))  # the first of the run's own metrics
    browser.keep("glance")


def test_the_last_pictures_come_first_and_need_no_click(browser: Browser, run: str) -> None:
    browser.open(f"{run}/model-metrics")
    latest = browser.section("latest")
    expect(latest).to_have_count(3)
    assert browser.sections() == SECTIONS
    for name, card in zip(("histograms", "losses", "samples"), latest.all(), strict=True):
        expect(card).to_contain_text(name)
        expect_loaded(card.locator("img"), 400)
        expect_in_sight(card)
    browser.keep("latest")


def test_a_run_s_page_shows_its_figures(browser: Browser, run: str) -> None:
    browser.open(run)
    expect(browser.page.get_by_text("Finished", exact=True)).to_be_visible()
    browser.page.get_by_text("Show more").first.click()
    figures = browser.page.locator("img[src*='figures%2F']")
    expect(figures).to_have_count(5)  # the strip, and four large ones
    expect(browser.page.get_by_role("cell", name="Fréchet classifier distance")).to_be_attached()
    for figure in figures.all():
        expect_loaded(figure, 400)
    browser.page.get_by_text("Description").first.scroll_into_view_if_needed()
    browser.keep("run")


def test_every_metric_has_a_chart(browser: Browser, run: str) -> None:
    browser.open(f"{run}/model-metrics")
    for section, names in CHARTS.items():
        cards = browser.section(section)
        expect(cards).to_have_count(len(names))
        for name, card in zip(names, cards.all(), strict=True):
            expect(card).to_contain_text(name)
            expect(card.locator(".scatterlayer .point")).to_have_count(EPOCHS)
        if section == "loss":
            browser.keep("charts")


@pytest.mark.parametrize("key", ["samples", "histograms"])
def test_pictures_are_stepped_through(key: str, browser: Browser, run: str) -> None:
    browser.open(f"{run}/model-metrics")
    card = browser.section("Model metrics").filter(has=browser.page.get_by_text(key, exact=True))
    image, slider = card.locator("img"), card.get_by_role("slider")
    for position, step in enumerate(SAMPLED):
        if position:
            slider.press("ArrowRight")
        expect(image).to_have_attribute("src", re.compile(rf"images%2F{key}%2Bstep%2B{step}%2B"))
        expect_loaded(image, 400)
    expect(slider).to_have_attribute("aria-valuemax", str(SAMPLED[-1]))
    image.scroll_into_view_if_needed()
    browser.keep(key)


def test_the_machine_s_load_is_shown(browser: Browser, run: str) -> None:
    browser.open(f"{run}/system-metrics")
    card = browser.section("System metrics").filter(has_text="cpu_utilization_percentage")
    expect(card.locator(".scatterlayer .point").nth(1)).to_be_visible()  # a second measurement
    browser.keep("system")


def test_figures_are_among_the_artifacts(browser: Browser, run: str) -> None:
    browser.open(f"{run}/artifacts")
    for name in ("config", "figures", "images", "histograms.json", "losses.csv", "samples.gif", "scores.csv"):
        expect(browser.page.get_by_text(name, exact=True)).to_be_visible()
    browser.page.get_by_text("figures", exact=True).click()
    browser.page.get_by_text("probabilities.png", exact=True).click()
    expect_loaded(browser.page.locator("img.rc-image-img, img[src^='blob:']").first, 800)
    browser.keep("artifacts")


def test_two_runs_are_drawn_into_one_chart(browser: Browser) -> None:
    browser.open("runs", "&compareRunsMode=CHART")
    for card in browser.section("loss").all():
        expect(card.locator(".scatterlayer .point")).to_have_count(2 * EPOCHS)
    browser.keep("comparison")


def test_the_generator_is_among_the_models(browser: Browser) -> None:
    browser.open("models")
    expect(browser.page.get_by_text("generator").first).to_be_visible()
    browser.keep("models")
