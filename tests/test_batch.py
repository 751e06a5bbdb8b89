"""The whole command: the sample class, the same bytes however it is run, and what survives."""

from __future__ import annotations

import csv
import functools
import json
import os
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from grader import batch
from grader.cli import main
from grader.course import Course
from grader.digests import digests
from grader.exports import results_line
from grader.findings import CannotConfine, EngineError
from grader.sandbox.client import Limits
from grader.store import Job, Task
from grader.submissions import SubmissionFile, find
from tests.test_sandbox import ROOT

CLASS = ROOT / "tests" / "sample_class"
EXPECTED = tomllib.loads((CLASS / "expected.toml").read_text(encoding="utf-8"))
FEW = ("amara_okafor", "bianca_costa", "olivia_johansson", "zoe_bergman")


def grader(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command, as a person runs it."""
    command = [sys.executable, "-m", "grader.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=280, check=False)


# What somebody of the class answers wrongly, and a few others; `make demo` grades all of it.
ONLY = sorted({name for entry in EXPECTED.values() for key in ("failed", "partial") for name in entry.get(key, [])})
ONLY += ["q5", "q13", "expand_like", "matmul_einsum", "matmul_elementwise", "activation_std", "mse_lin_grads"]


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample class, graded once with one worker."""
    out = tmp_path_factory.mktemp("graded")
    done = grader("grade", "ch17", CLASS, "--out", out, "--workers", 1, "--time-limit", 1, "--only", ",".join(ONLY))
    assert done.returncode == 0, done.stderr
    assert "amara_okafor" in done.stdout
    assert str(out / "index.html") in done.stdout
    return out


def results(out: Path) -> dict[str, dict]:
    lines = (out / "results.jsonl").read_text(encoding="utf-8").splitlines()
    return {line["student"]: line for line in map(json.loads, lines)}


@pytest.mark.parametrize("student", EXPECTED)
def test_the_sample_class_is_graded_as_expected(graded, student):
    expected, result = EXPECTED[student], results(graded)[student]
    assert result["status"] == expected["status"]
    assert set(expected.get("flags", [])) <= set(result["flags"])
    verdicts = {exercise["name"]: exercise["verdict"] for exercise in result["exercises"]}
    if "all" in expected:
        wanted = dict.fromkeys(verdicts, expected["all"])
    else:
        wanted = dict.fromkeys(verdicts, "passed")
        wanted |= dict.fromkeys(expected.get("failed", []), "failed")
        wanted |= dict.fromkeys(expected.get("partial", []), "partial")
    assert verdicts == wanted


def test_blocked_answers_say_by_what(graded):
    for student, expected in EXPECTED.items():
        for name in expected.get("blocked", []):
            [exercise] = [e for e in results(graded)[student]["exercises"] if e["name"] == name]
            assert {check["reason"] for check in exercise["checks"] if check["verdict"] == "failed"} == {"blocked"}


def test_every_submission_has_its_files(graded):
    students = set(EXPECTED)
    assert set(results(graded)) == students
    assert {path.name for path in (graded / "feedback").iterdir()} == students
    assert all((graded / "feedback" / student / "ch17" / "ch17.html").stat().st_size for student in students)
    with (graded / "grades.csv").open(encoding="utf-8", newline="") as file:
        assert {row["student"] for row in csv.DictReader(file)} == students
    assert not list(graded.rglob(".*.new"))


def test_the_common_features_of_real_notebooks_cost_nothing():
    right = [entry for entry in EXPECTED.values() if entry.get("all") == "passed"]
    held = {feature for entry in right for feature in entry.get("features", [])}
    assert len(held) >= 20
    assert len(EXPECTED) >= 24


def test_the_same_bytes_with_one_worker_and_four_in_any_order(graded, tmp_path):
    """A few of the class again, by four processes and the last one first."""
    (tmp_path / "results").mkdir()
    files = [file for file in find(CLASS, "ch17", tmp_path) if file.student in FEW][::-1]
    job = Job(ROOT, "ch17", tmp_path / "results", (), tuple(ONLY), limits=Limits(cpu=1, wall=20))
    pool = functools.partial(ProcessPoolExecutor, 4, mp_context=get_context("spawn"))
    again, trouble = batch.run(job, files, pool, 4, lambda done: None)
    assert trouble is None
    assert [result.student for result in again] == sorted(FEW)
    lines = (graded / "results.jsonl").read_bytes().splitlines(keepends=True)
    assert {results_line(result) for result in again} <= set(lines)


def test_a_second_run_grades_only_what_changed(tmp_path, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("amara_okafor", "uma_krishnan"):
        shutil.copy(CLASS / f"{name}.ipynb", folder)
    arguments = ["grade", "ch17", str(folder), "--out", str(out), "--only", "relu,mse"]
    arguments += ["--course", str(ROOT), "--workers", "1"]
    assert main(arguments) == 0
    before = {path.name: path.stat().st_mtime_ns for path in (out / "results").iterdir()}
    lines = (out / "results.jsonl").read_bytes()
    shutil.copy(CLASS / "amara_okafor.ipynb", folder / "uma_krishnan.ipynb")
    (out / "results" / "half.json").write_text("{")  # as a killed run of another tool might leave it
    assert main(arguments) == 0
    after = {path.name: path.stat().st_mtime_ns for path in (out / "results").iterdir()}
    assert before["amara_okafor.json"] == after["amara_okafor.json"]
    assert before["uma_krishnan.json"] != after["uma_krishnan.json"]
    assert lines.splitlines()[0] == (out / "results.jsonl").read_bytes().splitlines()[0]
    assert [e["name"] for e in results(out)["uma_krishnan"]["exercises"]] == ["relu", "mse"]
    assert results(out)["uma_krishnan"]["score"] == results(out)["uma_krishnan"]["max_score"]
    lines = (out / "results.jsonl").read_bytes()
    assert main([*arguments, "--force"]) == 0
    forced = {path.name: path.stat().st_mtime_ns for path in (out / "results").iterdir()}
    assert {name for name, when in forced.items() if when != after[name]} == {"amara_okafor.json", "uma_krishnan.json"}
    assert lines == (out / "results.jsonl").read_bytes()


def test_another_language_writes_the_pages_again_and_grades_nothing(tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["grade", "ch17", str(CLASS / "uma_krishnan.ipynb"), "--out", str(out), "--only", "relu,matmul_loops"]
    assert main([*arguments, "--course", str(ROOT), "--lang", "en"]) == 0
    assert "1 submission in" in capsys.readouterr().out
    kept = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in (out / "results").iterdir()}
    shared = [(out / name).read_bytes() for name in ("results.jsonl", "grades.csv")]
    page = out / "feedback" / "uma_krishnan" / "ch17" / "ch17.html"
    assert '<html lang="en">' in page.read_text(encoding="utf-8")
    assert main([*arguments, "--course", str(ROOT), "--lang", "zh"]) == 0
    assert "1 份提交" in capsys.readouterr().out
    assert kept == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in (out / "results").iterdir()}
    assert shared == [(out / name).read_bytes() for name in ("results.jsonl", "grades.csv")]
    assert '<html lang="zh-CN">' in page.read_text(encoding="utf-8")
    assert "你的代码" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["grade", "ch99", ".", "--out", "OUT"], "no assignment 'ch99'; the known ones: ch17"),
        (["grade", "ch17", "nowhere", "--out", "OUT"], "nowhere: no such file or folder"),
        (["grade", "ch17", "docs", "--out", "OUT"], "no notebooks found"),
        (["grade", "ch17", "tests/sample_class", "--out", "OUT", "--only", "relu,gelu"], "no exercise 'gelu'"),
        (["grade", "ch17", "tests/sample_class", "--out", "OUT", "--workers", "0"], "--workers must be 1 or more"),
        (["grade", "ch17", "tests/sample_class", "--out", "README.md"], "README.md"),
        (["grade", "ch17", "tests/sample_class", "--out", "OUT", "--course", "/"], "no course here or above"),
    ],
)
def test_unusable_arguments_are_one_line_and_exit_2(tmp_path, arguments, says):
    done = grader(*[str(tmp_path / "out") if word == "OUT" else word for word in arguments])
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("grader: ")
    assert says in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_killed_grading_process_costs_nothing(tmp_path):
    """A process of the pool is killed at its first submission: the batch starts another and finishes."""
    (tmp_path / "results").mkdir()
    files = [file for file in find(CLASS, "ch17", tmp_path) if file.student in FEW[:1]]
    job = Job(ROOT, "ch17", tmp_path / "results", (), only=("relu",))
    tries = []

    class Once(ProcessPoolExecutor):
        def submit(self, function, /, *arguments, **options):
            if not tries:
                tries.append(function)
                return super().submit(os._exit, 1)
            return super().submit(function, *arguments, **options)

    pool = functools.partial(Once, 1, mp_context=get_context("spawn"))
    graded, trouble = batch.run(job, files, pool, 1, lambda done: None)
    assert [result.status for result in graded] == ["graded"]
    assert trouble is None


def test_what_is_not_as_it_was_when_it_got_its_key_is_not_graded(tmp_path):
    """Changed or gone meanwhile, or not to be read on another machine: nobody's zero."""
    file = SubmissionFile("amara_okafor", "gone.ipynb", tmp_path / "gone.ipynb")
    trouble = batch.grade_chunk(
        Job(ROOT, "ch17", tmp_path, (), only=("relu",)),
        digests(Course(ROOT).assignment("ch17")),
        [Task(file, "the key it had")],
    )
    assert "changed while it was graded, or could not be read" in trouble
    assert not list(tmp_path.iterdir())


THREE_CHUNKS = """
import gc, sys
from pathlib import Path
from grader import chunk
from grader.course import Course
from grader.digests import digests
from grader.store import Job, Task
from grader.submissions import find

root, notebook, out = map(Path, sys.argv[1:])
state = digests(Course(root).assignment("ch17"))
tasks = [Task(file, "key") for file in find(notebook, "ch17", out)]
for _ in range(3):
    chunk.grade(Job(root, "ch17", out, (), only=("relu",)), state, tasks)
    print("kept", gc.get_freeze_count())
"""


def test_nothing_of_a_chunk_is_kept_for_ever(tmp_path):
    """A process grades hundreds of them: what the collector may never look at does not become more with each."""
    command = [sys.executable, "-c", THREE_CHUNKS, str(ROOT), str(CLASS / "amara_okafor.ipynb"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=200, check=True)
    kept = [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("kept ")]
    assert len(kept) == 3
    assert kept[2] <= kept[0]


def test_our_fault_is_never_a_zero(tmp_path):
    """A suite that does not import: not run, flagged, exit 1; nobody fails."""
    course = tmp_path / "course"
    for tree in ("assignments", "autotests", "solutions"):
        shutil.copytree(ROOT / tree, course / tree)
    (course / "autotests" / "ch17" / "test_neurons.py").write_text("import nonsense\n")
    shutil.copy(CLASS / "amara_okafor.ipynb", tmp_path)
    done = grader("grade", "ch17", tmp_path / "amara_okafor.ipynb", "--out", tmp_path / "out", "--course", course)
    assert done.returncode == 1
    assert "nonsense" in done.stderr
    [result] = results(tmp_path / "out").values()
    assert result["status"] == "error"
    assert {exercise["verdict"] for exercise in result["exercises"]} == {"not_run"}


@pytest.mark.parametrize(("error", "hinted"), [(CannotConfine("no landlock"), True), (EngineError("no memory"), False)])
def test_to_go_without_the_wall_is_offered_where_it_is_what_fails(error, hinted, tmp_path, monkeypatch, capsys):
    """Nobody gives it up for a fault that would be there without it, too."""

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(batch, "run", fails)
    assert main(["grade", "ch17", str(CLASS), "--out", str(tmp_path), "--course", str(ROOT)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"grader: {error}")
    assert ("--unconfined" in said) == hinted


@pytest.mark.parametrize(
    ("workers", "cores", "homes"),
    [
        (2, [0, 1], [0, 1]),
        (4, [3, 5], [3, 5, 3, 5]),
        (1, [0, 1], [None]),  # another command may run beside it, and they must not meet on one core
        (3, [0, 1], [None, None, None]),
        (2, [], [None, None]),
    ],
)
def test_processes_keep_to_a_core_each_where_all_cores_have_one(workers, cores, homes):
    assert batch.shares(workers, cores) == homes


@pytest.mark.skipif(sys.platform != "linux", reason="cores are chosen on Linux alone")
def test_a_process_of_the_pool_keeps_to_its_core():
    cores = os.sched_getaffinity(0)
    with batch.processes(len(cores))() as pool:
        homes = [pool.submit(os.sched_getaffinity, 0) for _ in cores]
        assert all(len(home.result()) == 1 for home in homes)
