"""Debian's Chromium, driven by Playwright, and a page of the console that is watched for what it must not do."""

import base64
import contextlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
AXE = Path(__file__).parent / "clients" / "js" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE = 20_000  # milliseconds until a test gives up on the page

_PIXELS = """(image) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL("image/png");
}"""


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, without a sandbox: tests may run as root."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Console:
    """A page of the console.

    `said` is what the browser's own console had to complain of, `strayed` what the page fetched from elsewhere.
    """

    page: Page
    url: str
    said: list[str] = field(default_factory=list)
    strayed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Watch from the start."""
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", lambda told: self.said.append(told.text) if told.type in {"error", "warning"} else None)
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self._fetched(request.url))

    def _fetched(self, url: str) -> None:
        if not url.startswith((f"{self.url}/", "blob:", "data:")):
            self.strayed.append(url)

    def open(self, place: str = "") -> "Console":
        """Go there."""
        self.page.goto(f"{self.url}/console{place}")
        return self

    def sign_in(self, key: str) -> "Console":
        """As a caller would."""
        self.open()
        self.page.get_by_label("Key", exact=True).fill(key)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_label("Prompt").wait_for()
        return self

    def choose(self, *models: str) -> None:
        """Ask exactly these."""
        for box in self.page.locator(".models input").all():
            box.set_checked(box.get_attribute("value") in models)

    def ask(self, prompt: str, *models: str, size: str | None = "256x256") -> Locator:
        """Run a prompt on models; the newest run."""
        self.choose(*models)
        self.page.get_by_label("Prompt").fill(prompt)
        if size is not None:
            self.page.get_by_label("Size", exact=True).select_option("custom")
            self.page.get_by_label("Width x height").fill(size)
        self.page.get_by_role("button", name="Run").click()
        return self.page.locator(".run").first

    def live(self) -> None:
        """The live view."""
        self.page.get_by_role("tab", name="Live").click()

    def serious(self) -> list[str]:
        """What axe-core finds that keeps people out."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: Mapping[str, Any] = self.page.evaluate("async () => axe.run()")
        assert found["passes"], "axe-core looked at nothing"
        return [
            f"{each['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
            for each in found["violations"]
            if each["impact"] in {"serious", "critical"}
            for node in each["nodes"]
        ]


def pixels(image: Locator) -> Image.Image:
    """A picture as the page shows it."""
    data: str = image.evaluate(_PIXELS)
    return Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))).convert("RGB")
