"""The sentences that students read: a catalogue from the codes of findings to what happened and what to try.

An entry lists its sentences from the most telling to the plainest, and the first whose facts are all there is used.
For a hidden check only facts that cannot echo an input, a value or the student's output are let in (``_SAFE``, and
what an entry names itself), so the plainer sentences are what such a check says; the last one needs none.

Sentences are literal message ids with ``%(name)s`` for facts: Babel finds them by ``N_``. Facts may be a student's own
text: they are put in as they stand, on one line and bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from grader.legible import plain
from grader.model import Finding
from grader.sentences import N_, Sentence, Text, joined, sentence

__all__ = ["CODES", "message", "next_step"]

_FACT = re.compile(r"%\((\w+)\)s")
_LONGEST = 200  # characters of one fact
_SAFE = frozenset(
    {"what", "axis", "slices", "step", "got_type", "expected_type", "got_dtype", "expected_dtype", "globals"}
)


def message(finding: Finding, *, hidden: bool = False) -> Sentence:
    """What happened, in one or two sentences. ``hidden`` withholds everything that could echo a check's inputs."""
    entry = _entry(finding)
    facts = _facts(finding.facts, entry, hidden)
    said = _first((*entry.said, _FAILED), facts) or Sentence(_FAILED)
    also = _first((_GLOBALS,), facts)
    return joined(_ended(said), also) if also else said


def _ended(said: Sentence) -> Sentence:
    """A sentence that another may follow: a text that an exception ends it with may lack the full stop."""
    last = re.search(r"%\((\w+)\)s$", said.text)
    if last is None or str(said.facts[last[1]]).endswith((".", "!", "?", "。")):
        return said
    return sentence("%(said)s.", said=said)


def next_step(finding: Finding, *, hidden: bool = False) -> Sentence | None:
    """What to try next, or None where the message says it all."""
    entry = _entry(finding)
    facts = _facts(finding.facts, entry, hidden)
    if "globals" in facts:
        entry = _CATALOGUE["global_read"]
    elif finding.code in OF_LOOPS and "loopless" in finding.facts:
        return _first(_OF_NO_LOOP, facts)
    return _first(entry.step, facts)


class _Entry(NamedTuple):
    """What to say and what to try, each from the most telling to the plainest; ``safe`` facts may be shown always."""

    said: tuple[str, ...]
    step: tuple[str, ...] = ()
    safe: tuple[str, ...] = ()


def _entry(finding: Finding) -> _Entry:
    if finding.code == "too_many_loops" and finding.facts.get("allowed") == "0":
        return _CATALOGUE["no_loop"]
    return _CATALOGUE.get(finding.code) or _FALLBACK.get(finding.reason, _UNKNOWN)


def _facts(facts: Mapping[str, Text], entry: _Entry, hidden: bool) -> dict[str, Text]:
    """The facts that may be shown and are not empty, fit to be put into a sentence."""
    shown = {key: _fit(fact) for key, fact in facts.items()}
    if hidden:
        allowed = {*_SAFE, *entry.safe}
        shown = {key: fact for key, fact in shown.items() if key in allowed}
    shown = {key: fact for key, fact in shown.items() if fact}
    words = {key: Sentence(fact) if key in _PHRASES and isinstance(fact, str) else fact for key, fact in shown.items()}
    if isinstance(axes := words.get("axes"), str):
        first, _, second = axes.partition(" and ")
        words["axes"] = sentence("%(first)s and %(second)s", first=first, second=second)
    what = _what(str(shown.get("what", _RESULT)), str(shown.get("where", "")))
    return {**words, "what": sentence("%(what)s (one item)", what=what) if hidden and facts.get("where") else what}


def _fit(fact: Text) -> Text:
    """A fact on one line and bounded, and so are the facts of a sentence."""
    if isinstance(fact, str):
        return plain(fact, _LONGEST)
    return Sentence(fact.text, {key: _fit(inner) for key, inner in fact.facts.items()}, fact.many)


def _what(what: str, where: str) -> Sentence:
    """What a sentence is about, fit to begin it: ``The result``, ``The gradient of w``, ``y``, each with its place."""
    if what.startswith("the "):
        what = what[0].upper() + what[1:]
    for text, known in _ABOUT.items():
        if found := known.fullmatch(what):
            return sentence("%(what)s%(where)s", what=Sentence(text, found.groupdict()), where=where)
    return sentence("%(what)s%(where)s", what=what, where=where)


def _first(sentences: tuple[str, ...], facts: Mapping[str, Text]) -> Sentence | None:
    """The first sentence whose facts are all there, with these."""
    for text in sentences:
        names = set(_FACT.findall(text))
        if facts.keys() >= names:
            return Sentence(text, {key: fact for key, fact in facts.items() if key in names})
    return None


_RESULT = "the result"
_PHRASES = ("slices", "step", "asked", "kind", "how")  # facts that may be words of ours: these are looked up
_SLICES = (N_("rows"), N_("columns"), N_("channels"), N_("entries"), N_("too early"), N_("too late"))

# What suites call the thing that they look at. Another name stays as it is.
_ABOUT = {
    text: re.compile(re.escape(text.replace("The list of the", "The")).replace(r"%\(name\)s", "(?P<name>.+)"))
    for text in (
        N_("The result"),
        N_("The model"),
        N_("The shape of the output"),
        N_("The shape of the model's output"),
        N_("The shape of the gradient of %(name)s"),
        N_("The shape of %(name)s"),
        N_("The gradient of %(name)s"),
        N_("The tuple of gradients %(name)s"),
        N_("The tuple %(name)s"),
        N_("The type of the result"),
        N_("The type of the exception"),
        N_("The list of strides"),
        N_("The set of inner sizes in the message"),
        N_("The number of finite outputs"),
        N_("The number of different rows of the output"),
        N_("The number of different outputs of two new models"),
        N_("The number of different rows in the weights of two new layers"),
        N_("The number of different columns of weight"),
        N_("The mean of weight"),
        N_("The type of args"),
        N_("The list of the names of the parameters"),
        N_("The list of the names in %(name)s"),
    )
}

_FAILED = N_("This check failed.")
_GLOBALS = N_("Your code reads %(globals)s from the notebook, not only its arguments.")

_UNKNOWN = _Entry(
    (_FAILED,),
    (N_("Try your code on small inputs that you can work out by hand."),),
)

# What can be said from the reason alone, of a code that is not in the catalogue.
_FALLBACK: dict[str, _Entry] = {
    "wrong": _Entry(
        (N_("%(what)s is not what the exercise asks for."),),
        (N_("Work through a small input by hand and compare it with what your code does."),),
    ),
    "raised": _Entry(
        (N_("Your code raised %(type)s: %(text)s"), N_("Your code raised an exception.")),
        (N_("Call your code on inputs of other sizes until you see the error yourself."),),
    ),
    "timeout": _Entry((N_("Your code took too long and was stopped."),), (N_("Look for a loop that does not end."),)),
    "missing": _Entry((N_("There is no answer to check yet."),), (N_("Fill in the exercise's cell and run it."),)),
    "forbidden": _Entry(
        (N_("The answer is not written the way the exercise asks for."),),
        (N_("Read again what the exercise allows and what it does not."),),
    ),
    "died": _Entry((N_("Your code ended the process that it runs in."),), (N_("Leave out whatever ends Python."),)),
    "engine": _Entry((N_("Something of ours failed, not your answer: this was not checked."),)),
}

# Findings whose next step asks about a loop, and what is asked where the answer has none (``loopless``).
OF_LOOPS = frozenset({"first_filled", "last_zero", "last_wrong", "zero_slices"})
_OF_NO_LOOP = (
    N_("Look at your slices, indices and sizes: what becomes of these %(slices)s, and of the others?"),
    N_("Look at your slices, indices and sizes: which places do they reach?"),
)

_CATALOGUE: dict[str, _Entry] = {
    # Nothing there, or another type
    "none": _Entry(
        (N_("%(what)s is None."),),
        (N_("Does the function end with `return` and the result? `print` shows a value and returns nothing."),),
    ),
    "not_set": _Entry(
        (N_("%(what)s was not set."),),
        (N_("Set the attribute on the tensor that your function was given; a new local variable does not count."),),
    ),
    "no_gradient": _Entry(
        (N_("%(what)s is None: no gradient flows back to it."),),
        (N_("Look for `detach`, `item`, `no_grad`, `.data` or a tensor built anew from numbers."),),
    ),
    "number_for_tensor": _Entry(
        (N_("%(what)s is a plain Python %(got_type)s where a tensor is expected."),),
        (N_("Leave out `.item()`, `float()` and the like: the result stays a tensor, even a single number."),),
    ),
    "tensor_for_number": _Entry(
        (N_("%(what)s is a tensor where a plain Python number (%(expected_type)s) is expected."),),
        (N_("`.item()` turns a tensor that holds one number into a Python number."),),
    ),
    "tensor_for_bool": _Entry(
        (
            N_(
                "%(what)s is a tensor of shape %(got_shape)s, dtype %(got_dtype)s, where one True or False is expected."
            ),
            N_("%(what)s is a tensor of dtype %(got_dtype)s where one True or False is expected."),
            N_("%(what)s is a tensor where one True or False is expected."),
        ),
        (N_("Look at the `shape` and the `dtype` of the result: it should be a single value, and of dtype bool."),),
    ),
    "tensor_for_number_many": _Entry(
        (N_("%(what)s is a tensor of several numbers where one Python number (%(expected_type)s) is expected."),),
        (N_("Which step should have made one number of them?"),),
    ),
    "list_for_tensor": _Entry(
        (N_("%(what)s is a Python %(got_type)s where a tensor is expected."),),
        (N_("Build the result as a tensor from the start, or turn it into one at the end."),),
    ),
    "tuple_of_one": _Entry(
        (N_("%(what)s is a tuple of one item where a tensor is expected."),),
        (N_("Is there a comma too many after the value that you return?"),),
    ),
    "array_for_tensor": _Entry(
        (N_("%(what)s is a NumPy array where a tensor is expected."),),
        (N_("Use torch's functions in place of NumPy's."),),
    ),
    "tensor_for_list": _Entry(
        (N_("%(what)s is a tensor where a plain %(expected_type)s is expected."),),
        (N_("`.tolist()` turns a tensor into plain lists; if the exercise is to be solved without torch, use lists."),),
    ),
    "wrong_type": _Entry(
        (
            N_("%(what)s is of type %(got_type)s; the type asked for is %(expected_type)s."),
            N_("%(what)s has another type."),
        ),
        (N_("Read in the exercise what the answer should be, and look at `type(...)` of yours."),),
    ),
    "unsupported": _Entry(
        (
            N_("%(what)s cannot be compared: it is of type %(type)s; the type asked for is %(expected_type)s."),
            N_("%(what)s cannot be compared: it is an object of another kind than the one expected."),
        ),
        (N_("Return plain values: an ordinary tensor, a number, a list."),),
    ),
    "unusable": _Entry(
        (
            N_("What your code gave could not be used further: %(text)s"),
            N_("What your code gave could not be used further."),
        ),
        (N_("Check the type and the shape of what you return and set."),),
    ),
    # Another shape
    "shape": _Entry(
        (
            N_("%(what)s has shape %(got_shape)s where %(expected_shape)s is expected."),
            N_("%(what)s has another shape than expected."),
        ),
        (N_("Print the shape after each step and find the first one that surprises you."),),
    ),
    "shape_transposed": _Entry(
        (
            N_("%(what)s has shape %(got_shape)s where %(expected_shape)s is expected: the two sizes are swapped."),
            N_("%(what)s has another shape than expected: the two sizes are swapped."),
        ),
        (N_("Which of the two axes comes first?"),),
    ),
    "shape_permuted": _Entry(
        (
            N_(
                "%(what)s has shape %(got_shape)s where %(expected_shape)s is expected: the sizes are in another order."
            ),
            N_("%(what)s has another shape than expected: the sizes are in another order."),
        ),
        (N_("Write down what each axis stands for. `permute` or `transpose` puts axes in order; `reshape` does not."),),
    ),
    "extra_axis": _Entry(
        (
            N_("%(what)s has shape %(got_shape)s where %(expected_shape)s is expected: one axis of size 1 too many."),
            N_("%(what)s has one axis of size 1 too many."),
        ),
        (N_("`.%(call)s` removes it."), N_("`squeeze` with the number of the axis removes it.")),
    ),
    "missing_axis": _Entry(
        (
            N_("%(what)s has shape %(got_shape)s where %(expected_shape)s is expected: an axis of size 1 is missing."),
            N_("%(what)s lacks an axis of size 1."),
        ),
        (
            N_("`.%(call)s` adds it. Or was it lost in a `squeeze` or in an index?"),
            N_("`unsqueeze` adds it. Or was it lost in a `squeeze` or in an index?"),
        ),
    ),
    "extra_axes": _Entry(
        (
            N_("%(what)s has shape %(got_shape)s where %(expected_shape)s is expected: axes of size 1 too many."),
            N_("%(what)s has axes of size 1 too many."),
        ),
        (N_("`squeeze` with the number of an axis removes it; `unsqueeze` adds one. Which one is too many?"),),
    ),
    "missing_axes": _Entry(
        (
            N_("%(what)s has shape %(got_shape)s where %(expected_shape)s is expected: axes of size 1 are missing."),
            N_("%(what)s lacks axes of size 1."),
        ),
        (N_("`unsqueeze` adds an axis. Or were they lost in a `squeeze` or in an index?"),),
    ),
    "not_reduced": _Entry(
        (
            N_("%(what)s has shape %(got_shape)s where a single number (shape []) is expected."),
            N_("%(what)s has axes where a single number (shape []) is expected."),
        ),
        (N_("Is a sum or a mean missing at the end?"),),
    ),
    "all_reduced": _Entry(
        (
            N_("%(what)s is a single number (shape []) where shape %(expected_shape)s is expected."),
            N_("%(what)s is a single number (shape []) where a tensor with axes is expected."),
        ),
        (N_("A sum or a mean without an axis takes in everything: name the axis to add up, or leave it out."),),
    ),
    "broadcast_square": _Entry(
        (
            N_(
                "%(what)s has shape %(got_shape)s where %(expected_shape)s is expected. "
                "Broadcasting shapes [%(size)s, 1] and [%(size)s] gives such a square."
            ),
            N_(
                "%(what)s has an axis too many, of a size that it has already, as broadcasting [n, 1] and [n] gives it."
            ),
        ),
        (
            N_(
                "Print both shapes before each `+`, `-` and `*`, and make them equal with `squeeze` or `unsqueeze`. "
                "If they are equal, is a sum over one axis missing?"
            ),
        ),
    ),
    "flattened": _Entry(
        (
            N_("%(what)s has shape %(got_shape)s where %(expected_shape)s is expected: all axes became one."),
            N_("%(what)s has a single axis: all axes became one."),
        ),
        (N_("Keep the axes of the input, or give them back at the end."),),
    ),
    "merged": _Entry(
        (
            N_("%(what)s has shape %(got_shape)s where %(expected_shape)s is expected: axes side by side became one."),
            N_("%(what)s has too few axes: axes side by side became one."),
        ),
        (N_("`reshape` or `view` gives them back."),),
    ),
    "same_count": _Entry(
        (
            N_(
                "%(what)s has shape %(got_shape)s where %(expected_shape)s is expected: "
                "as many numbers, arranged in another way."
            ),
            N_("%(what)s has another shape than expected, with as many numbers."),
        ),
        (N_("Write down what each axis stands for, then the shape after each step."),),
    ),
    "size": _Entry(
        (
            N_(
                "%(what)s has shape %(got_shape)s where %(expected_shape)s is expected: axis %(axis)s has another size."
            ),
            N_("%(what)s has another shape than expected: axis %(axis)s has another size."),
        ),
        (N_("What does axis %(axis)s stand for, and which input or argument gives it its size?"),),
    ),
    "size_of_images": _Entry(
        (
            N_(
                "%(what)s has shape %(got_shape)s where %(expected_shape)s is expected: "
                "the number of places along the height and the width is another one."
            ),
            N_("%(what)s has another height and another width than expected."),
        ),
        (
            N_(
                "Count by hand in how many places the kernel fits into one row: with the padding on both sides, "
                "in steps of the stride, the first place included."
            ),
        ),
    ),
    "axis_gone": _Entry(
        (
            N_(
                "%(what)s has shape %(got_shape)s where %(expected_shape)s is expected: "
                "axis %(axis)s, of size %(size)s, is missing."
            ),
            N_("%(what)s has shape %(got_shape)s where %(expected_shape)s is expected: an axis is missing."),
            N_("%(what)s has one axis too few."),
        ),
        (N_("Does a sum, a mean, a maximum or an index take that axis away?"),),
    ),
    "axis_left": _Entry(
        (
            N_(
                "%(what)s has shape %(got_shape)s where %(expected_shape)s is expected: "
                "axis %(axis)s, of size %(size)s, is one too many."
            ),
            N_("%(what)s has shape %(got_shape)s where %(expected_shape)s is expected: one axis too many."),
            N_("%(what)s has one axis too many."),
        ),
        (N_("Is a sum or a mean over that axis missing?"),),
    ),
    "length": _Entry(
        (
            N_("%(what)s has length %(got_length)s where %(expected_length)s is expected."),
            N_("%(what)s, or a list in it, has another length than expected."),
        ),
        (N_("How many items should there be, and what decides it?"),),
    ),
    "keys": _Entry(
        (
            N_("%(what)s lacks the keys %(missing)s and has keys too many: %(extra)s."),
            N_("%(what)s lacks the keys %(missing)s."),
            N_("%(what)s has keys too many: %(extra)s."),
            N_("%(what)s has other keys than expected."),
        ),
        (N_("Compare the names with those that the exercise gives."),),
    ),
    "members": _Entry(
        (
            N_("%(what)s differs from the expected set: members missing: %(missing)s, members too many: %(extra)s."),
            N_("%(what)s does not hold the expected members."),
        ),
        (N_("Go through the candidates one by one, also through those that you left out."),),
    ),
    # Another dtype
    "dtype": _Entry(
        (N_("%(what)s has dtype %(got_dtype)s where %(expected_dtype)s is expected."),),
        (N_("Keep the dtype of the input: give `dtype=x.dtype` where you create a tensor."),),
    ),
    "dtype_whole": _Entry(
        (N_("%(what)s has dtype %(got_dtype)s, which holds no fractions, where %(expected_dtype)s is expected."),),
        (N_("Leave out `int` and `long`, and give `dtype=x.dtype` where you create a tensor."),),
    ),
    "dtype_bool": _Entry(
        (N_("%(what)s holds True and False (dtype bool) where numbers of dtype %(expected_dtype)s are expected."),),
        (N_("A comparison says where something holds. Use it to choose or to multiply numbers."),),
    ),
    # NaN and infinities
    "nan": _Entry(
        (
            N_("%(what)s holds NaN where a number is expected: %(count)s of %(total)s."),
            N_("%(what)s holds NaN where a number is expected."),
        ),
        (N_("0 times infinity, infinity minus infinity, 0/0 and the root of a negative number give NaN."),),
    ),
    "nan_and_inf": _Entry(
        (
            N_("%(what)s holds NaN (%(count)s of %(total)s) and infinity (%(inf)s) where numbers are expected."),
            N_("%(what)s holds NaN and infinity where numbers are expected."),
        ),
        (N_("Look for a division by zero first: infinity comes of it, and NaN of infinity."),),
    ),
    "inf": _Entry(
        (
            N_("%(what)s holds infinity where a finite number is expected: %(count)s of %(total)s."),
            N_("%(what)s holds infinity where a finite number is expected."),
        ),
        (N_("Look for a division by zero, or for numbers that grow too large on the way."),),
    ),
    "nan_missing": _Entry(
        (N_("%(what)s holds a number where NaN is expected."),),
        (N_("NaN in the input should come through: a comparison with NaN is always False."),),
    ),
    "inf_missing": _Entry(
        (N_("%(what)s holds a finite number where infinity is expected."),),
        (N_("Infinity in the input should come through: is there an upper limit in your code?"),),
    ),
    "inf_sign": _Entry(
        (N_("%(what)s holds an infinity of the wrong sign."),),
        (N_("Look for a minus that is missing or one too many."),),
    ),
    # Other values, one thing wrong with all of them
    "imprecise": _Entry(
        (
            N_("%(what)s is nearly right: the greatest relative difference is %(difference)s."),
            N_("%(what)s is nearly right, but not precise enough."),
        ),
        (N_("Is something computed in a smaller dtype on the way, or a small constant added?"),),
    ),
    "all_zero": _Entry(
        (N_("%(what)s is 0 in every place."),),
        (N_("Is the result ever filled in, and is the last step a multiplication by something that is 0?"),),
    ),
    "all_same": _Entry(
        (
            N_("%(what)s is %(value)s in every place, where the expected numbers differ."),
            N_("%(what)s is the same number in every place, where the expected numbers differ."),
        ),
        (N_("Where do the places get different numbers from? A mean or a sum may have taken in too much."),),
    ),
    "sign": _Entry(
        (N_("%(what)s has the opposite sign, and is right apart from that."),),
        (N_("Which of the two is subtracted from the other?"),),
    ),
    "some_signs": _Entry(
        (
            N_("%(what)s has the wrong sign in %(wrong)s of %(total)s places, and is right apart from that."),
            N_("%(what)s has the wrong sign in some places, and is right apart from that."),
        ),
        (N_("What should happen to the sign of negative numbers?"),),
    ),
    "factor": _Entry(
        (
            N_("%(what)s is %(factor)s times what is expected."),
            N_("%(what)s is what is expected times a constant."),
        ),
        (N_("Look for something that is multiplied or divided once too often, or not at all."),),
    ),
    "factor_two": _Entry(
        (N_("%(what)s is twice what is expected."),),
        (N_("Is there a 2 too many, or is something added twice, or not divided by something that is 2 here?"),),
    ),
    "factor_half": _Entry(
        (N_("%(what)s is half of what is expected."),),
        (N_("Is a 2 missing (the derivative of a square has one), or is something divided by 2 once too often?"),),
    ),
    "factor_size": _Entry(
        (
            N_("%(what)s is %(factor)s times what is expected, and %(size)s is the size of axis %(axis)s."),
            N_("%(what)s is %(factor)s times what is expected, and it holds %(size)s numbers."),
            N_("%(what)s is what is expected times one of the sizes."),
        ),
        (N_("Is it a sum where the mean is asked for? Or is a division by the number of elements missing?"),),
    ),
    "factor_one_over_size": _Entry(
        (
            N_(
                "%(what)s is %(factor)s = 1/%(size)s times what is expected, and %(size)s is the size of axis %(axis)s."
            ),
            N_("%(what)s is %(factor)s = 1/%(size)s times what is expected, and it holds %(size)s numbers."),
            N_("%(what)s is what is expected divided by one of the sizes."),
        ),
        (N_("Is it a mean where the sum is asked for? Or a division once too often?"),),
    ),
    "factor_root": _Entry(
        (
            N_("%(what)s is %(factor)s = %(as)s times what is expected."),
            N_("%(what)s is what is expected times or divided by the square root of 2."),
        ),
        (N_("Does a 2 belong under the root, or not at all?"),),
    ),
    "factor_whole": _Entry(
        (
            N_("%(what)s is %(factor)s times what is expected."),
            N_("%(what)s is what is expected times a whole number."),
        ),
        (
            N_("If %(factor)s is one of the sizes: is it a sum where the mean is asked for, or added too often?"),
            N_("If that is one of the sizes: is it a sum where the mean is asked for, or added too often?"),
        ),
    ),
    "factor_part": _Entry(
        (
            N_("%(what)s is %(factor)s = 1/%(size)s times what is expected."),
            N_("%(what)s is what is expected divided by a whole number."),
        ),
        (
            N_("If %(size)s is one of the sizes: is it a mean where the sum is asked for, or divided once too often?"),
            N_("If that is one of the sizes: is it a mean where the sum is asked for, or divided once too often?"),
        ),
    ),
    "offset": _Entry(
        (
            N_("%(what)s is off by the same number, %(offset)s, in every place."),
            N_("%(what)s is off by the same number in every place."),
        ),
        (N_("Does a sum start from something else than 0, or is something added that is not asked for, or left out?"),),
    ),
    "offset_slices": _Entry(
        (N_("%(what)s: each of its %(slices)s (axis %(axis)s) is off by a number of its own."),),
        (N_("Is the bias left out, added more than once, or added along another axis?"),),
    ),
    "factor_slices": _Entry(
        (N_("%(what)s: each of its %(slices)s (axis %(axis)s) is the expected one times a factor of its own."),),
        (N_("Is a division or a multiplication along this axis left out, or done twice?"),),
    ),
    # Another function of the right numbers
    "cut_at_zero": _Entry(
        (N_("%(what)s is right where positive numbers are expected, and 0 where negative ones are."),),
        (N_("Is there a ReLU or a maximum with 0 that is not asked for?"),),
    ),
    "not_cut_at_zero": _Entry(
        (N_("%(what)s has negative numbers where 0 is expected, and is right elsewhere."),),
        (N_("What should become of negative numbers?"),),
    ),
    "zero_missed": _Entry(
        (
            N_("%(what)s is wrong in %(wrong)s of %(total)s places, all of them places where 0 is expected."),
            N_("%(what)s is wrong only in places where 0 is expected."),
        ),
        (N_("Which condition decides that there is a 0?"),),
    ),
    "some_zero": _Entry(
        (
            N_("%(what)s is wrong in %(wrong)s of %(total)s places, and 0 in all of these."),
            N_("%(what)s is 0 in some places, and right in all others."),
        ),
        (N_("What do these places have in common: a row, a column, a sign?"),),
    ),
    "cut_at_top": _Entry(
        (
            N_("%(what)s has no number above %(limit_value)s: larger ones are cut to it. The others are right."),
            N_("%(what)s has its large numbers cut to one limit. The others are right."),
        ),
        (N_("There is no upper limit in what is asked for."),),
    ),
    "mask": _Entry(
        (N_("%(what)s is 1 wherever a number other than 0 is expected, and 0 elsewhere."),),
        (N_("You have where it is; multiply by, or choose, the numbers themselves."),),
    ),
    "fractions_lost": _Entry(
        (N_("%(what)s holds the expected numbers rounded to whole ones."),),
        (N_("Something on the way cannot hold fractions: an integer dtype, `int()`, `//` or `round`."),),
    ),
    "root": _Entry(
        (N_("%(what)s is the square root of what is expected."),),
        (N_("Leave the root out."),),
    ),
    "square": _Entry(
        (N_("%(what)s is the square of what is expected."),),
        (N_("Leave the square out."),),
    ),
    "inverted": _Entry(
        (N_("%(what)s is True wherever False is expected, and the other way round."),),
        (N_("Read the condition again: is it the opposite?"),),
    ),
    # The right numbers in other places
    "transposed": _Entry(
        (N_("%(what)s is transposed: its rows are the expected columns."),),
        (N_("Swap the two axes, or the two indices where you fill it in."),),
    ),
    "axes_swapped": _Entry(
        (N_("%(what)s has axes %(axes)s swapped."), N_("%(what)s has two axes swapped.")),
        (N_("Write down what each axis stands for, then swap them with `transpose` or `permute`."),),
    ),
    "flipped": _Entry(
        (N_("%(what)s is reversed along axis %(axis)s."),),
        (N_("In which direction do your indices run?"),),
    ),
    "shifted": _Entry(
        (
            N_("%(what)s is right, but everything stands one place %(step)s along axis %(axis)s."),
            N_("%(what)s is right, but everything stands one place off along axis %(axis)s."),
        ),
        (N_("Where does the first index, or the first window, begin: one place too early or too late?"),),
    ),
    "kernel_flipped": _Entry(
        (N_("%(what)s is what the kernels give when they are flipped in both directions."),),
        (N_("Mathematics flips the kernel in a convolution. Does `F.conv2d`?"),),
    ),
    "kernel_transposed": _Entry(
        (N_("%(what)s is what the kernels give when their rows and columns are swapped."),),
        (N_("Try a kernel that is not symmetric: do its rows still meet the rows of the image?"),),
    ),
    "reread": _Entry(
        (N_("%(what)s holds the expected numbers, but they were reshaped while their axes were in another order."),),
        (N_("`reshape` and `view` keep the order in memory: `transpose` or `permute` first, then reshape."),),
    ),
    "reordered": _Entry(
        (N_("%(what)s holds the expected numbers in another order."),),
        (N_("Follow one number: at which place should it end, and where does your code put it?"),),
    ),
    # Right in part
    "first_filled": _Entry(
        (N_("%(what)s: only the first of its %(slices)s (axis %(axis)s) is right, and the rest is 0."),),
        (N_("Does a loop end too early? Look at the indentation of `return`: inside a loop it ends the loop."),),
    ),
    "first_only": _Entry(
        (N_("%(what)s: only the first of its %(slices)s (axis %(axis)s) is right."),),
        (N_("Does an index stay at 0 that should run?"),),
    ),
    "last_zero": _Entry(
        (N_("%(what)s: only the last of its %(slices)s (axis %(axis)s) is wrong, and it is 0."),),
        (N_("`range(n)` already stops before n: does your loop end one too early?"),),
    ),
    "last_wrong": _Entry(
        (N_("%(what)s: only the last of its %(slices)s (axis %(axis)s) is wrong."),),
        (N_("What is special about the end? `range(n)` stops before n."),),
    ),
    "zero_slices": _Entry(
        (N_("%(what)s: some of its %(slices)s (axis %(axis)s) are 0, and all others are right."),),
        (N_("Does the loop over this axis run to its end?"),),
    ),
    "equal_slices": _Entry(
        (N_("%(what)s: all of its %(slices)s (axis %(axis)s) are equal, where different ones are expected."),),
        (N_("Does an index not move, or do several places share one list (as in `[[0] * m] * n`)?"),),
    ),
    "border": _Entry(
        (N_("%(what)s is right inside and wrong at the edges of the last two axes."),),
        (N_("What lies beyond the edge? Look at the padding: its value, and both of its sides."),),
    ),
    "values": _Entry(
        (
            N_(
                "%(what)s is wrong in %(wrong)s of %(total)s places. "
                "The first is at %(index)s: %(got_value)s where %(expected_value)s is expected."
            ),
            N_("%(what)s has the right shape, but some of its numbers are wrong."),
        ),
        (
            N_("Compute the number at %(index)s by hand and compare it with what your code does."),
            N_("Compare your code with a computation by hand, on sizes that are all different."),
        ),
    ),
    "values_all": _Entry(
        (
            N_(
                "%(what)s is wrong in all %(total)s places. "
                "The first is at %(index)s: %(got_value)s where %(expected_value)s is expected."
            ),
            N_("%(what)s has the right shape, but all of its numbers are wrong."),
        ),
        (
            N_("Compute the number at %(index)s by hand and compare it with what your code does."),
            N_("Compare your code with a computation by hand, on sizes that are all different."),
        ),
    ),
    "value": _Entry(
        (
            N_("%(what)s is %(got_value)s where %(expected_value)s is expected."),
            N_("%(what)s is not the expected value."),
        ),
        (N_("Compute it by hand for this input, or a smaller one, and compare each step with your code."),),
    ),
    # The student's code did not answer
    "missing": _Entry(
        (N_("`%(name)s` is not defined."), N_("The answer is not defined.")),
        (
            N_("Define `%(name)s` in the exercise's cell, with this very name."),
            N_("Define it in the exercise's cell, under the name that the exercise gives."),
        ),
        ("name",),
    ),
    "not_python": _Entry(
        (
            N_("The cell of `%(name)s` cannot be read as Python, so it was left out. Line %(line)s: %(text)s."),
            N_("The cell of `%(name)s` cannot be read as Python, so it was left out."),
            N_("The cell with the answer cannot be read as Python, so it was left out."),
        ),
        (
            N_("Mend line %(line)s, or the one above it, and run the cell: Python then marks the next such place."),
            N_("Run the cell: Python marks the place that it cannot read."),
        ),
        ("name", "line", "text"),
    ),
    "no_member": _Entry(
        (
            N_("`%(owner)s` has no attribute `%(name)s`."),
            N_("An object that your code made has no attribute `%(name)s`."),
            N_("An object that your code made lacks an attribute."),
        ),
        (
            N_("Set it under this very name, as in `self.%(name)s = ...`; if it is a method, define it in the class."),
            N_("Set it under the name that the exercise gives; if it is a method, define it in the class."),
        ),
        ("name",),
    ),
    "stub": _Entry(
        (N_("`%(name)s` is not written yet: it still raises NotImplementedError."), N_("Not written yet.")),
        (N_("Put your code in place of `raise NotImplementedError`."),),
        ("name",),
    ),
    "cell_error": _Entry(
        (
            N_("The cell that defines `%(name)s` raised %(type)s: %(text)s"),
            N_("The cell that defines `%(name)s` raised an exception."),
            N_("The cell with the answer raised an exception."),
        ),
        (N_("Restart the kernel and run all cells: the same error shows there."),),
        ("name",),
    ),
    "raised": _Entry(
        (
            N_("Your code raised %(type)s: %(text)s"),
            N_("Your code raised %(type)s."),
            N_("Your code raised an exception."),
        ),
        (
            N_("Look at line %(line)s of %(cell)s."),
            N_("Call your code on inputs of other sizes until you see the error yourself."),
        ),
    ),
    "name_error": _Entry(
        (
            N_("The name `%(name)s` is not defined when your code runs."),
            N_("Your code uses a name that is not defined when it runs."),
        ),
        (N_("Define it in a cell above, or take it from the arguments. Restart and run all cells to see the error."),),
    ),
    "unbound_local": _Entry(
        (
            N_("Your code reads its variable `%(name)s` before anything was assigned to it."),
            N_("Your code reads a variable before anything was assigned to it."),
        ),
        (N_("A name that a function assigns to is its own everywhere in it: give it a first value."),),
    ),
    "module_missing": _Entry(
        (N_("The module `%(name)s` is not installed here."), N_("Your code imports a module that is not installed.")),
        (N_("The answer needs no other modules than those of the first cell."),),
    ),
    "wrong_arguments": _Entry(
        (
            N_("A function was called with other arguments than it takes: %(text)s"),
            N_("A function was called with other arguments than it takes."),
        ),
        (N_("Compare the names and the number of the parameters with those that the exercise gives."),),
    ),
    "not_callable": _Entry(
        (
            N_("Something was called that is no function: %(text)s"),
            N_("Something was called that is no function."),
        ),
        (N_("Is a `*` or a `.` missing before the bracket, does the class lack `__call__`, or is a name used twice?"),),
    ),
    "not_called": _Entry(
        (
            N_("A function itself was used in a computation, not its result: %(text)s"),
            N_("A function itself was used in a computation, not its result."),
        ),
        (N_("Add the brackets that call it, as in `w.t()`."),),
    ),
    "none_used": _Entry(
        (N_("Your code goes on computing with None: %(text)s"), N_("Your code goes on computing with None.")),
        (N_("Something gave nothing back: does each of your functions end with `return`?"),),
    ),
    "g_not_set": _Entry(
        (N_("Your code reads `.g` of a tensor on which it was not set."),),
        (N_("Gradients go backwards: the one of the output must be set before the one of the input is computed."),),
    ),
    "no_attribute": _Entry(
        (
            N_("Your code reads an attribute that is not there: %(text)s"),
            N_("Your code reads an attribute that is not there."),
        ),
        (N_("Is the name spelled as where it was set, and was it set before?"),),
    ),
    "no_forward": _Entry(
        (N_("The module has no method `forward`, which a call of it runs."),),
        (N_("Define `forward(self, x)` in the class: mind the spelling and the indentation."),),
    ),
    "no_operation": _Entry(
        (
            N_("An operator or function in your code does not work on numbers of this kind: %(text)s"),
            N_("An operator or function in your code does not work on numbers of this kind."),
        ),
        (N_("`^`, `&`, `|` and `~` work on bits and on True and False; a power is `**`. Look at the dtypes too."),),
    ),
    "no_super_init": _Entry(
        (N_("A parameter was assigned before `nn.Module` was set up."),),
        (N_("Call `super().__init__()` first in your `__init__`."),),
    ),
    "state_dict": _Entry(
        (
            N_("The layer lacks parameters: %(missing)s. It has others that are not asked for: %(extra)s."),
            N_("The layer lacks parameters: %(missing)s."),
            N_("The layer has parameters that are not asked for: %(extra)s."),
            N_("The layer has other parameters than those that the exercise names."),
        ),
        (N_("Each is an `nn.Parameter(...)`, set on `self` under the exercise's name; there are no others."),),
    ),
    "shape_error": _Entry(
        (
            N_("Two shapes in your code do not fit together: %(text)s"),
            N_("Two shapes in your code do not fit together."),
        ),
        (N_("Write down both shapes just before that line: which sizes have to agree?"),),
    ),
    "reshape_error": _Entry(
        (
            N_("A tensor was to be reshaped to a shape with another number of elements: %(text)s"),
            N_("A tensor was to be reshaped to a shape with another number of elements."),
        ),
        (N_("The product of the sizes must stay the same: work out each size for this input."),),
    ),
    "not_contiguous": _Entry(
        (N_("`view` cannot give this tensor that shape, since its numbers do not lie in order in memory."),),
        (N_("Use `reshape`, which copies where it must."),),
    ),
    "not_one_number": _Entry(
        (
            N_("A tensor of several numbers was to be turned into one number: %(text)s"),
            N_("A tensor of several numbers was to be turned into one number."),
        ),
        (N_("Is a sum or an index missing before that?"),),
    ),
    "dtype_clash": _Entry(
        (N_("Your code mixes tensors of two dtypes: %(text)s"), N_("Your code mixes tensors of two dtypes.")),
        (N_("Keep the dtype of the input: give `dtype=x.dtype` where you create a tensor."),),
    ),
    "index_error": _Entry(
        (N_("An index or an axis is out of range: %(text)s"), N_("An index or an axis is out of range.")),
        (N_("Take the sizes from the inputs' shapes, and mind which axis each loop runs over."),),
    ),
    "ambiguous_truth": _Entry(
        (N_("A tensor of several elements was used where one yes or no is needed, as in `if`, `and` or `max`."),),
        (N_("Choose for each element: with `torch.where`, a comparison, or a function that works elementwise."),),
    ),
    "inplace_leaf": _Entry(
        (N_("Your code changes a tensor in place that requires a gradient."),),
        (N_("Make a new tensor: `x = x + ...` in place of `x += ...`, or write into a fresh one."),),
    ),
    "inplace_needed": _Entry(
        (N_("Your code changes a tensor in place that the backward pass still needs."),),
        (N_("Make a new tensor: `x = x + ...` in place of `x += ...`."),),
    ),
    "no_grad_fn": _Entry(
        (N_("No gradient can flow: what should be differentiated does not come from a tensor that requires one."),),
        (N_("Look for `detach`, `item`, `no_grad`, `.data` or a tensor built anew from numbers."),),
    ),
    "recursion": _Entry(
        (N_("Your code calls itself without an end."),),
        (N_("Does a function call its own name where another one of that name was meant?"),),
    ),
    "assertion": _Entry(
        (N_("An `assert` in your code does not hold: %(text)s"), N_("An `assert` in your code does not hold.")),
        (N_("Read the condition again: is it true of every input that the exercise allows?"),),
    ),
    "memory": _Entry(
        (N_("Your code needs more memory than there is for an answer."),),
        (N_("Look for a result that is far larger than the inputs, or a list that grows without end."),),
    ),
    "timeout": _Entry(
        (
            N_("Your code was still running after %(limit)s seconds and was stopped."),
            N_("Your code took too long and was stopped."),
        ),
        (N_("Look for a loop that does not end, or for far more work than the sizes ask for."),),
        ("limit",),
    ),
    "died": _Entry(
        (
            N_("Your code ended the process that it runs in (%(how)s)."),
            N_("Your code ended the process that it runs in."),
        ),
        (N_("Leave out whatever ends Python, such as `exit()`."),),
    ),
    "protocol": _Entry(
        (N_("Your code broke the connection to the grader, and its process was ended."),),
        (N_("Leave out whatever reaches for the grader."),),
    ),
    "disk": _Entry(
        (N_("Your code wrote too many or too large files and was stopped."),),
        (N_("The answer needs no files."),),
    ),
    "changed_input": _Entry(
        (
            N_("Your code changes its input in place: %(names)s."),
            N_("Your code changes its input in place."),
        ),
        (N_("Make a new tensor: whoever calls your function may still need the old one."),),
    ),
    "did_not_raise": _Entry(
        (
            N_("`%(name)s` gave a result where it should have raised an exception."),
            N_("Your code gave a result where it should have raised an exception."),
        ),
        (N_("Read in the exercise when it asks for an exception, and of which type: there, `raise` it."),),
        ("name",),
    ),
    # Trained models
    "error_high": _Entry(
        (
            N_("On rows it has not seen, the model's mean squared error is %(error)s; at most %(bound)s is asked."),
            N_("On rows it has not seen, the model's mean squared error is above %(bound)s."),
            N_("On rows it has not seen, the model's mean squared error is too high."),
        ),
        (N_("Print the loss every few steps: does it fall, and does each step begin with fresh gradients?"),),
        ("bound",),
    ),
    "accuracy_low": _Entry(
        (
            N_("The model reads %(share)s of the digits it has not seen; at least %(bound)s is asked."),
            N_("The model reads less than %(bound)s of the digits it has not seen."),
            N_("The model reads too few of the digits it has not seen."),
        ),
        (N_("Print the loss every few steps: does it fall, and does each step begin with fresh gradients?"),),
        ("bound",),
    ),
    # Solved another way than asked
    "must_not": _Entry(
        (
            N_("Your answer uses %(used)s, which is not allowed here. The exercise asks for %(asked)s."),
            N_("Your answer uses %(used)s, which is not allowed here."),
            N_("Your answer uses something that is not allowed here. The exercise asks for %(asked)s."),
            N_("Your answer uses something that is not allowed here."),
        ),
        (N_("Write it with what the exercise allows; what your answer gives can stay as it is."),),
        ("asked",),
    ),
    "must": _Entry(
        (
            N_("The exercise asks for %(asked)s, which your answer does not use."),
            N_("Your answer lacks what is asked."),
        ),
        (N_("Write it the way the exercise asks for; what your answer gives can stay as it is."),),
        ("asked",),
    ),
    "too_many_loops": _Entry(
        (
            N_("Your answer nests loops %(found)s deep; %(allowed)s is the most that is allowed."),
            N_("Your answer nests loops deeper than is allowed."),
        ),
        (N_("Let a tensor operation do the innermost loop. A comprehension is a loop too."),),
        ("found", "allowed"),
    ),
    "no_loop": _Entry(
        (N_("Your answer has a loop; none is allowed here."),),
        (N_("Let operations on whole tensors do the work. A comprehension is a loop too."),),
    ),
    "too_few_loops": _Entry(
        (
            N_("Your answer nests loops %(found)s deep; the exercise asks for %(asked)s."),
            N_("Your answer nests loops less deep than the exercise asks for."),
        ),
        (N_("Write out the loops that a tensor operation does for you."),),
        ("found", "asked"),
    ),
    "hidden_call": _Entry(
        (
            N_("Your answer uses %(construct)s, which hides what is called, so it cannot be accepted here."),
            N_("Your answer hides what it calls, so it cannot be accepted here."),
        ),
        (N_("Call functions by their own names."),),
    ),
    "not_alone": _Entry(
        (
            N_(
                "The other checks pass, but not this one, which runs your answer's own code and the imports, helpers "
                "and variables that it names, without the rest of your notebook."
            ),
        ),
        (N_("Let the answer name all that it needs, and leave what it names as it is written."),),
    ),
    "too_large": _Entry(
        (N_("The notebook holds more code than can be read through, so how this answer is written cannot be told."),),
        (N_("Take out what it does not need: long lists of numbers, copies of cells, generated code."),),
    ),
    "not_builtin": _Entry(
        (
            N_("Your answer uses %(used)s; only Python's built-ins and your own helpers are allowed here."),
            N_("Only Python's built-ins and your own helpers are allowed here."),
        ),
        (N_("Write it with plain lists, numbers and loops."),),
    ),
    "not_numpy": _Entry(
        (
            N_("Your answer uses %(used)s; only NumPy and your own helpers are allowed here."),
            N_("Only NumPy and your own helpers are allowed here."),
        ),
        (N_("Look for the NumPy function of that name, or write it out with operators and indexing."),),
    ),
    "indexing_only": _Entry(
        (
            N_("Your answer uses %(used)s; only loops and indexing, one number at a time, are allowed here."),
            N_("Only loops and indexing, one number at a time, are allowed here."),
        ),
        (N_("Multiply and add single numbers: `c[i, j] += a[i, k] * b[k, j]`."),),
    ),
    "matmul_in_disguise": _Entry(
        (N_("The results have the very bits of a ready-made matrix product, which adds up in an order of its own."),),
        (N_("Write the product yourself, the way the exercise asks for."),),
    ),
    # About layers
    "init_like_nn_linear": _Entry(
        (N_("The weights are scaled by 1/sqrt(n_in), as `nn.Linear` scales them."),),
        (N_("The exercise asks for sqrt(2/n_in), which suits a ReLU."),),
    ),
    "init_std": _Entry(
        (
            N_("The weights have standard deviation %(std)s where about %(expected_std)s is expected."),
            N_("The weights have another standard deviation than the exercise asks for."),
        ),
        (N_("`torch.randn` has standard deviation 1; what should it be multiplied by, given n_in?"),),
    ),
    "init_std_one": _Entry(
        (N_("The weights have standard deviation 1, as `torch.randn` draws them."),),
        (N_("What should they be multiplied by, given n_in?"),),
    ),
    "init_zero": _Entry(
        (N_("All weights are the same at the start."),),
        (N_("Units that start equal stay equal: draw the weights at random."),),
    ),
    "bias_not_zero": _Entry(
        (N_("The bias is not 0 at the start."),),
        (N_("The exercise asks for zeros, one for each output."),),
    ),
    "not_a_parameter": _Entry(
        (
            N_("`%(name)s` is not among the parameters of the layer."),
            N_("Something that should be learned is not among the parameters of the layer."),
        ),
        (N_("Wrap the tensor: `nn.Parameter(...)`, assigned to `self` in `__init__`."),),
        ("name",),
    ),
    # Plain answers to questions
    "answer_none": _Entry(
        (N_("There is no answer yet: the value is still None."),),
        (N_("Put your answer in place of None."),),
    ),
    "answer_form": _Entry(
        (
            N_("The question asks for %(asked)s; the answer given cannot be read as that (its type is %(got_type)s)."),
            N_("The question asks for %(asked)s; the answer given cannot be read as that."),
            N_("The answer given cannot be read as what the question asks for."),
        ),
        (N_("Write the value itself, in the form that the question describes."),),
        ("asked",),
    ),
    "answer_wrong": _Entry(
        (N_("The form is right, and the answer is not, or not all of it."),),
        (N_("Read the question once more and work the answer out by hand, or try it on a small example."),),
    ),
    "step_order": _Entry(
        (N_("A step stands before one whose result it needs."),),
        (N_("Ask of each step what it reads, and look whether that is there by then."),),
    ),
    "not_shared": _Entry(
        (N_("The result has the right values, and memory of its own: it is a copy, not a view of the input."),),
        (N_("Look for what makes a new tensor: `repeat`, `clone`, `contiguous`, `reshape` or arithmetic."),),
    ),
    "not_a_subclass": _Entry(
        (
            N_("`%(name)s` is not built on `%(base)s`."),
            N_("A class is not built on the one that the exercise names."),
        ),
        (N_("Put the base class in brackets behind the name: `class Layer(Base):`."),),
        ("name", "base"),
    ),
    "std_magnitude": _Entry(
        (
            N_("The standard deviation is %(std)s where about %(expected_std)s is expected."),
            N_("The standard deviation has another order of magnitude."),
        ),
        (N_("Does each product take a new random matrix, times the scale, and is the last product measured?"),),
    ),
    "seed_not_set": _Entry(
        (N_("The same seed gives another result the second time."),),
        (N_("Give the seed to the generator before the first random number is drawn."),),
    ),
    "seed_fixed": _Entry(
        (N_("Two different seeds give the same result."),),
        (N_("Use the seed that your function is given; all random numbers depend on it."),),
    ),
    # About the student's own tests
    "rejects_right": _Entry(
        (
            N_("Your test rejects a layer that is right: %(kind)s."),
            N_("Your test rejects a layer that is right."),
        ),
        (N_("Test only what the exercise promises, and leave room for rounding and for random numbers."),),
    ),
    "accepts_broken": _Entry(
        (
            N_("Your test lets a broken layer pass: %(kind)s."),
            N_("Your test lets a broken layer pass."),
        ),
        (N_("Add an assertion that such a layer fails, and try it on one that you break yourself."),),
        ("kind",),
    ),
    # Not about this answer alone
    "blocked": _Entry(
        (
            N_("This answer calls %(by)s, and checks fail there too."),
            N_("This answer calls another one, which fails checks of its own."),
        ),
        (N_("Mend %(by)s first."), N_("Mend the other one first.")),
        ("by",),
    ),
    "global_read": _Entry(
        (
            N_("Your code reads %(names)s from the notebook, not only its arguments."),
            N_("Your code reads variables of the notebook, not only its arguments."),
        ),
        (N_("Use the arguments: the function is called here with inputs of other values and sizes."),),
        ("names",),
    ),
    "engine": _Entry((N_("Something of ours failed, not your answer: this was not checked."),)),
}

CODES = frozenset(_CATALOGUE)
