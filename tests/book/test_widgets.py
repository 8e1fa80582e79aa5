"""Figures to explore: moved by keyboard and touch they show what their cells printed; on paper, a picture."""

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
from browsing import DIRECTION, LAID_OUT, OVERFLOW, READY, WIDTHS, complaints, requests, resize, wait
from prose import NOTEBOOKS
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from hw2lib.bilingual import EDITIONS
from hw2lib.figures import explore

pytestmark = [pytest.mark.browser, pytest.mark.book, pytest.mark.slow]
READINGS = """
return Object.fromEntries([...arguments[0].querySelectorAll('dl > div')]
  .map(row => [row.querySelector('dt').textContent, row.querySelector('dd').textContent]));
"""


@dataclass(frozen=True)
class Widget:
    """A widget as its notebook stores it, with the table that the cell before it shows."""

    chapter: str
    payload: dict[str, Any]
    tables: dict[str, str]

    def rows(self, lang: str) -> list[dict[str, str]]:
        """By label, what the widget shows at some positions of its controls."""
        heads, _, *lines = (re.split(r"(?<!\\) ?\| ?", line)[1:-1] for line in self.tables[lang].splitlines())
        return [dict(zip(heads, cells, strict=True)) for cells in lines]


def stored() -> list[Widget]:
    found = []
    for source in NOTEBOOKS:
        before: dict[str, Any] = {}
        for cell in json.loads(source.with_suffix(".ipynb").read_text("utf-8"))["cells"]:
            for data in (output.get("data", {}) for output in cell.get("outputs", ())):
                if explore.MIME in data:
                    markdown = before["text/markdown"], before[EDITIONS]["fa"]["text/markdown"]
                    tables = {lang: "".join(text) for lang, text in zip(("en", "fa"), markdown, strict=True)}
                    found.append(Widget(source.stem, data[explore.MIME], tables))
                before = data
    return found


WIDGETS = stored()
each_widget = pytest.mark.parametrize("widget", WIDGETS, ids=lambda widget: widget.payload["widget"])
each_language = pytest.mark.parametrize("lang", DIRECTION)


def test_the_chapters_have_their_widgets():
    assert [widget.payload["widget"] for widget in WIDGETS] == [
        "affine",
        "masks",
        "inverse",
        "threshold",
        "receptive",
    ]


def opened(browser, address, widget: Widget, lang: str, width: str):
    """The widget on its page."""
    resize(browser, width)
    requests(browser), complaints(browser)
    browser.get(f"{address}/{lang}/notebooks/{widget.chapter}.html")
    browser.execute_async_script(READY)
    browser.execute_async_script(LAID_OUT, WIDTHS[width][0])
    return browser.find_element(By.CSS_SELECTOR, f".explorable[data-widget={widget.payload['widget']}]")


def move(holder, control: dict[str, Any], text: str) -> None:
    """Bring a control to the position with this text, by keys alone."""
    field = holder.find_element(By.CSS_SELECTOR, f"[id$='-{control['name']}']")
    arrow = Keys.ARROW_DOWN if control["choice"] else Keys.ARROW_RIGHT
    field.send_keys(Keys.HOME + arrow * control["values"].index(text))


@each_widget
@each_language
def test_by_keyboard_it_shows_what_its_cell_printed(address, browser, widget, lang):
    holder = opened(browser, address, widget, lang, "phone")
    payload = explore.localized(widget.payload, lang)
    rows = widget.rows(lang)
    assert len(rows) > 1 and len({json.dumps(row) for row in rows}) == len(rows)
    for row in rows:
        for control in payload["controls"]:
            move(holder, control, row[control["label"]])
        for reading in payload["readings"]:
            label = reading["label"]
            wait(browser, lambda b, l=label, r=row: b.execute_script(READINGS, holder)[l] == r[l])
    assert browser.execute_script(OVERFLOW) == []
    assert complaints(browser) == []
    outside = {u for u in requests(browser) if not u.startswith((f"{address}/", "data:", "blob:"))}
    assert outside == set()


@each_widget
@each_language
def test_controls_have_names_and_show_the_focus(address, browser, widget, lang):
    holder = opened(browser, address, widget, lang, "desktop")
    payload = explore.localized(widget.payload, lang)
    fields = holder.find_elements(By.CSS_SELECTOR, "input, select, button")
    assert [field.accessible_name for field in fields] == [c["label"] for c in payload["controls"]]
    for field in fields:
        field.send_keys(Keys.HOME)
        style = (
            "const s = getComputedStyle(arguments[0]); return [s.outlineStyle, parseFloat(s.outlineWidth)]"
        )
        shape, width = browser.execute_script(style, field)
        assert shape != "none" and width >= 2
    for slider in holder.find_elements(By.CSS_SELECTOR, "input[type=range]"):
        output = slider.find_element(By.XPATH, "../output")
        assert slider.get_attribute("aria-valuetext") == output.get_attribute("textContent") != ""
    assert all(svg.accessible_name for svg in holder.find_elements(By.CSS_SELECTOR, "svg"))
    assert holder.find_elements(By.CSS_SELECTOR, "[aria-live=polite] dl dd")


@each_widget
def test_a_touch_moves_it(address, browser, widget):
    holder = opened(browser, address, widget, "fa", "phone")
    before = browser.execute_script(READINGS, holder)
    slider = holder.find_element(By.CSS_SELECTOR, "svg.draggable, input[type=range]")
    finger = ActionBuilder(browser, PointerInput("touch", "finger"))
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", slider)
    far = -round(0.4 * slider.rect["width"])
    finger.pointer_action.move_to(slider, 0, 0).pointer_down().move_to(slider, far, 0).pointer_up()
    finger.perform()
    wait(browser, lambda b: b.execute_script(READINGS, holder) != before)
    ActionChains(browser).reset_actions()


@each_widget
@each_language
def test_paper_and_pages_without_scripts_have_the_picture(site, address, browser, widget, lang):
    page = (site / lang / "notebooks" / f"{widget.chapter}.html").read_text("utf-8")
    (begin,) = re.findall(rf'<div [^>]*data-widget="{widget.payload["widget"]}"[^>]*>', page)
    assert " hidden" in begin
    holder = opened(browser, address, widget, lang, "desktop")
    picture = holder.find_element(By.XPATH, "ancestor::figure//img")
    assert holder.is_displayed() and not picture.is_displayed()
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert picture.is_displayed() and not holder.is_displayed()
        assert browser.execute_script(
            "return arguments[0].complete && arguments[0].naturalWidth > 300", picture
        )
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_scripts_are_loaded_where_there_is_a_widget(site):
    with_widget = {widget.chapter for widget in WIDGETS}
    for path in (site / "en").rglob("*.html"):
        text = path.read_text("utf-8")
        assert ("explore.js" in text) == ("explore.css" in text) == (path.stem in with_widget), path
        names = set(re.findall(r"explore-(\w+)\.js", text))
        assert names == {w.payload["widget"] for w in WIDGETS if w.chapter == path.stem}
