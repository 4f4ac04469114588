"""MLflow's pages on finished runs, in a browser: charts are drawn, pictures are there, nothing is empty.

What was seen is kept in ``.pytest_artifacts/``.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Locator, Page, Response, expect, sync_playwright

from tests.conftest import EPOCHS, SAMPLED, FinishedRuns
from tests.real_runs import client, run_id
from tests.tracking.hand_made import until

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the program chromium")

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CHARTS = {
    "accuracy": ["discriminator"],
    "grad_norm": ["discriminator", "generator"],
    "loss": ["discriminator", "generator"],
    "prob": ["fake", "real"],
    "speed": ["steps_per_second"],
}
CARD, SECTION = "experiment-view-compare-runs-card", "experiment-view-compare-runs-section-header"


@pytest.fixture(scope="module")
def address(finished_runs: FinishedRuns, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the pages are, served by the command that a run printed at its end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    _, program, *arguments = shlex.split(finished_runs.ended[0].out[-1])
    assert program == "mlflow"
    folder = tmp_path_factory.mktemp("elsewhere")
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *arguments, "--port", str(port), "--workers", "1"],
            cwd=folder,
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},  # starts processes of its own
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    found = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert server.poll() is None, (folder / "log").read_text()
        try:
            with urlopen(f"{found}/health", timeout=5):
                return True
        except (URLError, OSError):
            return False

    try:
        until(answers)
        yield found
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@dataclass
class Browser:
    """A page, and what went wrong on it."""

    page: Page
    address: str
    experiment: str
    screenshots: Path
    refused: list[str]

    def open(self, path: str, query: str = "") -> None:
        self.page.goto(f"{self.address}/#/experiments/{self.experiment}/{path}?workflowType=machine_learning{query}")

    def keep(self, name: str) -> None:
        self.page.screenshot(path=self.screenshots / f"{name}.png")
        assert self.refused == []

    def section(self, name: str) -> Locator:
        """Cards of a section of charts, scrolled to, as they are drawn only then."""
        header = self.page.get_by_test_id(SECTION).filter(has_text=name).first
        header.scroll_into_view_if_needed()
        return header.locator("xpath=following::*[@data-testid='draggable-chart-cards-grid'][1]").get_by_test_id(CARD)


@pytest.fixture(scope="module")
def browser(
    address: str,
    finished_runs: FinishedRuns,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> Iterator[Browser]:
    screenshots = pytestconfig.rootpath / ".pytest_artifacts"
    screenshots.mkdir(exist_ok=True)
    experiment = client(finished_runs.uri).get_experiment_by_name("gan").experiment_id
    refused: list[str] = []

    def note(response: Response) -> None:
        if response.status >= 400 and "artifact" in response.url:
            refused.append(f"{response.status} {response.url}")

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=shutil.which("chromium"),
            args=FLAGS,
            viewport={"width": 1500, "height": 1300},
        )
        # A new profile would be met by a panel that covers a quarter of the page.
        context.add_init_script("localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')")
        page = context.pages[0]
        page.on("response", note)
        yield Browser(page, address, experiment, screenshots, refused)
        context.close()


@pytest.fixture
def run(finished_runs: FinishedRuns) -> str:
    return f"runs/{run_id(finished_runs.directories[0])}"


def expect_loaded(image: Locator, width: int) -> None:
    """An image has arrived, and can be decoded."""
    image.wait_for()
    image.page.wait_for_function("image => image.complete", arg=image.element_handle())
    assert image.evaluate("image => image.naturalWidth") >= width


def test_the_runs_are_listed(browser: Browser, finished_runs: FinishedRuns) -> None:
    browser.open("runs")
    for name in ("experiment=quickstart epochs=6", "experiment=quickstart epochs=6 lr=0.001 seed=1"):
        expect(browser.page.get_by_role("link", name=name, exact=True)).to_be_visible()
    expect(browser.page.get_by_text("2 matching runs")).to_be_visible()
    expect(browser.page.get_by_text("digits (").first).to_be_visible()
    browser.keep("runs")


def test_a_run_s_page_shows_its_figures(browser: Browser, run: str) -> None:
    browser.open(run)
    expect(browser.page.get_by_text("Finished", exact=True)).to_be_visible()
    browser.page.get_by_text("Show more").first.click()
    figures = browser.page.locator("img[src*='figures%2F']")
    expect(figures).to_have_count(4)
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
    for name in ("config", "figures", "images", "histograms.json", "losses.csv", "samples.gif"):
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
