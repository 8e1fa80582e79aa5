"""What the tests in a real browser share: windows, waiting, and what a page asked for and complained of."""

import json

from selenium.webdriver.support.ui import WebDriverWait

DIRECTION = {"fa": "rtl", "en": "ltr"}
WIDTHS = {"phone": (390, 844), "desktop": (1400, 900)}
SECONDS = 30
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
