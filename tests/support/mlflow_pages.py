"""MLflow's pages, served from a database and looked at in a browser."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Locator, Page, Response, ViewportSize, expect, sync_playwright

from tests.support.waiting import PATIENCE, until

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_PATIENCE = 1000 * PATIENCE  # Playwright counts milliseconds
expect.set_options(timeout=_PATIENCE)
LAPTOP = ViewportSize(width=1366, height=768)
CARD, SECTION = "experiment-view-compare-runs-card", "experiment-view-compare-runs-section-header"


@contextmanager
def served(arguments: Sequence[str], folder: Path) -> Iterator[str]:
    """The address at which ``mlflow`` with these arguments, at work in ``folder``, serves its pages."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
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
            with urlopen(f"{found}/health", timeout=60):
                return True
        except (URLError, OSError):
            return False

    try:
        until(answers, f"MLflow's pages at {found}")
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
        self.page.goto("about:blank")  # on the way from a shared view to another page MLflow's stays empty
        self.page.goto(f"{self.address}/#/experiments/{self.experiment}/{path}?workflowType=machine_learning{query}")

    def keep(self, name: str) -> None:
        self.page.screenshot(path=self.screenshots / f"{name}.png")
        assert self.refused == []

    def sections(self) -> list[str]:
        """The names of the sections of charts, from the top."""
        headers = self.page.get_by_test_id(SECTION)
        headers.first.wait_for()
        return [text.strip().splitlines()[0].partition(" (")[0] for text in headers.all_inner_texts()]

    def section(self, name: str) -> Locator:
        """Cards of a section of charts, scrolled to, as they are drawn only then."""
        header = self.page.get_by_test_id(SECTION).filter(has_text=name).first
        header.evaluate("header => header.scrollIntoView({block: 'start'})")
        return header.locator("xpath=following::*[@data-testid='draggable-chart-cards-grid'][1]").get_by_test_id(CARD)


@contextmanager
def opened(address: str, experiment: str, profile: Path, screenshots: Path) -> Iterator[Browser]:
    """A browser, with a profile of its own, on the pages at an address."""
    screenshots.mkdir(exist_ok=True)
    refused: list[str] = []

    def note(response: Response) -> None:
        if response.status >= 400 and "artifact" in response.url:
            refused.append(f"{response.status} {response.url}")

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=shutil.which("chromium"),
            args=FLAGS,
            viewport=LAPTOP,
            timeout=_PATIENCE,
        )
        context.set_default_timeout(_PATIENCE)
        # A new profile would be met by a panel that covers a quarter of the page.
        context.add_init_script("localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')")
        page = context.pages[0]
        page.on("response", note)
        yield Browser(page, address, experiment, screenshots, refused)
        context.close()


def expect_in_sight(element: Locator) -> None:
    """All of an element lies within the window, without scrolling."""
    element.wait_for()
    box = element.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert box["x"] + box["width"] <= LAPTOP["width"]
    assert box["y"] + box["height"] <= LAPTOP["height"]


def expect_loaded(image: Locator, width: int) -> None:
    """An image has arrived, and can be decoded."""
    image.wait_for()
    image.page.wait_for_function("image => image.complete", arg=image.element_handle())
    assert image.evaluate("image => image.naturalWidth") >= width
