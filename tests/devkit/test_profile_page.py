"""The page of a profile in a real browser: light, dark, on a phone's width, and printed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from snapboot_devkit.profile import html
from tests.devkit import chromium
from tests.devkit.test_profile_reports import module, profile

pytestmark = pytest.mark.slow  # no interpreter changes what a browser shows

SCHEMES = [False, True]
WIDTHS = [375, 1440]
PART = ("find", "unmarshal", "compile", "execute", "library", "collect")

# The contrast of each text with what is behind it, by WCAG; what has no text of its own is left out.
CONTRASTS = """
(() => {
  const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parsed = text => text.match(/[\\d.]+/g).map(Number);
  const behind = element => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parsed(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some(one => one.nodeType === 3 && one.data.trim());
    if (!own || element.tagName === "SCRIPT" || !element.offsetParent) continue;
    const [a, b] = [light(parsed(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push([element.className, element.textContent.slice(0, 20), ratio]);
  }
  return found;
})()
"""

# Cells whose text is longer than they are, and cells of a row that overlap.
CUT = """
(() => {
  const found = [];
  for (const cell of document.querySelectorAll("th, td, h1, p, li, .notice"))
    if (cell.scrollWidth > cell.clientWidth + 1) found.push(cell.textContent.slice(0, 40));
  for (const row of document.querySelectorAll("tr")) {
    let end = -Infinity;
    for (const cell of row.cells) {
      const box = cell.getBoundingClientRect();
      if (box.left < end - 1) found.push("over: " + cell.textContent.slice(0, 40));
      end = box.right;
    }
  }
  return found;
})()
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = chromium.program()
    if program is None:
        pytest.skip(f"needs a browser: one of {', '.join(chromium.NAMES)}, or its path in BROWSER")
    with chromium.Chromium(program, tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Return a page with all that there can be: each kind of time, long names, a failure."""
    modules = [module("app", own=5, cumulative=800.0)]
    for number, kind in enumerate(PART):
        name = f"a_library_with_a_long_name.of_the_kind.{kind}"
        parts = {**dict.fromkeys(PART, 0.0), kind: 100.0}
        modules.append(module(name, 0, 100.0, 130.0, partsMs=parts, bytecode="missing"))
        modules.append(module(f"{name}.below", 2 * number + 1, 30.0, 30.0))
    document = profile(
        handler="some_package.with_a_module.and_a_handler_of_a_long_name",
        modules=modules,
        lines=[{"ms": 12.0, "file": "app.py", "line": 3, "text": 's3 = boto3.client("s3")'}],
        functionInit=[{"key": key, "name": f"{key}ing", "ms": 12.0} for key in (*PART, "own")],
        advice=[
            {"savesMs": 30.0, "text": "words " * 30, "command": "snapboot " * 9, "warning": "w"}
        ],
        warnings=["the machine is busy " * 8],
        notes=["no CPU quota can be set here"],
        failure={
            "contender": "x" * 90,
            "text": "it exited",
            "printed": "y" * 900,
            "importing": ["a"],
        },
    )
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(html.page(document), "utf-8")
    return path


@pytest.mark.parametrize("dark", SCHEMES, ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_text_is_legible_whole_and_within_the_window(browser, page, width, dark):
    browser.look(width, dark=dark)
    browser.open(page)
    paper = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") is not dark
    assert browser.evaluate(CONTRASTS) == []
    assert browser.evaluate(CUT) == []
    assert browser.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", WIDTHS)
def test_the_columns_that_matter_are_seen_without_scrolling_aside(browser, page, width):
    browser.look(width)
    browser.open(page)
    script = "[...document.querySelectorAll('#waterfall tr')].map(row => row.cells[2]"
    assert browser.evaluate(f"Math.max(...{script}.getBoundingClientRect().right))") <= width


def test_every_bar_has_a_scale(browser, page):
    browser.look(1440)
    browser.open(page)
    heads = (
        "[...document.querySelectorAll('table')].filter(one => one.querySelector('td.bar'))"
        ".map(one => one.tHead.querySelector('.scale').textContent)"
    )
    assert browser.evaluate(heads) == ["0100 ms", "0100 ms", "0800 ms", "060.0 ms"]
    ticks = browser.evaluate("[...document.querySelectorAll('.axis span')].map(x => x.textContent)")
    assert ticks == ["0", "200", "400", "600", "800"]


def test_the_search_shows_what_has_all_of_its_words(browser, page):
    browser.look(1440)
    browser.open(page)
    browser.evaluate(
        "(() => { const search = document.getElementById('search');"
        "search.value = 'COMPILE below'; search.dispatchEvent(new Event('input')); })()"
    )
    shown = (
        "[...document.querySelectorAll('#waterfall tbody tr')].filter(one => one.offsetParent)"
        ".map(one => one.cells[0].textContent)"
    )
    assert browser.evaluate(shown) == ["a_library_with_a_long_name.of_the_kind.compile.below"]
    assert browser.evaluate("document.getElementById('count').textContent") == "1 of 13 imports"


@pytest.mark.parametrize("dark", SCHEMES, ids=["light", "dark"])
def test_it_is_printed_dark_on_white_with_nothing_cut(browser, page, dark):
    browser.look(718, dark=dark, media="print")  # A4 without its margins, at 96 pixels per inch
    browser.open(page)
    assert (
        browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    )
    assert browser.evaluate(CONTRASTS) == []
    assert browser.evaluate(CUT) == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= 718


def test_it_prints_on_paper(browser, page, tmp_path):
    browser.look(1440)
    browser.open(page)
    browser.print(tmp_path / "page.pdf")
    content = (tmp_path / "page.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert re.findall(rb"/Count (\d+)", content)[-1] in {b"2", b"3"}
    if reader := shutil.which("pdftotext"):
        text = subprocess.run([reader, tmp_path / "page.pdf", "-"], capture_output=True, check=True)
        assert b"What to do" in text.stdout


def test_nothing_is_loaded_and_nothing_fails(browser, page):
    browser.look(1440)
    browser.open(page)
    loaded = json.loads(
        browser.evaluate(
            "JSON.stringify(performance.getEntriesByType('resource').map(x => x.name))"
        )
    )
    assert loaded == []
