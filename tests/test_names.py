"""Names that somebody else chose."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.names import MAX_CHARACTERS, printable, safe_name, shown

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=300)


@pytest.mark.parametrize("name", ["ann", "Ann Lee", "李雷", "o'brien", "a.b@school.edu", "Zoë", "x_1 (2)", "राम"])
def test_ordinary_names_stay(name):
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("../../etc/passwd", "_.._etc_passwd-"),
        ("..", "unnamed-"),
        ("", "unnamed-"),
        (".bashrc", "bashrc-"),
        ("-rf", "rf-"),
        ("=cmd()", "_cmd()-"),
        ("@SUM(A1)", "SUM(A1)-"),
        ("a\x1b[31mred\x07", "a_31mred-"),
        ("ann\u202egpj", "anngpj-"),
        ("an\u200bn", "ann-"),
        ("a\nb", "a_b-"),
        ("<script>", "_script_-"),
        ("a" * 500, "aaaa"),
        ("con", "_con-"),
        ("aux.txt", "_aux.txt-"),
        ("ann-0123456789abcdef", "ann-0123456789abcdef-"),
        ("Zoe\u0308", "Zoë-"),
    ],
)
def test_other_names_are_changed_and_marked(name, start):
    assert safe_name(name).startswith(start)
    assert safe_name(name) != name


@given(ANY_TEXT)
def test_a_safe_name_is_one_visible_part_of_a_path(name):
    safe = safe_name(name)
    assert safe
    assert len(safe) <= MAX_CHARACTERS
    assert len(os.fsencode(safe)) <= 200
    assert safe == safe.strip(" .") == printable(safe)
    assert not safe.startswith((".", "-", "=", "+", "@"))
    assert not set(safe) & set('/\\:*?"<>|\0')
    assert Path(safe).name == safe


@given(ANY_TEXT, ANY_TEXT)
def test_two_names_never_collide(one, other):
    assert one == other or safe_name(one) != safe_name(other)
    assert one == safe_name(other) or safe_name(one) != safe_name(safe_name(other)) or one == other


def test_a_name_made_to_collide_does_not():
    forged = safe_name("a/b")
    assert safe_name(forged) != forged


def test_shown_is_one_bounded_line():
    assert shown("a\n\tb\x1b[31m\u202e c") == "a b[31m c"
    assert shown("x" * 300, 10) == "x" * 9 + "…"
    assert shown("\u200b" * 10_000 + "x", 10) == "…"
    assert shown(12) == "12"


def test_printable_keeps_all_that_can_be_seen():
    assert printable("héllo 世界\r\nx\x00\x9by") == "héllo 世界 xy"
