"""The built site in a real browser: offline, right to left, formulas, phone, search, dark mode, axe-core."""

import gzip
import http.server
import json
import os
import shutil
import threading
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from prose import NOTEBOOKS, ROOT
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from hw2lib.bilingual import localize
from hw2lib.claims import SUBJECTS, Verdict, load_ledger, results, subject

pytestmark = [pytest.mark.browser, pytest.mark.book, pytest.mark.slow]
DIRECTION = {"fa": "rtl", "en": "ltr"}
WIDTHS = {"phone": (390, 844), "desktop": (1400, 900)}
HEAVIEST = 1.5e6  # bytes of a page with all that it loads
PACKED = {".html", ".css", ".js", ".ico"}  # sent compressed by the servers of static sites
NARROW = (1200, 900)  # a laptop's window, in which a line of code of full length still shows
SECONDS = 30
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync --hide-scrollbars"
).split()
# Resolves when formulas are set and fonts are there.
READY = """
const done = arguments[0];
const formulas = window.MathJax && MathJax.startup ? MathJax.startup.promise : Promise.resolve();
Promise.all([formulas, document.fonts.ready]).then(() => requestAnimationFrame(() => done(true)));
"""
# Resolves when the page has been laid out in a window of another width and nothing moves any more.
LAID_OUT = """
const [width, done] = arguments;
const frame = next => requestAnimationFrame(() => requestAnimationFrame(next));
const still = () => Promise.allSettled(document.getAnimations().map(a => a.finished)).then(() => done(true));
const settle = () => innerWidth === width ? frame(still) : frame(settle);
settle();
"""
FACTS = """
const body = getComputedStyle(document.body);
return {
  direction: body.direction,
  formulas: document.querySelectorAll('span.math, div.math').length,
  rendered: document.querySelectorAll('mjx-container').length,
  errors: document.querySelectorAll('mjx-merror').length,
  broken: [...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.src),
  font: document.fonts.check('16px Vazirmatn', 'چگالی'),
};
"""
# Elements that stick out of the window and that no scrolling box of their own holds.
OVERFLOW = """
const held = e => {
  for (let p = e.parentElement; p && p !== document.body; p = p.parentElement)
    if (getComputedStyle(p).overflowX !== 'visible') return true;
  return false;
};
const out = [...document.querySelectorAll('main *')].filter(e => {
  const r = e.getBoundingClientRect();
  if (getComputedStyle(e).visibility === 'hidden') return false;  // a drawer that is shut
  return r.width > 1 && r.height > 1 && (r.left < -1 || r.right > innerWidth + 1) && !held(e);
}).map(e => e.tagName + '.' + e.className);
// Boxes that scroll although none of the elements in them is cut off.
for (const box of document.querySelectorAll('.cell_output .output')) {
  const b = box.getBoundingClientRect();
  const shown = [...box.querySelectorAll('*')].map(e => e.getBoundingClientRect()).filter(r => r.width);
  if (box.scrollWidth > box.clientWidth + 1 && shown.every(r => r.left > b.left - 1 && r.right < b.right + 1))
    out.push(`a scroll bar for nothing under ${box.textContent.trim().slice(0, 40)}`);
}
const root = document.scrollingElement;
if (root.scrollWidth > innerWidth + 1) out.push(`the page is ${root.scrollWidth} wide`);
return out.slice(0, 5);
"""
# What keeps people out, by axe-core; boxes that scroll get their tab stop a moment after the window's change.
BARRIERS = """
const [rules, done] = arguments;
const boxes = 'pre, figure, .pst-scrollable-table-container, mjx-container[display=true]';
const reached = () => [...document.querySelectorAll(boxes)]
    .every(e => e.tabIndex >= 0 || e.scrollWidth <= e.clientWidth);
const look = tries => !reached() && tries ? setTimeout(look, 50, tries - 1)
  : axe.run({resultTypes: ['violations'], ...rules && {runOnly: rules}}).then(found => done(found.violations
      .filter(v => ['serious', 'critical'].includes(v.impact))
      .flatMap(v => v.nodes.slice(0, 5).map(n => `${v.id}: ${n.target} ${n.html.slice(0, 100)}`))));
look(20);
"""
DARK = """
document.head.appendChild(document.createElement('style')).textContent = '* { transition: none !important }';
document.documentElement.dataset.theme = 'dark';
"""


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
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


def resize(driver, width: str) -> None:
    set_window(driver, *WIDTHS[width])


def set_window(driver, w: int, h: int) -> None:
    metrics = {"width": w, "height": h, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def wait(driver, condition):
    return WebDriverWait(driver, SECONDS).until(condition)


def requests(driver) -> list[str]:
    """Addresses asked for since the last call; the browser's own new-tab page is none of ours."""
    found = []
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            found.append(message["params"]["request"]["url"])
        elif message["method"] == "Network.webSocketCreated":
            found.append(message["params"]["url"])
    return [url for url in found if not url.startswith("chrome://")]


def complaints(driver) -> list[str]:
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


@dataclass(frozen=True)
class Visit:
    language: str
    facts: dict
    overflow: dict[str, list[str]]
    barriers: dict[str, list[str]]
    requests: list[str]
    complaints: list[str]


@pytest.fixture(scope="module")
def visits(site, address, browser) -> dict[str, Visit]:
    """What the browser saw on every page of both editions."""
    found, axe = {}, (ROOT / "node_modules/axe-core/axe.min.js").read_text("utf-8")
    resize(browser, "desktop")
    for language in DIRECTION:
        for path in sorted((site / language).rglob("*.html")):
            name = str(path.relative_to(site))
            if "_static" in path.parts or 'http-equiv="refresh"' in path.read_text("utf-8").lower():
                continue
            requests(browser), complaints(browser)
            browser.get(f"{address}/{name}")
            browser.execute_async_script(READY)
            browser.execute_script(axe)
            overflow, barriers = {}, {}
            for width in WIDTHS:
                resize(browser, width)
                browser.execute_async_script(LAID_OUT, WIDTHS[width][0])
                overflow[width] = browser.execute_script(OVERFLOW)
                barriers[width] = browser.execute_async_script(BARRIERS, None)
            for _ in range(0, browser.execute_script("return document.body.scrollHeight"), 800):
                browser.execute_script("scrollBy(0, 800)")  # images are loaded when they come into view
            wait(browser, lambda b: b.execute_script("return [...document.images].every(i => i.complete)"))
            facts = browser.execute_script(FACTS)
            browser.execute_script(DARK)
            barriers["dark"] = browser.execute_async_script(BARRIERS, ["color-contrast"])
            seen = requests(browser), complaints(browser)
            found[name] = Visit(language, facts, overflow, barriers, *seen)
    return found


def test_no_request_leaves_the_site(visits, address):
    assert len(visits) >= 2 * 7
    for name, visit in visits.items():
        outside = {u for u in visit.requests if not u.startswith((f"{address}/", "data:", "blob:"))}
        assert visit.requests and not outside, f"{name}: {outside}"


@cache
def weight(path: Path) -> int:
    """Bytes of a file on its way to the reader."""
    data = path.read_bytes()
    return len(gzip.compress(data, 6) if path.suffix in PACKED else data)


def test_no_page_is_heavy(visits, site):
    """Fonts included, and the pictures further down as well."""
    weights = {
        name: sum(
            weight(site / urlsplit(url).path[1:]) for url in set(visit.requests) if url.startswith("http")
        )
        for name, visit in visits.items()
    }
    assert min(weights.values()) > 1e5, "scripts and styles are counted"
    assert {name: value for name, value in weights.items() if value > HEAVIEST} == {}


def test_console_is_quiet(visits):
    assert {name: visit.complaints for name, visit in visits.items() if visit.complaints} == {}


def test_direction_is_that_of_the_language(visits):
    wrong = [n for n, visit in visits.items() if visit.facts["direction"] != DIRECTION[visit.language]]
    assert wrong == []


def test_formulas_are_set(visits):
    for name, visit in visits.items():
        facts = visit.facts
        assert facts["errors"] == 0, name
        assert facts["rendered"] >= facts["formulas"], name
        if "/notebooks/" in name:
            assert facts["formulas"] > 0, name


def test_images_and_fonts_arrive(visits):
    for name, visit in visits.items():
        assert visit.facts["broken"] == [], name
        if visit.language == "fa":  # the English pages may show the link's one word in a font of the system
            assert visit.facts["font"], f"{name}: the Persian font is not there"


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out(visits, width):
    assert {name: v.overflow[width] for name, v in visits.items() if v.overflow[width]} == {}


@pytest.mark.parametrize("look", [*WIDTHS, "dark"])
def test_nothing_keeps_a_reader_out(visits, look):
    """By the rules of axe-core whose breach is serious or critical; in dark colours those of contrast."""
    assert {name: v.barriers[look] for name, v in visits.items() if v.barriers[look]} == {}


@pytest.mark.parametrize("language", DIRECTION)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_code_and_formulas_show_in_full_in_a_narrow_window(address, browser, language, path):
    set_window(browser, *NARROW)
    browser.get(f"{address}/{language}/notebooks/{path.stem}.html")
    browser.execute_async_script(READY)
    browser.execute_async_script(LAID_OUT, NARROW[0])
    cut = """return [...document.querySelectorAll('.cell pre, mjx-container[display=true]')]
        .filter(e => e.scrollWidth > e.clientWidth + 1)
        .map(e => `${e.scrollWidth} > ${e.clientWidth}: ${e.textContent.slice(0, 60)}`)"""
    assert browser.execute_script(cut) == []


def test_language_link_leads_to_the_counterpart_and_back(visits, address, browser):
    resize(browser, "desktop")
    name = next(n for n in visits if n.startswith("fa/notebooks/"))
    browser.get(f"{address}/{name}")
    for language in ("en", "fa"):
        browser.find_element(By.CSS_SELECTOR, "a.lang-switch").click()
        wait(browser, lambda b, code=language: b.current_url == f"{address}/{code}/{name[3:]}")
        assert browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == language


@pytest.mark.parametrize(
    ("language", "word"), [("fa", "چگالی"), ("fa", "چگالي"), ("fa", "لایه‌ها"), ("en", "density")]
)
def test_search_finds(address, browser, language, word):
    resize(browser, "desktop")
    browser.get(f"{address}/{language}/search.html?q={quote(word)}")
    # Results come one after the other, and a page that is no chapter may be first.
    wait(browser, lambda b: b.find_elements(By.CSS_SELECTOR, '#search-results li a[href*="notebooks/"]'))


def test_search_finds_no_nonsense(address, browser):
    browser.get(f"{address}/fa/search.html?q={quote('غژغژغژ')}")
    wait(browser, lambda b: b.execute_script("return Search.status && Search.status.innerText.length > 0"))
    assert browser.find_elements(By.CSS_SELECTOR, "#search-results li a") == []


@pytest.mark.parametrize("language", DIRECTION)
def test_the_ledger_is_filtered_by_keyboard(address, browser, language):
    resize(browser, "desktop")
    browser.get(f"{address}/{language}/book/claims.html")
    shown = (
        "return [...document.querySelectorAll('table.ledger tbody tr')].filter(r => r.offsetHeight).length"
    )
    entries, found = load_ledger(), results()
    assert browser.execute_script(shown) == len(entries)

    def choose(name: str, option: int) -> None:
        select = browser.find_element(By.CSS_SELECTOR, f"form.ledger-filter select[name={name}]")
        select.send_keys(Keys.ARROW_DOWN * option)

    failing = [e for e in entries if found[e["id"]].verdict is Verdict.FAILS]
    choose("verdict", list(Verdict).index(Verdict.FAILS) + 1)
    wait(browser, lambda b: b.execute_script(shown) == len(failing) > 0)
    choose("subject", list(SUBJECTS).index("T") + 1)
    of_theory = [e for e in failing if subject(e["id"]) == "T"]
    wait(browser, lambda b: b.execute_script(shown) == len(of_theory))
    count = browser.find_element(By.CSS_SELECTOR, "form.ledger-filter output").text
    assert localize(len(of_theory), language) in count and localize(len(entries), language) in count
    browser.find_element(By.CSS_SELECTOR, "form.ledger-filter button").send_keys(Keys.ENTER)
    wait(browser, lambda b: b.execute_script(shown) == len(entries))
    choose("chapter", 1)
    first = [e for e in entries if e["notebook"] == entries[0]["notebook"]]
    wait(browser, lambda b: b.execute_script(shown) == len(first) < len(entries))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert browser.execute_script(shown) == len(entries), "paper has no filter"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def light(colour: str) -> bool:
    """Is an rgb() or rgba() colour opaque and light?"""
    values = [float(part) for part in colour[colour.index("(") + 1 : -1].split(",")]
    return sum(values[:3]) > 600 and (len(values) == 3 or values[3] > 0.99)


@pytest.mark.parametrize("language", DIRECTION)
def test_dark_mode_keeps_figures_on_a_light_card(visits, address, browser, language):
    resize(browser, "desktop")
    name = next(n for n in visits if n.startswith(f"{language}/notebooks/"))
    browser.get(f"{address}/{name}")
    button = browser.find_element(By.CSS_SELECTOR, ".bd-header-article .theme-switch-button")
    for _ in range(3):
        if browser.execute_script("return document.documentElement.dataset.theme") == "dark":
            break
        button.click()
    background = "return getComputedStyle({}).backgroundColor"
    assert browser.execute_script("return document.documentElement.dataset.theme") == "dark"
    assert not light(browser.execute_script(background.format("document.body")))
    figures = browser.find_elements(By.CSS_SELECTOR, "figure img, .cell_output img")
    assert figures
    for figure in figures:
        assert light(browser.execute_script(background.format("arguments[0]"), figure))
