"""A real server on loopback and a real Chromium."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from api.app import make_app
from tests.support.services import absent, program
from tests.support.web import PASSWORD, Bureau, Kept, bureau, finding, keep

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        absent("Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Twelve seconds that Chromium plays."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    source = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=10:duration=12"]
    form = ["-pix_fmt", "yuv420p", "-g", "10", "-movflags", "+faststart"]
    subprocess.run([program("ffmpeg"), "-v", "error", *source, *form, str(path)], check=True)
    return path.read_bytes()


class Site:
    """The server with its bureau, and signed-in pages on it."""

    def __init__(self, office: Bureau, url: str, chromium: Browser) -> None:
        self.office, self.url, self._chromium = office, url, chromium
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    def page(self, login: str | None = None, **options: object) -> Page:
        """A page of a new browser profile. What its console complains about fails the test at the end."""
        context = self._chromium.new_context(base_url=self.url, **options)  # type: ignore[arg-type]
        context.set_default_timeout(20_000)
        self._contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._listen)
        if login:
            page.goto("/signin")
            page.get_by_label("登录名").fill(login)
            page.get_by_label("密码").fill(PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_url("**/")
        return page

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def site(tmp_path: Path, chromium: Browser) -> Iterator[Site]:
    with bureau(tmp_path / "data") as office:
        config = uvicorn.Config(
            make_app(office.services), host="127.0.0.1", port=0, log_config=None, ws="none", lifespan="off"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        made = Site(office, f"http://127.0.0.1:{port}", chromium)
        try:
            yield made
        finally:
            made.close()
            server.should_exit = True
            thread.join()
    assert made.complaints == []


@pytest.fixture
def kept(site: Site, film: bytes) -> Kept:
    findings = [
        finding("REC-CONTINUOUS/GAP-PTS", "violation", 6.0, 7.5),
        finding("REC-TRUE/ENCODER", "suspicion"),
    ]
    made = keep(site.office, media=film, findings=findings)
    site.office.publish()
    return made
