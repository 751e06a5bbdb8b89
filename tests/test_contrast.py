"""What travels of two tensors: bounded, all text, and the same in every run."""

from __future__ import annotations

import msgspec
import pytest
import torch

from grader.compare import assert_close, assert_equal
from grader.contrast import COLUMNS, ROWS, SMALL, contrast
from grader.findings import Mismatch
from grader.grading import Check, failed
from grader.model import Contrast, Finding


def of(got: torch.Tensor, expected: torch.Tensor) -> Contrast | None:
    return contrast(got, expected, got == expected)


def test_a_small_tensor_travels_whole() -> None:
    found = of(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 2.5, float("nan")]))
    assert found is not None
    assert found.got is not None
    assert found.delta is not None
    assert found.got.cells == ("1.", "2.", "3.")
    assert found.delta.cells == ("0", "-0.5", "nan")
    assert found.levels == ("034",)
    assert (found.wrong, found.count) == (2, 3)


def test_levels_tell_how_far_off() -> None:
    expected = torch.full((5,), 10.0)
    found = of(expected + torch.tensor([0.0, 0.05, 0.5, 5.0, 50.0]), expected)
    assert found is not None
    assert found.levels == ("01234",)


@pytest.mark.parametrize("shape", [(), (1,), (101,), (3, 67), (2, 3, 5, 7), (300, 300), (2, 2, 2, 2, 2, 2, 2)])
def test_what_travels_is_bounded_and_the_same_each_time(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    got, expected = torch.randn(shape, dtype=torch.float64), torch.randn(shape, dtype=torch.float64)
    found = of(got, expected)
    assert found is not None
    assert found == of(got.clone(), expected.clone())
    assert (found.got is not None) == (got.numel() <= SMALL)
    assert len(found.levels) <= max(ROWS, SMALL)
    assert all(len(row) <= max(COLUMNS, SMALL) and set(row) <= set("01234") for row in found.levels)
    assert len(msgspec.json.encode(found)) < 8000
    assert msgspec.json.decode(msgspec.json.encode(found), type=Contrast) == found


def test_a_map_loses_no_wrong_element() -> None:
    expected = torch.zeros(500, 700)
    got = expected.clone()
    got[123, 456] = 1.0
    found = of(got, expected)
    assert found is not None
    assert "".join(found.levels).count("4") == 1


def test_images_of_a_batch_lie_side_by_side() -> None:
    expected = torch.ones(2, 3, 5, 7)
    got = expected.clone()
    got[1, 2, 4, 6] = 5.0
    found = of(got, expected)
    assert found is not None
    assert (len(found.levels), len(found.levels[0])) == (10, 21)
    assert found.levels[9][20] == "4"


@pytest.mark.parametrize("value", [torch.empty(0, 3), torch.ones(2, dtype=torch.complex64)])
def test_nothing_travels_of_what_cannot_be_looked_at(value: torch.Tensor) -> None:
    assert contrast(value, value, None) is None


def finding(got: object, expected: object) -> Finding:
    with pytest.raises(Mismatch) as raised:
        assert_close(got, expected)
    return raised.value.finding


def test_it_comes_with_a_mismatch_of_tensors() -> None:
    same = finding(torch.ones(2), torch.zeros(2)).contrast
    assert same is not None
    assert same.levels == ("44",)
    other = finding(torch.ones(2, 1), torch.ones(2)).contrast
    assert other is not None
    assert other.levels == ()
    assert finding(torch.ones(2).numpy(), torch.zeros(2).numpy()).contrast == same
    assert finding([torch.ones(2)], [torch.zeros(2)]).contrast == same
    assert finding(1.0, 2.0).contrast is None
    assert finding(None, torch.ones(2)).contrast is None
    with pytest.raises(Mismatch) as raised:
        assert_equal(torch.tensor([True, False]), torch.tensor([True, True]))
    assert raised.value.finding.contrast is not None


def test_none_comes_out_of_a_hidden_check() -> None:
    seen = finding(torch.ones(2), torch.zeros(2))
    check = {"id": "t", "exercise": "f", "title": "T", "points": 1.0}
    assert failed(Check(**check, hidden=False), seen, None).contrast == seen.contrast
    assert failed(Check(**check, hidden=True), seen, None).contrast is None
