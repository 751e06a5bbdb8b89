"""Every message is marked, translated and loaded; which language is chosen; what is stored depends on none."""

from __future__ import annotations

import ast
import gettext
import re
from html.parser import HTMLParser

import jinja2
import msgspec
import pytest
from babel.messages import Message

from grader import exports, report, roster
from grader.cli import main
from grader.course import Course
from grader.grading import Check, failed
from grader.languages import ENGLISH, LANGUAGES, Language, chosen, is_chinese
from grader.model import CallShown, Exercise, ExerciseResult, Finding, SubmissionResult
from grader.overview import table
from grader.pages import templates_dir
from grader.sentences import Sentence, both, counted, joined, listed, place, sentence
from grader.terminal import summary
from tests import messages

FOREIGN = [language for language in LANGUAGES.values() if language.folder]
TEMPLATES = sorted(path.name for path in templates_dir().glob("*.j2"))


def language_ids(language: Language) -> str:
    return language.code


# ---------------------------------------------------------------- catalogues


def variants(message: Message) -> list[tuple[str, str]]:
    """Each text of a message with its translations: all plural forms against the last."""
    if isinstance(message.id, str):
        return [(message.id, str(message.string))]
    return [(message.id[-1], string) for string in message.string]


def slots(text: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)s", text))


@pytest.mark.parametrize("language", FOREIGN, ids=language_ids)
def test_every_message_is_translated_and_none_is_stale(language: Language) -> None:
    wanted = {message.id for message in messages.template() if message.id}
    catalogue = messages.read(language.folder)
    there = {message.id for message in catalogue if message.id}
    assert wanted == there, "run: make messages"
    assert not catalogue.obsolete, "run: make messages"
    assert not [message.id for message in catalogue if message.id and message.fuzzy]
    assert not [one for message in catalogue if message.id for one, string in variants(message) if not string.strip()]


@pytest.mark.parametrize("language", FOREIGN, ids=language_ids)
def test_translations_have_the_facts_and_the_markup_of_their_messages(language: Language) -> None:
    tags = re.compile(r"</?\w+>")
    for message in messages.read(language.folder):
        for one, string in variants(message) if message.id else []:
            assert slots(one) == slots(string), one
            assert sorted(tags.findall(one)) == sorted(tags.findall(string)), one
            assert one.count("`") == string.count("`"), one
            assert "%" not in re.sub(r"%\(\w+\)s|%%", "", string), one


@pytest.mark.parametrize("language", FOREIGN, ids=language_ids)
def test_what_is_loaded_is_what_is_written(language: Language) -> None:
    with messages.files(language.folder)[1].open("rb") as file:
        loaded = gettext.GNUTranslations(file)
    for message in messages.read(language.folder):
        if isinstance(message.id, str) and message.id:
            assert loaded.gettext(message.id) == message.string, "run: make messages"
        elif message.id:
            assert loaded.ngettext(*message.id, 2) == message.string[-1], "run: make messages"


def test_the_template_of_catalogues_is_current() -> None:
    pot = (messages.LOCALE / f"{messages.DOMAIN}.pot").read_bytes()
    fresh = messages.text(messages.template())
    assert pot.split(b"\n\n")[1:] == fresh.split(b"\n\n")[1:], "run: make messages"


def test_no_message_is_put_together_where_it_is_said() -> None:
    """Babel would not find it."""
    call = re.compile(r"\b(?:sentence|counted|gettext|N_|_)\(\s*f[\"']")
    for path in sorted((messages.ROOT / "grader").rglob("*.py")):
        assert not call.search(path.read_text("utf-8")), path


# ---------------------------------------------------------------- templates


class Bare(HTMLParser):
    """Words of a template that would be shown: text, and attributes that are read out."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("aria-label", "alt", "title", "placeholder", "data-label"):
                self.handle_data(value or "")

    def handle_data(self, data: str) -> None:
        self.words += re.findall(r"[^\W\d_]{2,}", data)


def bare_text(source: str) -> str:
    """A template without its code and without what ``trans`` holds."""
    text, inside, first = "", False, False
    for _, kind, token in jinja2.Environment(extensions=["jinja2.ext.i18n"]).lex(source):
        if kind == "block_begin":
            first = True
        elif first and kind == "name":
            inside = {"trans": True, "endtrans": False}.get(token, inside)
            first = False
        if kind == "data" and not inside:
            text += token
    return text


def bare_strings(source: str) -> list[str]:
    """Literals in a template's code that read like words and are not handed to ``_``."""
    tokens = [(kind, token) for _, kind, token in jinja2.Environment().lex(source) if kind != "whitespace"]
    found = []
    for number, (kind, token) in enumerate(tokens):
        marked = [part for _, part in tokens[max(0, number - 2) : number]] == ["_", "("]
        if kind == "string" and not marked and re.search(r"[A-Za-z]{2,} |^.?[A-Z][a-z]| [A-Za-z]{2,}", token):
            found.append(token)
    return found


@pytest.mark.parametrize("name", TEMPLATES)
def test_all_text_of_templates_is_marked(name: str) -> None:
    source = (templates_dir() / name).read_text("utf-8")
    assert Bare(bare_text(source)).words == []
    assert bare_strings(source) == []


def test_unmarked_text_is_seen() -> None:
    source = (
        '<p class="x">{{ a }} and <b title="this">{% trans %}fine{% endtrans %}</b> {{ "two words" ~ _("A b") }}</p>'
    )
    assert Bare(bare_text(source)).words == ["and", "this"]
    assert bare_strings(source) == ['"two words"']


# ---------------------------------------------------------------- which language


@pytest.mark.parametrize(
    ("code", "environ", "expected"),
    [
        (None, {}, "en"),
        (None, {"LANG": "zh_CN.UTF-8"}, "zh"),
        (None, {"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        (None, {"LANG": "en_GB.UTF-8", "LC_MESSAGES": "zh_TW"}, "zh"),
        (None, {"LANG": "en_US.UTF-8", "LANGUAGE": "fr:zh_CN:en"}, "zh"),
        (None, {"LANG": "zh_CN.UTF-8", "LANGUAGE": "en_US:zh"}, "en"),
        (None, {"LANG": "fr_FR.UTF-8"}, "en"),
        (None, {"LC_ALL": "", "LANG": "zh"}, "zh"),
        ("zh", {"LANG": "en_US"}, "zh"),
        ("en", {"LANG": "zh_CN"}, "en"),
    ],
)
def test_the_language_is_the_one_named_or_the_locales(code: str | None, environ: dict[str, str], expected: str) -> None:
    assert chosen(code, environ).code == expected


# ---------------------------------------------------------------- sentences


def test_sentences_in_english() -> None:
    assert str(sentence("%(a)s and %(b)s", a=1, b=sentence("cell %(number)s", number=3))) == "1 and cell 3"
    assert str(counted("%(count)s check", "%(count)s checks", 1)) == "1 check"
    assert str(counted("%(count)s check", "%(count)s checks", 2)) == "2 checks"
    assert str(joined("One.", sentence("Two."))) == "One. Two."
    assert str(listed(["a", "b", "c"], 2)) == "a, b and 1 more"
    assert str(listed(["a", "b"], 2)) == "a, b"
    for label in ("cell 3", "cell 3 as released", "released setup cell", "In [3]"):
        assert str(place(label)) == label


def test_a_fact_in_two_languages() -> None:
    said = Sentence("Hint: %(hint)s", {"hint": both("look", zh="看看")})
    assert ENGLISH.say(said) == "Hint: look"
    assert LANGUAGES["zh"].say(said) == "Hint: 看看"
    assert LANGUAGES["zh"].say(both("look")) == "look"


@pytest.mark.parametrize("text", ["%(b)s", "%s", "%", "{0}", "\\1", "<b>"])
def test_facts_are_put_in_as_they_stand(text: str) -> None:
    assert str(Sentence("a %(a)s b %(b)s", {"a": text, "b": "x"})) == f"a {text} b x"
    assert ENGLISH.say(text) == text


def test_latin_words_stand_apart_from_chinese_ones() -> None:
    def put(text: str, what: str) -> str:
        return str(Sentence(text, {"what": what}))

    assert put("%(what)s的形状", "结果") == "结果的形状"
    assert put("%(what)s的形状", "q26") == "q26 的形状"
    assert put("共%(what)s个", "3") == "共 3 个"
    assert put("（%(what)s）", "x") == "（x）"


def test_prompts_come_in_two_parts() -> None:
    both = "Adds.\n\n- `a`: a list.\n\n相加。\n\n- `a`：列表。"
    assert ENGLISH.part(both) == "Adds.\n\n- `a`: a list."
    assert LANGUAGES["zh"].part(both) == "相加。\n\n- `a`：列表。"
    assert LANGUAGES["zh"].part("English only.") == "English only."


# ---------------------------------------------------------------- what people read


def graded(finding: Finding, **changes: object) -> SubmissionResult:
    """A submission with one answer, which fails a public check for this reason, and a hidden one."""
    checks = [Check("test_a", "relu", 1.0, False, "Zeros."), Check("hidden:test_b", "relu", 1.0, True, "More.")]
    results = tuple(failed(check, finding, CallShown("relu(x)")) for check in checks)
    notes = (sentence("Cells were deleted: %(cells)s.", cells=listed(["setup", "<b>"])),)
    exercise = ExerciseResult("relu", 0.0, 2.0, "failed", results, "2. relu", "def relu(x): ...")
    whole = SubmissionResult("ch17", "ada", "a.ipynb", "graded", 0.0, 2.0, ("cell_failed",), None, (exercise,), notes)
    return msgspec.structs.replace(whole, **changes)


WRONG = Finding("wrong", "shape", {"what": "the gradient of <i>", "got_shape": "[3]", "expected_shape": "[4]"})
RELU = Exercise("relu", "2. `relu(x)`", 2.0, "Zeros.\n\n把负数变成 0。", "def relu(x): ...")


def test_a_stored_result_is_worded_when_it_is_read() -> None:
    result = graded(WRONG)
    stored = msgspec.json.encode(result)
    assert not re.search("[\u4e00-\u9fff]", stored.decode())
    again = msgspec.json.decode(stored, type=SubmissionResult)
    assert again == result
    assert exports.results_line(again) == exports.results_line(result)
    for language in LANGUAGES.values():
        assert report.student_page(again, [RELU], language) == report.student_page(result, [RELU], language)


def test_the_pages_in_chinese() -> None:
    zh = LANGUAGES["zh"]
    page = report.student_page(graded(WRONG), [RELU], zh)
    assert '<html lang="zh-CN">' in page
    for part in (
        "&lt;i&gt; 的梯度的形状是 [3]，期望的是 [4]",
        "有单元格被删除：setup、&lt;b&gt;。",
        "把负数变成 0",
        "下一步：",
        "提交后检查",
    ):
        assert part in page, part
    assert "<i>" not in page
    assert "<b>" not in page
    assert "Zeros.\n" not in page
    shown = roster.class_page([graded(WRONG)], [RELU], {"ada": "x.html"}, zh)
    assert "最常见的错误" in shown
    assert "单元格出错" in shown
    wrong = graded(WRONG).exercises[0]
    assert "的梯度的形状与期望的不同" in report.inline(wrong, 2, zh)
    lines = "\n".join(summary(graded(WRONG), {"relu": 3}, ["seccomp"], zh))
    for part in ("0 / 2 分（提交后还有 1 分）", "调用是 relu(x)", "说明：有单元格被删除", "沙箱不完整"):
        assert part in lines, part


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=language_ids)
def test_a_hidden_check_tells_no_more_in_another_language(language: Language) -> None:
    [_, hidden] = language.result(graded(WRONG)).exercises[0].checks
    assert "[3]" not in f"{hidden.message} {hidden.next_step}"
    assert "[4]" not in f"{hidden.message} {hidden.next_step}"


def test_the_commands_help_and_errors(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit):
        main(["grade", "--lang", "zh", "--help"])
    assert "沙箱不完整时仍然继续" in capsys.readouterr().out
    monkeypatch.setenv("LANGUAGE", "zh_CN")
    assert main(["table", "--course", "/"]) == 2
    assert capsys.readouterr().err.startswith("grader: /：这里和上级都没有课程")


def test_the_table_in_chinese() -> None:
    page = table(Course(messages.ROOT), LANGUAGES["zh"])
    for part in ("# 题目一览", "| 题号 | 问题 |", "必须使用矩阵乘法", "不能使用 PyTorch", "单个神经元"):
        assert part in page, part


def test_every_check_says_what_it_asks_in_both_languages() -> None:
    for path in sorted((messages.ROOT / "autotests").rglob("test_*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                [english, chinese] = (ast.get_docstring(node) or "").split("\n\n")[:2]
                assert not is_chinese(english), f"{path}: {node.name}"
                assert is_chinese(chinese), f"{path}: {node.name}"
