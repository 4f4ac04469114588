"""TensorBoard's pages on a finished run, in a browser: charts, pictures, histograms and hyperparameters are there.

What was seen is kept in ``.pytest_artifacts/``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from gan_experiments.tracking.synchronise import synchronise
from tests.support.hand_made import HandMadeRun
from tests.support.mlflow_pages import Browser, expect_loaded, opened
from tests.support.tensorboard_pages import served

pytestmark = [
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the program chromium"),
    pytest.mark.slow,
]


@pytest.fixture
def browser(recorded: HandMadeRun, tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[Browser]:
    synchronise(recorded.directory, "tensorboard:logs")
    screenshots = pytestconfig.rootpath / ".pytest_artifacts"
    with (
        served(tmp_path / "logs", tmp_path) as address,
        opened(address, "", tmp_path / "profile", screenshots) as browser,
    ):
        yield browser


def test_each_kind_of_data_is_on_its_page(browser: Browser) -> None:
    page = browser.page

    def show(dashboard: str) -> None:
        page.goto(f"{browser.address}/?again={dashboard}#{dashboard}")  # another query, so that it loads anew

    show("scalars")
    expect(page.get_by_text("gan/lr=0.1", exact=True).first).to_be_visible()
    expect(page.get_by_text("loss/generator").first).to_be_visible()
    browser.keep("tensorboard_scalars")
    show("images")
    expect(page.get_by_text("pictures/samples").first).to_be_attached()
    expect_loaded(page.locator("img[src*='individualImage']").first, 200)
    browser.keep("tensorboard_images")
    show("histograms")
    for tag in ("histograms/real", "histograms/fake"):
        expect(page.get_by_text(tag).first).to_be_visible()
    expect(page.locator("g.histogram path").first).to_be_attached()
    browser.keep("tensorboard_histograms")
    show("hparams")
    for text in ("train.epochs", "gan/lr=0.1"):
        expect(page.get_by_text(text).first).to_be_attached()
    browser.keep("tensorboard_hyperparameters")
