"""The words of ``how.must("matrix product")``: one table of operation families, and the names that hide a call.

A family is known by the names that its members have in source and at Python level while running, and by the ATen
operators that they run as. To add a spelling, add its last name to ``names``; to add a family, add a row.
"""

from __future__ import annotations

import msgspec


class Family(msgspec.Struct, frozen=True):
    """Spellings of one kind of operation.

    ``names`` are last names, of a function of an array library or of a method on an object whose type the source
    does not tell. ``paths`` are whole names, or prefixes that end in a dot, and the marks that the reader puts in
    place of syntax: ``@``, ``*``, ``[None]``, ``requires_grad=``. ``ops`` are ATen operators, without a trailing
    underscore. ``roots`` are whole libraries.
    """

    names: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    ops: frozenset[str] = frozenset()
    roots: frozenset[str] = frozenset()

    def has(self, path: str) -> bool:
        """Is ``path`` (``torch.Tensor.mm``, ``?.mm``, ``@``) a spelling of this family?"""
        path = path.removesuffix("()")
        root, _, rest = path.partition(".")
        if path in self.paths or root in self.roots:
            return True
        if any(path.startswith(p) for p in self.paths if p.endswith(".")):
            return True
        return bool(rest) and root not in STANDARD and path.rpartition(".")[2] in self.names

    def ran(self, op: str) -> bool:
        """Is the ATen operator ``aten::mm`` one of this family?"""
        return op.removeprefix("aten::").removesuffix("_") in self.ops


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_CONVOLUTIONS = _set(
    "conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d convolution _convolution "
    "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d LazyConv1d LazyConv2d LazyConv3d "
    "LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d Convolution mkldnn_convolution ConvLayer "
    "deform_conv2d DeformConv2d convolve convolve2d correlate correlate2d fftconvolve oaconvolve"
)
_CONVOLUTION_OPS = _set(
    "convolution _convolution convolution_overrideable mkldnn_convolution thnn_conv2d _slow_conv2d_forward "
    "slow_conv3d slow_conv_dilated2d slow_conv_transpose2d slow_conv_transpose3d _conv_depthwise2d "
    "_nnpack_spatial_convolution conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d"
)

FAMILIES: dict[str, Family] = {
    "matrix product": Family(
        names=_CONVOLUTIONS
        | _set(
            "matmul mm bmm mv dot vdot vecdot inner addmm addmm_ addmv addmv_ addbmm addbmm_ baddbmm baddbmm_ "
            "tensordot chain_matmul multi_dot matrix_power einsum einsum_path contract linear bilinear Linear "
            "LazyLinear Bilinear cdist pdist cosine_similarity __matmul__ __rmatmul__ __imatmul__ imatmul smm "
            "sspaddmm hspmm _int_mm _scaled_mm scaled_dot_product_attention multi_head_attention_forward "
            "MultiheadAttention RNN LSTM GRU RNNCell LSTMCell GRUCell matvec vecmat safe_sparse_dot gemm dgemm "
            "sgemm gemv dgemv sgemv ddot sdot matrix asmatrix Matrix csr_matrix csc_matrix coo_matrix bsr_matrix "
            "dia_matrix solve solve_ex lu_solve cholesky_solve triangular_solve solve_triangular lstsq "
            "embedding_bag EmbeddingBag"
        ),
        paths=_set("@ operator.matmul operator.imatmul operator.__matmul__ operator.__imatmul__"),
        ops=_CONVOLUTION_OPS
        | _set(
            "mm addmm _addmm_activation bmm baddbmm mv addmv addbmm dot vdot matmul linear einsum tensordot inner "
            "_int_mm _scaled_mm cdist _cdist_forward _euclidean_dist _pdist_forward _trilinear bilinear "
            "_sparse_mm _sparse_addmm sspaddmm hspmm smm linalg_multi_dot chain_matmul mkldnn_linear "
            "_scaled_dot_product_attention _scaled_dot_product_flash_attention_for_cpu "
            "_scaled_dot_product_attention_math scaled_dot_product_attention _linalg_solve_ex linalg_lstsq "
            "triangular_solve cholesky_solve linalg_solve_triangular linalg_lu_solve _embedding_bag"
        ),
    ),
    "einsum": Family(names=_set("einsum contract einsum_path"), ops=_set("einsum")),
    "nn.Linear": Family(
        names=_set("Linear LazyLinear Bilinear linear bilinear LinBnDrop"),
        ops=_set("linear bilinear _trilinear mkldnn_linear"),
    ),
    "conv2d": Family(names=_CONVOLUTIONS, ops=_CONVOLUTION_OPS),
    "unfold": Family(names=_set("unfold Unfold im2col unfold_copy"), ops=_set("im2col unfold unfold_copy")),
    "relu": Family(
        names=_set(
            "relu relu_ ReLU relu6 ReLU6 leaky_relu leaky_relu_ LeakyReLU prelu PReLU rrelu rrelu_ RReLU relu1 "
            "GeneralRelu"
        ),
        ops=_set("relu relu6 leaky_relu prelu _prelu_kernel rrelu rrelu_with_noise"),
    ),
    "autograd": Family(
        names=_set(
            "backward requires_grad_ enable_grad retain_grad grad vjp jvp vhp hvp jacobian hessian jacrev jacfwd "
            "grad_and_value value_and_grad GradientTape"
        ),
        paths=_set(
            "requires_grad= torch.autograd.grad torch.autograd.backward torch.autograd.functional. torch.func. "
            "torch.autograd.forward_ad. functorch. autograd. jax.grad"
        ),
    ),
    "elementwise product": Family(
        names=_set("mul mul_ multiply multiply_ __mul__ __rmul__ __imul__ addcmul addcmul_ outer ger"),
        paths=_set("* operator.mul operator.imul operator.__mul__"),
        ops=_set("mul addcmul"),
    ),
    "broadcasting": Family(
        names=_set(
            "unsqueeze unsqueeze_ expand expand_as broadcast_to broadcast_tensors view view_as reshape mul mul_ "
            "multiply expand_dims outer"
        ),
        paths=_set("[None] *"),
        ops=_set("mul expand unsqueeze"),
    ),
    "sum": Family(names=_set("sum sum_ nansum"), paths=_set("builtins.sum math.fsum"), ops=_set("sum")),
    # No operators below this line: indexing with None runs as aten::unsqueeze, and reshape as aten::view.
    "unsqueeze": Family(names=_set("unsqueeze unsqueeze_ expand_dims")),
    "none index": Family(paths=_set("[None]")),
    "view": Family(names=_set("view view_as view_copy")),
    "reshape": Family(names=_set("reshape reshape_as resize_ resize unflatten")),
    "expand": Family(names=_set("expand expand_as broadcast_to broadcast_tensors broadcast_arrays")),
    "repeat": Family(names=_set("repeat tile repeat_interleave"), ops=_set("repeat repeat_interleave tile")),
    "copy": Family(
        names=_set("clone contiguous copy_ copy deepcopy ascontiguousarray copyto"),
        paths=_set("copy.copy copy.deepcopy"),
        ops=_set("clone"),
    ),
    "as_strided": Family(names=_set("as_strided as_strided_ sliding_window_view"), ops=_set("as_strided")),
    "storage": Family(names=_set("storage untyped_storage _typed_storage _storage data_ptr")),
    "numpy": Family(names=_set("numpy __array__ from_numpy"), roots=_set("numpy")),
    "autograd.Function": Family(names=_set("Function")),
    "torch": Family(roots=_set("torch torchvision torchaudio functorch")),
}

# What stands in place of syntax in the names of things used.
MARKS = _set("@ * [None] requires_grad=")
# "loop" has no names: it is counted, not looked up.
LOOP = "loop"

NAMES: frozenset[str] = frozenset().union(*(family.names for family in FAMILIES.values()))

# Calls that run a function of the student's once an element.
LOOPING = _set(
    "builtins.map builtins.filter functools.reduce itertools.starmap itertools.accumulate itertools.takewhile "
    "itertools.dropwhile itertools.filterfalse numpy.vectorize numpy.frompyfunc numpy.apply_along_axis "
    "numpy.fromfunction"
)
# Iterables of pairs, triples...: a loop over a product of n is n loops.
LOOPING_PAIRS = _set("itertools.product")
# Iterables that are as many loops as what goes into them.
PASSED_ON = _set(
    "enumerate zip reversed sorted list tuple iter set tqdm trange islice chain map filter starmap progress_bar"
)

# Operators that work on whole rows when one of their tensors has more than one element.
ARITHMETIC = FAMILIES["matrix product"].ops | _set(
    "add sub rsub mul div true_divide floor_divide sum mean prod cumsum cumprod addcmul addcdiv lerp pow square "
    "norm linalg_vector_norm nansum logsumexp index_add scatter_add segment_reduce var std einsum outer kron "
    "trace cross neg mse_loss dist convolution im2col embedding_bag"
)
# The same in source: only where the operand is plainly a row.
REDUCTIONS = _set("sum prod mean nansum cumsum")

# Standard modules: what they hold is plain Python.
STANDARD = _set(
    "builtins math cmath itertools functools operator collections typing typing_extensions random time datetime "
    "numbers dataclasses copy string statistics fractions decimal warnings abc enum types contextlib bisect heapq "
    "array re json textwrap pprint logging traceback __future__ sys os io pathlib timeit shutil glob csv pickle "
    "zipfile gzip tarfile tempfile urllib hashlib platform unittest doctest uuid pdb ipdb sched struct weakref "
    "keyword graphlib"
)
# Others that an answer of plain Python may use, to show what it does.
SHOWING = _set("tqdm IPython rich matplotlib")
# Libraries whose functions have names that say what they do.
KNOWN = STANDARD | _set(
    "inspect gc linecache signal socket dis torch numpy fastai fastcore fastbook torchvision torchaudio "
    "matplotlib pandas scipy sklearn sympy einops opt_einsum functorch tqdm IPython ipywidgets PIL seaborn plotly "
    "nbdev rich grader jax tensorflow cupy autograd jaxtyping torchtyping beartype typeguard pytest mpl_toolkits "
    "requests skimage cv2 google"
)
# What a notebook's wildcard imports (fastai's, fastbook's) bind.
CONVENTIONAL = {
    "torch": "torch",
    "nn": "torch.nn",
    "F": "torch.nn.functional",
    "np": "numpy",
    "numpy": "numpy",
    "Tensor": "torch.Tensor",
    "tensor": "torch.tensor",
    "init": "torch.nn.init",
    "optim": "torch.optim",
    "math": "math",
    "sqrt": "math.sqrt",
    "partial": "functools.partial",
    "reduce": "functools.reduce",
    "functools": "functools",
    "itertools": "itertools",
    "operator": "operator",
    "plt": "matplotlib.pyplot",
    "pd": "pandas",
    "random": "random",
    "os": "os",
    "sys": "sys",
    "inspect": "inspect",
    "importlib": "importlib",
}

# Reachable from an answer, these hide what is called.
HIDING = _set(
    "builtins.eval builtins.exec builtins.compile builtins.__import__ builtins.__builtins__ builtins.get_ipython "
    "builtins.breakpoint builtins.In builtins.Out builtins._oh builtins._ih builtins._ builtins.__ builtins.___ "
    "sys.modules sys._getframe sys._current_frames sys.settrace sys.setprofile sys.meta_path sys.path_hooks "
    "torch.ops torch._C torch.jit torch.compile torch._dynamo torch._inductor torch._higher_order_ops torch.fx "
    "torch.library torch.export torch.classes torch.overrides torch.utils._python_dispatch "
    "torch.utils.cpp_extension torch._ops inspect.currentframe inspect.stack inspect.trace inspect.getouterframes "
    "inspect.getinnerframes inspect.getclosurevars inspect.getattr_static inspect.getmembers inspect.getmodule "
    "gc.get_objects gc.get_referrers gc.get_referents typing.get_type_hints torch._refs torch._prims "
    "torch._decomp torch.package torch.hub types.FunctionType types.CodeType types.LambdaType timeit.timeit "
    "timeit.repeat timeit.Timer pickle.loads pickle.load pickle.Unpickler numpy.load numpy.ctypeslib numpy.f2py "
    "pandas.eval sympy.lambdify sympy.sympify os.system os.popen os.execv os.fork IPython.get_ipython"
)
HIDING_ROOTS = _set(
    "ctypes _ctypes cffi numba cython importlib imp runpy code codeop marshal dill cloudpickle subprocess "
    "multiprocessing threading _thread concurrent zipimport pkgutil __main__ triton taichi numexpr pythran cppyy "
    "llvmlite symtable asyncio"
)
HIDING_ATTRIBUTES = _set(
    "__annotations__ __globals__ __builtins__ __subclasses__ __code__ __import__ __loader__ __spec__ __closure__ "
    "f_globals f_locals f_back f_builtins gi_frame cr_frame tb_frame __reduce__ __reduce_ex__"
)

# Anywhere in a notebook, these reach for the program that grades rather than for an answer.
TAMPERING = _set(
    "sys.modules sys._getframe sys._current_frames sys.settrace sys.setprofile sys.meta_path sys.path_hooks "
    "sys.excepthook sys.unraisablehook gc.get_objects gc.get_referrers gc.get_referents gc.callbacks gc.disable "
    "inspect.stack inspect.currentframe inspect.getouterframes inspect.getinnerframes inspect.trace "
    "inspect.getclosurevars os._exit os.abort os.kill os.killpg os.fork os.forkpty os.setsid os.execv os.execve "
    "os.execvp os.execl os.execlp os.spawnl os.spawnv os.posix_spawn os.ptrace os.dup2 os.close os.closerange "
    "torch._C torch.overrides torch.library torch.utils._python_dispatch torch._ops weakref.finalize "
    "builtins.__builtins__ faulthandler.cancel_dump_traceback_later __main__.__dict__ torch.__dict__ "
    "torch.Tensor.__dict__ traceback.walk_stack"
)
TAMPERING_ROOTS = _set(
    "ctypes _ctypes cffi signal atexit threading _thread multiprocessing concurrent faulthandler resource pty "
    "linecache mmap __main__ _pytest socket socketserver msgspec pyseccomp landlock sqlite3"
)
TAMPERING_ATTRIBUTES = _set(
    "__globals__ __subclasses__ __closure__ f_back f_globals f_locals f_builtins gi_frame cr_frame tb_frame "
    "__builtins__ cell_contents __torch_function__ __torch_dispatch__ __loader__"
)
# Parts of the running shell that change how cells or results are read.
TAMPERING_SHELL = _set(
    "user_ns user_global_ns events input_transformers input_transformers_cleanup input_transformers_post "
    "input_transformer_manager ast_transformers set_custom_exc set_hook register_magic_function register_magics "
    "display_formatter display_pub displayhook showtraceback"
)
# Attributes of library modules that notebooks set in all honesty.
HONEST_SETTINGS = ("torch.backends.", "torch.cuda.", "matplotlib.", "pandas.options.", "IPython.core.", "warnings.")
# Libraries whose own attributes nobody has a reason to replace.
GUARDED = _set("torch numpy builtins sys os math operator grader pytest _pytest unittest msgspec IPython random io")
# Functions that run other functions, or whose work the source does not show.
OPAQUE = _set("vmap apply map_ compile script jit grad linalg cov corrcoef lstsq solve inv pinv svd qr cholesky lobpcg")
