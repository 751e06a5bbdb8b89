"""How an answer computes: right styles pass, forbidden spellings are caught, no source makes the reader fail."""

# Programs of one line each stay on one line.
# ruff: noqa: E501

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.apart import is_calm, kept
from grader.findings import NotAsAsked
from grader.how import How, globals_read, reachable_names, source_of, tampering
from grader.model import Finding
from grader.sandbox.watch import Watch
from grader.sandbox.wire import Op, Seen
from grader.vocabulary import FAMILIES

SETUP = """\
import math
from math import sqrt
import torch
import torch.nn.functional as F
from torch import nn, tensor
"""


def cells(*sources: str) -> list[tuple[str, str]]:
    texts = [SETUP, *(textwrap.dedent(source).strip("\n") for source in sources)]
    return [(f"cell {number}", text) for number, text in enumerate(texts, 1)]


def finding_of(check: Callable[[], None]) -> Finding | None:
    try:
        check()
    except NotAsAsked as error:
        return error.finding if error.finding.reason == "forbidden" else None
    return None


def code_of(check: Callable[[], None]) -> str:
    finding = finding_of(check)
    return finding.code if finding else "passes"


def run(name: str, sources: list[tuple[str, str]], *args: Any) -> Seen:
    """What runs when the answer is called, here: these sources are our own."""
    space: dict[str, Any] = {}
    for _, source in sources:
        exec(source, space)
    with Watch() as watch:
        result = space[name](*args)
        if isinstance(result, torch.nn.Module):
            result(torch.randn(2, 3))
    return watch.seen


def matrices() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(2, 3), torch.randn(3, 4)


# ---------------------------------------------------------------- matrix products, in every disguise

PRODUCTS = {
    "exec at the top": "exec('def f(a, b): return a @ b')",
    "exec of a helper": "exec('def g(a, b): return a @ b')\ndef f(a, b): return g(a, b)",
    "exec after the answer": "def f(a, b): return a * b\nexec('f = torch.mm')",
    "patched operator": "torch.Tensor.__mul__ = torch.Tensor.__matmul__\ndef f(a, b): return a * b",
    "patched function": "torch.mul = torch.mm\ndef f(a, b): return torch.mul(a, b)",
    "patched function, by name": "from math import fsum\nmath.fsum = torch.mm\ndef f(a, b): return fsum(a, b)",
    "patched property": "torch.Tensor.x = property(lambda s: s @ s)\ndef f(a, b): return a.x",
    "patched class": "class H: pass\nclass G:\n    def __call__(self, a, b): return a @ b\nf = H()\nf.__class__ = G",
    "patched defaults": "def f(a, b, op=None): return op(a, b)\nf.__defaults__ = (torch.mm,)",
    "registered": "from functools import singledispatch\n@singledispatch\ndef f(a, b): pass\n"
    "@f.register(torch.Tensor)\ndef _(a, b): return a @ b",
    "globals inside": "def put(): globals()['m'] = torch.mm\nput()\ndef f(a, b): return m(a, b)",
    "second argument of isinstance": "def f(a, b):\n    isinstance(1, type(c := a @ b))\n    return c",
    "type's dict": "def f(a, b): return type(a).__dict__['mm'](a, b)",
    "matrix of numpy": "import numpy as np\ndef f(a, b): return tensor(np.matrix(a) * np.matrix(b))",
    "solving": "def f(a, b): return torch.linalg.solve(torch.linalg.inv(a), b)",
    "__main__": "import __main__\n__main__.m = torch.mm\ndef f(a, b): return m(a, b)",
    "operator": "def f(a, b): return a @ b",
    "in place": "def f(a, b):\n    a = a.clone()\n    a @= b\n    return a",
    "function": "def f(a, b): return torch.matmul(a, b)",
    "method": "def f(a, b): return a.mm(b)",
    "dunder": "def f(a, b): return a.__matmul__(b)",
    "class's method": "def f(a, b): return torch.Tensor.matmul(a, b)",
    "linear": "def f(a, b): return F.linear(a, b.t())",
    "einsum": "def f(a, b): return torch.einsum('ik,kj->ij', a, b)",
    "tensordot": "def f(a, b): return torch.tensordot(a, b, 1)",
    "inner": "def f(a, b): return torch.inner(a, b.t())",
    "addmm": "def f(a, b): return torch.addmm(torch.zeros(2, 4), a, b)",
    "chain": "def f(a, b): return torch.functional.chain_matmul(a, b)",
    "multi_dot": "def f(a, b): return torch.linalg.multi_dot([a, b])",
    "dots": "def f(a, b): return torch.stack([torch.stack([r.dot(c) for c in b.t()]) for r in a])",
    "mv": "def f(a, b): return torch.stack([a.mv(c) for c in b.t()], 1)",
    "convolution": "def f(a, b): return F.conv1d(a[:, :, None], b.t()[:, :, None])[:, :, 0]",
    "layer": """
        def f(a, b):
            layer = nn.Linear(3, 4, bias=False)
            layer.weight.data = b.t()
            return layer(a)
    """,
    "numpy operator": "def f(a, b): return torch.from_numpy(a.numpy() @ b.numpy())",
    "numpy function": "import numpy as np\ndef f(a, b): return torch.from_numpy(np.dot(a.numpy(), b.numpy()))",
    "operator module": "import operator\ndef f(a, b): return operator.matmul(a, b)",
    "alias": "mm = torch.matmul\ndef f(a, b): return mm(a, b)",
    "import as": "from torch import matmul as times\ndef f(a, b): return times(a, b)",
    "import inside": "def f(a, b):\n    from torch import mm as m\n    return m(a, b)",
    "module alias": "import torch as T\nU = T\ndef f(a, b): return U.mm(a, b)",
    "the answer is an alias": "f = torch.matmul",
    "alias of an alias": "x = torch.matmul\ny = x\nz = y\nf = lambda a, b: z(a, b)",
    "alias overwritten later": "mm = torch.mm\ndef f(a, b, op=mm): return op(a, b)\nmm = torch.mul",
    "getattr": "def f(a, b): return getattr(torch, 'matmul')(a, b)",
    "getattr at the top": "M = getattr(torch, 'mat' + 'mul')\ndef f(a, b): return M(a, b)",
    "getattr on a tensor": "def f(a, b): return getattr(a, 'm' + 'm')(b)",
    "getattr of a named text": "name = 'mm'\ndef f(a, b): return getattr(a, name)(b)",
    "getattr of a joined text": "def f(a, b): return getattr(a, ''.join(['m', 'm']))(b)",
    "getattr of an f-string": "part = 'mat'\ndef f(a, b): return getattr(torch, f'{part}mul')(a, b)",
    "getattr by another name": "g = getattr\ndef f(a, b): return g(torch, 'mm')(a, b)",
    "attrgetter": "from operator import attrgetter\ndef f(a, b): return attrgetter('mm')(torch)(a, b)",
    "methodcaller": "from operator import methodcaller\ndef f(a, b): return methodcaller('mm', b)(a)",
    "module's dict": "def f(a, b): return torch.__dict__['mm'](a, b)",
    "vars": "def f(a, b): return vars(torch)['mm'](a, b)",
    "globals": "mm = torch.mm\ndef f(a, b): return globals()['mm'](a, b)",
    "globals at the top": "globals()['mm'] = torch.mm\ndef f(a, b): return mm(a, b)",
    "dictionary": "ops = {'m': torch.matmul}\ndef f(a, b): return ops['m'](a, b)",
    "dictionary's get": "ops = {'m': torch.matmul}\ndef f(a, b): return ops.get('m')(a, b)",
    "list filled later": "ops = []\nops.append(torch.matmul)\ndef f(a, b): return ops[0](a, b)",
    "dictionary filled later": "ops = {}\nops['x'] = torch.matmul\ndef f(a, b): return ops['x'](a, b)",
    "default argument": "def f(a, b, op=torch.matmul): return op(a, b)",
    "default of a keyword": "def f(a, b, *, op=torch.matmul): return op(a, b)",
    "partial": "from functools import partial\nf = partial(torch.matmul)",
    "partial inside": "import functools\ndef f(a, b): return functools.partial(torch.mm, a)(b)",
    "map": "def f(a, b): return torch.stack(list(map(b.t().mv, a)))",
    "argument": "def apply(op, a, b): return op(a, b)\ndef f(a, b): return apply(torch.mm, a, b)",
    "helper": "def helper(a, b): return a @ b\ndef f(a, b): return helper(a, b)",
    "helper defined later": "def f(a, b): return helper(a, b)\ndef helper(a, b): return a @ b",
    "helper's helper": "def one(a, b): return a @ b\ndef two(a, b): return one(a, b)\ndef f(a, b): return two(a, b)",
    "another answer": "def matmul_einsum(a, b): return torch.einsum('ik,kj->ij', a, b)\nf = matmul_einsum",
    "factory": "def make():\n    def inner(a, b): return a @ b\n    return inner\nf = make()",
    "factory of a library's": "def make(): return torch.matmul\nm = make()\ndef f(a, b): return m(a, b)",
    "closure": "def make(op):\n    def inner(a, b): return op(a, b)\n    return inner\nf = make(torch.matmul)",
    "decorator": "def swap(fn): return lambda a, b: a @ b\n@swap\ndef f(a, b): pass",
    "decorator of a library's": "def use(op):\n    return lambda fn: op\n@use(torch.mm)\ndef f(a, b): pass",
    "class": "class M:\n    def go(self, a, b): return a @ b\ndef f(a, b): return M().go(a, b)",
    "class with call": "class M:\n    def __call__(self, a, b): return a @ b\nf = M()",
    "class attribute": "class M:\n    op = torch.matmul\ndef f(a, b): return M.op(a, b)",
    "attribute of a class set later": "class M: pass\nM.op = torch.matmul\ndef f(a, b): return M.op(a, b)",
    "attribute of a function": "def f(a, b): return f.op(a, b)\nf.op = torch.matmul",
    "attribute of a class by setattr": "class M: pass\nsetattr(M, 'go', torch.matmul)\ndef f(a, b): return M.go(a, b)",
    "namespace": "from types import SimpleNamespace\nns = SimpleNamespace(q=torch.mm)\ndef f(a, b): return ns.q(a, b)",
    "operator of a class": """
        class Mat:
            def __init__(self, t): self.t = t
            def __mul__(self, other): return self.t @ other.t
        def f(a, b): return Mat(a) * Mat(b)
    """,
    "matmul of a class": """
        class Mat:
            def __init__(self, t): self.t = t
            def __matmul__(self, other): return torch.mm(self.t, other.t)
        def f(a, b): return Mat(a) @ Mat(b)
    """,
    "base class": """
        class Base:
            def go(self, a, b): return a @ b
        class Sub(Base): pass
        def f(a, b): return Sub().go(a, b)
    """,
    "patched tensor": "torch.Tensor.foo = torch.Tensor.matmul\ndef f(a, b): return a.foo(b)",
    "patched builtin": "import builtins\nbuiltins.mm = torch.mm\ndef f(a, b): return mm(a, b)",
    "walrus": "def f(a, b): return (m := torch.mm)(a, b)",
    "conditional alias": "if torch.cuda.is_available():\n    m = torch.mul\nelse:\n    m = torch.mm\ndef f(a, b): return m(a, b)",
    "tried alias": "try:\n    m = torch.mm\nexcept AttributeError:\n    m = None\ndef f(a, b): return m(a, b)",
    "global inside": "m = None\ndef put():\n    global m\n    m = torch.mm\nput()\ndef f(a, b): return m(a, b)",
    "unpacked": "p, q = torch.mul, torch.mm\ndef f(a, b): return q(a, b)",
    "loop over functions": "def f(a, b):\n    for op in (torch.mm,):\n        out = op(a, b)\n    return out",
    "comprehension over functions": "def f(a, b): return [op(a, b) for op in [torch.mm]][0]",
    "star import": "from torch import *\ndef f(a, b): return matmul(a, b)",
    "magic": "get_ipython().run_line_magic('time', 'mm = torch.mm')\ndef f(a, b): return mm(a, b)",
    "type of a tensor": "def f(a, b): return type(a).matmul(a, b)",
    "getattribute": "def f(a, b): return torch.Tensor.__getattribute__(a, 'mm')(b)",
    "redefined": "def f(a, b): return a * b\ndef f(a, b): return a @ b",
    "lambda in a list": "steps = [lambda a, b: a @ b]\ndef f(a, b): return steps[0](a, b)",
    "fastai's names": "from fastai.vision.all import *\ndef f(a, b): return np.dot(a, b)",
    "cdist": "def f(a, b): return -torch.cdist(a, b.t()) ** 2",
    "attention": "def f(a, b): return F.scaled_dot_product_attention(a, a, b)",
}
NOT_RUN_HERE = {
    "magic",
    "fastai's names",
    "chain",
    "cdist",
    "attention",
    "patched tensor",
    "patched builtin",
    "redefined",
    "exec after the answer",
    "patched operator",
    "patched function",
    "patched function, by name",
    "patched property",
    "matrix of numpy",
    "solving",
    "__main__",
    "type's dict",
    "second argument of isinstance",
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_matrix_product_is_found_in_the_source(name: str) -> None:
    how = How("f", cells(PRODUCTS[name]))
    finding = finding_of(lambda: how.must_not("matrix product"))
    assert finding is not None
    assert finding.code == "must_not", finding
    assert str(finding.facts["asked"]) == "an answer without a matrix product"
    assert finding.frames[0].line == int(finding.facts["line"])


@pytest.mark.parametrize("name", sorted(PRODUCTS.keys() - NOT_RUN_HERE - {n for n in PRODUCTS if "numpy" in n}))
def test_a_matrix_product_is_found_in_the_run(name: str) -> None:
    source = cells(PRODUCTS[name])
    blind = cells("def f(a, b): return hidden_from_us(a, b)")
    how = How("f", blind, run("f", source, *matrices()))
    assert code_of(lambda: how.must_not("matrix product")) == "must_not"


HIDDEN = {
    "computed exec at the top": "exec('def f(a, b): return a ' + chr(64) + ' b')",
    "computed exec of a helper": "exec('def g(a, b): return a ' + chr(64) + ' b')\ndef f(a, b): return g(a, b)",
    "sliced text": "def f(a, b): return getattr(a, 'xmm'[1:])(b)",
    "letter by letter": "def f(a, b):\n    s = ''\n    for c in 'mm': s += c\n    return getattr(a, s)(b)",
    "text that grows": "s = 'm'\ns += 'm'\ndef f(a, b): return getattr(a, s)(b)",
    "unpacked text": "p, q = 'mm'\ndef f(a, b): return getattr(a, p + q)(b)",
    "keys of a dictionary": "def f(a, b):\n    for n in {'mm': 'add'}: return getattr(a, n)(b)",
    "text in a list": "names = ['add']\ndef f(a, b): return getattr(a, names[0])(b)",
    "text in a class": "class K: n = 'add'\nK.n = 'm' + chr(109)\ndef f(a, b): return getattr(a, K.n)(b)",
    "getattr passed on": "def f(a, b): return list(map(getattr, [a], ['mm']))[0](b)",
    "partial of getattr": "from functools import partial\ndef f(a, b): return partial(getattr, a)(chr(109) * 2)(b)",
    "all of a module's dict": "def f(a, b): return list(torch.__dict__.values())[7](a, b)",
    "all of a type's dict": "def f(a, b): return type(a).__dict__[chr(109) * 2](a, b)",
    "annotations": "def f(a: torch.mm, b): return f.__annotations__['a'](a, b)",
    "code replaced": "def g(a, b): return b\ndef f(a, b): return a\nf.__code__ = g.__code__",
    "eval": "def f(a, b): return eval('a @ b')",
    "exec": "def f(a, b):\n    out = {}\n    exec('c = a @ b', {'a': a, 'b': b}, out)\n    return out['c']",
    "eval at the top": "m = eval('torch.mm')\ndef f(a, b): return m(a, b)",
    "compile": "def f(a, b): return eval(compile('a @ b', '', 'eval'))",
    "__import__": "def f(a, b): return __import__('helper').go(a, b)",
    "importlib": "import importlib\ndef f(a, b): return importlib.import_module('helper').go(a, b)",
    "own module": "import helper\ndef f(a, b): return helper.go(a, b)",
    "name from an own module": "from helper import go\ndef f(a, b): return go(a, b)",
    "the answer from an own module": "from helper import f",
    "computed getattr": "def f(a, b, name='mm'[::-1]): return getattr(a, name)(b)",
    "getattr of an argument": "def g(a, b, n): return getattr(a, n)(b)\ndef f(a, b): return g(a, b, chr(109) * 2)",
    "computed attrgetter": "import operator\ndef f(a, b): return operator.attrgetter(chr(109) * 2)(torch)(a, b)",
    "computed methodcaller": "import operator\ndef f(a, b): return operator.methodcaller(chr(109) * 2, b)(a)",
    "computed globals": "m = 1\ndef f(a, b): return globals()[chr(109)](a, b)",
    "globals passed on": "def f(a, b): return list(globals().values())[3](a, b)",
    "computed vars": "def f(a, b): return vars(torch)[chr(109) * 2](a, b)",
    "vars of a module passed on": "def f(a, b): return list(vars(torch).values())[7](a, b)",
    "computed dict": "def f(a, b): return torch.__dict__[chr(109) * 2](a, b)",
    "sys.modules": "import sys\ndef f(a, b): return list(sys.modules.values())[9].go(a, b)",
    "torch.ops": "def f(a, b): return torch.ops.mine.go(a, b)",
    "torch._C": "def f(a, b): return torch._C._VariableFunctions.foo(a, b)",
    "script": "@torch.jit.script\ndef f(a, b): return a * b",
    "compiled": "@torch.compile\ndef f(a, b): return a * b",
    "ctypes": "import ctypes\ndef f(a, b): return ctypes.CDLL('libblas.so').go(a, b)",
    "numba": "from numba import njit\n@njit\ndef f(a, b): return a",
    "cffi": "import cffi\nffi = cffi.FFI()\ndef f(a, b): return ffi.dlopen('x').go(a, b)",
    "inspect": "import inspect\ndef f(a, b): return inspect.currentframe().f_back.f_locals['c']",
    "gc": "import gc\ndef f(a, b): return [o for o in gc.get_objects()][5](a, b)",
    "frames": "import sys\ndef f(a, b): return sys._getframe(1).f_globals['x']",
    "globals of a function": "def f(a, b): return torch.stack.__globals__['x'](a, b)",
    "earlier output": "def f(a, b): return Out[3](a, b)",
    "last output": "def f(a, b): return _(a, b)",
    "shell": "def f(a, b): return get_ipython().ev('a @ b')",
    "code object": "import types\ndef f(a, b): return types.FunctionType(f.__code__, {})(a, b)",
    "pickle": "import pickle\ndef f(a, b): return pickle.loads(b'cx')(a, b)",
    "subprocess": "import subprocess\ndef f(a, b): return subprocess.run(['x'])",
    "nothing of the name": "def g(a, b): return a @ b",
    "__import__ by another name": "imp = __import__\ndef f(a, b): return imp('helper').go(a, b)",
    "vars of an argument": "def pick(t, n): return vars(t)[n]\ndef f(a, b): return pick(type(a), 'd' + 'ot')(a, b)",
    "a copy of a type's names": "def f(a, b): return dict(vars(type(a)))['m' + 'ul'](a, b)",
    "a type's names, named": "def f(a, b):\n    every = type(a).__dict__\n    return every['d' + 'ot'](a, b)",
    "a loop over a type's names": "def f(a, b):\n    t = type(a)\n    for k in t.__dict__:\n"
    "        if k.startswith('do'): return t.__dict__[k](a, b)",
    "computed __getattribute__": "def f(a, b): return a.__getattribute__(chr(109) * 2)(b)",
    "computed __getattribute__ of super": "class T(torch.Tensor):\n    def go(self, n): return super().__getattribute__(n)\n"
    "def f(a, b): return a.as_subclass(T).go(chr(109) * 2)(b)",
    "__getattribute__ handed on": "def f(a, b): return list(map(a.__getattribute__, [chr(109) * 2]))[0](b)",
    "getattr as a keyword argument": "def pick(f, x, n): return f(x, n)\ndef f(a, b): return pick(f=getattr, x=a, n=chr(109) * 2)(b)",
    "getattr in a dictionary": "def pick(d, x, n): return d['g'](x, n)\ndef f(a, b): return pick({'g': getattr}, a, chr(109) * 2)(b)",
    "vars handed on": "def pick(v, t): return v(t)\ndef f(a, b): return pick(vars, type(a))[chr(109) * 2](a, b)",
    "a method's self that is none": "class R:\n    def every(self): return vars(self)\n"
    "def f(a, b): return R.every(type(a))[chr(109) * 2](a, b)",
    "a method's self that is none, by its name": "class R:\n    def every(self): return self.__dict__\n"
    "def f(a, b): return getattr(R, 'every')(type(a))[chr(109) * 2](a, b)",
    "a static method's self": "class R:\n    @staticmethod\n    def every(self): return vars(self)\n"
    "def f(a, b): return R().every(type(a))[chr(109) * 2](a, b)",
    "an object that is none": "class R:\n    def __new__(cls, t): return t\n"
    "def f(a, b): return vars(R(type(a)))[chr(109) * 2](a, b)",
    "a module under another's name": "import sys, os\ndef f(a, b):\n    sys.path.insert(0, os.getcwd())\n    import sched\n    return sched.go(a, b)",
    "a path added to": "import sys\ndef f(a, b):\n    sys.path[:0] = ['.']\n    import sched\n    return sched.go(a, b)",
    "a path by another name": "from sys import path\ndef f(a, b):\n    path.insert(0, '.')\n    import sched\n    return sched.go(a, b)",
    "a package's path": "import json\ndef f(a, b):\n    json.__path__.insert(0, '.')\n    import json.mine\n    return json.mine.go(a, b)",
    "a site": "import site\ndef f(a, b):\n    site.addsitedir('.')\n    import sched\n    return sched.go(a, b)",
    "names to match, computed": "class Every(type):\n    def __instancecheck__(cls, other): return True\n"
    "class Row(metaclass=Every):\n    __match_args__ = (chr(109) * 2,)\n"
    "def f(a, b):\n    match a:\n        case Row(times): return times(b)",
    "names to match, set later": "class Row: pass\nRow.__match_args__ = (chr(109) * 2,)\n"
    "def f(a, b):\n    match a:\n        case Row(times): return times(b)",
    "a named tuple that is none": "from collections import namedtuple\nimport abc\n"
    "Row = abc.ABCMeta('Row', (), {'__match_args__': (chr(109) * 2,)})\nRow.register(torch.Tensor)\n"
    "def f(a, b):\n    match a:\n        case Row(times): return times(b)",
    "a signature that evaluates": "import inspect\ndef shape(x: 'torch.mul'): return x\n"
    "def f(a, b): return inspect.signature(shape, eval_str=True).parameters['x'].annotation(a, b)",
    "a signature that evaluates, by stars": "import inspect\ndef shape(x: 'torch.mul'): return x\n"
    "def f(a, b): return inspect.signature(shape, **{'eval' + '_str': True}).parameters['x'].annotation(a, b)",
    "a base from a type's names": "def pick(t, n): return vars(t)[n]\nclass Row(pick(torch, chr(109) * 2)): pass\n"
    "def f(a, b): return Row(a, b)",
    "a default from a type's names": "def f(a, b):\n    def g(op=vars(type(a))[chr(109) * 2]): return op(a, b)\n    return g()",
    "a method's default from a type's names": "class C:\n    def go(self, a, b, op=vars(type(torch))[chr(109) * 2]): return op(a, b)\n"
    "def f(a, b): return C().go(a, b)",
    "a debugger": "import pdb\ndef f(a, b):\n    pdb.set_trace()\n    return a",
    "a long chain": "x0 = torch.mul\n"
    + "\n".join(f"x{i + 1} = x{i}" for i in range(300))
    + "\nf = lambda a, b: x300(a, b)",
}


@pytest.mark.parametrize("name", HIDDEN)
def test_what_hides_the_call_is_named(name: str) -> None:
    how = How("f", cells(HIDDEN[name]))
    for check in (lambda: how.must_not("matrix product"), how.indexing_only):
        finding = finding_of(check)
        assert finding is not None
        assert finding.code == "hidden_call", finding
        assert finding.facts["construct"]
    assert code_of(how.only_builtins) in ("hidden_call", "not_builtin")


HONEST = {
    "two loops": """
        def f(a, b):
            (n, k), (k2, m) = a.shape, b.shape
            assert k == k2
            c = torch.zeros(n, m)
            for i in range(n):
                for j in range(m):
                    c[i, j] = (a[i] * b[:, j]).sum()
            return c
    """,
    "comprehensions": "def f(a, b): return torch.stack([torch.stack([(r * c).sum() for c in b.t()]) for r in a])",
    "broadcasting": "def f(a, b): return (a[:, :, None] * b[None]).sum(1)",
    "unsqueeze": "def f(a, b): return (a.unsqueeze(-1) * b.unsqueeze(0)).sum(dim=1)",
    "local named like it": "def f(a, b):\n    matmul = (a[:, :, None] * b).sum(1)\n    return matmul",
    "parameter named like it": "def f(a, b, mm=None):\n    mm = mm or 1\n    return (a[:, :, None] * b).sum(1) * mm",
    "helper named like it": "def matmul(a, b): return (a[:, :, None] * b).sum(1)\ndef f(a, b): return matmul(a, b)",
    "class named like it": "class Linear:\n    def dot(self, a, b): return (a[:, :, None] * b).sum(1)\n"
    "def f(a, b): return Linear().dot(a, b)",
    "own dot": """
        class Row:
            def __init__(self, t): self.t = t
            def dot(self, other): return (self.t * other.t).sum()
        def f(a, b):
            rows, columns = [Row(r) for r in a], [Row(c) for c in b.t()]
            return torch.stack([torch.stack([r.dot(c) for c in columns]) for r in rows])
    """,
    "own matmul operator": """
        class Mat:
            def __init__(self, t): self.t = t
            def __matmul__(self, other): return (self.t[:, :, None] * other.t).sum(1)
        def f(a, b): return Mat(a) @ Mat(b)
    """,
    "try-outs do not count": "def f(a, b): return (a[:, :, None] * b).sum(1)\n"
    "a = torch.ones(2, 2)\nassert torch.allclose(f(a, a), a @ a)\nresult = torch.matmul(a, a)",
    "data made by it": "w = torch.ones(1, 1) @ torch.ones(1, 1)\ndef f(a, b): return (a[:, :, None] * b * w).sum(1)",
    "alias overwritten": "mm = torch.matmul\ndef mm(a, b): return (a[:, :, None] * b).sum(1)\ndef f(a, b): return mm(a, b)",
    "redefined": "def f(a, b): return a @ b\ndef f(a, b): return (a[:, :, None] * b).sum(1)",
    "type hints": "from torch import Tensor\ndef f(a: Tensor, b: 'torch.Tensor') -> Tensor:\n"
    "    c: torch.Tensor = a[:, :, None] * b\n    return c.sum(1)",
    "docstring": "def f(a, b):\n    '''Not a @ b, nor torch.matmul, nor eval.'''\n    return (a[:, :, None] * b).sum(1)",
    "prints and asserts": "def f(a, b):\n    print(a.shape, f'{b.shape!r:>10}')\n    assert isinstance(a, torch.Tensor), 'no'\n"
    "    return (a[:, :, None] * b).sum(1)",
    "decorator": "import functools, time\ndef timed(fn):\n    @functools.wraps(fn)\n    def inner(*args, **kw):\n"
    "        start = time.time()\n        out = fn(*args, **kw)\n        print(time.time() - start)\n        return out\n"
    "    return inner\n@timed\ndef f(a, b): return (a[:, :, None] * b).sum(1)",
    "no_grad": "@torch.no_grad()\ndef f(a, b): return (a[:, :, None] * b).sum(1)",
    "star import": "from fastai.vision.all import *\ndef f(a, b): return torch.sum(a[:, :, None] * b, 1)",
    "course's own modules": "from exp.nb_00 import *\nfrom fastai.basics import *\ndef f(a, b): return torch.sum(a[:, :, None] * b, 1)",
    "getattr with a constant": "def f(a, b): return getattr(a[:, :, None] * b, 'sum')(1)",
    "getattr in turn": "def f(a, b):\n    for n in ('ndim', 'dtype'):\n        assert getattr(a, n) == getattr(b, n)\n"
    "    return (a[:, :, None] * b).sum(1)",
    "map and lambda": "def f(a, b): return torch.stack(list(map(lambda r: (r[:, None] * b).sum(0), a)))",
    "shadowing": "def torch_(): ...\ndef f(a, b):\n    sum, list, max = 1, 2, 3\n    return (a[:, :, None] * b).sum(sum)",
    "expand": "def f(a, b):\n    c = a.unsqueeze(2).expand(-1, -1, b.shape[1])\n    return (c * b.expand_as(c)).sum(1)",
    "Chinese names": "def 乘(甲, 乙): return (甲[:, :, None] * 乙).sum(1)  # 不用 @\ndef f(a, b): return 乘(a, b)",
    "garbage collected": "import gc, inspect, os\ngc.collect()\nprint(inspect.signature(gc.collect))\n"
    "def f(a, b): return (a[:, :, None] * b).sum(1)",
    "eval in a try-out": "x = eval('1 + 1')\ndef f(a, b): return (a[:, :, None] * b).sum(1)",
    "keyword arguments": "def f(a, b): return torch.sum(input=a[:, :, None] * b, dim=1)",
    "in steps": "def f(a, b):\n    a = a[:, :, None]\n    a = a * b\n    a = a.sum(1)\n    return a",
    "generator helper": "def rows(a):\n    for r in a: yield r\ndef f(a, b): return torch.stack([(r[:, None] * b).sum(0) for r in rows(a)])",
    "underscore": "def f(a, b):\n    n, _ = a.shape\n    _, m = b.shape\n    return (a[:, :, None] * b).sum(1)",
    "enumerate": "def f(a, b):\n    c = torch.zeros(len(a), b.shape[1])\n    for i, r in enumerate(a):\n"
    "        c[i] = (r.unsqueeze(-1) * b).sum(dim=0)\n    return c",
    "outer products": "def f(a, b):\n    c = torch.zeros(len(a), b.shape[1])\n    for k in range(len(b)):\n"
    "        c += a[:, k, None] * b[k]\n    return c",
    "dtype and device": "def f(a, b):\n    c = torch.zeros(a.shape[0], b.shape[1], dtype=a.dtype, device=a.device)\n"
    "    c += (a[:, :, None] * b).sum(1)\n    return c",
    "own attributes": "class Box:\n    def __init__(self, **kw):\n        self.__dict__.update(kw)\n        super().__init__()\n"
    "    def __repr__(self): return str(vars(self))\n    def names(self): return [n for n in self.__dict__]\n"
    "    def put(self, name, value): self.__dict__[name] = value\n    def take(self, name): return vars(self)[name]\n"
    "def f(a, b):\n    box = Box(a=a, b=b)\n    box.put('c', 1)\n    print(vars(box), box.names(), box)\n"
    "    return (box.a[:, :, None] * box.take('b')).sum(1)",
    "a data class's fields": "from dataclasses import dataclass\n@dataclass\nclass Axes:\n    dim: int = 1\n"
    "def f(a, b): return (a[:, :, None] * b).sum(**vars(Axes()))",
    "names set on what becomes a method's self": "def init(self, a, b): vars(self).update(a=a, b=b)\n"
    "Pair = type('Pair', (), dict(__init__=init))\ndef f(a, b):\n    p = Pair(a, b)\n    return (p.a[:, :, None] * p.b).sum(1)",
    "a base's own attributes": "class Box:\n    def __init__(self, **kw): self.__dict__.update(kw)\n"
    "class Pair(Box):\n    def __init__(self, a, b): Box.__init__(self, a=a, b=b)\n"
    "def f(a, b):\n    p = Pair(a, b)\n    return (p.a[:, :, None] * p.b).sum(1)",
    "defaults and bases": "from collections import namedtuple\nfrom typing import Generic, TypeVar\nT = TypeVar('T')\n"
    "class Pair(namedtuple('Pair', 'a b')):\n    def go(self, scale=torch.ones(1) @ torch.ones(1)): return self.a[:, :, None] * self.b * scale\n"
    "class Box(Generic[T], nn.Module): pass\ndef f(a, b, zero=torch.zeros(1) @ torch.zeros(1)):\n    Box()\n    return Pair(a, b).go().sum(1) + zero",
    "attributes of a module": "class Net(nn.Module):\n    def __getattr__(self, name): return super().__getattr__(name)\n"
    "    def forward(self, a, b): return (a[:, :, None] * b).sum(1)\ndef f(a, b): return Net()(a, b)",
    "named tuples": "from collections import namedtuple\nfrom dataclasses import dataclass\nPair = namedtuple('Pair', 'a b')\n"
    "@dataclass\nclass Two:\n    a: object\n    b: object\ndef f(a, b):\n    match Pair(a, b):\n        case Pair(x, y): pass\n"
    "    match Two(x, y):\n        case Two(x, y): pass\n    match len(a):\n        case int(n): pass\n    return (x[:, :, None] * y).sum(1)",
    "texts for types": "from typing import Optional, List\ndef f(a: 'Tensor[n, k]', b: 'k by m', c: Optional['torch.Tensor'] = None) -> 'List[float] | None':\n"
    "    d: 'torch.Tensor' = a[:, :, None] * b\n    return d.sum(1)",
    "match": "def f(a, b):\n    match a.shape:\n        case [n, k]: pass\n    return (a[:, :, None] * b).sum(1)",
}


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("watched", [False, True], ids=["source", "source and run"])
def test_an_honest_product_passes(name: str, watched: bool) -> None:
    sources = cells(HONEST[name])
    if (watched and "star" in name) or (watched and "course" in name):
        pytest.skip("needs a library that is not here")
    how = How("f", sources, run("f", sources, *matrices()) if watched else None)
    assert (
        finding_of(lambda: how.must_not("matrix product", "einsum", "autograd", "numpy", "relu", "nn.Linear")) is None
    )
    assert not how.disagrees


# ---------------------------------------------------------------- the other families

SPELLINGS = {
    "relu": [
        "def f(x): return torch.relu(x)",
        "def f(x): return F.relu(x)",
        "def f(x): return nn.ReLU()(x)",
        "def f(x): return x.relu()",
        "def f(x): return x.clone().relu_()",
        "def f(x): return torch.nn.functional.relu6(x)",
        "act = nn.ReLU()\ndef f(x): return act(x)",
        "f = torch.relu",
        "f = nn.ReLU()",
        "class f(nn.ReLU): pass",
        "from torch.nn import ReLU as R\ndef f(x): return R(inplace=False)(x)",
        "from torch.nn.functional import relu as rectified\ndef f(x): return rectified(x)",
    ],
    "einsum": [
        "def f(a, b): return torch.einsum('ik,kj->ij', a, b)",
        "from torch import einsum\nf = lambda a, b: einsum('ik,kj', a, b)",
        "import numpy as np\ndef f(a, b): return np.einsum('ik,kj', a, b)",
        "from functools import partial\nf = partial(torch.einsum, 'ik,kj->ij')",
        "from einops import einsum\ndef f(a, b): return einsum(a, b, 'i k, k j -> i j')",
    ],
    "autograd": [
        "def f(x):\n    x = x.clone().requires_grad_()\n    x.sum().backward()\n    return x.grad",
        "def f(x):\n    x.requires_grad = True\n    return x",
        "def f(x):\n    w = torch.ones(3, requires_grad=True)\n    return torch.autograd.grad((w * x).sum(), w)",
        "from torch.autograd import grad\ndef f(x): return grad(x.sum(), x)",
        "def f(x): return torch.func.grad(torch.sum)(x)",
        "from torch.func import vjp\ndef f(x): return vjp(torch.sum, x)",
        "def f(x): return torch.autograd.functional.jacobian(torch.sum, x)",
        "def f(x):\n    with torch.enable_grad():\n        return x.sum()",
        "def f(x):\n    x.g = x.grad",
        "def f(x):\n    loss = (x ** 2).mean()\n    loss.backward()",
    ],
    "numpy": [
        "import numpy as np\ndef f(x): return np.sum(x)",
        "def f(x): return x.numpy().sum()",
        "from numpy import array\ndef f(x): return array(x)",
        "import numpy\ndef f(x): return numpy.add(x, 1)",
        "from numpy import *\ndef f(x): return einsum('i->', x)",
    ],
    "torch": [
        "def f(x): return torch.tensor(x).sum()",
        "def f(x): return tensor(x).sum()",
        "def f(x): return sum(x) + torch.pi",
        "def f(x): return F.relu(x)",
        "def helper(x): return torch.dot(x, x)\ndef f(x): return helper(x)",
    ],
    "unfold": [
        "def f(x): return F.unfold(x, (2, 2))",
        "def f(x): return nn.Unfold((2, 2))(x)",
        "def f(x): return x.unfold(2, 2, 1)",
        "from torch.nn.functional import unfold as patches\ndef f(x): return patches(x, 2)",
    ],
    "conv2d": [
        "def f(x, w): return F.conv2d(x, w)",
        "def f(x, w): return torch.conv2d(x, w)",
        "def f(x, w):\n    layer = nn.Conv2d(3, 4, 2)\n    return layer(x)",
        "def f(x, w): return F.conv_transpose2d(x, w)",
        "def f(x, w): return torch.convolution(x, w, None, [1], [0], [1], False, [0], 1)",
        "class f(nn.Conv2d): pass",
    ],
    "nn.Linear": [
        "def f(x): return nn.Linear(3, 4)(x)",
        "def f(x, w): return F.linear(x, w)",
        "class f(nn.Linear): pass",
        "class f(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.layer = nn.Linear(2, 3)\n"
        "    def forward(self, x): return self.layer(x)",
        "class f(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.l = nn.LazyLinear(3)",
        "from torch.nn import Linear as L\ndef f(x): return L(3, 4)(x)",
        "layers = {'a': nn.Linear}\ndef f(x): return layers['a'](3, 4)(x)",
    ],
    "unsqueeze": ["def f(m, c): return m + c.unsqueeze(1)", "def f(m, c): return m + torch.unsqueeze(c, 1)"],
    "none index": [
        "def f(m, c): return m + c[:, None]",
        "import numpy as np\ndef f(m, c): return m + c[:, np.newaxis]",
        "def f(m, c): return m + c[..., None]",
        "new = None\ndef f(m, c): return m + c[:, new]",
        "def f(m, c): return c[None] * m",
    ],
    "view": ["def f(m, c): return m + c.view(-1, 1)"],
    "reshape": ["def f(m, c): return m + c.reshape(-1, 1)", "def f(m, c): return m + torch.reshape(c, (-1, 1))"],
    "expand": [
        "def f(c, m): return c.expand_as(m)",
        "def f(c, m): return c.expand(3, -1)",
        "def f(c, m): return torch.broadcast_to(c, m.shape)",
        "def f(c, m): return torch.broadcast_tensors(c, m)[0]",
    ],
    "repeat": ["def f(c, m): return c.repeat(3, 1)", "def f(c, m): return torch.tile(c, (3, 1))"],
    "copy": [
        "def f(c, m): return c.expand_as(m).clone()",
        "def f(c, m): return c.expand_as(m).contiguous()",
        "import copy\ndef f(c, m): return copy.deepcopy(c)",
    ],
    "elementwise product": ["def f(a, b): return (a * b).sum()", "def f(a, b): return torch.mul(a, b).sum()"],
    "storage": ["def f(t): return list(t.storage())", "def f(t): return t.untyped_storage()"],
    "autograd.Function": [
        "class f(torch.autograd.Function): pass",
        "from torch.autograd import Function\nclass f(Function): pass",
    ],
}


@pytest.mark.parametrize(("family", "source"), [(name, source) for name, many in SPELLINGS.items() for source in many])
def test_every_spelling_of_a_family_is_known(family: str, source: str) -> None:
    how = How("f", cells(source))
    assert code_of(lambda: how.must_not(family)) == "must_not"
    assert code_of(lambda: how.must(family)) == "passes"
    assert code_of(lambda: how.must("einsum" if family == "unfold" else "unfold", family)) == "passes"


NOT_A_RELU = [
    "def f(x): return x.clamp_min(0.)",
    "def f(x): return torch.where(x > 0, x, torch.zeros_like(x))",
    "def f(x): return torch.maximum(x, torch.zeros_like(x))",
    "def relu(x): return x.clamp(min=0)\ndef f(x): return relu(x)",
    "def f(x):\n    relu = x * (x > 0)\n    return relu",
    "class Relu:\n    def __call__(self, x): return x.clamp_min(0.)\n    def relu(self, x): return self(x)\nf = Relu()",
    "def f(x):\n    '''relu(x)'''\n    out = x.clone()\n    out[out < 0] = 0\n    return out",
    "from fastai.vision.all import *\ndef relu(x): return x.clamp_min(0.)\nf = relu",
]


@pytest.mark.parametrize("source", NOT_A_RELU)
def test_a_relu_of_ones_own_passes(source: str) -> None:
    assert finding_of(lambda: How("f", cells(source)).must_not("relu")) is None


CLASSES = """
    class Relu():
        def __call__(self, inp):
            self.inp = inp
            self.out = inp.clamp_min(0.)
            return self.out
        def backward(self): self.inp.g = (self.inp > 0).float() * self.out.g

    class Lin():
        def __init__(self, w, b): self.w, self.b = w, b
        def __call__(self, inp):
            self.inp = inp
            self.out = inp @ self.w + self.b
            return self.out
        def backward(self):
            self.inp.g = self.out.g @ self.w.t()
            self.w.g = self.inp.t() @ self.out.g
            self.b.g = self.out.g.sum(0)

    class Mse():
        def __call__(self, inp, targ):
            self.inp, self.targ = inp, targ
            return (inp.squeeze() - targ).pow(2).mean()
        def backward(self):
            x = (self.inp.squeeze() - self.targ).unsqueeze(-1)
            self.inp.g = 2. * x / self.targ.shape[0]

    class Model():
        def __init__(self, w1, b1, w2, b2):
            self.layers = [Lin(w1, b1), Relu(), Lin(w2, b2)]
            self.loss = Mse()
        def __call__(self, x, targ):
            for l in self.layers: x = l(x)
            return self.loss(x, targ)
        def backward(self):
            self.loss.backward()
            for l in reversed(self.layers): l.backward()
"""


@pytest.mark.parametrize("name", ["Relu", "Lin", "Mse", "Model", "f"])
def test_backward_of_ones_own_classes_is_no_autograd(name: str) -> None:
    calls = "def f(x, t, w1, b1, w2, b2):\n    m = Model(w1, b1, w2, b2)\n    loss = m(x, t)\n    m.backward()\n    return loss"
    sources = cells(CLASSES, calls)
    assert finding_of(lambda: How(name, sources).must_not("autograd")) is None
    with_tensors = How(name, sources, Seen(("torch.Tensor.backward",), (), True))
    assert code_of(lambda: with_tensors.must_not("autograd")) == "must_not"


def test_the_bodys_own_class_does_not_cover_numpys_dot() -> None:
    decoy = "class D:\n    def dot(self, o): return 0\n    def __matmul__(self, o): return 0\n"
    for product in ("a.numpy().dot(b.numpy())", "a.numpy() @ b.numpy()"):
        how = How("f", cells(decoy + f"def f(a, b):\n    D()\n    return torch.from_numpy({product})"))
        assert code_of(lambda how=how: how.must_not("matrix product")) == "must_not"


def test_what_only_the_run_sees_breaks_a_must_not_and_holds_a_must() -> None:
    source = cells("def f(a, b): return a.something(b)")
    for functions, ops, family in [
        (("torch.Tensor.matmul",), (), "matrix product"),
        ((), (Op("aten::mm", 1, 4),), "matrix product"),
        ((), (Op("aten::addmm_", 1, 4),), "matrix product"),
        ((), (Op("aten::relu_", 1, 4),), "relu"),
        ((), (Op("aten::im2col", 1, 4),), "unfold"),
        ((), (Op("aten::convolution", 1, 4),), "conv2d"),
        (("torch.functional.einsum",), (), "einsum"),
        (("torch.nn.functional.linear",), (), "nn.Linear"),
        (("torch.Tensor.requires_grad.__set__",), (), "autograd"),
        (("torch.Tensor.__getitem__",), (Op("aten::unsqueeze", 1, 4),), "none index"),
        (("torch.Tensor.unsqueeze",), (Op("aten::unsqueeze", 1, 4),), "unsqueeze"),
        (("torch.zeros",), (), "torch"),
    ]:
        how = How("f", source, Seen(functions, ops))
        assert code_of(lambda how=how, family=family: how.must_not(family)) == "must_not"
        assert code_of(lambda how=how, family=family: how.must(family)) == "passes"
    how = How(
        "f", source, Seen(("torch.Tensor.requires_grad.__get__", "torch.Tensor.__getitem__"), (Op("aten::view", 1, 2),))
    )
    assert code_of(lambda: how.must_not(*(FAMILIES.keys() - {"torch"}))) == "passes"
    assert code_of(lambda: how.must("unfold", "relu")) == "must"


def test_a_must_that_nothing_shows_is_named() -> None:
    finding = finding_of(lambda: How("f", cells("def f(x):\n    return x")).must("unfold", "matrix product"))
    assert finding is not None
    assert finding.code == "must"
    assert str(finding.facts["asked"]) == "`unfold` or a matrix product"
    assert finding.frames[0].cell == "cell 2"


def test_a_finding_shows_what_was_used_and_where() -> None:
    finding = finding_of(
        lambda: How("f", cells("x = 1", "def g(x):\n    return F.relu( x )\n\nf = g")).must_not("relu")
    )
    assert finding is not None
    assert {key: str(fact) for key, fact in finding.facts.items()} == {
        "used": "`F.relu`",
        "asked": "an answer without `relu`",
        "line": "2",
    }
    (frame,) = finding.frames
    assert (frame.cell, frame.line, frame.code) == ("cell 3", 2, "return F.relu( x )")


# ---------------------------------------------------------------- loops

LOOPS = {
    "def f(a): return a": 0,
    "def f(a):\n    for i in a: pass": 1,
    "def f(a):\n    for i in a:\n        for j in a: pass\n    for k in a: pass": 2,
    "def f(a):\n    while a:\n        for j in a:\n            x = [k for k in a]": 3,
    "def f(a): return [[x * y for y in a] for x in a]": 2,
    "def f(a): return [x * y for y in a for x in a]": 2,
    "def f(a): return sum(x for x in a)": 1,
    "def f(a): return {x: {y for y in x} for x in a}": 2,
    "def g(r): return sum(x for x in r)\ndef f(a): return [g(r) for r in a]": 2,
    "def h(r):\n    for x in r: pass\ndef g(r):\n    for q in r: h(q)\ndef f(a):\n    for r in a: g(r)": 3,
    "def f(a):\n    def inner(r): return [x for x in r]\n    return inner(a)": 1,
    "f = lambda a: [x for x in a]": 1,
    "def f(a): return list(map(lambda r: [x for x in r], a))": 2,
    "def g(x): return x\ndef f(a): return list(map(g, a))": 1,
    "from functools import reduce\ndef f(a): return reduce(lambda x, y: x + y, a)": 1,
    "def f(a): return list(filter(None, a))": 1,
    "from itertools import product\ndef f(a):\n    for i, j in product(a, a): pass": 2,
    "import itertools\ndef f(a):\n    for i, j, k in itertools.product(a, a, a): pass": 3,
    "from itertools import product\ndef f(a):\n    for i, j in product(a, repeat=2): pass": 2,
    "from itertools import product\ndef f(a):\n    for i, j in product(*map(range, a.shape)): pass": 2,
    "from itertools import product\ndef f(a):\n    for n, (i, j) in enumerate(product(a, a)): pass": 2,
    "import numpy as np\ndef f(a):\n    for i, j in np.ndindex(2, 3): pass": 2,
    "def f(a):\n    pairs = [(i, j) for i in a for j in a]\n    for i, j in pairs: pass": 2,
    "def pairs(a):\n    for i in a:\n        for j in a: yield i, j\ndef f(a):\n    for i, j in pairs(a): pass": 2,
    "def f(a):\n    if not a: return 0\n    return a[0] + f(a[1:])": 1,
    "def g(a): return f(a)\ndef f(a):\n    return g(a[1:]) if a else 0": 1,
    "def f(a):\n    for n in a.shape: pass": 0,
    "def f(a):\n    for n, m in zip(a.shape, a.size()): pass": 0,
    "def f(a):\n    for name in ('weight', 'bias'): pass\n    return [n for n in [1, 2]]": 0,
    "def f(a):\n    for i, n in enumerate((1, 2)):\n        for x in a: pass": 1,
    "class C:\n    def go(self, a): return [x for x in a]\ndef f(a):\n    c = C()\n    return [c.go(r) for r in a]": 2,
    "class C:\n    def __repr__(self): return ''.join(x for x in self.a)\ndef f(a): return C()": 0,
    "def timed(fn):\n    def inner(*a): return fn(*a)\n    return inner\n@timed\ndef f(a): return [x for x in a]": 1,
    "def f(a):\n    try:\n        with a:\n            for i in a: pass\n    finally: pass": 1,
    "def f(a): return a.apply_(lambda x: x + 1)": 1,
    "def f(a): return (a > 0).all()\nprint([f(x) for x in []])": 0,
    "import numpy as np\ng = np.vectorize(lambda x: x)\ndef f(a): return [np.vectorize(lambda x: x)(r) for r in a]": 2,
    "async def f(a):\n    async for x in a: pass": 1,
    "class f(nn.Module):\n    def __init__(self):\n        super().__init__()\n    def forward(self, x): return x": 0,
    "def f(a): return max(range(a), key=lambda i: [x for x in a])": 2,
    "def f(a):\n    def g(i): return max(a, key=lambda j: i)\n    return min(a, key=g)": 2,
    "from functools import partial\ndef g(i, j): return i\ndef f(a): return sorted(a, key=partial(g, 1))": 1,
    "from functools import partial\ndef f(a): return partial(max, a)(key=lambda i: i)": 1,
    "import re\ndef f(a): return re.sub('x', lambda m: re.sub('y', lambda n: '', 'yy'), 'xx')": 2,
    "import re\ndef f(a): return re.compile('x').sub(lambda m: '', 'xx')": 1,
    "def f(a): return list(iter(lambda: [x for x in a], 3))": 2,
    "def f(a): a.sort(key=lambda x: max(a, key=lambda y: x))": 2,
    "class S:\n    def __init__(self, n, do): self.n, self.do = n, do\n    def __iter__(self): return self\n"
    "    def __next__(self): return self.do(self.n)\n"
    "def f(a): return sum(S(3, lambda i: sum(S(3, lambda j: [x for x in a]))))": 3,
    "class S:\n    def __init__(self, do): self.do = do\n    def __getitem__(self, i): return self.do(i)\n"
    "def f(a):\n    for x in S(lambda i: [x for x in a]): pass": 2,
    "def each(n, do):\n    for i in range(n): do(i)\ndef f(a): each(2, lambda i: each(3, lambda j: each(4, lambda k: i)))": 3,
    "def best(xs, g): return max(xs, key=g)\ndef f(a): return best(a, lambda i: best(a, lambda j: j))": 2,
    "def best(xs, g): return max(xs, key=g)\ndef again(xs, h): return best(xs, g=h)\n"
    "def f(a): return again(a, lambda i: again(a, lambda j: j))": 2,
    "def twice(g, x): return g(g(x))\ndef f(a): return twice(lambda x: [y for y in x], a)": 1,
    "def f(a): return sorted(a.shape, key=len)": 0,
    "def init(m): pass\ndef f(a): return nn.Linear(1, 1).apply(init)": 0,
    "def g(x): return x\ndef f(a): return print(g), callable(g), dict(g=g), isinstance(a, str)": 0,
    "import functools, contextlib\ndef f(a):\n    @functools.lru_cache(None)\n    def g(x): return x\n"
    "    return functools.partial(g, a)()": 0,
    "from collections import defaultdict\ndef f(a): return defaultdict(lambda: 0)": 0,
    "def f(a):\n    a.register_hook(lambda g: g)\n    return torch.vmap(lambda x: x)(a)": 0,
    "def f(a):\n    rows = map(lambda r: r.sum(), a)\n    return torch.stack(list(rows))": 1,
    "class Box:\n    def __init__(self, a): self.a = a\n    def total(self): return self.a\ndef f(a): return max(Box(a).total(), 0)": 0,
    "def f(a):\n    for i in range(1):\n        for j in range(0, 1): a = [k for k in range(1)]\n    return a": 0,
    "def f(a):\n    one = 1\n    for i in range(one): pass": 0,
    "def f(a):\n    for i in a:\n        while True:\n            return a": 0,
    "def f(a):\n    for i in a:\n        if i: continue\n        break": 1,
    "def f(a):\n    while True:\n        if a: break": 1,
    "def f(a):\n    for c in range(3): a[c] = 0": 1,
    "def f(a, b):\n    m, s = map(lambda t: t[:, None], (a, b))\n    return m - s": 0,
    "def f(a):\n    (n, k), (l, m) = map(tuple, (a.shape, a.shape))": 0,
    "from functools import reduce\ndef f(a, b): return reduce(torch.matmul, (a, b))": 0,
    "from functools import reduce\ndef f(a, b): return reduce(torch.add, (a[:, [k]] * b[k] for k in range(b.size(0))))": 1,
    "def f(a): return list(map(lambda r: r.sum(), [row[:, None] for row in a]))": 1,
    "def f(a): return list(map(lambda r: [x for x in r], (1, 2)))": 1,
    "def f(a): return list(map(lambda r: [x for x in r], map(lambda r: r, a)))": 2,
    "def f(a): return list(map(len, [[x for x in r] for r in a]))": 2,
    "from itertools import starmap\ndef f(a): return list(starmap(lambda i, j: a, [(i, j) for i in a for j in a]))": 2,
}


@pytest.mark.parametrize("source", LOOPS)
def test_loops_are_counted(source: str) -> None:
    how, depth = How("f", cells(source)), LOOPS[source]
    assert code_of(lambda: how.loops(at_most=depth)) == "passes"
    assert code_of(lambda: how.loops(at_least=depth)) == "passes"
    finding = finding_of(lambda: how.loops(at_least=depth + 1))
    assert finding is not None
    assert (finding.code, finding.facts["found"], finding.facts["asked"]) == (
        "too_few_loops",
        str(depth),
        str(depth + 1),
    )
    if depth:
        finding = finding_of(lambda: how.loops(at_most=depth - 1))
        assert finding is not None
        assert finding.facts["found"] == str(depth)
        assert finding.facts["allowed"] == str(depth - 1)
        assert finding.frames
    assert code_of(lambda: how.must("loop")) == ("passes" if depth else "must")
    assert code_of(lambda: how.must_not("loop")) == ("too_many_loops" if depth else "passes")


def test_of_several_nests_the_first_is_told_whatever_order_sets_are_in() -> None:
    nests = [f"if y:\n    def f(a): return [x + {number} for x in a]" for number in range(8)]
    finding = finding_of(lambda: How("f", cells("y = 1", *nests)).loops(at_most=0))
    assert finding is not None
    assert [(frame.cell, frame.line) for frame in finding.frames] == [("cell 3", 2)]


def test_hidden_code_is_no_way_around_a_loop() -> None:
    assert code_of(lambda: How("f", cells("def f(a): exec('for x in a: pass')")).loops(at_most=0)) == "hidden_call"


THREE_LOOPS = {
    "the chapter's": """
        def f(a, b):
            ar, ac = a.shape
            br, bc = b.shape
            assert ac == br
            c = torch.zeros(ar, bc)
            for i in range(ar):
                for j in range(bc):
                    for k in range(ac): c[i, j] += a[i, k] * b[k, j]
            print(c)
            return c
    """,
    "a local sum": """
        def f(a, b):
            c = torch.empty(a.shape[0], b.shape[1], dtype=a.dtype)
            for i in range(a.shape[0]):
                for j in range(b.shape[1]):
                    total = 0
                    for k in range(len(b)):
                        total += a[i][k].item() * b[k][j]
                    c[i][j] = total
            return c
    """,
    "comprehensions": """
        def f(a, b):
            n, k, m = len(a), len(b), b.shape[1]
            return tensor([[sum(a[i, l].item() * b[l, j].item() for l in range(k)) for j in range(m)] for i in range(n)])
    """,
    "lists": """
        def f(a, b):
            A, B = a.tolist(), b.tolist()
            return torch.tensor([[sum(x * y for x, y in zip(r, c)) for c in zip(*B)] for r in A])
    """,
    "stacked": """
        def f(a, b):
            rows = []
            for i in range(len(a)):
                rows.append(torch.stack([sum(a[i, k] * b[k, j] for k in range(len(b))) for j in range(b.shape[1])]))
            return torch.stack(rows)
    """,
    "product": """
        from itertools import product
        def f(a, b):
            c = torch.zeros(len(a), b.shape[1])
            for i, j, k in product(range(len(a)), range(b.shape[1]), range(len(b))):
                c[i, j] = c[i, j] + a[i, k] * b[k, j]
            return c
    """,
    "while": """
        def f(a, b):
            c = torch.zeros(len(a), b.shape[1])
            i = 0
            while i < len(a):
                j = 0
                while j < b.shape[1]:
                    k = 0
                    while k < len(b):
                        c[i, j] += a[i, k] * b[k, j]
                        k += 1
                    j += 1
                i += 1
            return c
    """,
    "helper": """
        def dot(a, b, i, j):
            total = torch.zeros(())
            for k in range(len(b)): total = total + a[i, k] * b[k, j]
            return total
        def f(a, b):
            c = torch.zeros(len(a), b.shape[1])
            for i in range(len(a)):
                for j in range(b.shape[1]): c[i, j] = dot(a, b, i, j)
            return c
    """,
    "single numbers of NumPy's": """
        import numpy as np
        def f(a, b):
            A, B = a.numpy(), b.numpy()
            c = np.zeros((len(A), B.shape[1]), dtype=np.float32)
            for i in range(len(A)):
                for j in range(B.shape[1]):
                    for k in range(len(B)): c[i, j] = np.add(c[i, j], np.multiply(A[i, k], B[k, j]))
            return torch.from_numpy(c)
    """,
    "one flat loop": """
        def f(a, b):
            n, k, m = len(a), len(b), b.shape[1]
            c = torch.zeros(n, m)
            for x in range(n * k * m):
                c[x // (k * m), x % m] += a[x // (k * m), x // m % k] * b[x // m % k, x % m]
            return c
    """,
}


@pytest.mark.parametrize("name", THREE_LOOPS)
def test_three_loops_over_single_numbers_pass(name: str) -> None:
    sources = cells(THREE_LOOPS[name])
    a, b = matrices()
    how = How("f", sources, run("f", sources, a, b))
    assert finding_of(how.indexing_only) is None
    assert finding_of(lambda: how.loops(at_least=3)) is None
    assert not how.disagrees


WHOLE_ROWS = [
    "def f(a, b): return (a[:, :, None] * b).sum(1)",
    "def f(a, b):\n    c = torch.zeros(2, 4)\n    for i in range(2):\n        for j in range(4):\n"
    "            for _ in range(1): c[i, j] = (a[i] * b[:, j]).sum()\n    return c",
    "def f(a, b):\n    c = torch.zeros(2, 4)\n    for i in range(2):\n        for k in range(3): c[i] += a[i, k] * b[k]\n    return c",
    "def f(a, b): return torch.stack([torch.stack([r.dot(c) for c in b.t()]) for r in a])",
    "def f(a, b): return torch.einsum('ik,kj->ij', a, b)",
    "def f(a, b): return torch.stack([torch.stack([torch.stack([r[k] * c[k] for k in range(3)]).sum() for c in b.t()]) for r in a])",
]


@pytest.mark.parametrize("source", WHOLE_ROWS)
def test_arithmetic_on_whole_rows_is_not_indexing(source: str) -> None:
    sources = cells(source)
    seen = run("f", sources, *matrices())
    assert code_of(How("f", sources, seen).indexing_only) in ("indexing_only", "must_not")
    assert code_of(How("f", cells("def f(a, b): return g(a, b)"), seen).indexing_only) in ("indexing_only", "must_not")


@pytest.mark.parametrize(
    "result",
    [
        "np.add.reduce(np.multiply(p, q), axis=1)",
        "np.multiply.outer(A, B)",
        "np.vectorize(lambda i, j: i * j)(A, B)",
        "np.average(p, weights=q)",
        "np.kron(A, B)",
    ],
)
def test_numpys_whole_arrays_are_seen_in_the_source(result: str) -> None:
    source = f"import numpy as np\ndef f(a, b):\n    A, B = a.numpy(), b.numpy()\n    p, q = A[..., None], B[None]\n    return tensor({result})"
    assert code_of(How("f", cells(source), Seen()).indexing_only) == "indexing_only"


def test_whole_rows_in_numpy_are_seen_in_the_source() -> None:
    source = "def f(a, b):\n    A, B = a.numpy(), b.numpy()\n    return tensor([[(A[i] * B[:, j]).sum() for j in range(4)] for i in range(2)])"
    assert code_of(How("f", cells(source), Seen()).indexing_only) == "indexing_only"


# ---------------------------------------------------------------- plain Python

PLAIN = [
    "def f(x, w, b): return sum(p * q for p, q in zip(x, w)) + b",
    "def f(x, w, b):\n    total = b\n    for i in range(len(x)): total += x[i] * w[i]\n    return total",
    "from typing import List\ndef f(x: List[float], w: list[float], b: torch.Tensor) -> float: return sum(p * q for p, q in zip(x, w)) + b",
    "def dot(x, w): return sum(p * q for p, q in zip(x, w))\ndef f(x, w, b): return dot(x, w) + b",
    "def f(x, w, b):\n    if isinstance(x, torch.Tensor): x = x.tolist()\n    return sum(p * q for p, q in zip(x, w)) + b",
    "def f(x, w, b):\n    assert len(x) == len(w), f'{len(x)} and {len(w)}'\n    print(x)\n    return sum(p * q for p, q in zip(x, w)) + b",
    "from fastai.vision.all import *\ndef f(x, w, b): return sum(p * q for p, q in zip(x, w)) + b",
    "class Vec(list):\n    def __matmul__(self, o): return sum(p * q for p, q in zip(self, o))\n"
    "def f(x, w, b): return Vec(x) @ Vec(w) + b",
    "import sys\ndef f(x, w, b):\n    print(x, file=sys.stderr)\n    return sum(p * q for p, q in zip(x, w)) + b",
    "import functools, time\ndef timed(g):\n    @functools.wraps(g)\n    def inner(*a):\n        print(time.time())\n        return g(*a)\n    return inner\n"
    "@timed\ndef f(x, w, b): return sum(p * q for p, q in zip(x, w)) + b",
    "def neuron(x, w, b): return sum(p * q for p, q in zip(x, w)) + b\ndef f(x, w, b): return [neuron(x, w, b)]",
]
IMPORTED = [
    "import operator\ndef f(x, w, b): return sum(map(operator.mul, x, w), b)",
    "from functools import reduce\ndef f(x, w, b): return reduce(lambda t, pq: t + pq[0] * pq[1], zip(x, w), b)",
    "from itertools import starmap\nfrom operator import mul\ndef f(x, w, b): return sum(starmap(mul, zip(x, w))) + b",
    "def f(x, w, b): return math.fsum(p * q for p, q in zip(x, w)) + b",
    "def f(x, w, b):\n    from operator import mul\n    return sum(map(mul, x, w)) + b",
    "import copy\ndef f(x, w, b): return sum(p * q for p, q in zip(copy.copy(x), w)) + b",
]
NOT_PLAIN = [
    "def f(x, w, b): return (torch.tensor(x) * torch.tensor(w)).sum() + b",
    "def f(x, w, b): return tensor(x) @ tensor(w) + b",
    "import numpy as np\ndef f(x, w, b): return np.dot(x, w) + b",
    "import numpy as np\ndef f(x, w, b): return float(np.array(x) @ np.array(w)) + b",
    "def helper(x, w): return torch.dot(tensor(x), tensor(w))\ndef f(x, w, b): return helper(x, w).item() + b",
    "import pandas as pd\ndef f(x, w, b): return pd.Series(x).dot(w) + b",
    "from scipy.linalg import blas\ndef f(x, w, b): return blas.ddot(x, w) + b",
    "def f(x, w, b): return sum(p * q for p, q in zip(x, w)) + b + 0 * torch.pi",
]


@pytest.mark.parametrize("source", PLAIN)
def test_plain_python_passes(source: str) -> None:
    how = How("f", cells(source), Seen())
    assert finding_of(how.only_builtins) is None
    assert finding_of(lambda: how.must_not("torch", "numpy")) is None


@pytest.mark.parametrize("source", IMPORTED)
def test_what_is_imported_is_no_builtin_and_no_torch(source: str) -> None:
    how = How("f", cells(source), Seen())
    assert code_of(how.only_builtins) == "not_builtin"
    assert finding_of(how.only_numpy) is None
    assert finding_of(lambda: how.must_not("torch", "numpy")) is None


@pytest.mark.parametrize("source", NOT_PLAIN)
def test_a_library_is_not_plain_python(source: str) -> None:
    assert code_of(How("f", cells(source)).only_builtins) == "not_builtin"


def test_torch_that_only_the_run_sees_is_not_plain_python() -> None:
    how = How("f", cells("def f(x): return g(x)"), Seen(("torch.tensor",), (Op("aten::dot", 1, 3),)))
    assert code_of(how.only_builtins) == "not_builtin"
    assert code_of(how.only_numpy) == "not_numpy"


@pytest.mark.parametrize("source", [*PLAIN, "def f(x): return np.maximum(x, 0)", "def f(x): return x.clip(0)"])
def test_numpy_and_plain_python_are_numpy_only(source: str) -> None:
    assert finding_of(How("f", cells(source), Seen()).only_numpy) is None


@pytest.mark.parametrize(
    "source",
    [
        "def f(x): return torch.from_numpy(x).relu().numpy()",
        "def helper(x): return tensor(x)\ndef f(x): return np.asarray(helper(x))",
        "from scipy.special import expit\ndef f(x): return expit(x)",
        "import jax.numpy as jnp\ndef f(x): return jnp.maximum(x, 0)",
        "import cv2\ndef f(x): return cv2.filter2D(x, -1, x)",
    ],
)
def test_any_other_library_is_not_numpy(source: str) -> None:
    assert code_of(How("f", cells(source), Seen()).only_numpy) == "not_numpy"


@pytest.mark.parametrize(
    "result", ["torch.from_numpy(x).relu().numpy()", "torch.tensor(x).numpy()", "np.asarray(torch.as_tensor(x) * 2)"]
)
def test_an_array_that_goes_through_torch_is_seen_while_it_runs(result: str) -> None:
    seen = run("f", cells(f"import numpy as np\ndef f(x): return {result}"), np.ones((2, 3)))
    assert code_of(How("f", cells("def f(x): return g(x)"), seen).only_numpy) == "not_numpy"


def test_an_answer_must_use_another_name_of_the_notebook() -> None:
    helper = "class Mine: pass\ndef helper(x): return Mine.apply(x)\n"
    assert code_of(lambda: How("f", cells(helper + "def f(x): return helper(x)")).must_call("Mine")) == "passes"
    alias = helper + "mine = Mine.apply\nagain = mine\ndef f(x): return again(x)"
    assert code_of(lambda: How("f", cells(alias)).must_call("Mine")) == "passes"
    assert code_of(lambda: How("f", cells(helper + "helper(3)\ndef f(x): return x")).must_call("Mine")) == "must"


def test_layers_in_a_list_are_followed_to_their_end() -> None:
    """A library's method among the student's own layers, all called in a loop: attributes of attributes, for ever."""
    source = (
        "class Mine(torch.autograd.Function): pass\n"
        "class Lin:\n    def __init__(self): self.w, self.b = torch.ones(1), torch.ones(1)\n"
        "    def __call__(self, x): return x * self.w + self.b\n"
        "class Model:\n    def __init__(self):\n        self.layers = [Lin(), Mine.apply]\n"
        "        self.params = [p for l in self.layers if isinstance(l, Lin) for p in (l.w, l.b)]\n"
        "    def __call__(self, x):\n        for l in self.layers: x = l(x)\n        return x\n"
        "def f(x):\n    model = Model()\n    for p in model.params: p.data -= p.grad\n    return model(x)"
    )
    how = How("f", cells(source))
    assert code_of(lambda: how.must_not("relu")) == "passes"
    assert code_of(lambda: how.must_call("Mine")) == "passes"


# ---------------------------------------------------------------- source against run


def test_a_blind_trace_is_noticed() -> None:
    plain = cells("def f(a, b): return a @ b")
    assert How("f", plain, Seen()).disagrees
    assert not How("f", plain, run("f", plain, *matrices())).disagrees
    assert not How("f", plain).disagrees
    maybe = cells("def f(a, b):\n    if a.ndim == 1: return a @ b\n    return (a[:, :, None] * b).sum(1)")
    assert not How("f", maybe, run("f", maybe, *matrices())).disagrees


def test_a_product_without_source_is_noticed() -> None:
    source = cells("def f(a, b): return (a[:, :, None] * b).sum(1)")
    assert How("f", source, Seen((), (Op("aten::mm", 1, 8),))).disagrees
    layer = cells("def f(a, m=nn.Sequential()): return m(a)")
    assert not How("f", layer, Seen((), (Op("aten::mm", 1, 8),))).disagrees


# ---------------------------------------------------------------- names

NOTEBOOK = """
    w1 = torch.randn(3, 4)
    eps = 1e-5
    table = {'a': 1}
    mm = torch.matmul
    class Layer:
        def __call__(self, x): return x @ w1
    layer = Layer()
    def lin(x, w, b): return x @ w + b + eps
    def unused(x): return table
    @torch.no_grad()
    def f(x, b):
        w2 = 3
        return lin(x, w1, b) + w2 + layer(x) + mm(x, x) + sqrt(2)
"""


def test_names_that_an_answer_reads() -> None:
    sources = cells(NOTEBOOK)
    assert globals_read("f", sources) == {"w1", "eps"}
    assert reachable_names("f", sources) == {"lin", "layer", "mm", "w1", "eps", "torch", "sqrt"}
    assert "unused" not in reachable_names("f", sources)
    assert globals_read("unused", sources) == {"table"}
    assert globals_read("nothing", sources) == set()
    counter = "n = 0\ndef f():\n    global n\n    n += 1\n    return n"
    assert globals_read("f", cells(counter)) == set()
    assert source_of("f", sources).startswith("@torch.no_grad()\ndef f(x, b):\n    w2 = 3\n")
    assert ast.parse(source_of("f", sources)).body[0].name == "f"  # type: ignore[attr-defined]
    assert source_of("nothing", sources) == ""


def test_a_name_bound_twice_has_its_last_source() -> None:
    sources = cells("def f(x): return 1", "y = 1\ndef f(x):\n    return 2\nz = f(1)")
    assert source_of("f", sources) == "def f(x):\n    return 2"


# ---------------------------------------------------------------- tampering

TAMPERS = {
    "torch.allclose = lambda *a, **k: True": "torch.allclose = ...",
    "torch.Tensor.__eq__ = lambda a, b: True": "torch.Tensor.__eq__ = ...",
    "setattr(torch, 'equal', lambda *a: True)": "torch.equal = ...",
    "def g():\n    import torch as T\n    T.testing.assert_close = print": "torch.testing.assert_close = ...",
    "for n in dir(torch): setattr(torch, n, None)": "torch.* = ...",
    "import builtins\nbuiltins.sum = max": "sum = ...",
    "import sys\nsys.modules['torch'] = None": "sys.modules",
    "import gc\ngc.get_objects()": "gc.get_objects",
    "import ctypes": "ctypes",
    "import inspect\ninspect.currentframe().f_back": "inspect.currentframe",
    "import sys\ndef f(): return sys._getframe(1).f_locals": "sys._getframe",
    "from signal import signal, SIGALRM\nsignal(SIGALRM, print)": "signal",
    "import atexit as a\na.register(print)": "atexit",
    "import threading\nthreading.Thread(target=print).start()": "threading",
    "from multiprocessing import Process": "multiprocessing",
    "get_ipython().events.register('pre_execute', print)": "get_ipython().events",
    "ip = get_ipython()\nip.input_transformers_cleanup.append(print)": "get_ipython().input_transformers_cleanup",
    "import os\nos._exit(0)": "os._exit",
    "torch._C._set_grad_enabled(False)": "torch._C",
    "class T(torch.Tensor):\n    @classmethod\n    def __torch_function__(cls, *a): return True": "__torch_function__",
    "x = open('/proc/self/environ')": "/proc",
    "import grader.compare\ngrader.compare.assert_close = print": "grader.compare",
    "from grader import compare\ncompare.show = print": "grader.compare",
    "f = print.__globals__": "__globals__",
    "torch.__dict__['equal'] = print": "torch.__dict__",
}


@pytest.mark.parametrize("source", TAMPERS)
def test_tampering_is_named(source: str) -> None:
    assert TAMPERS[source] in tampering(cells(source))


HABITS = """
    import matplotlib.pyplot as plt, numpy as np, os, gc, inspect, warnings, random, sys
    from fastai.vision.all import *
    from grader import check
    import grader
    check('relu')
    grader.check('relu')
    torch.manual_seed(42); random.seed(1); np.random.seed(1)
    torch.set_printoptions(precision=2, linewidth=140, sci_mode=False)
    torch.set_default_dtype(torch.float32)
    torch.backends.cudnn.deterministic = True
    plt.rcParams['image.cmap'] = 'gray'
    matplotlib.rcParams.update({})
    os.environ['CUDA_LAUNCH_BLOCKING'] = '1'
    os.makedirs('x', exist_ok=True)
    warnings.filterwarnings('ignore')
    gc.collect()
    print(inspect.getsource(torch.nn.Linear), sys.version, sys.getsizeof(3))
    from IPython.core.interactiveshell import InteractiveShell
    InteractiveShell.ast_node_interactivity = 'all'
    get_ipython().run_line_magic('matplotlib', 'inline')
    get_ipython().system('pip install torch')
    pd.options.display.max_rows = 8

    @patch
    def stats(self: Tensor): return self.mean(), self.std()
    Tensor.ndim_ = property(lambda x: len(x.shape))
    torch.Tensor.described = stats
    def mse_grad(inp, targ): inp.g = 2. * (inp.squeeze() - targ).unsqueeze(-1) / inp.shape[0]
    class Module():
        def __call__(self, *args):
            self.args = args
            self.out = self.forward(*args)
            return self.out
        def __eq__(self, other): return True
        def backward(self): self.bwd(self.out, *self.args)
    m = Module()
    m.weight = nn.Parameter(torch.randn(3))
    m.weight.data = torch.zeros(3)
    m.weight.grad = None
    x = torch.randn(3, requires_grad=True)
    x.data[0] = 1
    globals()['y'] = 3
    model = nn.Sequential(nn.Linear(3, 4))
    model[0].weight = nn.Parameter(torch.ones(4, 3))
    model.forward = lambda x: x
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    dl = torch.utils.data.DataLoader([1, 2], num_workers=2)
"""


def test_honest_habits_are_no_tampering() -> None:
    assert tampering(cells(HABITS, CLASSES, *HONEST.values())) == []


# ---------------------------------------------------------------- any source at all


def everything(name: str, sources: list[tuple[str, str]]) -> None:
    """Ask all there is to ask; only `NotAsAsked` may come out."""
    for seen in (None, Seen(("torch.Tensor.matmul", "?", "", ".__get__"), (Op("aten::mul", 1, 1), Op("x", 1, 2)))):
        how = How(name, sources, seen)
        code_of(lambda how=how: how.must_not(*FAMILIES, "loop"))
        code_of(lambda how=how: how.must(*FAMILIES, "loop"))
        code_of(lambda how=how: how.loops(at_least=1, at_most=1))
        code_of(how.indexing_only)
        code_of(how.only_builtins)
        code_of(how.only_numpy)
        code_of(lambda how=how: how.must_call("g"))
        assert how.disagrees in (True, False)
    tampering(sources)
    reachable_names(name, sources)
    globals_read(name, sources)
    source_of(name, sources)


ODD = {
    "a function named torch": "def torch(): ...\ndef f(a, b): return torch().matmul(a)",
    "a class named like itself": "class f(f): pass",
    "its own base": "class A(B): pass\nclass B(A): pass\nf = A().x.y",
    "its own value": "f = f",
    "a circle of names": "a = lambda: b\nb = lambda: a\nf = a()()()",
    "a circle of functions": "def f(x): return g(x)\ndef g(x): return h(x)\ndef h(x): return f(x)()",
    "decorated by itself": "@f\ndef f(x): return f",
    "default of itself": "def f(x=lambda: f): return x",
    "nothing": "",
    "not Python": "def f(:",
    "null": "\0",
    "deep brackets": "f = " + "(" * 90 + "1" + ")" * 90,
    "deep brackets that do not parse": "f = " + "[" * 5000,
    "deep attributes": "def f(x): return x" + ".a" * 150,
    "very deep attributes": "def f(x): return x" + ".a" * 3000,
    "deep calls": "def f(x): return " + "x(" * 80 + ")" * 80,
    "deep sums": "def f(x): return " + "x + " * 150 + "1",
    "very deep sums": "def f(x): return " + "x + " * 5000 + "1",
    "deep texts": "def f(x): return getattr(x, " + "'a' + " * 150 + "'b')",
    "deep ifs": "def f(x):\n" + "\n".join("    " * (i + 1) + "if x:" for i in range(90)) + "\n" + "    " * 92 + "pass",
    "deep lambdas": "f = " + "lambda: " * 150 + "1",
    "many helpers": "\n".join(f"def f{i}(x): return f{i + 1}(x)" for i in range(800)) + "\ndef f(x): return f0(x)",
    "helpers in a ring": "\n".join(f"def g{i}(x): return g{(i * 7 + 1) % 60}(g{(i * 3 + 2) % 60})" for i in range(60))
    + "\nf = g0(g1)",
    "locals in a knot": "def f("
    + ", ".join(f"x{i}" for i in range(40))
    + "):\n"
    + "\n".join(f"    x{i} = x{(i * 7 + 3) % 40}(x{(i + 1) % 40}, x{(i * 3) % 40})" for i in range(40)),
    "one name again and again": "x = 1\n" + "x = g(x, x, x)\n" * 400 + "def f(): return x",
    "a list that grows": "xs = []\n" + "xs.append(f(xs))\n" * 200 + "def f(x): return xs",
    "many texts": "def f(x):\n    for n in "
    + repr([chr(97 + i % 26) * (i + 1) for i in range(300)])
    + ":\n        getattr(x, n + n + n)",
    "many patches": "import torch\n"
    + "\n".join(f"torch.Tensor.a{i} = torch.Tensor.a{i + 1}" for i in range(300))
    + "\ndef f(x): return x.a0(x)",
    "star arguments": "def f(*a, **k): return getattr(*a)(**k)",
    "odd getattr": "def f(x): return getattr(), getattr(x), getattr(x, 'a', 'b', 'c'), getattr(x, *['mm'])",
    "odd dunders": "def f(x): return x.__getattribute__(), torch.__getattr__('mm'), object.__getattribute__(x, 'mm')",
    "relative import": "from . import a\nfrom .b import *\ndef f(x): return a(x), c(x)",
    "del": "f = 1\ndel f",
    "del and again": "def f(x): return x\nsum = 3\ndel sum, f[0], f.a\ndef g(): return sum",
    "type parameters": "x = 1\ndef f(x: int = x, /, *, y: 'no' = x) -> 3: return x",
    "match": "def f(x):\n    match x:\n        case {'a': [1, *r], **k} | (r, k): return r, k\n        case str() as s if s: return s",
    "nonlocal": "def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = g\n    return g",
    "global class": "def f():\n    global K\n    class K: pass\n    def K(): return f\n    return K",
    "odd setattr": "setattr(f, 'a')\nsetattr(*x)\nsetattr(torch, n, 1)\ndef f(): return f.a",
    "odd magic": "get_ipython().run_line_magic('time', 'def (')\nget_ipython().run_line_magic('time', 'f = 1')",
    "tampering with the unknown": "torch.a.b.c.d = 1\ntorch.Tensor.grad.x = 2\nnp.foo.bar = 3\nsys = 1\nsys.modules = 2",
    "surrogates": "f = '\\ud800'\ndef g(x): return getattr(x, '\\ud800')",
    "class in class": "class f:\n    class g:\n        class h(f): x = f\n    y = g.h.x.g.h\n    z: int",
    "lambda defaults": "f = [lambda x=i: x for i in range(3)][0]",
    "walrus in a comprehension": "def f(x): return [y := z, y ** 2] and [(q := w) for w in x if (v := w)], q, v",
}


@pytest.mark.parametrize("name", ODD)
def test_odd_sources_do_not_make_the_reader_fail(name: str) -> None:
    everything("f", cells(ODD[name]))
    everything("f", [("cell 1", ODD[name]), ("cell 1", ODD[name])])
    everything("", [])


@settings(max_examples=150)
@given(st.lists(st.text(max_size=80), max_size=4), st.text(max_size=8))
def test_any_text_is_read(texts: list[str], name: str) -> None:
    everything(name, [(f"cell {i}", text) for i, text in enumerate(texts)])


_ATOMS = [
    "f",
    "g",
    "x",
    "torch",
    "torch.mm",
    "'mm'",
    "None",
    "getattr(x, 'mm')",
    "getattr(f, x)",
    "globals()",
    "(lambda: f)",
    "K()",
    "self",
]
_FORMS = [
    "{0}({1})",
    "{0} @ {1}",
    "{0}.mm({1})",
    "[{0} for x in {1}]",
    "{0}[{1}]",
    "{{{1}: {0}}}",
    "({0} if {1} else f)",
    "{0} + {1}",
    "getattr({0}, {1})",
]
_LINES = ["f = {0}", "def f(x=({0})): return {1}", "g = {1}", "class K({0}): f = {1}", "x.a = {0}", "x, g = {0}, {1}", "for x in {0}: f = {1}",
    "@{0}\ndef g(*x): yield {1}", "setattr({0}, 'g', {1})", "g.append({0})", "with {0} as f: {1}", "import torch as f", "from torch import *", "del g"]  # fmt: skip
expressions = st.recursive(
    st.sampled_from(_ATOMS),
    lambda inner: st.builds(lambda form, a, b: form.format(a, b), st.sampled_from(_FORMS), inner, inner),
    max_leaves=8,
)
lines = st.builds(lambda line, a, b: line.format(a, b), st.sampled_from(_LINES), expressions, expressions)


@settings(max_examples=200)
@given(st.lists(st.lists(lines, max_size=6), max_size=3))
def test_any_program_is_read(program: list[list[str]]) -> None:
    everything("f", [(f"cell {i}", "\n".join(body)) for i, body in enumerate(program)])


# ---------------------------------------------------------------- what was read is what runs

LOOPS_AS_ASKED = """\
import numpy as np
def f(a, b):
    c = torch.zeros(a.shape[0], b.shape[1])
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            for k in range(a.shape[1]):
                c[i, j] += a[i, k] * b[k, j]
    return c
"""
CHEAT = "def p(a, b): return torch.from_numpy(a.double().numpy() @ b.double().numpy()).float()\n"

REBOUND = {
    "a namespace with a name": "g = globals()\ng['f'] = p",
    "updated": "globals().update(f=p)",
    "updated by another name": "u = globals().update\nu(f=p)",
    "__setitem__": "globals().__setitem__('f', p)",
    "vars": "vars()['f'] = p",
    "computed exec": "exec('f' + ' = p')",
    "exec in a function": "def go():\n    exec('f' + ' = p', globals())\ngo()",
    "loop over a namespace": "for globals()['f' + ''] in [p]: pass",
    "push": "get_ipython().push({'f': p})",
    "ex": "get_ipython().ex('f=p')",
    "compile of the shell": "get_ipython().compile = lambda *args: 0",
    "__code__": "object.__setattr__(f, '__code__', p.__code__)",
    "__code__ by a computed name": "setattr(f, '__co' + 'de__', getattr(p, '__co' + 'de__'))",
    "wraps": "import functools\nfunctools.update_wrapper(f, p, assigned=('__code__',))",
    "import": "import collections\ncollections.q = p\nfrom collections import q as f",
    "class body": "class A:\n    global f\n    f = p",
    "loop": "def go():\n    global f\n    for f in [p]: pass\ngo()",
    "walrus": "def go():\n    global f\n    (f := p)\ngo()",
    "import in a function": "import math\nmath.q = p\ndef go():\n    global f\n    from math import q as f\ngo()",
    "with": "import contextlib\ndef go():\n    global f\n    with contextlib.nullcontext(p) as f: pass\ngo()",
    "tuple": "def go():\n    global f\n    f, x = p, 1\ngo()",
    "nested tuple": "def go():\n    global f\n    (x, [f, *y]) = 1, [p, 2]\ngo()",
    "nested function": "def go():\n    global f\n    def f(a, b): return p(a, b)\ngo()",
    "comprehension": "def go():\n    global f\n    [f := x for x in [p]]\ngo()",
    "except": "class E(Exception): __call__ = p\ndef go():\n    global f\n    try: raise E\n    except E as f: pass\ngo()",
    "match": "def go():\n    global f\n    match p:\n        case f: pass\ngo()",
    "the module": "import sys\nsys.modules['__main__'].f = p",
    "__main__": "import __main__\n__main__.f = p",
    "a frame": "import sys\nsys._getframe().f_globals['f'] = p",
    "a function's globals": "f.__globals__['f'] = p",
    "gc": "import gc\n[d for d in gc.get_objects() if type(d) is dict and 'f' in d][0]['f'] = p",
    "a method of the list type": "list.append([], p)\nvars().update(f=p)",
    "star import": "import sys\nsys.path.append('.')\nfrom helper import *",
}


def alone(name: str, sources: list[tuple[str, str]]) -> dict[str, Any]:
    """The names after the statements that are kept for ``name`` ran, and no others: these sources are our own."""
    space: dict[str, Any] = {}
    for number, statements in sorted(kept([name], sources, range(len(sources))).items()):
        label, text = sources[number]
        body = ast.parse(text).body
        tree = ast.Module([body[statement] for statement in statements], [])
        exec(compile(tree, label, "exec"), space)
    return space


def judged(how: How) -> str:
    def ask() -> None:
        how.loops(at_least=3)
        how.must_not("matrix product")
        how.indexing_only()

    return code_of(ask)


@pytest.mark.parametrize("name", REBOUND)
@pytest.mark.parametrize("same_cell", [True, False])
def test_what_takes_the_answers_place_is_read_or_does_not_run(name: str, same_cell: bool) -> None:
    sources = (
        cells(LOOPS_AS_ASKED + CHEAT + REBOUND[name]) if same_cell else cells(LOOPS_AS_ASKED, CHEAT + REBOUND[name])
    )
    if judged(How("f", sources)) == "passes":
        code = alone("f", sources)["f"].__code__
        assert (code.co_name, code.co_filename, code.co_firstlineno) == ("f", "cell 2", 2)


BY_DETOUR = {
    "a formatter": "import string\ndef f(a, b): return string.Formatter().get_field('0.dot', (a,), {})[0](b)",
    "logging": "import logging.config\ndef f(a, b): return logging.config.BaseConfigurator({}).resolve('numpy.dot')(a, b)",
    "einsum's core": "import numpy as np\ndef f(a, b): return tensor(np._core.multiarray.c_einsum('ik,kj', a, b))",
    "exponential": "def f(a, b): return torch.matrix_exp(a)",
    "inverse": "def f(a, b): return torch.linalg.inv(a)",
    "inverse, as a method": "def f(a, b): return a.inverse()",
    "determinants": "def f(a, b): return torch.linalg.det(a)",
    "Fourier": "def f(a, b): return torch.fft.ifft(torch.fft.fft(a) * torch.fft.fft(b))",
    "polynomials": "import numpy as np\ndef f(a, b): return np.polymul(a, b)",
    "another library": "import scipy.sparse\ndef f(a, b): return scipy.sparse.kron(a, b)",
    "sumprod": "import math\ndef f(a, b): return [[math.sumprod(r, c) for c in b.T] for r in a]",
    "mock": "import unittest.mock\ndef f(a, b): return unittest.mock._importer('numpy.dot')(a, b)",
    "debugger": "import pdb\ndef f(a, b): return pdb.bdb.Bdb().runeval('a@b', {'a': a, 'b': b})",
    "forward reference": "import typing\ndef f(a, b): return typing.ForwardRef('a@b')._evaluate({}, {}, frozenset())",
    "a library's library": "def f(a, b): return F.np.dot(a, b)",
    "a library's sys": "def f(a, b): return torch.sys.modules['numpy'].dot(a, b)",
    "a library's builtins": "def f(a, b): return torch.builtins.eval('a @ b')",
    "a builtin's module": "def f(a, b): return print.__self__.eval('a @ b')",
    "a pattern": "def f(a, b):\n    match print:\n        case object(__self__=m): return m.eval('a @ b')",
    "a method of a type": "import numpy as np\nd = type(np.ones(1)).dot\ndef f(a, b): return d(a.numpy(), b.numpy())",
    "a list filled by its type": "import numpy as np\nxs = []\nlist.append(xs, np.dot)\ndef f(a, b): return xs[0](a, b)",
    "a list filled by a function": "xs = []\ndef put(to): to.insert(0, torch.mm)\nput(xs)\ndef f(a, b): return xs[0](a, b)",
    "a registry": "xs = {}\ndef keep(fn):\n    xs['f'] = fn\n    return fn\n"
    "@keep\ndef product(a, b): return a @ b\ndef f(a, b): return xs['f'](a, b)",
    "vars of an argument, told": "def pick(t): return vars(t)['dot']\ndef f(a, b): return pick(type(a))(a, b)",
    "__getattribute__": "def f(a, b): return a.__getattribute__('mm')(b)",
    "names to match": "class Every(type):\n    def __instancecheck__(cls, other): return True\n"
    "class Row(metaclass=Every):\n    __match_args__ = ('m' + 'm',)\n"
    "def f(a, b):\n    match a:\n        case Row(times): return times(b)",
    "fields to match": "from dataclasses import dataclass\nclass Every(type):\n    def __instancecheck__(cls, other): return True\n"
    "@dataclass\nclass Row(metaclass=Every):\n    mm: object\n"
    "def f(a, b):\n    match a:\n        case Row(times): return times(b)",
    "an annotation that is evaluated": "import functools\nfound = []\ndef note(g):\n    found.append(g)\n    return int\n"
    "@functools.singledispatch\ndef shape(x): return note\ndef f(a, b):\n"
    "    def inner(x: 'note(lambda p, q: p @ q)'): return x\n    shape.register(inner)\n    return found[0](a, b)",
    "an annotation that runs": "def f(a, b):\n    found = []\n    def inner(x: found.append(a @ b)): return x\n    return found[0]",
    "an annotation in a class": "def f(a, b):\n    found = []\n    class C:\n        x: found.append(a @ b)\n    return found[0]",
    "star import, later": "def relu(a, b): return a * b\nf = relu\ndef matmul(a, b): return a * b\n"
    "from torch import *\ndef f(a, b): return matmul(a, b)",
}


@pytest.mark.parametrize("name", BY_DETOUR)
def test_a_detour_to_a_product_is_found(name: str) -> None:
    how = How("f", cells(BY_DETOUR[name]))
    assert code_of(lambda: how.must_not("matrix product")) in ("must_not", "hidden_call")


@pytest.mark.parametrize(
    "source",
    [
        "def f(x): x.g = torch.func.jacfwd(torch.sum)(x)",
        "from torch.func import jvp\ndef f(x): return jvp(torch.sum, (x,), (x,))",
        "import torch.autograd.forward_ad as fwAD\ndef f(x):\n    with fwAD.dual_level():\n        return fwAD.make_dual(x, x)",
        "def f(x): return torch.autograd.functional.jvp(torch.sum, x, x)",
    ],
)
def test_forward_mode_is_autograd(source: str) -> None:
    assert code_of(lambda: How("f", cells(source)).must_not("autograd")) == "must_not"


AWKWARD = {
    "helpers in a dictionary": "ops = {}\nops['times'] = lambda x, y: x * y\ndef f(a, b): return ops['times'](a, b)",
    "a memo": "memo = {}\ndef f(a, b):\n    key = id(a), id(b)\n    if key not in memo: memo[key] = a * b\n    return memo[key]",
    "functions defined in a loop": "fs = []\nfor n in range(3):\n    def g(x, y, n=n): return x * y\n    fs.append(g)\n"
    "def f(a, b): return fs[-1](a, b)",
    "partial": "from functools import partial\ndef g(one, x, y): return x * y * one\nf = partial(g, 1)",
    "a decorator": "import functools\ndef twice(fn):\n    @functools.wraps(fn)\n    def inner(*args): return fn(*args)\n"
    "    return inner\n@twice\ndef f(a, b): return a * b",
    "a star import": "from math import *\ndef f(a, b): return a * b * sqrt(1)",
    "settings changed later": "cfg = {'scale': 2}\ncfg['scale'] = 1\ncfg.update(on=True)\n"
    "def f(a, b): return a * b * cfg['scale'] if cfg['on'] else None",
    "a registry": "table = {}\ndef register(fn):\n    table[fn.__name__] = fn\n    return fn\n"
    "@register\ndef times(x, y): return x * y\ndef f(a, b): return table['times'](a, b)",
    "a registry of subclasses": "class Base:\n    known = []\n    def __init_subclass__(cls): Base.known.append(cls)\n"
    "class Times(Base):\n    def __call__(self, x, y): return x * y\ndef f(a, b): return Base.known[0]()(a, b)",
    "a global set by a function": "one = 0\ndef setup():\n    global one\n    one = 1\nsetup()\ndef f(a, b): return a * b * one",
    "a global set by a function of a function": "one = 0\ndef put():\n    global one\n    one = 1\ndef setup(): put()\nsetup()\n"
    "def f(a, b): return a * b * one",
    "filled by a function": "def fill(to): to['one'] = 1\nd = {}\nfill(d)\ndef f(a, b): return a * b * d['one']",
    "tried": "try:\n    import nothing_of_the_kind\n    one = 2\nexcept ImportError:\n    one = 1\ndef f(a, b): return a * b * one",
    "with": "with torch.no_grad():\n    one = torch.ones(1)\n    one.requires_grad_(False)\ndef f(a, b): return a * b * one",
    "type hints": "from typing import Optional\nNumbers = torch.Tensor\n"
    "def f(a: Numbers, b: Optional[Numbers]) -> Numbers: return a * b",
    "isinstance": "Kind = torch.Tensor\ndef f(a, b):\n    assert isinstance(a, Kind)\n    return a * b",
    "a base class": "from abc import ABC\nclass Base(ABC):\n    def __call__(self, a, b): return a * b\n"
    "class G(Base): pass\nf = G()",
    "an object": "class Box: pass\nbox = Box()\nbox.one = 1\nsetattr(box, 'two', 2)\ndef f(a, b): return a * b * box.one",
    "named globals": "one = 1\ndef f(a, b): return a * b * globals()['one']",
    "two on a line": "one = 1; other = 1 / 0 if 0 else 2\ndef f(a, b): return a * b * one",
    "data made with it": "one = (torch.ones(1, 1) @ torch.ones(1, 1)).item()\ndef f(a, b): return a * b * one",
    "grown by +=": "ones = []\nones += [1]\nones.append(1)\ndef f(a, b): return a * b * ones[1]",
    "deleted": "ones = [0, 1]\ndel ones[0]\ndef f(a, b): return a * b * ones[0]",
    "patched": "torch.Tensor.times = lambda x, y: x * y\ndef f(a, b): return a.times(b)",
    "defined after": "def f(a, b): return g(a, b)\ndef g(a, b): return a * b",
    "defined twice": "def f(a, b): return a @ b\ndef f(a, b): return a * b",
    "a dataclass": "from dataclasses import dataclass\n@dataclass\nclass P:\n    one: int = 1\ndef f(a, b): return a * b * P().one",
    "a named tuple": "from collections import namedtuple\nP = namedtuple('P', 'one')\np = P(1)\ndef f(a, b): return a * b * p.one",
    "a cache": "from functools import lru_cache\n@lru_cache\ndef one(): return 1\ndef f(a, b): return a * b * one()",
    "debugging": "import logging, sys, time, pdb\nlog = logging.getLogger()\nlog.setLevel(30)\n"
    "def f(a, b):\n    log.info('x'); print(time.time(), file=sys.stderr)\n    return a * b",
    "exec of what is told": "exec('one = 1; two = 2')\ndef f(a, b): return a * b * one",
    "a class made by type": "G = type('G', (), {'go': lambda self, a, b: a * b})\ndef f(a, b): return G().go(a, b)",
}


@pytest.mark.parametrize("name", AWKWARD)
def test_an_honest_answer_runs_alone(name: str) -> None:
    sources = cells("def unrelated(): pass\nunrelated()\nassert unrelated() is None", AWKWARD[name])
    x = torch.tensor([2.0, 3.0])
    assert torch.equal(alone("f", sources)["f"](x, x), x * x)
    assert code_of(lambda: How("f", sources).must_not("matrix product", "einsum", "autograd")) == "passes"
    torch.Tensor.__dict__.get("times") and delattr(torch.Tensor, "times")


def test_what_no_answer_needs_is_not_kept() -> None:
    sources = cells("x = torch.ones(2)\nprint(x)\nf = 1", "def f(a): return a\nx = f(x)\nassert f(x) is x")
    assert kept(["f"], sources, [3, 5, 9]) == {9: [0]}


@pytest.mark.parametrize(
    "name", sorted(REBOUND.keys() - {"class body", "loop", "walrus", "with", "tuple", "nested tuple"})
)
def test_what_reaches_for_other_names_disturbs_the_calm(name: str) -> None:
    shown = {"nested function", "comprehension", "match", "import", "import in a function", "except"}
    sources = tuple(cells(LOOPS_AS_ASKED, CHEAT + REBOUND[name]))
    assert is_calm(sources) == (name in shown)


@pytest.mark.parametrize(
    "source",
    [
        "get_ipython().run_line_magic('matplotlib', 'inline')\nimport matplotlib.pyplot as plt\nplt.plot([1])",
        "get_ipython().run_line_magic('timeit', '-n 10 -r3 torch.ones(2) @ torch.ones(2)')",
        "get_ipython().system('pip install torch')",
        "from fastai.vision.all import *\nfrom exp.nb_00 import *",
        "x = torch.ones(2)\ntorch.testing.assert_close(x, x)\nprint(x.__class__.__name__, getattr(x, 'shape'))",
        "class M(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.l = nn.Linear(1, 1)",
    ],
)
def test_an_ordinary_notebook_is_calm(source: str) -> None:
    assert is_calm(tuple(cells(LOOPS_AS_ASKED, source)))


def test_a_magic_is_read_for_what_it_runs() -> None:
    assert not is_calm(tuple(cells(LOOPS_AS_ASKED, "get_ipython().run_line_magic('timeit', 'globals().update(f=1)')")))


def test_what_an_answer_adds_to_is_kept_with_it():
    """`calls += 1` reads `calls`, so the statement that makes it belongs to what runs apart."""
    text = "calls = 0\nother = 1\ndef relu(x):\n    global calls\n    calls += 1\n    return x.clamp_min(0.)"
    reach = How("relu", cells(text))._reach
    kept = {ast.unparse(reach.book.statements[order - 1][0]) for order in reach.statements}
    assert "calls = 0" in kept
    assert "other = 1" not in kept


@pytest.mark.parametrize("call", ["asyncio.sleep(0)", "asyncio.gather(zero())"])
def test_waiting_hides_nothing(call):
    text = f"import asyncio\nasync def zero(): return 0.\nZERO = await {call}\ndef relu(x): return x.clamp_min(ZERO)"
    How("relu", cells(text)).must_not("autograd")
    with pytest.raises(NotAsAsked):
        How("relu", cells(text.replace(call, "asyncio.to_thread(zero)"))).must_not("autograd")


def test_of_many_functions_in_one_line_the_first_is_named():
    ways = ", ".join(f"lambda a, b: {way}" for way in ("torch.mm(a, b)", "a @ b", "torch.matmul(a, b)", "a.mv(b)"))
    text = f"ways = ({ways})\ndef f(a, b): return random.choice(ways)(a, b)"
    found, kept = set(), []
    for _ in range(20):
        kept.append([object() for _ in range(97)])  # what is made now lies elsewhere in memory
        with pytest.raises(NotAsAsked) as raised:
            How("f", cells(text)).must_not("matrix product")
        kept.append(raised)
        found.add(raised.value.finding.facts["used"])
    assert len(found) == 1


@pytest.mark.parametrize(
    "source", ["import sys as s\ns.path.append('.')", "from sys import path\npath.insert(0, '.')", "import site"]
)
def test_a_notebook_that_says_where_modules_are_is_not_calm(source: str) -> None:
    assert not is_calm(tuple(cells(LOOPS_AS_ASKED, source)))


def test_a_path_that_no_answer_reads_costs_nothing() -> None:
    source = "import sys\nsys.path.append('/content')\ndef f(a, b):\n    print(sys.version)\n    return a * b"
    assert code_of(lambda: How("f", cells(source)).must_not("matrix product")) == "passes"


IDLE = {
    "under a condition": "def f(a, b):\n    if a is None: return torch.einsum('ik,kj->ij', a, b)\n    return (a[:, :, None] * b).sum(1)",
    "after the return": "def f(a, b):\n    return (a[:, :, None] * b).sum(1)\n    return torch.einsum('ik,kj->ij', a, b)",
    "under False": "def f(a, b):\n    if False:\n        return torch.einsum('ik,kj->ij', a, b)\n    return (a[:, :, None] * b).sum(1)",
    "in a branch that ended": "def f(a, b):\n    for r in a:\n        continue\n        torch.einsum('ik,kj->ij', a, b)\n    return (a[:, :, None] * b).sum(1)",
    "thrown away": "def f(a, b):\n    torch.einsum('ik,kj->ij', a, b)\n    return (a[:, :, None] * b).sum(1)",
    "part of what is thrown away": "def f(a, b):\n    torch.einsum('ik,kj->ij', a, b)[0] + 1\n    return (a[:, :, None] * b).sum(1)",
    "a name nobody reads": "def f(a, b):\n    c = torch.einsum('ik,kj->ij', a, b)\n    return (a[:, :, None] * b).sum(1)",
    "a name that nobody reads much": "def f(a, b):\n    c = torch.einsum('ik,kj->ij', a, b)\n    c.shape\n    d = c[0]\n    return (a[:, :, None] * b).sum(1)",
    "in a helper": "def g(a, b):\n    torch.einsum('ik,kj->ij', a, b)\ndef f(a, b):\n    g(a, b)\n    return (a[:, :, None] * b).sum(1)",
    "in an annotation": "def f(a, b):\n    def g(x: 'torch.einsum()'): return x\n    return g((a[:, :, None] * b).sum(1))",
}
IN_USE = {
    "in place": "def f(a, b):\n    c = torch.zeros(2, 4)\n    c.copy_(torch.einsum('ik,kj->ij', a, b))\n    return c",
    "into a list": "def f(a, b):\n    c = []\n    c.append(torch.einsum('ik,kj->ij', a, b))\n    return c[0]",
    "in a closure": "def f(a, b):\n    c = torch.einsum('ik,kj->ij', a, b)\n    def g(): return c\n    return g()",
    "in a method": "class E:\n    def __call__(self, a, b):\n        self.c = torch.einsum('ik,kj->ij', a, b)\n        return self.c\ndef f(a, b): return E()(a, b)",
    "changed at once": "def f(a, b):\n    c = torch.einsum('ik,kj->ij', a, b)\n    c += 0\n    return c",
    "behind a test": "def f(a, b):\n    if a.shape[1] != b.shape[0]: raise ValueError\n    else: return torch.einsum('ik,kj->ij', a, b)",
    "by another name": "es = torch.einsum\ndef f(a, b):\n    try: return es('ik,kj->ij', [a, b])\n    except RuntimeError: raise",
    "checked by a product": "def f(a, b):\n    c = torch.einsum('ik,kj->ij', a, b)\n    assert torch.allclose(c, a @ b, atol=1e-3)\n    return c",
    "NumPy's": "import numpy as np\ndef f(a, b): return torch.from_numpy(np.einsum('ik,kj->ij', a.numpy(), b.numpy()))",
}


@pytest.mark.parametrize("name", IDLE)
def test_what_no_result_comes_from_is_not_used(name: str) -> None:
    sources = cells(IDLE[name])
    assert code_of(lambda: How("f", sources, run("f", sources, *matrices())).must("einsum")) == "must"
    expected = "passes" if name == "under a condition" else "must"  # the source does not tell
    assert code_of(lambda: How("f", sources).must("einsum")) == expected


@pytest.mark.parametrize("name", IN_USE)
def test_what_a_result_comes_from_is_used(name: str) -> None:
    sources = cells(IN_USE[name])
    for how in (How("f", sources), How("f", sources, run("f", sources, *matrices()))):
        assert code_of(lambda how=how: how.must("einsum")) == "passes"
        assert code_of(lambda how=how: how.nothing_beside("einsum")) == "passes"


@pytest.mark.parametrize(
    "source",
    [
        "def f(a, b):\n    c = torch.einsum('ij->ij', a)\n    return c @ b",
        "def g(a, b): return a.mm(b)\ndef f(a, b): return g(torch.einsum('ij->ij', a), b)",
        "def f(a, b): return torch.bmm(torch.einsum('ij->ij', a)[None], b[None])[0]",
        "def f(a, b): return getattr(torch, chr(109) * 2)(torch.einsum('ij->ij', a), b)",
    ],
)
def test_a_product_beside_the_einsum_is_found(source: str) -> None:
    assert code_of(lambda: How("f", cells(source)).nothing_beside("einsum")) in ("must_not", "hidden_call")


@pytest.mark.parametrize(
    "source",
    [
        "def f(a, b): return F.conv1d(a[:, :, None], b.t()[:, :, None])[:, :, 0]",
        "def f(a, b): return F.conv2d(a[:, :, None, None], b.t()[:, :, None, None])[:, :, 0, 0]",
        "import statistics\ndef f(a, b): return [[statistics.fmean(r, c) for c in b.T.tolist()] for r in a.tolist()]",
    ],
)
def test_a_product_in_disguise_is_forbidden_and_not_what_was_asked_for(source: str) -> None:
    sources = cells(source)
    for how in (How("f", sources), How("f", sources, run("f", sources, *matrices()) if "conv" in source else None)):
        assert code_of(lambda how=how: how.must("matrix product")) == "must"
        assert code_of(lambda how=how: how.must_not("matrix product")) == "must_not"


def test_what_no_run_tells_need_not_show_in_one() -> None:
    """A class of `torch.autograd.Function` is none of the operations that are recorded."""
    source = "class f(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x): return x.clamp(min=0)"
    seen = Seen((), (Op("aten::clamp", 1, 2),))
    assert code_of(lambda: How("f", cells(source), seen).must("autograd.Function")) == "passes"
