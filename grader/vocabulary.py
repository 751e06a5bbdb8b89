"""The words of ``how.must("matrix product")``: one table of operation families, and the names that hide a call.

A family is known by the names that its members have in source and at Python level while running, and by the ATen
operators that they run as. To add a spelling, add its last name to ``names``; to add a family, add a row.
"""

from __future__ import annotations

import msgspec


class AsGood(msgspec.Struct, frozen=True):
    """Spellings that are as good as a family's where it must not be used, and do not count where it must."""

    names: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    ops: frozenset[str] = frozenset()


class Family(msgspec.Struct, frozen=True):
    """Spellings of one kind of operation.

    ``names`` are last names, of a function of an array library or of a method on an object whose type the source
    does not tell. ``paths`` are whole names, or prefixes that end in a dot, and the marks that the reader puts in
    place of syntax: ``@``, ``*``, ``[None]``, ``requires_grad=``. ``ops`` are ATen operators, without a trailing
    underscore. ``roots`` are whole libraries. ``as_good`` are detours to the same numbers.
    """

    names: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    ops: frozenset[str] = frozenset()
    roots: frozenset[str] = frozenset()
    as_good: AsGood = AsGood()

    def has(self, path: str) -> bool:
        """Is ``path`` (``torch.Tensor.mm``, ``?.mm``, ``@``) a spelling of this family, or as good as one?"""
        return self.does(path) or _spells(path, self.as_good.names, self.as_good.paths)

    def does(self, path: str) -> bool:
        """Is ``path`` a spelling of this family itself?"""
        return path.partition(".")[0] in self.roots or _spells(path, self.names, self.paths)

    def ran(self, op: str) -> bool:
        """Is the ATen operator ``aten::mm`` one of this family, or as good as one?"""
        return op.removeprefix("aten::").removesuffix("_") in self.ops | self.as_good.ops


def _spells(path: str, names: frozenset[str], paths: frozenset[str]) -> bool:
    path = path.removesuffix("()")
    root, _, rest = path.partition(".")
    if path in paths or any(path.startswith(p) for p in paths if p.endswith(".")):
        return True
    return bool(rest) and root not in STANDARD and path.rpartition(".")[2] in names


def words(text: str) -> frozenset[str]:
    """The words of ``text``."""
    return frozenset(text.split())


_CONVOLUTIONS = words(
    "conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d convolution _convolution "
    "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d LazyConv1d LazyConv2d LazyConv3d "
    "LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d Convolution mkldnn_convolution ConvLayer "
    "deform_conv2d DeformConv2d convolve convolve2d correlate correlate2d fftconvolve oaconvolve"
)
_CONVOLUTION_OPS = words(
    "convolution _convolution convolution_overrideable mkldnn_convolution thnn_conv2d _slow_conv2d_forward "
    "slow_conv3d slow_conv_dilated2d slow_conv_transpose2d slow_conv_transpose3d _conv_depthwise2d "
    "_nnpack_spatial_convolution conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d"
)

FAMILIES: dict[str, Family] = {
    "matrix product": Family(
        names=words(
            "matmul mm bmm mv dot vdot vecdot inner addmm addmm_ addmv addmv_ addbmm addbmm_ baddbmm baddbmm_ "
            "tensordot chain_matmul multi_dot matrix_power einsum einsum_path contract linear bilinear Linear "
            "LazyLinear Bilinear cdist pdist cosine_similarity __matmul__ __rmatmul__ __imatmul__ imatmul smm "
            "sspaddmm hspmm _int_mm _scaled_mm scaled_dot_product_attention multi_head_attention_forward "
            "MultiheadAttention RNN LSTM GRU RNNCell LSTMCell GRUCell matvec vecmat safe_sparse_dot gemm dgemm "
            "sgemm gemv dgemv sgemv ddot sdot matrix asmatrix Matrix csr_matrix csc_matrix coo_matrix bsr_matrix "
            "dia_matrix solve solve_ex lu_solve cholesky_solve triangular_solve solve_triangular lstsq "
            "embedding_bag EmbeddingBag"
        ),
        paths=words("@ operator.matmul operator.imatmul operator.__matmul__ operator.__imatmul__ math.sumprod"),
        ops=words(
            "mm addmm _addmm_activation bmm baddbmm mv addmv addbmm dot vdot matmul linear einsum tensordot inner "
            "_int_mm _scaled_mm cdist _cdist_forward _euclidean_dist _pdist_forward _trilinear bilinear "
            "_sparse_mm _sparse_addmm sspaddmm hspmm smm linalg_multi_dot chain_matmul mkldnn_linear "
            "_scaled_dot_product_attention _scaled_dot_product_flash_attention_for_cpu "
            "_scaled_dot_product_attention_math scaled_dot_product_attention _linalg_solve_ex linalg_lstsq "
            "triangular_solve cholesky_solve linalg_solve_triangular linalg_lu_solve _embedding_bag"
        ),
        as_good=AsGood(
            names=_CONVOLUTIONS,
            paths=words(
                "statistics.covariance statistics.correlation statistics.linear_regression statistics.fmean torch.fft. "
                "numpy.fft. scipy.fft."
            ),
            ops=_CONVOLUTION_OPS,
        ),
    ),
    "einsum": Family(names=words("einsum contract einsum_path"), ops=words("einsum")),
    "nn.Linear": Family(
        names=words("Linear LazyLinear Bilinear linear bilinear LinBnDrop"),
        ops=words("linear bilinear _trilinear mkldnn_linear"),
    ),
    "conv2d": Family(
        names=_CONVOLUTIONS,
        ops=_CONVOLUTION_OPS,
        as_good=AsGood(
            paths=words("torch.fft. numpy.fft. scipy.fft. scipy.signal."), ops=words("_fft_r2c _fft_c2c _fft_c2r")
        ),
    ),
    "unfold": Family(names=words("unfold Unfold im2col unfold_copy"), ops=words("im2col unfold unfold_copy")),
    "relu": Family(
        names=words(
            "relu relu_ ReLU relu6 ReLU6 leaky_relu leaky_relu_ LeakyReLU prelu PReLU rrelu rrelu_ RReLU relu1 "
            "GeneralRelu"
        ),
        ops=words("relu relu6 leaky_relu prelu _prelu_kernel rrelu rrelu_with_noise"),
    ),
    "autograd": Family(
        names=words(
            "backward requires_grad_ enable_grad retain_grad grad vjp jvp vhp hvp jacobian hessian jacrev jacfwd "
            "grad_and_value value_and_grad GradientTape"
        ),
        paths=words(
            "requires_grad= torch.autograd.grad torch.autograd.backward torch.autograd.functional. torch.func. "
            "torch.autograd.forward_ad. functorch. autograd. jax.grad"
        ),
    ),
    "elementwise product": Family(
        names=words("mul mul_ multiply multiply_ __mul__ __rmul__ __imul__ addcmul addcmul_ outer ger"),
        paths=words("* operator.mul operator.imul operator.__mul__"),
        ops=words("mul addcmul"),
    ),
    "broadcasting": Family(
        names=words(
            "unsqueeze unsqueeze_ expand expand_as broadcast_to broadcast_tensors view view_as reshape mul mul_ "
            "multiply expand_dims outer"
        ),
        paths=words("[None] *"),
        ops=words("mul expand unsqueeze"),
    ),
    "sum": Family(names=words("sum sum_ nansum"), paths=words("builtins.sum math.fsum"), ops=words("sum")),
    # No operators below this line: indexing with None runs as aten::unsqueeze, and reshape as aten::view.
    "unsqueeze": Family(names=words("unsqueeze unsqueeze_ expand_dims")),
    "none index": Family(paths=words("[None]")),
    "view": Family(names=words("view view_as view_copy")),
    "reshape": Family(names=words("reshape reshape_as resize_ resize unflatten")),
    "expand": Family(names=words("expand expand_as broadcast_to broadcast_tensors broadcast_arrays")),
    "repeat": Family(names=words("repeat tile repeat_interleave"), ops=words("repeat repeat_interleave tile")),
    "copy": Family(
        names=words("clone contiguous copy_ copy deepcopy ascontiguousarray copyto"),
        paths=words("copy.copy copy.deepcopy"),
        ops=words("clone"),
    ),
    "as_strided": Family(names=words("as_strided as_strided_ sliding_window_view"), ops=words("as_strided")),
    "storage": Family(names=words("storage untyped_storage _typed_storage _storage data_ptr")),
    "numpy": Family(names=words("numpy __array__ from_numpy"), roots=words("numpy")),
    "autograd.Function": Family(names=words("Function")),
    "torch": Family(roots=words("torch torchvision torchaudio functorch")),
}

# What stands in place of syntax in the names of things used.
MARKS = words("@ * [None] requires_grad=")
# "loop" has no names: it is counted, not looked up.
LOOP = "loop"

NAMES: frozenset[str] = frozenset().union(*(family.names | family.as_good.names for family in FAMILIES.values()))

# Calls that run a function of the student's once an element.
LOOPING = words(
    "builtins.map builtins.filter functools.reduce itertools.starmap itertools.accumulate itertools.takewhile "
    "itertools.dropwhile itertools.filterfalse numpy.vectorize numpy.frompyfunc numpy.apply_along_axis "
    "numpy.fromfunction"
)
# ... and of these, what takes the function first, and then what it is run over.
FUNCTION_FIRST = words("builtins.map builtins.filter functools.reduce itertools.starmap")
# Of the standard library, what gets functions and runs none of them many times.
HANDLING = words(
    "builtins functools contextlib dataclasses typing typing_extensions abc enum weakref types warnings logging "
    "collections operator traceback time copy"
)
# Of what is built in, what runs a function many times, and what asks an object for one element after the other.
RUNNING_MANY = words("max min sorted iter map filter")
ASKING_FOR_ALL = RUNNING_MANY | words(
    "sum any all list tuple set frozenset dict zip enumerate reversed bytes bytearray"
)
# Methods that run the function that they are given once an element, whatever has them.
LOOPING_METHODS = words("apply_ map_ sort sub subn translate map starmap filter imap applymap transform agg aggregate")
# What makes an object a thing to loop over.
STEPPING = words("__next__ __getitem__ __missing__")
# Iterables of pairs, triples...: a loop over a product of n is n loops.
LOOPING_PAIRS = words("itertools.product")
# Iterables that are as many loops as what goes into them.
PASSED_ON = words(
    "enumerate zip reversed sorted list tuple iter set tqdm trange islice chain map filter starmap progress_bar"
)

# Operators that work on whole rows when one of their tensors has more than one element.
ARITHMETIC = FAMILIES["matrix product"].ops | words(
    "add sub rsub mul div true_divide floor_divide sum mean prod cumsum cumprod addcmul addcdiv lerp pow square "
    "norm linalg_vector_norm nansum logsumexp index_add scatter_add segment_reduce var std einsum outer kron "
    "trace cross neg mse_loss dist convolution im2col embedding_bag"
)
# The same in source: only where the operand is plainly a row.
REDUCTIONS = words(
    "sum prod mean nansum cumsum nancumsum cumprod average reduce accumulate reduceat outer ger kron cumulative_sum "
    "trapz trapezoid bincount vectorize frompyfunc apply_along_axis apply_over_axes"
)

# Standard modules: what they hold is plain Python.
STANDARD = words(
    "builtins math cmath itertools functools operator collections typing typing_extensions random time datetime "
    "numbers dataclasses copy string statistics fractions decimal warnings abc enum types contextlib bisect heapq "
    "array re json textwrap pprint logging traceback __future__ sys os io pathlib timeit shutil glob csv pickle "
    "zipfile gzip tarfile tempfile urllib hashlib platform uuid sched struct weakref keyword graphlib unittest"
)
# Of these, what an answer with nothing imported may have: types, warnings, times.
COMPUTING_NOTHING = words(
    "builtins __future__ typing typing_extensions sys time warnings logging traceback pprint abc functools.wraps"
)
# Others that an answer of plain Python may use, to show what it does.
SHOWING = words("tqdm IPython rich matplotlib")
# Libraries whose functions have names that say what they do.
KNOWN = STANDARD | words(
    "inspect gc torch numpy fastai fastcore fastbook torchvision torchaudio matplotlib pandas scipy sklearn sympy "
    "einops opt_einsum functorch tqdm IPython ipywidgets PIL seaborn plotly nbdev rich grader jax tensorflow cupy "
    "autograd jaxtyping torchtyping beartype typeguard mpl_toolkits requests skimage cv2 google"
)
# Of these modules, the parts that do what they say: others find, build or run code by text.
PARTS: dict[str, frozenset[str]] = {
    "sys": words(
        "stdout stderr stdin version version_info maxsize float_info int_info hash_info platform argv exit "
        "executable getsizeof getrecursionlimit setrecursionlimit byteorder getrefcount implementation"
    ),
    "os": words(
        "path environ getcwd listdir makedirs mkdir sep linesep cpu_count getenv chdir urandom remove name curdir "
        "walk scandir stat rename unlink pathsep getpid"
    ),
    "types": words("SimpleNamespace MappingProxyType GeneratorType NoneType EllipsisType MethodType UnionType"),
    "string": words(
        "ascii_letters ascii_lowercase ascii_uppercase digits hexdigits octdigits punctuation whitespace printable "
        "capwords"
    ),
    "logging": words(
        "debug info warning warn error critical exception log getLogger basicConfig DEBUG INFO WARNING ERROR "
        "CRITICAL disable captureWarnings NullHandler StreamHandler"
    ),
    "inspect": words(
        "signature getsource getsourcelines getdoc isfunction isclass ismethod isbuiltin ismodule isroutine "
        "isgenerator isgeneratorfunction isabstract Parameter Signature getfullargspec cleandoc getfile getmro"
    ),
    "gc": words("collect enable isenabled get_count"),
    "traceback": words("print_exc format_exc print_stack format_exception print_exception format_exception_only"),
    "timeit": words("default_timer"),
    "pickle": words("dump dumps HIGHEST_PROTOCOL DEFAULT_PROTOCOL PickleError"),
    "IPython": words("display version_info"),
    "sympy": frozenset(),
    "unittest": words("TestCase main"),
    "torch.testing": words("assert_close assert_allclose make_tensor"),
}
# Modules that others have as attributes, where it cannot be looked up.
SMUGGLED = words(
    "sys os builtins importlib inspect gc ctypes subprocess pickle runpy threading linecache pkgutil operator "
    "functools unittest pdb doctest __main__"
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
HIDING = words(
    "builtins.eval builtins.exec builtins.compile builtins.__import__ builtins.__builtins__ builtins.get_ipython "
    "builtins.globals builtins.help builtins.license builtins.copyright builtins.credits typing.ForwardRef "
    "typing.evaluate_forward_ref typing_extensions.get_type_hints typing_extensions.evaluate_forward_ref "
    "typing_extensions.ForwardRef dataclasses.make_dataclass torch.load torch.serialization torch.distributed "
    "torch.multiprocessing torch.futures torch.compiler torch.ao torch.monitor torch.cpp torch.cond "
    "torch.while_loop torch.import_ir_module torch.parse_ir torch.get_device_module torch.fork torch.wait "
    "numpy.testing numpy.test numpy.distutils numpy.core numpy.memmap "
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
HIDING_ROOTS = words(
    "ctypes _ctypes cffi numba cython importlib imp runpy code codeop marshal dill cloudpickle subprocess "
    "multiprocessing threading _thread concurrent zipimport pkgutil __main__ triton taichi numexpr pythran cppyy "
    "llvmlite symtable asyncio pdb ipdb bdb cmd doctest site"
)
# These evaluate annotations that are texts when they are told to.
EVALUATING = words("inspect.signature inspect.Signature.from_callable")
# Waiting for what was called in plain sight hides nothing.
WAITING = words("asyncio.sleep asyncio.gather")
HIDING_ATTRIBUTES = words(
    "__annotations__ __globals__ __builtins__ __subclasses__ __code__ __import__ __loader__ __spec__ __closure__ "
    "f_globals f_locals f_back f_builtins f_code gi_frame gi_code gi_yieldfrom cr_frame cr_code cr_await ag_frame "
    "ag_code "
    "tb_frame tb_next __reduce__ __reduce_ex__ __self__ __func__ __objclass__ _evaluate __forward_code__ __annotate__ "
    "__setstate__ func_globals __path__ fget"
)

# Anywhere in a notebook, these reach for the program that grades rather than for an answer.
TAMPERING = words(
    "sys.modules sys._getframe sys._current_frames sys.settrace sys.setprofile sys.meta_path sys.path_hooks "
    "sys.excepthook sys.unraisablehook gc.get_objects gc.get_referrers gc.get_referents gc.callbacks gc.disable "
    "inspect.stack inspect.currentframe inspect.getouterframes inspect.getinnerframes inspect.trace "
    "inspect.getclosurevars os._exit os.abort os.kill os.killpg os.fork os.forkpty os.setsid os.execv os.execve "
    "os.execvp os.execl os.execlp os.spawnl os.spawnv os.posix_spawn os.ptrace os.dup2 os.close os.closerange "
    "torch._C torch.overrides torch.library torch.utils._python_dispatch torch._ops weakref.finalize "
    "builtins.__builtins__ faulthandler.cancel_dump_traceback_later __main__.__dict__ torch.__dict__ "
    "torch.Tensor.__dict__ traceback.walk_stack"
)
TAMPERING_ROOTS = words(
    "ctypes _ctypes cffi signal atexit threading _thread multiprocessing concurrent faulthandler resource pty "
    "linecache mmap __main__ _pytest socket socketserver msgspec pyseccomp landlock sqlite3"
)
TAMPERING_ATTRIBUTES = words(
    "__globals__ __subclasses__ __closure__ f_back f_globals f_locals f_builtins gi_frame cr_frame tb_frame "
    "__builtins__ cell_contents __torch_function__ __torch_dispatch__ __loader__"
)
# Parts of the running shell that change how cells or results are read.
TAMPERING_SHELL = words(
    "user_ns user_global_ns events input_transformers input_transformers_cleanup input_transformers_post "
    "input_transformer_manager ast_transformers set_custom_exc set_hook register_magic_function register_magics "
    "display_formatter display_pub displayhook showtraceback"
)
# Attributes of library modules that notebooks set in all honesty.
HONEST_SETTINGS = ("torch.backends.", "torch.cuda.", "matplotlib.", "pandas.options.", "IPython.core.", "warnings.")
# Libraries whose own attributes nobody has a reason to replace.
GUARDED = words("torch numpy builtins sys os math operator grader pytest _pytest unittest msgspec IPython random io")
# What torch, NumPy and their tensors have that works no matrix product out: whatever is not here may, in an answer
# that must not. In-place forms go by the same name.
NO_PRODUCT = words(
    # single numbers and comparisons
    "abs absolute acos acosh add addcdiv addcmul angle arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh "
    "atan atan2 atanh bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor ceil clamp "
    "clamp_max clamp_min clip conj conj_physical conjugate copysign cos cosh deg2rad degrees digamma div divide divmod "
    "eq erf erfc erfinv exp exp2 expm1 fabs fix float_power floor floor_divide fma fmax fmin fmod frac ge gelu greater "
    "greater_equal gt hardtanh heaviside hypot invert isclose isfinite isin isinf isnan isneginf isposinf isreal le "
    "leaky_relu lerp less less_equal lgamma log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not "
    "logical_or logical_xor logit lt maximum minimum mod mul multiply nan_to_num ne neg negative nextafter not_equal "
    "positive pow power rad2deg radians reciprocal relu remainder rint round rsqrt rsub sgn sigmoid sign signbit silu "
    "sin sinc sinh sqrt square sub subtract tan tanh true_divide trunc where xlogy cbrt elu softplus "
    # sums and the like
    "all allclose amax amin aminmax any argmax argmin array_equal average count_nonzero cummax cummin "
    "cumprod cumsum cumulative_sum diff equal logcumsumexp logsumexp log_softmax max mean median min nanmean nansum "
    "nanprod nanmax nanmin norm prod ptp quantile softmax std std_mean sum var var_mean reduce accumulate reduceat "
    # places, shapes and copies
    "H T adjoint append argsort argwhere array_split as_strided as_strided_copy astype atleast_1d atleast_2d "
    "atleast_3d base block block_diag broadcast broadcast_arrays broadcast_shapes broadcast_tensors broadcast_to "
    "apply cartesian_prod cat choose chunk clone column_stack combinations concat concatenate contiguous copy "
    "copyto data "
    "detach diag diag_embed diagflat diagonal dim dsplit dstack element_size expand expand_as expand_dims extract fill "
    "fill_diagonal flat flatten flip fliplr flipud gather hsplit hstack index_add index_copy index_fill index_put "
    "index_select insert delete is_contiguous is_floating_point is_leaf map item itemsize ix_ kron kthvalue mH mT "
    "masked_fill "
    "masked_scatter masked_select matrix_transpose meshgrid moveaxis movedim msort narrow nbytes ndenumerate ndim "
    "ndimension ndindex nditer nelement nonzero numel one_hot outer ger pad permute permute_dims place put "
    "put_along_axis putmask ravel ravel_multi_index repeat repeat_interleave reshape reshape_as resize resize_as "
    "result_type roll rollaxis rot90 row_stack scatter scatter_add scatter_reduce searchsorted select set_ shape size "
    "sliding_window_view slice_scatter sort split split_with_sizes squeeze stack storage_offset stride strides "
    "sum_to_size swapaxes swapdims t take take_along_axis take_along_dim tensor_split tile to to_device tobytes tolist "
    "topk trace transpose tri tril tril_indices triu triu_indices unbind unflatten unfold unique unique_consecutive "
    "unravel_index unsqueeze unstack untyped_storage storage view view_as vsplit vstack zero index_exp s_ c_ r_ "
    # tensors made, and what they are made of
    "arange array as_tensor asarray asanyarray ascontiguousarray bernoulli bfloat16 bool byte cdouble cfloat char chr "
    "complex complex64 complex128 cpu cuda default_rng device dtype double empty empty_like empty_strided eye finfo "
    "float float16 float32 float64 float_ from_numpy frombuffer fromiter full full_like generic get_default_dtype "
    "get_device half identity iinfo int int16 int32 int64 int8 int_ integer is_tensor issubdtype layout linspace "
    "logspace long manual_seed memory_format mgrid new new_empty new_full new_ones new_tensor new_zeros normal normal_ "
    "number numpy object_ ogrid ones ones_like preserve_format contiguous_format promote_types rand rand_like randint "
    "randint_like randn randn_like random randperm range requires_grad result_type scalar_tensor seed set_grad_enabled "
    "shares_memory short single strided tensor type type_as typename uint8 uint16 uint32 uint64 uniform zeros "
    "zeros_like is_complex is_cuda is_sparse can_cast grad detach_copy "
    # values, modes and types
    "e inf nan pi newaxis no_grad inference_mode enable_grad is_grad_enabled autocast errstate seterr printoptions "
    "set_printoptions set_default_dtype Size Tensor FloatTensor DoubleTensor LongTensor IntTensor BoolTensor Generator "
    "Module Parameter ndarray ufunc nn functional cuda version is_available typing NDArray ArrayLike special "
    "vectorize frompyfunc apply_along_axis apply_over_axes fromfunction vmap lib stride_tricks init backends mps "
    "zeros_ ones_ constant True_ False_ bool_ array_repr array_str isscalar device_count current_device linalg "
    "vector_norm requires_grad_ retain_grad backward register_hook optim utils annotations tensor_"
)
# Functions that run other functions, or whose work the source does not show.
OPAQUE = words(
    "vmap apply map_ compile script jit grad linalg cov corrcoef lstsq solve inv pinv svd qr cholesky lobpcg"
)
