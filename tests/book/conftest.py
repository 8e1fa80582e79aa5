"""The built book, for the tests that look at it, and a browser."""

import http.server
import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from browsing import SECONDS
from prose import ROOT
from selenium import webdriver

SITE = ROOT / "_build" / "site"
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync --hide-scrollbars"
).split()


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder with both editions; built from the stored outputs when it is not there."""
    if not (SITE / "index.html").exists():
        subprocess.run([sys.executable, "book/build.py", "--stored"], cwd=ROOT, check=True)
    return SITE


@pytest.fixture(scope="session")
def address(site):
    """The site, served on this machine only."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A headless Chromium that records its requests and its console."""
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not chromedriver:
        if os.environ.get("CI"):
            pytest.fail("no chromium and chromedriver, and CI must not skip the browser tests")
        pytest.skip("browser tests need chromium and chromedriver (Debian: chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(chromedriver))
    driver.set_page_load_timeout(2 * SECONDS)
    driver.set_script_timeout(2 * SECONDS)
    yield driver
    driver.quit()
