"""The handwritten digits that the training exercises learn from."""

from functools import cache

import pytest
import torch


@cache
def published():
    """scikit-learn's 1797 digits: images [n, 8, 8] between 0 and 1, and class numbers [n]."""
    from sklearn.datasets import load_digits  # a second's import, for the few checks that train

    data = load_digits()
    return torch.from_numpy(data.images).float() / 16, torch.from_numpy(data.target)


@pytest.fixture
def digits(rng, randn):
    """``digits(turns)``: images [n, 1, 8, 8] of mean 0 and std 1, and class numbers [n], in the check's own order.

    All are turned by quarter turns, each is brighter or darker and speckled: none is as it was published. An answer
    that looks for the most similar published one, as docs/security.md says, is not kept from it.
    """

    def make(turns):
        images, classes = published()
        order = torch.randperm(len(images), generator=rng)
        brightness = 0.8 + 0.4 * torch.rand(len(images), 1, 1, generator=rng)
        x = torch.rot90(images[order], turns, (1, 2)) * brightness + 0.03 * randn(len(images), 8, 8)
        return ((x - x.mean()) / x.std()).unsqueeze(1), classes[order]

    return make


@pytest.fixture
def odd_or_even(digits, randn):
    """``odd_or_even(n_in)``: digits as ``n_in`` random mixtures of their pixels [n, n_in], and 1 or -1 [n].

    1 stands for an even digit. No linear model predicts it well: its mean squared error is above 0.35.
    """

    def make(n_in):
        x, classes = digits(0)
        x = x.flatten(1) @ randn(64, n_in)
        return (x - x.mean(0)) / x.std(0), 1.0 - 2.0 * (classes % 2)

    return make
