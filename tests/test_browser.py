"""The pages in Chromium: they fit, sort and search, are accessible, and run and load nothing of a student's."""

from __future__ import annotations

import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from grader import report, roster
from grader.contrast import contrast
from grader.languages import LANGUAGES
from grader.model import SubmissionResult
from tests.test_report import EXERCISES, WRONG_MSE, a_class, answer, hostile_submission, submission, torch

pytestmark = pytest.mark.browser

OPTIONS = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-background-networking"
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
PHONE, DESK = 375, 1200


class Browser:
    """Chromium, and what it logged since the last page was opened."""

    def __init__(self, chrome: Chrome, folder: Path) -> None:
        self.chrome = chrome
        self.page = folder / "page.html"

    def open(self, html: str, width: int = DESK, scheme: str = "light") -> None:
        self.page.write_text(html, encoding="utf-8")
        self.look(width, scheme)
        self.logged("browser")
        self.logged("performance")
        self.chrome.get(self.page.as_uri())

    def look(self, width: int, scheme: str) -> None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == PHONE}
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def logged(self, kind: str) -> list[str]:
        return [entry["message"] for entry in self.chrome.get_log(kind)]

    def requests(self) -> list[str]:
        """What the page asked for, itself and what lies in it left out."""
        events = [json.loads(entry)["message"] for entry in self.logged("performance")]
        urls = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if url != self.page.as_uri() and not url.startswith("data:")]

    def run(self, script: str, *arguments: object) -> Any:
        return self.chrome.execute_script(script, *arguments)

    def names(self) -> list[str]:
        """The students shown, from top to bottom."""
        return self.run(
            "return [...document.querySelectorAll('#roster tbody tr:not([hidden]) th')].map(e=>e.innerText)"
        )


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no Chromium with its driver on PATH: install chromium and chromium-driver to run these tests")
    folder = tmp_path_factory.mktemp("browser")
    options = ChromeOptions()
    options.binary_location = chromium
    for option in [*OPTIONS.split(), f"--user-data-dir={folder / 'profile'}"]:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = Chrome(options, Service(driver))
    yield Browser(chrome, folder)
    chrome.quit()


# ---------------------------------------------------------------------------------------------------------------------
# Samples


def telling() -> SubmissionResult:
    """A submission whose report shows all that there is: tables, a map, findings of every kind."""
    small, large = torch.tensor([[1.0, 2.5], [0.0, 8.0]]), torch.arange(210.0).reshape(2, 3, 5, 7)
    checks = [
        msgspec.structs.replace(WRONG_MSE, contrast=contrast(got, got.flip(0), got == got.flip(0)), message=message)
        for got, message in ((small, "Small."), (large, "Large."))
    ]
    whole = submission()
    return msgspec.structs.replace(whole, exercises=(*whole.exercises, answer(EXERCISES[1], 0.0, "failed", checks)))


def page(kind: str, code: str = "en") -> str:
    language = LANGUAGES[code]
    if kind == "student":
        return report.student_page(telling(), EXERCISES, language)
    results = [*a_class(), telling()]
    return roster.class_page(results, EXERCISES, {r.student: f"{r.student}.html" for r in results}, language)


def many(count: int) -> str:
    """The class page of a large class: scores run against the names."""
    results = [
        submission(
            f"student {number:03}", score=8.0 * (count - number) / count, flags=("died",) if number % 10 == 0 else ()
        )
        for number in range(count)
    ]
    return roster.class_page(results, EXERCISES, {r.student: f"{r.student}.html" for r in results})


each_page = pytest.mark.parametrize("kind", ["student", "class"])


# ---------------------------------------------------------------------------------------------------------------------
# What a reader sees


@each_page
@pytest.mark.parametrize("code", LANGUAGES)
def test_pages_fit_and_are_quiet(browser: Browser, kind: str, code: str) -> None:
    grounds = []
    for width, scheme in ((DESK, "light"), (PHONE, "dark")):
        browser.open(page(kind, code), width, scheme)
        browser.run("document.querySelectorAll('details').forEach(e => { e.open = true })")
        assert browser.run("return document.documentElement.scrollWidth") <= width
        assert browser.run("return document.documentElement.lang") == LANGUAGES[code].tag
        grounds.append(browser.run("return getComputedStyle(document.body).backgroundColor"))
        assert browser.logged("browser") == []
        assert browser.requests() == []
    assert grounds[0] != grounds[1]


@each_page
@pytest.mark.parametrize(("width", "scheme"), [(DESK, "light"), (PHONE, "dark")])
def test_pages_are_accessible(browser: Browser, kind: str, width: int, scheme: str) -> None:
    if not AXE.exists():
        pytest.skip("no axe-core: run npm install --prefix tests")
    browser.open(page(kind), width, scheme)
    browser.run("document.querySelectorAll('details').forEach(e => { e.open = true })")
    browser.run(AXE.read_text(encoding="utf-8"))
    found = browser.chrome.execute_async_script("axe.run().then(arguments[0])")
    bad = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
    assert [(v["id"], [node["html"] for node in v["nodes"][:3]]) for v in bad] == []
    assert len(found["passes"]) > 10


# ---------------------------------------------------------------------------------------------------------------------
# Sorting and searching


def test_a_thousand_students_sort_and_search(browser: Browser) -> None:
    browser.open(many(1000))
    names = [f"student {number:03}" for number in range(1000)]
    assert browser.names() == names
    student, score, *_ = browser.chrome.find_elements(By.CSS_SELECTOR, "#roster thead button")
    score.send_keys(Keys.ENTER)
    assert browser.names() == names[::-1]
    assert browser.run("return document.querySelector('[aria-sort]').innerText").startswith("Score")
    score.click()
    assert browser.names() == names
    student.click()
    assert browser.names() == names
    search = browser.chrome.find_element(By.ID, "search")
    search.send_keys("process ended 99")
    assert browser.names() == ["student 990"]
    assert browser.chrome.find_element(By.CSS_SELECTOR, "[role=status]").text == "1 of 1000 shown"
    search.send_keys(Keys.CONTROL + "a", Keys.DELETE)
    assert len(browser.names()) == 1000
    assert browser.logged("browser") == []


def test_a_thousand_students_do_not_lag(browser: Browser) -> None:
    """Far above what it takes, and far below what anybody would wait."""
    browser.open(many(1000))
    loaded = browser.run("return performance.getEntriesByType('navigation')[0].domComplete")
    took = "const start = performance.now(); {0}; document.body.offsetHeight; return performance.now() - start"
    sorting = browser.run(took.format("document.querySelectorAll('#roster button')[1].click()"))
    typing = "s = document.querySelector('#search'); s.value = '99'; s.dispatchEvent(new Event('input'))"
    searching = browser.run(took.format(f"const {typing}"))
    print(f"load {loaded:.0f} ms, sort {sorting:.0f} ms, search {searching:.0f} ms")
    assert loaded < 5000
    assert max(sorting, searching) < 1500


def test_without_scripts_the_class_reads_as_well(browser: Browser) -> None:
    browser.chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open(page("class"))
        assert browser.chrome.find_elements(By.CSS_SELECTOR, "#roster button") == []
        assert not browser.chrome.find_element(By.ID, "tools").is_displayed()
        assert browser.chrome.find_element(By.CSS_SELECTOR, "#roster tbody th").text == "ada"
    finally:
        browser.chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


# ---------------------------------------------------------------------------------------------------------------------
# What a student may try


class Visits(http.server.BaseHTTPRequestHandler):
    """Notes every path that is asked for."""

    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def visited() -> Iterator[tuple[str, list[str]]]:
    """A server of our own: its address, and what a page asked it for."""
    Visits.seen = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Visits) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", Visits.seen
        server.shutdown()


def attack(address: str) -> str:
    """Markup that marks the document if it runs, and asks ``address`` for something if it is markup at all."""
    mark = "document.documentElement.dataset.ran=1"
    return (
        f"</title></style></pre></code><script>{mark}</script><img src='{address}/image' onerror='{mark}'>"
        f"<svg onload='{mark}'></svg><link rel=stylesheet href='{address}/style'><iframe src='{address}/frame'>"
        f"</iframe><style>body{{background:url({address}/background)}}</style>"
        f"<meta http-equiv=refresh content='0;{address}/go'>"
    )


def ran(browser: Browser) -> bool:
    return bool(browser.run("return document.documentElement.dataset.ran"))


def test_the_attack_works_on_a_page_that_allows_it(browser: Browser, visited: tuple[str, list[str]]) -> None:
    address, seen = visited
    browser.open(f"<!doctype html><title>x</title>{attack(address).partition('<meta')[0]}")
    assert ran(browser)
    assert "/image" in seen


@pytest.mark.parametrize("kind", ["student", "ungradable", "class"])
def test_injected_markup_neither_runs_nor_loads(browser: Browser, kind: str, visited: tuple[str, list[str]]) -> None:
    address, seen = visited
    result = hostile_submission(attack(address))
    if kind == "class":
        browser.open(roster.class_page([result], EXERCISES, {result.student: "x.html"}))
        browser.chrome.find_elements(By.CSS_SELECTOR, "#roster button")[0].click()
        browser.chrome.find_element(By.ID, "search").send_keys("<script>")
    else:
        status = "ungradable" if kind == "ungradable" else "graded"
        browser.open(report.student_page(msgspec.structs.replace(result, status=status), EXERCISES))
    assert "</title></style>" in browser.run("return document.body.innerText")
    assert not ran(browser)
    assert seen == browser.requests() == browser.logged("browser") == []


@each_page
def test_the_policy_holds_even_for_raw_markup(browser: Browser, kind: str, visited: tuple[str, list[str]]) -> None:
    address, seen = visited
    raw = attack(address).partition("<meta")[0]  # a policy cannot forbid a refresh; escaping does
    browser.open(page(kind).replace("<main>", raw + "<main>"))
    assert browser.chrome.find_elements(By.CSS_SELECTOR, "body script")
    assert not ran(browser)
    assert seen == []
