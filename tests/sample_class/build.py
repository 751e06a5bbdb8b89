"""Writes the sample class: one notebook a student, always the same bytes.

    python tests/sample_class/build.py

Each student starts from the released notebook and answers from the right variants and known mistakes beside the suite.
Run it again when one of these changes. What grading must make of each student stands in `expected.toml`.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output, new_raw_cell

HERE = Path(__file__).resolve().parent
COURSE = HERE.parent.parent
RELEASED = COURSE / "assignments/ch17/ch17.ipynb"
HIDDEN = COURSE / "autotests/ch17/hidden"
OWN = "own"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


# What the students draw on


def _tables(folder: str, kind: str) -> list[dict[str, Any]]:
    return [
        entry for path in sorted((HIDDEN / folder).glob("*.toml")) for entry in tomllib.loads(path.read_text())[kind]
    ]


def _source(entry: dict[str, Any]) -> str:
    return str(entry["source"]).strip("\n")


VARIANTS: dict[str, dict[str, str]] = {}
for _variant in _tables("variants", "variant"):
    VARIANTS.setdefault(_variant["exercise"], {})[_variant["name"]] = _source(_variant)

MISTAKES: dict[tuple[str, str], str] = {}
for _mistake in _tables("mistakes", "mistake"):
    MISTAKES.setdefault((_mistake["exercise"], _mistake["code"]), _source(_mistake))


def code(source: str, *outputs: NotebookNode) -> NotebookNode:
    """A code cell of the student's own."""
    return new_code_cell(source.strip("\n"), id=OWN, outputs=list(outputs), execution_count=None)


def prose(text: str) -> NotebookNode:
    """A Markdown cell of the student's own."""
    return new_markdown_cell(text.strip("\n"), id=OWN)


def printed(text: str, name: str = "stdout") -> NotebookNode:
    """A stored output: what a cell printed."""
    return new_output("stream", name=name, text=text)


def result(text: str) -> NotebookNode:
    """A stored output: the value of a cell's last line."""
    return new_output("execute_result", data={"text/plain": text}, execution_count=None)


def picture() -> NotebookNode:
    """A stored output: a plot."""
    return new_output("display_data", data={"image/png": PIXEL, "text/plain": "<Figure size 640x480 with 1 Axes>"})


def error(name: str, value: str) -> NotebookNode:
    """A stored output: an exception, coloured as IPython does it."""
    trace = ["\x1b[0;31m---------------------------------------\x1b[0m", f"\x1b[0;31m{name}\x1b[0m: {value}"]
    return new_output("error", ename=name, evalue=value, traceback=trace)


class Draft:
    """One student's notebook in the making."""

    def __init__(self) -> None:
        self.notebook = nbformat.read(RELEASED, as_version=4)

    @property
    def cells(self) -> list[NotebookNode]:
        return self.notebook.cells

    def at(self, cell_id: str) -> int:
        """Where the released cell with this id stands."""
        return next(index for index, cell in enumerate(self.cells) if cell.id == cell_id)

    def answer(self, **sources: str) -> None:
        """Type these answers in."""
        for name, source in sources.items():
            self.cells[self.at(name)].source = source.strip("\n")

    def right(self, number: int = 0, **chosen: str) -> None:
        """Answer everything right: in the ``number``-th style of each exercise, or in the one that is named."""
        for name, styles in VARIANTS.items():
            style = chosen.get(name) or list(styles)[number % len(styles)]
            self.answer(**{name: styles[style]})

    def wrong(self, **codes: str) -> None:
        """Answer these exercises with known mistakes."""
        for name, mistake in codes.items():
            self.answer(**{name: MISTAKES[name, mistake]})

    def put(self, after: str, *cells: NotebookNode) -> None:
        """Add cells below everything that belongs to an exercise, below the setup cell, or at the end."""
        start = self.at(after if after == "setup" else f"check-{after}") if after != "end" else len(self.cells)
        rest = range(start, len(self.cells))
        place = next((i for i in rest if self.cells[i].id.startswith("prompt-")), len(self.cells))
        self.cells[place:place] = cells

    def put_above(self, name: str, *cells: NotebookNode) -> None:
        """Add cells right above an exercise's answer."""
        place = self.at(name)
        self.cells[place:place] = cells

    def remove(self, *ids: str) -> None:
        """Delete cells."""
        for cell_id in ids:
            del self.cells[self.at(cell_id)]

    def run(self, shuffled: bool = False) -> None:
        """Number the code cells as if they had been run: from top to bottom, or here and there."""
        code_cells = [cell for cell in self.cells if cell.cell_type == "code"]
        count = len(code_cells)
        for index, cell in enumerate(code_cells):
            number = index * 7 % count + 3 * index % 5 + 1 if shuffled else index + 1
            cell.execution_count = number
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = number

    def older(self, minor: int) -> None:
        """Save in an older nbformat 4, where cells have no ids."""
        self.notebook.nbformat_minor = minor

    def text(self) -> str:
        """The file's text. Ids of the student's own cells are numbered: drawn at random, they would change."""
        taken: set[str] = set()
        for number, cell in enumerate(self.cells, 1):
            if cell.id == OWN or cell.id in taken:
                cell.id = f"{OWN}-{number}"
            taken.add(cell.id)
        if self.notebook.nbformat_minor < 5:
            for cell in self.cells:
                del cell["id"]
        return nbformat.writes(self.notebook, version=nbformat.NO_CONVERT, indent=1) + "\n"


# The students

Student = Callable[[Draft], str | None]
STUDENTS: dict[str, Student] = {}


def student(name: str) -> Callable[[Student], Student]:
    """Enrol a student. The function answers in the draft; what it returns, if anything, is handed in in its place."""

    def enrol(fill: Student) -> Student:
        STUDENTS[name] = fill
        return fill

    return enrol


# Right, in many ways


@student("amara_okafor")
def _(draft: Draft) -> None:
    """The chapter's own code, never run."""
    draft.right(0)


@student("ben_whitaker")
def _(draft: Draft) -> None:
    """Plain loops, timed again and again."""
    draft.right(1)
    draft.put(
        "matmul_elementwise",
        code("m1 = torch.randn(5, 28)\nm2 = torch.randn(28, 10)"),
        code("%timeit -n 10 _ = matmul_elementwise(m1, m2)"),
    )
    draft.put(
        "matmul_loops",
        code("%time t1 = matmul_loops(m1, m2)", printed("CPU times: user 31 ms, sys: 0 ns, total: 31 ms\n")),
        code("%timeit -n 10 matmul_loops(m1, m2)", printed("29.8 ms ± 1.2 ms per loop (10 loops each)\n")),
        code(""),
    )
    draft.put("matmul_broadcast", code("%%time\nt3 = matmul_broadcast(m1, m2)\nprint(t3.shape)"))
    draft.put("matmul_einsum", code("%%timeit -n 20 -r 3\nmatmul_einsum(m1, m2)"), code(""), code("  \n"))
    draft.run()


@student("chiara_rossi")
def _(draft: Draft) -> None:
    """Einsum wherever it goes, and plots."""
    draft.right(
        2,
        dense="einsum",
        lin_grad="einsum",
        forward_and_backward="einsum",
        LinearLayer="einsum",
        conv2d="tensor_unfold_einsum",
    )
    draft.put("setup", code("%matplotlib inline\nimport matplotlib.pyplot as plt"))
    draft.put(
        "relu",
        code("xs = torch.linspace(-2, 2, 100)\nplt.plot(xs, relu(xs))\nplt.title('ReLU')\nplt.show()", picture()),
    )
    draft.put(
        "normalize_images",
        code(
            "images = torch.rand(2, 3, 8, 8)\n"
            "fig, axes = plt.subplots(1, 2)\n"
            "for ax, image in zip(axes, images):\n"
            "    ax.imshow(image.permute(1, 2, 0))\n"
            "    ax.axis('off')",
            picture(),
        ),
    )
    draft.run()


@student("dmitri_volkov")
def _(draft: Draft) -> None:
    """Moved over from the 2019 course: its export marks, its imports, and `matmul` defined over and over."""
    draft.right(3, mse="first_column", lin_grad="outer_product_and_sum")
    draft.put(
        "setup",
        code("%load_ext autoreload\n%autoreload 2\n\n%matplotlib inline"),
        code("#export\nfrom exp.nb_00 import *\nimport operator"),
        code("# данные: веса и смещения\nw1 = torch.randn(6, 4)\nb1 = torch.zeros(4)"),
    )
    for name in ("matmul_loops", "matmul_elementwise", "matmul_broadcast", "matmul_einsum"):
        draft.put(name, code(f"#export\nmatmul = {name}\n# проверка\nmatmul(torch.ones(2, 3), torch.ones(3, 2))"))
    draft.put("matmul_einsum", code("def matmul(a, b): return a@b"), code("matmul = torch.matmul"))
    draft.put("LinearLayer", code("#export\ndef lin(x, w, b): return x@w + b\n\nx = torch.randn(3, 6)\nlin(x, w1, b1)"))
    draft.put("conv2d", code("!python notebook2script.py 02_fully_connected.ipynb"))
    draft.run(shuffled=True)


@student("emily_tran")
def _(draft: Draft) -> None:
    """From a cloud machine: installs, downloads, a graphics card that is not there."""
    draft.right(4)
    draft.put(
        "setup",
        code("!pip install -Uqq torch torchvision", printed("\x1b[?25l\x1b[K     |████████| 30 kB 1.2 MB/s\n")),
        code("pip install einops"),
        code("%pip install -q numpy"),
        code("!nvidia-smi\n!ls -la\nfiles = !ls *.ipynb"),
        code("from google.colab import drive\ndrive.mount('/content/drive')"),
        code(
            "from urllib.request import urlretrieve\n"
            "MNIST_URL = 'https://example.invalid/mnist.pkl.gz'\n"
            "try:\n"
            "    urlretrieve(MNIST_URL, 'mnist.pkl.gz')\n"
            "except Exception as e:\n"
            "    print('no data:', e)"
        ),
        code("!wget -q https://example.invalid/mnist.pkl.gz"),
        code("from fastai.datasets import untar_data, URLs\npath = untar_data(URLs.MNIST)"),
        code("import os\nos.chdir('data')"),
        code("device = 'cuda' if torch.cuda.is_available() else 'cpu'\nif torch.cuda.is_available(): w = w.cuda()"),
    )
    draft.put("matmul_einsum", code("a = torch.randn(4, 4).cuda()\n%timeit -n 10 a @ a"))
    draft.put("conv2d", code("torch.ones(2).to(device)", result("tensor([1., 1.], device='cuda:0')")))
    draft.run()


@student("fatima_hassan")
def _(draft: Draft) -> None:
    """Helpers below the answers that call them, and cells run in whatever order."""
    draft.right(5)
    draft.answer(
        neuron="""
def neuron(inputs, weights, bias):
    return weighted_sum(inputs, weights) + bias
""",
        dense_plain="""
def dense_plain(x, w, b):
    return [[weighted_sum(row, ws) + bias for ws, bias in zip(w, b)] for row in x]
""",
        normalize_images="""
def normalize_images(x, mean, std):
    return (x - channels(mean)) / channels(std)
""",
    )
    draft.put(
        "end",
        code(
            "# helpers, used above\n"
            "def weighted_sum(xs, ws):\n"
            "    return sum(x * w for x, w in zip(xs, ws))\n\n"
            "def channels(v):\n"
            "    return v.reshape(1, -1, 1, 1)"
        ),
    )
    draft.put("neuron", code("neuron([1, 2], [3, 4], 5)", result("16")))
    draft.run(shuffled=True)


@student("王思远")
def _(draft: Draft) -> None:
    """Chinese notes, comments and names."""
    draft.right(6)
    draft.answer(
        relu="""
def relu(x):
    # 负数变成零，其余不变
    结果 = x.clone()
    结果[结果 < 0] = 0
    return 结果
""",
        mse="""
def 误差(输出, 目标):
    return 输出[:, 0] - 目标

def mse(output, targ):
    # 先去掉多余的轴，再求平方的平均
    return 误差(output, targ).pow(2).mean()
""",
    )
    draft.put("relu", prose("我的理解：ReLU 就是把负数截断。"), code("print('检查：', relu(tensor([-1., 2.])))"))
    draft.cells[draft.at("why-mse")].source += "\n\n[bs, 1] 减 [bs] 会广播成 [bs, bs]，所以要先 squeeze(-1)。"
    draft.run()


@student("george_papadakis")
def _(draft: Draft) -> None:
    """Wildcard imports of libraries that may be missing, and empty cells all over."""
    draft.right(7)
    draft.put(
        "setup", code("from fastai.vision.all import *"), code("from math import *\nfrom typing import *"), code("")
    )
    for name in ("neuron", "dense", "all_greater", "mse", "conv2d"):
        draft.put(name, code(""), code("\n\n"))
    draft.run()


@student("hannah_mueller")
def _(draft: Draft) -> None:
    """Questions to the help, prose in code cells, errors kept, and some symbolic maths."""
    draft.right(8)
    draft.put(
        "relu",
        code("torch.where?"),
        code("?torch.clamp\nF.relu??"),
        code("Das hier verstehe ich noch nicht ganz, später nochmal anschauen!"),
        code("relu(3)", error("AttributeError", "'int' object has no attribute 'clamp_min'")),
    )
    draft.put(
        "mse_grad",
        code("from sympy import symbols, diff\nsx, sy = symbols('sx sy')\ndiff(sx**2, sx)", result("2*sx")),
    )
    draft.put("lin_grad", code("def broken(x:\n    return x"), code("    w_t = torch.ones(2, 2)\n    print(w_t.T)"))
    draft.put("conv2d", code("1/0", error("ZeroDivisionError", "division by zero")), code("%debug"))
    draft.run(shuffled=True)


@student("ines_fernandez")
def _(draft: Draft) -> None:
    """Begun as a copy of the book's notebook: its first cells, raw cells, and numba."""
    draft.right(9)
    draft.put(
        "setup",
        new_raw_cell("[[chapter_foundations]]", id=OWN),
        code("#hide\n! [ -e /content ] && pip install -Uqq fastbook\nimport fastbook\nfastbook.setup_book()"),
        code("#hide\nfrom fastai.gen_doc.nbdoc import *\nfrom fastbook import *"),
        code(
            """
from numba import njit

@njit
def dot(a, b):
    res = 0.
    for i in range(len(a)): res += a[i]*b[i]
    return res
"""
        ),
    )
    draft.put(
        "dense",
        new_raw_cell("> note: weights are [n_out, n_in] here", id=OWN),
        code("#id gpu_check\nfastbook.search_images"),
    )
    draft.put(
        "lin_grad",
        code("import pdb\nDEBUG = False\nif DEBUG: pdb.set_trace()"),
        code("%pdb off\n# breakpoint()\nfrom IPython.core.debugger import set_trace"),
    )
    draft.run()


@student("jack_oconnor")
def _(draft: Draft) -> None:
    """Prints, warnings, decorators, counters, and float64 as the default."""
    draft.right(5, forward_and_backward="prints_as_it_goes")
    draft.put(
        "setup",
        code("torch.set_default_dtype(torch.float64)\ntorch.set_printoptions(linewidth=140, precision=2)"),
        code("name = input('Your name? ')"),
        code(
            """
import functools, sys, time, warnings

calls = 0

def timed(f):
    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        global calls
        calls += 1
        start = time.perf_counter()
        result = f(*args, **kwargs)
        print(f'{f.__name__}: call {calls}, {time.perf_counter() - start:.6f} s', file=sys.stderr)
        return result
    return wrapper
"""
        ),
    )
    draft.answer(
        relu="""
@timed
def relu(x):
    warnings.warn('relu called', stacklevel=2)
    print('x:', x)
    return torch.where(x > 0, x, torch.zeros_like(x))
""",
        mse="""
@timed
def mse(output, targ):
    print('output', output.shape, 'targ', targ.shape)
    diff = output.squeeze(-1) - targ
    print(diff)
    return (diff ** 2).mean()
""",
    )
    draft.put(
        "mse",
        code(
            "for i in range(3000): print('epoch', i)",
            printed("".join(f"epoch {i:06}, loss 0.1\n" for i in range(5000))),
        ),
    )
    draft.run()


@student("katarzyna_nowak")
def _(draft: Draft) -> None:
    """Classes, type hints and local imports, in an older format and with a kernel of her own."""
    draft.right(7, forward_and_backward="layer_classes", LinearLayer="kaiming")
    draft.put("LinearLayer", code("layer = LinearLayer(4, 2)\nlayer", result("LinearLayer(4, 2)")))
    draft.run()
    draft.older(minor=2)
    draft.notebook.metadata.kernelspec = {
        "display_name": "fastai2",
        "language": "python",
        "name": "conda-env-fastai2-py",
    }


@student("liam_murphy")
def _(draft: Draft) -> None:
    """Worked in Colab: every mark of nbgrader is gone."""
    draft.right(6)
    draft.put("setup", code("!pip install -q ch17-grader\nfrom google.colab import files"))
    draft.run()
    draft.older(minor=0)
    for number, cell in enumerate(draft.cells):
        cell.metadata = {"id": f"Qx{number:04}zL"}
    draft.notebook.metadata = {
        "colab": {"provenance": [], "toc_visible": True},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
        "accelerator": "GPU",
    }


@student("mei_lin_chen")
def _(draft: Draft) -> None:
    """Answers copied with their marks: two of everything in three places."""
    draft.right(4)
    for name in ("relu", "mse", "lin_grad"):
        place = draft.at(f"check-{name}") + 1
        draft.cells[place:place] = [
            copy.deepcopy(draft.cells[draft.at(cell_id)]) for cell_id in (name, f"check-{name}")
        ]
    draft.run()


@student("noah_schmidt")
def _(draft: Draft) -> None:
    """Goes on below the exercises and uses all the names again."""
    draft.right(3)
    draft.put(
        "end",
        code("def relu(x): return x.clamp_min(0.) - 0.5"),
        code("def mse(output, targ): return (output - targ).pow(2).sum()"),
        code("def lin_grad(inp, out, w, b): raise Exception('not implemented')"),
        code("class LinearLayer(): pass"),
        *[code(f"def matmul(a, b): return {body}") for body in ("a @ b", "a.matmul(b)", "torch.mm(a, b)", "a * b")],
        code("neuron = dense = conv2d = None"),
    )
    draft.run()


@student("elif_yilmaz")
def _(draft: Draft) -> None:
    """Cells moved, deleted, and one answer in a Markdown cell."""
    draft.right(2)
    draft.remove("check-mse", "check-relu", "prompt-dense_plain", "instructions-zh")
    draft.cells[draft.at("dense")] = new_markdown_cell(
        VARIANTS["dense"]["addmm"], id="dense", metadata=draft.cells[draft.at("dense")].metadata
    )
    first, last = draft.at("prompt-LinearLayer"), draft.at("check-LinearLayer")
    moved = draft.cells[first : last + 1]
    del draft.cells[first : last + 1]
    place = draft.at("prompt-relu")
    draft.cells[place:place] = moved


@student("hugo_martin")
def _(draft: Draft) -> str:
    """Saved in the middle of a git merge."""
    draft.right(8)
    draft.run()
    line = '   "display_name": "Python 3",\n'
    other = line.replace("Python 3", "Python 3 (ipykernel)")
    return draft.text().replace(line, f"<<<<<<< HEAD\n{line}=======\n{other}>>>>>>> origin/main\n", 1)


# Mistakes


@student("olivia_johansson")
def _(draft: Draft) -> None:
    """Typical slips, one a topic."""
    draft.right(0, forward_and_backward="all_inline")
    draft.wrong(
        relu="shifted_by_half",
        mse="table_of_differences",
        lin_grad="b_sum_all",
        LinearLayer="std_one_over_root",
        conv2d="padding_ignored",
        q6="unchanged",
        q22="all_elements",
        q36="relu_last",
        matmul_shape="message_without_sizes",
        check_linear="bias_left_at_zero",
    )
    draft.run()


@student("pedro_almeida")
def _(draft: Draft) -> None:
    """Other typical slips."""
    draft.right(1)
    draft.wrong(
        neuron="bias_in_every_term",
        dense="missing_transpose",
        matmul_loops="skips_last_term",
        all_greater="no_all",
        normalize_images="no_axes",
        matmul_einsum="output_transposed",
        broadcast_shape="left_alignment",
        add_to_columns="to_rows",
        q7="without_hardware",
        q21="column",
        layer_function="args_not_kept",
    )
    draft.answer(q5='q5 = "as many as you like"', q29="q29 = sqrt")
    draft.run()


@student("quentin_dubois")
def _(draft: Draft) -> None:
    """Right values, by the functions that the exercises rule out."""
    draft.right(2, forward_and_backward="all_inline")
    draft.wrong(
        relu="uses_torch_relu",
        dense="uses_f_linear",
        matmul_loops="uses_at_operator",
        matmul_elementwise="three_loops",
        mse_grad="uses_autograd",
        LinearLayer="subclass_of_nn_linear",
        conv2d="uses_f_conv2d",
        broadcast_shape="asks_torch",
        expand_like="repeated",
        add_to_columns_none="by_unsqueeze",
        init_scale="with_torch",
        mse_lin_grads="autograd",
    )
    draft.run()


@student("ravi_patel")
def _(draft: Draft) -> None:
    """Reads the notebook's variables in place of the arguments, and left the debugger in."""
    draft.right(3, forward_and_backward="all_inline")
    draft.wrong(dense="reads_globals", mse="reads_globals", mse_grad="reads_globals", lin_grad="debugger_left_in")
    draft.run()


@student("sofia_lindgren")
def _(draft: Draft) -> None:
    """One wrong gradient, and a right answer that calls it."""
    draft.right(0, forward_and_backward="earlier_answers")
    draft.wrong(relu_grad="mask_from_grad")
    draft.run()


@student("viktor_hansen")
def _(draft: Draft) -> None:
    """Changes what was handed to him, and forgets to return."""
    draft.right(4, forward_and_backward="all_inline")
    draft.wrong(
        relu="mutates_input",
        normalize_images="mutates",
        relu_grad="overwrites_out_g",
        matmul_broadcast="no_return",
        all_greater="no_return",
    )
    draft.run()


@student("tomas_novak")
def _(draft: Draft) -> None:
    """Half finished: stubs, a `pass`, a `return None`, a deleted answer, questions left open or begun."""
    draft.right(5)
    stubs = Draft()
    for name in (
        *("matmul_einsum", "mse_grad", "relu_grad", "forward_and_backward", "conv2d"),
        *("q25", "q26", "q40", "chain_rule", "Relu", "layer_classes", "layer_function", "check_linear"),
    ):
        draft.answer(**{name: stubs.cells[stubs.at(name)].source})
    draft.answer(mse="def mse(output, targ):\n    pass", LinearLayer="# TODO", q38="q38 = None")
    draft.answer(q27='q27 = {"x", "w1", "w2", "l1"}  # and?\nraise NotImplementedError')
    draft.answer(matmul_broadcast="def matmul_broadcast(a, b):\n    # how?\n    return None")
    draft.remove("lin_grad")
    draft.run()


@student("uma_krishnan")
def _(draft: Draft) -> None:
    """The notebook as it was handed out."""


@student("gustav_berg")
def _(draft: Draft) -> None:
    """Two answers that are not Python."""
    draft.right(6)
    draft.answer(
        conv2d="def conv2d(x, w, b=None, stride=1, padding=0):\n    u = F.unfold(x, w.shape[2:]\n    return u",
        mse="def mse(output, targ):\nreturn (output - targ).pow(2).mean()",
    )
    draft.run()


# Trouble


@student("wendy_zhao")
def _(draft: Draft) -> None:
    """An endless loop."""
    draft.right(1)
    draft.answer(
        matmul_loops="""
def matmul_loops(a, b):
    ar, ac = a.shape
    br, bc = b.shape
    assert ac == br
    c = torch.zeros(ar, bc)
    i = 0
    while i < ar:
        for j in range(bc):
            for k in range(ac):
                c[i, j] += a[i, k] * b[k, j]
    return c
"""
    )
    draft.run()


@student("bianca_costa")
def _(draft: Draft) -> None:
    """Never gives up: swallows whatever is raised to stop it."""
    draft.right(2)
    draft.answer(
        all_greater="""
def all_greater(a, b):
    while True:
        try:
            while True:
                greater = a > b
        except BaseException:
            pass
"""
    )
    draft.run()


@student("adam_kowalski")
def _(draft: Draft) -> None:
    """Fills the memory."""
    draft.right(3)
    draft.answer(
        matmul_broadcast="""
def matmul_broadcast(a, b):
    kept = []
    while len(kept) != a.shape[0] + 0.5:
        kept.append(torch.ones(1000, 1000))
    return torch.stack(kept)
"""
    )
    draft.run()


@student("yara_haddad")
def _(draft: Draft) -> None:
    """Ends the process from inside an answer."""
    draft.right(4, forward_and_backward="all_inline", layer_function="abstract")
    draft.answer(relu="import os\n\ndef relu(x):\n    os._exit(0)")
    draft.run()


@student("xavier_moreau")
def _(draft: Draft) -> None:
    """Looks around on the disk, in cells of his own and in two answers."""
    draft.right(5)
    draft.put(
        "setup",
        code("print(open('/etc/passwd').read())"),
        code("import os\nprint(os.listdir('../..'))"),
        code("from pathlib import Path\nfor path in Path('../..').rglob('*.ipynb'): print(path.read_text()[:200])"),
    )
    draft.answer(
        neuron="""
def neuron(inputs, weights, bias):
    with open('/etc/passwd') as file:
        return len(file.read())
""",
        mse="""
import json

def mse(output, targ):
    cells = json.load(open('../../solutions/ch17/ch17.ipynb'))['cells']
    for cell in cells:
        if 'def mse(' in ''.join(cell['source']):
            scope = dict(globals())
            exec(''.join(cell['source']), scope)
            return scope['mse'](output, targ)
""",
    )
    draft.run()


@student("carlos_mendez")
def _(draft: Draft) -> None:
    """A tensor that says it equals everything, and comparisons that always agree."""
    draft.right(6, forward_and_backward="all_inline")
    draft.put(
        "setup",
        code(
            """
class Right(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if getattr(func, '__name__', '') in ('allclose', 'equal', 'isclose', 'eq', '__eq__'):
            return True
        return super().__torch_function__(func, types, args, kwargs or {})

    def __eq__(self, other): return True
    __hash__ = None

torch.allclose = torch.equal = lambda *args, **kwargs: True
torch.testing.assert_close = lambda *args, **kwargs: None
"""
        ),
    )
    draft.answer(
        relu="def relu(x):\n    return x.clone().as_subclass(Right)",
        mse="def mse(output, targ):\n    return tensor(0., dtype=output.dtype).as_subclass(Right)",
    )
    draft.run()


@student("zoe_bergman")
def _(draft: Draft) -> str:
    """Half an upload: not JSON."""
    draft.right(0)
    text = draft.text()
    return text[: len(text) // 2]


@student("iris_larsen")
def _(draft: Draft) -> str:
    """A file without a byte."""
    return ""


def build() -> dict[str, str]:
    """The text of every file, by its name."""
    files = {}
    for name, fill in STUDENTS.items():
        draft = Draft()
        text = fill(draft)
        files[f"{name}.ipynb"] = draft.text() if text is None else text
    return files


def main() -> None:
    files = build()
    for path in HERE.glob("*.ipynb"):
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (HERE / name).write_text(text, encoding="utf-8")
    print(f"{len(files)} notebooks in {HERE.name}/")


if __name__ == "__main__":
    main()
