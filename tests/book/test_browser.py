"""The built site in a real browser: offline, right to left, formulas, phone, search, dark mode, axe-core."""

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from browsing import (
    BARRIERS,
    DARK,
    DIRECTION,
    LAID_OUT,
    OVERFLOW,
    READY,
    WIDTHS,
    complaints,
    requests,
    resize,
    set_window,
    wait,
)
from prose import NOTEBOOKS, ROOT
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from hw2lib.bilingual import localize
from hw2lib.claims import SUBJECTS, Verdict, load_ledger, results, subject

pytestmark = [pytest.mark.browser, pytest.mark.book, pytest.mark.slow]
HEAVIEST = 1.5e6  # bytes of a page with all that it loads
PACKED = {".html", ".css", ".js", ".ico", ".ttf"}  # sent compressed by the servers of static sites
NARROW = (1200, 900)  # a laptop's window, in which a line of code of full length still shows
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
    """With its fonts and the pictures further down."""
    weights = {}
    for name, visit in visits.items():
        files = {site / urlsplit(url).path[1:] for url in visit.requests if url.startswith("http")}
        weights[name] = sum(map(weight, files))
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
