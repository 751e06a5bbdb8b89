"""Every sentence of the catalogue, whole (golden/wording.txt); nothing leaks, nothing breaks."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader import wording
from grader.languages import LANGUAGES
from grader.model import REASONS, Finding
from grader.wording import CODES

GOLDEN = {
    language: Path(__file__).parent / "golden" / name
    for language, name in (("en", "wording.txt"), ("zh", "wording.zh.txt"))
}

# A sample of every fact, as the parts of the grader give them.
FACTS = {
    "what": "the result",
    "where": "[1]",
    "axis": "1",
    "axes": "1 and 2",
    "slices": "columns",
    "step": "too early",
    "size": "8",
    "got_type": "list",
    "expected_type": "tensor",
    "got_dtype": "float64",
    "expected_dtype": "float32",
    "got_shape": "[3, 5]",
    "expected_shape": "[5, 3]",
    "got_length": "2",
    "expected_length": "3",
    "call": "squeeze(-1)",
    "count": "2",
    "inf": "1",
    "total": "20",
    "wrong": "3",
    "difference": "2e-07",
    "value": "0.25",
    "factor": "0.125",
    "as": "sqrt(2)",
    "offset": "3",
    "limit_value": "6",
    "index": "[2, 1]",
    "got_value": "0.5",
    "expected_value": "0.75",
    "missing": "1",
    "extra": "2",
    "name": "mse_grad",
    "type": "ValueError",
    "text": "the exception's text",
    "cell": "cell 12",
    "line": "3",
    "limit": "5",
    "how": "exit status 3",
    "names": "inp, w",
    "used": "torch.matmul",
    "asked": "loops and indexing",
    "found": "3",
    "allowed": "2",
    "construct": "getattr",
    "std": "1.00",
    "expected_std": "0.045",
    "by": "relu",
    "error": "0.612",
    "share": "71 %",
    "bound": "90 %",
    "base": "LayerFunction",
    "owner": "Relu()",
    "kind": "it has no bias",
}

# What a hidden check may show: names that the suite, the notebook's text or a closed list give, never a run.
SHOWN_ALWAYS = {"what", "axis", "slices", "step", "got_type", "expected_type", "got_dtype", "expected_dtype", "globals"}
SHOWN_FOR = {
    "missing": {"name"},
    "not_python": {"name", "line", "text"},
    "no_member": {"name"},
    "stub": {"name"},
    "cell_error": {"name"},
    "did_not_raise": {"name"},
    "not_a_parameter": {"name"},
    "timeout": {"limit"},
    "must": {"asked"},
    "must_not": {"asked"},
    "too_many_loops": {"found", "allowed"},
    "too_few_loops": {"found", "asked"},
    "blocked": {"by"},
    "error_high": {"bound"},
    "accuracy_low": {"bound"},
    "global_read": {"names"},
    "answer_form": {"asked"},
    "not_a_subclass": {"name", "base"},
    "accepts_broken": {"kind"},
}


def finding(code: str, facts: dict[str, str] | None = None) -> Finding:
    return Finding("wrong", code, FACTS if facts is None else facts)


def message(found: Finding, *, hidden: bool = False, language: str = "en") -> str:
    return LANGUAGES[language].say(wording.message(found, hidden=hidden))


def next_step(found: Finding, *, hidden: bool = False, language: str = "en") -> str | None:
    return LANGUAGES[language].maybe(wording.next_step(found, hidden=hidden))


def page(language: str) -> str:
    """The catalogue with the sample facts filled in, for a check that is public and for one that is hidden."""
    return "\n".join(
        f"{code}\n"
        f"  public: {message(finding(code), language=language)}\n"
        f"          {next_step(finding(code), language=language)}\n"
        f"  hidden: {message(finding(code), hidden=True, language=language)}\n"
        f"          {next_step(finding(code), hidden=True, language=language)}\n"
        for code in sorted(CODES)
    )


@pytest.mark.parametrize("language", GOLDEN)
def test_every_sentence_is_as_reviewed(language: str) -> None:
    assert page(language) == GOLDEN[language].read_text(encoding="utf-8")


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_hidden_check_shows_no_fact_of_its_run(code: str) -> None:
    marks = {key: f"<{key}>" for key in (*FACTS, "globals", "code", "secret")}
    shown = f"{message(finding(code, marks), hidden=True)} {next_step(finding(code, marks), hidden=True)}"
    allowed = SHOWN_ALWAYS | SHOWN_FOR.get(code, set())
    assert not [key for key, mark in marks.items() if mark in shown and key not in allowed]
    assert shown != message(finding("no such code"))


@pytest.mark.parametrize("code", sorted(CODES))
def test_without_any_fact_there_is_still_a_sentence(code: str) -> None:
    for hidden in (False, True):
        for facts in ({}, dict.fromkeys(FACTS, "")):
            said = message(finding(code, facts), hidden=hidden)
            assert said.endswith((".", "?"))
            assert "%" not in said
            assert "%" not in (next_step(finding(code, facts), hidden=hidden) or "")


def test_unknown_codes_are_told_by_their_reason() -> None:
    said = {message(Finding(reason, "no such code")) for reason in REASONS}  # type: ignore[arg-type]
    assert "The result is not what the exercise asks for." in said
    assert "Your code took too long and was stopped." in said
    assert message(Finding("blocked", "no such code")) == "This check failed."
    assert message(Finding("raised", "new", {"type": "E", "text": "t"})) == "Your code raised E: t"
    assert (
        message(Finding("raised", "new", {"type": "E", "text": "t"}), hidden=True) == "Your code raised an exception."
    )
    assert all(next_step(Finding(reason, "new")) for reason in REASONS if reason != "engine")  # type: ignore[arg-type]


def test_the_most_telling_sentence_whose_facts_are_there() -> None:
    def said(**facts: str) -> str:
        return message(Finding("raised", "raised", facts))

    assert said(type="KeyError", text="'a'") == "Your code raised KeyError: 'a'"
    assert said(type="KeyError", text="") == "Your code raised KeyError."
    assert said() == "Your code raised an exception."
    at = {"type": "KeyError", "line": "3", "cell": "cell 12"}
    assert next_step(Finding("raised", "raised", at)) == "Look at line 3 of cell 12."
    assert next_step(Finding("raised", "raised", at), hidden=True) != next_step(Finding("raised", "raised", at))


def test_the_notebooks_own_variables_are_named_beside_any_finding() -> None:
    found = Finding("wrong", "factor_two", {"what": "the loss", "globals": "w1, b1"})
    for hidden in (False, True):
        assert message(found, hidden=hidden) == (
            "The loss is twice what is expected. Your code reads w1, b1 from the notebook, not only its arguments."
        )
        assert next_step(found, hidden=hidden) == next_step(Finding("wrong", "global_read"))


def test_what_an_exception_says_ends_before_the_next_sentence() -> None:
    found = Finding("raised", "raised", {"type": "E", "text": "no", "globals": "w1"})
    assert message(found) == "Your code raised E: no. Your code reads w1 from the notebook, not only its arguments."
    assert message(found, language="zh").partition("。")[0].endswith("no")
    ended = Finding("raised", "raised", {"type": "E", "text": "no.", "globals": "w1"})
    assert message(ended) == message(found)


def test_an_answer_without_a_loop_is_not_asked_about_loops() -> None:
    for code in wording.OF_LOOPS:
        loop, none = (
            Finding("wrong", code, facts) for facts in ({"slices": "rows"}, {"slices": "rows", "loopless": "yes"})
        )
        assert re.search("loop|range|index", next_step(loop) or "")
        assert "loop" not in (next_step(none) or "loop")
        assert "these rows" in (next_step(none, hidden=True) or "")


def test_no_loop_is_not_counted() -> None:
    loops = {"found": "1", "allowed": "0"}
    assert message(Finding("forbidden", "too_many_loops", loops)) == "Your answer has a loop; none is allowed here."
    assert message(Finding("forbidden", "too_many_loops", {**loops, "allowed": "1"})).endswith(
        "is the most that is allowed."
    )


def test_a_hidden_check_says_that_an_item_is_meant_and_not_which() -> None:
    found = Finding("wrong", "none", {"what": "q24", "where": "[1]"})
    assert message(found) == "q24[1] is None."
    assert message(found, hidden=True) == "q24 (one item) is None."


@pytest.mark.parametrize(
    "text", ["{0.__class__}", "%s", "%(what)s %d %%", "{what}", "\\N{DASH} $what ${what}", "<b>&amp;"]
)
def test_facts_come_out_as_they_are(text: str) -> None:
    found = Finding("raised", "raised", {"type": "E", "text": text, "name": text})
    assert message(found) == f"Your code raised E: {text}"
    assert text in message(Finding("raised", "name_error", {"name": text}))


def test_facts_are_one_bounded_line_without_control_characters() -> None:
    text = "a\x1b[31mred\x00\u202egnp.exe\u200b\ud800\r\n\t second\u2028line" + "x" * 100_000
    said = message(Finding("raised", "raised", {"type": "T" * 999, "text": text}))
    assert "a[31mredgnp.exe second linexxx" in said
    assert said.isprintable()
    assert len(said) < 450


@given(
    st.sampled_from(sorted(CODES)),
    st.dictionaries(st.sampled_from(sorted(FACTS)), st.text(), max_size=6),
    st.booleans(),
)
def test_any_facts_make_a_sentence(code: str, facts: dict[str, str], hidden: bool) -> None:
    for said in (message(finding(code, facts), hidden=hidden), next_step(finding(code, facts), hidden=hidden) or "-"):
        assert said
        assert "\n" not in said


def test_a_sentence_of_another_language_has_the_same_facts() -> None:
    found = Finding("wrong", "shape", {"what": "the gradient of w", "got_shape": "[3]", "expected_shape": "[4]"})
    said = message(found, language="zh")
    assert said.startswith("w 的梯度")
    assert "[3]" in said
    assert "[4]" in said


def test_babel_finds_every_sentence() -> None:
    extract = pytest.importorskip("babel.messages.extract")
    with open(wording.__file__, "rb") as source:
        found = {text for _, text, _, _ in extract.extract("python", source, keywords={"N_": None})}
    used = {text for entry in wording._CATALOGUE.values() for text in (*entry.said, *entry.step)}
    assert used <= found
    assert len(found) > len(CODES)
    assert used <= found
    names = {name for text in found for name in _names(text)}
    assert names <= {*FACTS, "globals"}


def _names(sentence: str) -> set[str]:
    """The facts of a sentence; anything but plain ``%(name)s`` is a mistake."""
    parts = sentence.split("%(")[1:]
    assert sentence.count("%") == len(parts)
    names = {part.split(")s", 1)[0] for part in parts}
    assert all(set(name) <= {*string.ascii_lowercase, "_"} for name in names)
    return names
