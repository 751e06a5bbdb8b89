"""nbgrader's formgrader in a browser: our scores, grading by hand with clicks, our engine behind its button."""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from grader.recorder import Recorder
from grader.submissions import SubmissionFile
from tests.shell import Shell
from tests.test_gradebook import graded
from tests.test_instructors import answer
from tests.test_sandbox import ROOT
from tests.tiny import tiny

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WAIT = 40
SERVER = """
import sys
from jupyter_server.serverapp import main
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course on whose gradebook bob stands, graded by us; ada has only handed in."""
    root = tmp_path_factory.mktemp("formgrader")
    shutil.copy(ROOT / "nbgrader_config.py", root)
    assignment = tiny(root)
    for student in ("ada", "bob"):
        folder = root / "submitted" / student / "tiny"
        folder.mkdir(parents=True)
        shutil.copy(assignment.notebooks[0], folder)
        answer(folder / "tiny.ipynb")
        (folder / "timestamp.txt").write_text("2026-02-02 12:00:00 UTC")
    recorder = Recorder(assignment, add_students=True)
    bob = SubmissionFile("bob", "tiny.ipynb", root / "submitted" / "bob" / "tiny" / "tiny.ipynb")
    assert recorder.write([bob], [graded("bob", 0.5)]) == []
    recorder.gradebook.close()
    return root


@pytest.fixture(scope="module")
def server(course: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Jupyter server in the course's folder."""
    home = tmp_path_factory.mktemp("home")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = ["ServerApp.root_dir=" + str(course), f"ServerApp.port={port}", "IdentityProvider.token="]
    settings += ["ServerApp.allow_root=True", "ServerApp.open_browser=False"]
    environment = os.environ | {"HOME": str(home), "JUPYTER_CONFIG_DIR": str(home), "PYTHONWARNINGS": "ignore"}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, *(f"--{setting}" for setting in settings)],
            cwd=course, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(10 * WAIT):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/api", timeout=5):
                break
            assert process.poll() is None, (home / "log").read_text()
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory):
    """Chromium without a window, with an empty profile."""
    driver = shutil.which("chromedriver")
    if driver is None or not (shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("no chromium and chromedriver on PATH: install them to run the browser tests")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    flags = "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-dev-shm-usage"
    for flag in (*flags.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}", "--window-size=1400,1600"):
        options.add_argument(flag)
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    found.set_page_load_timeout(WAIT)
    yield found
    found.quit()


class Person:
    """Somebody who sits before the formgrader."""

    def __init__(self, browser, address: str) -> None:
        self.browser, self.address = browser, address

    def open(self, path: str) -> None:
        self.browser.get(f"{self.address}/formgrader/{path}")

    def see(self, selector: str):
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.ui import WebDriverWait

        found = WebDriverWait(self.browser, WAIT).until(lambda page: page.find_elements(By.CSS_SELECTOR, selector))
        return found[0]

    def read(self, text: str) -> None:
        """Wait until the page says it."""
        end = time.monotonic() + WAIT
        while text not in (said := self.browser.find_element("tag name", "body").text):
            assert time.monotonic() < end, f"{text!r} is not on the page: {said}"
            time.sleep(0.1)


@pytest.mark.filterwarnings("ignore")
def test_a_why_is_graded_by_clicks_exported_and_in_the_report(course, server, browser, tmp_path):
    from selenium.webdriver.common.keys import Keys

    person = Person(browser, server)
    person.open("gradebook/tiny/tiny")
    person.read("0.5 / 2")  # what the checks gave, before anybody else did
    person.see("td.name a").click()
    person.read("Model answer.")  # beside the student's answer
    person.read("It stays empty.")
    person.read("0.5 of 1 points")
    score = person.see("input#why-double.score")
    assert person.see("input#check-double.score").get_attribute("placeholder") == "0.5"
    assert "The second number is 3." in person.see("textarea#double-comment").get_attribute("placeholder")
    score.click()
    score.send_keys("0.75", Keys.TAB)
    comment = person.see("textarea#why-double-comment")
    comment.click()
    comment.send_keys("Why does it stay so?", Keys.TAB)
    person.see("#why-double ~ span, .comment-saved")
    time.sleep(1)  # the page saves when the field is left
    person.open("gradebook/tiny/tiny")
    person.read("1.25 / 2")
    with Shell(tmp_path / "log") as shell:
        assert shell.run(["nbgrader", "export", "--to", "grades.csv"], course)[0] == 0
        code, said = shell.run(["nbgrader", "generate_feedback", "tiny", "--force"], course)
    assert code == 0, said
    with (course / "grades.csv").open(newline="") as file:
        scores = {row["student_id"]: row["score"] for row in csv.DictReader(file)}
    assert scores["bob"] == "1.25"
    page = (course / "feedback" / "bob" / "tiny" / "tiny.html").read_text(encoding="utf-8")
    assert "Why does it stay so?" in page
    assert "<strong>1.25</strong> of 2 points" in page
    assert "The second number is 3." in page


def test_the_autograde_button_runs_our_engine(course, server, browser):
    person = Person(browser, server)
    person.open("manage_submissions/tiny")
    person.read("needs autograding")
    person.see("tr[id='ada'] .autograde a, .autograde a").click()
    person.read("Successfully autograded 'tiny'")
    notebook = nbformat.read(course / "autograded" / "ada" / "tiny" / "tiny.ipynb", as_version=4)
    said = [cell.outputs[0].data["text/plain"] for cell in notebook.cells if cell.get("outputs")]
    assert said == ["double: 1 of 1 points"]
