"""The libraries as they are: what a name in them really is. Looked up in what is loaded here; nothing is imported."""

from __future__ import annotations

import importlib
from functools import lru_cache
from types import ModuleType

import numpy
import torch

from grader.vocabulary import NO_PRODUCT, SHOWING, STANDARD

# The same in every process, whatever else it has loaded; the others have no say in what a name is.
_LOADED = (
    "abc array bisect builtins cmath collections contextlib copy csv dataclasses datetime decimal enum fractions "
    "functools glob graphlib gzip hashlib heapq inspect io itertools json keyword logging math numbers operator os "
    "pathlib pickle platform pprint random re sched shutil statistics string struct sys tarfile tempfile textwrap time "
    "timeit traceback types typing urllib uuid warnings weakref zipfile"
)
_LIBRARIES: dict[str, ModuleType] = {name: importlib.import_module(name) for name in _LOADED.split()}
_LIBRARIES |= {"torch": torch, "numpy": numpy}
_METHODS = frozenset(dir(torch.Tensor)) | frozenset(dir(numpy.ndarray))


@lru_cache(maxsize=4096)
def canonical(path: str) -> str:
    """``torch.nn.functional.np.dot`` is ``numpy.dot``: the path from the module that a library has from elsewhere."""
    name, *rest = path.split(".")
    found: object = _LIBRARIES.get(name)
    for number, part in enumerate(rest):
        if not isinstance(found, ModuleType):
            break
        found = vars(found).get(part)
        if isinstance(found, ModuleType) and found is not _LIBRARIES["os"].path:
            name, path = found.__name__, ".".join([found.__name__, *rest[number + 1 :]])
    return path


def exported(module: str) -> frozenset[str]:
    """The names that ``from module import *`` binds, as far as is known here."""
    root, *rest = module.split(".")
    found: object = _LIBRARIES.get(root)
    for part in rest:
        found = vars(found).get(part) if isinstance(found, ModuleType) else None
    if not isinstance(found, ModuleType):
        return frozenset()
    return frozenset(getattr(found, "__all__", [n for n in vars(found) if not n.startswith("_")]))


def may_multiply(path: str) -> bool:
    """May what this names work out a matrix product? Whatever is not known to be elementwise, a sum, a shape..."""
    root, _, rest = path.partition(".")
    last = path.removesuffix("()").rpartition(".")[2]
    if root == "?":
        return last in _METHODS and not last.startswith("__") and _bare(last) not in NO_PRODUCT
    if root in ("torch", "numpy"):
        return bool(rest) and not last.startswith("__") and _bare(last) not in NO_PRODUCT
    return "." in path and root not in STANDARD | SHOWING


def _bare(name: str) -> str:
    return name.removesuffix("_") or name
