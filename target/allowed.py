"""What a sealed script may import, and which names reach further than training needs.

Only tables: `target/allowlist.py` reads scripts by them.
"""

from __future__ import annotations


def _words(text: str) -> list[str]:
    return text.split()


# Modules that may be imported whole, submodules included unless they are denied below.
FREE = frozenset(
    _words("""__future__ abc bisect cmath collections contextlib copy dataclasses decimal einops
    enum fractions functools heapq itertools json math numbers numpy operator random re statistics
    string textwrap time torch triton typing typing_extensions warnings""")
)
# Modules of which a script may use only these: the rest of them opens files or looks inside.
PARTLY = {
    "gc": frozenset({"collect", "disable", "enable", "freeze", "isenabled", "unfreeze"}),
    "inspect": frozenset({"signature"}),
    "os": frozenset({"cpu_count", "environ", "getenv"}),
    "os.path": frozenset({"basename", "dirname", "join", "splitext"}),
    "types": frozenset({"MappingProxyType", "NoneType", "SimpleNamespace"}),
}
SUGGESTED = "torch, numpy, math, random, functools, itertools, collections, dataclasses, typing"

_DATA = "a candidate's data comes from run.batches, and its weights leave as the model's state_dict"
_NETWORK = "a candidate has no network"
_PROCESS = "a candidate is one process"
_INSIDE = "the interpreter's insides are no part of training"
# Why a module is refused, by its first name; the others are just not needed.
WHY = {
    **dict.fromkeys(_words("asyncio ftplib http requests smtplib socket ssl urllib"), _NETWORK),
    **dict.fromkeys(_words("huggingface_hub kernels datasets transformers"), _NETWORK),
    **dict.fromkeys(
        _words("concurrent multiprocessing pty signal subprocess _thread threading"), _PROCESS
    ),
    **dict.fromkeys(
        _words("fcntl fileinput glob io mmap pathlib pickle safetensors shutil sqlite3 tempfile"),
        _DATA,
    ),
    **dict.fromkeys(
        _words("atexit builtins code ctypes importlib marshal runpy sys traceback weakref"), _INSIDE
    ),
    "env": "the environment is offered as `run`, and its own code is frozen",
}

# Dotted names that are refused with everything below them. `*.x` is x of whatever object.
DENIED = {
    "torch.load": _DATA,
    "torch.save": _DATA,
    "torch.serialization": _DATA,
    "torch.storage": _DATA,
    "torch.package": _DATA,
    "torch.export": _DATA,
    "torch.onnx": _DATA,
    "torch.jit.load": _DATA,
    "torch.jit.save": _DATA,
    "torch.jit.CompilationUnit": "code that is text cannot be read here",
    "torch.classes": _DATA,
    "torch.ops.load_library": _DATA,
    "torch.utils.data": _DATA,
    "torch.utils.tensorboard": _DATA,
    "torch.utils.model_zoo": _NETWORK,
    "torch.hub": _NETWORK,
    "torch.distributed": _PROCESS,
    "torch.multiprocessing": _PROCESS,
    "torch.utils.cpp_extension": _PROCESS,
    "torch.utils.collect_env": _PROCESS,
    "torch.utils.benchmark": _INSIDE,
    "torch.utils.hipify": _INSIDE,
    "torch.testing": _INSIDE,
    "torch.overrides": _INSIDE,
    "torch.fx": _INSIDE,
    **{
        f"numpy.{name}": _DATA
        for name in _words("""DataSource fromfile genfromtxt load loadtxt memmap save savetxt savez
        savez_compressed""")
    },
    **{f"numpy.{name}": _INSIDE for name in _words("core ctypeslib distutils f2py lib testing")},
    "typing.get_type_hints": "code that is text cannot be read here",
    "typing_extensions.get_type_hints": "code that is text cannot be read here",
    "operator.attrgetter": "it reaches attributes by a name that cannot be read here",
    "operator.methodcaller": "it reaches attributes by a name that cannot be read here",
}
# Private names of torch that scripts really use; every other private name of a module is refused.
PRIVATE_USED = (
    "torch._dynamo.config",
    "torch._dynamo.disable",
    "torch._dynamo.mark_dynamic",
    "torch._dynamo.mark_static",
    "torch._dynamo.reset",
    "torch._inductor.config",
    "torch._functorch.config",
    "torch._scaled_mm",
    "torch._grouped_mm",
    "torch._int_mm",
    "torch._foreach_",
    "torch._fused_",
    "torch._assert",
)
# What a script may set: other modules' settings. It changes nothing else of another module.
SETTINGS = (
    "torch.backends",
    "torch._dynamo.config",
    "torch._inductor.config",
    "torch._functorch.config",
)

# Names of builtins, and why a training script has no use for them.
BUILTINS = {
    "open": _DATA,
    **dict.fromkeys(("eval", "exec", "compile"), "code that is text cannot be read here"),
    **dict.fromkeys(("globals", "locals", "vars"), "it reaches names that cannot be read here"),
    **dict.fromkeys(("__import__", "__builtins__", "__loader__", "__spec__"), _INSIDE),
    **dict.fromkeys(("breakpoint", "input", "help"), "nobody sits at a trial"),
    "memoryview": _INSIDE,
}
# By a name that is a variable, these reach everything; they must be called at once.
REFLECTION = frozenset({"getattr", "setattr", "delattr"})

# Attributes of whatever object.
ATTRIBUTES = {
    **dict.fromkeys(
        _words("""bltns builtins codecs ctypes glob importlib linecache multiprocessing os pathlib
        pickle shutil socket subprocess sys tempfile threading"""),
        "modules are reached by import alone",
    ),
    **dict.fromkeys(
        _words("""ag_frame co_code cr_frame f_back f_builtins f_globals f_locals gi_code gi_frame
        tb_frame tb_next"""),
        _INSIDE,
    ),
    **dict.fromkeys(("from_file", "load_library", "tofile"), _DATA),
    **dict.fromkeys(("CodeType", "FunctionType", "mro"), _INSIDE),
}
# Dunder attributes that honest scripts read; all others serve to climb out of an object.
DUNDERS = frozenset(
    f"__{name}__"
    for name in _words("""add annotations call class constants contains delitem doc enter eq exit
    float format ge getattr getitem getstate gt hash init init_subclass int isub iter le len
    lt matmul mul name ne neg new next post_init pow qualname radd repr rmul rsub setattr setitem
    setstate slots str sub truediv version iadd imul all author license""")
)
# Methods that act at odd moments, or stand between torch and what it is given.
HOOKS = {
    f"__{name}__": _INSIDE
    for name in _words("""del reduce reduce_ex getattribute torch_function torch_dispatch array
    array_interface""")
}
# Packages that are imported from packages: as values they would reach everything in them.
PACKAGES = frozenset(
    _words("""numpy.linalg numpy.random torch.autograd torch.backends torch.cuda torch.nn
    torch.nn.functional torch.nn.init torch.nn.utils torch.optim torch.random torch.utils""")
)
# Names under which modules hold other modules.
REACHED = frozenset({"np", "numpy", "torch"})
# Names that a module may set; `__name__` above all would make the guarded block run in a trial.
MODULE_DUNDERS = frozenset({"__all__", "__version__", "__author__", "__license__"})
RUN_PRIVATE = frozenset({"_batches", "_clock", "_open_rows", "_rows", "_say"})
