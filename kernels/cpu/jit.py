"""The one way in which CPU kernels are compiled: options, cache folder, threads, messages.

Numba's cache knows neither globals nor other files nor the host's vector width, so the folders are
named here by hashes of all that: a changed source or machine can never run stale code.

Environment: TINYDL_CACHE (folder; default ~/.cache/tinydl), TINYDL_NUM_THREADS, TINYDL_QUIET=1.
"""

import functools
import hashlib
import os
import platform
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

PATIENCE = 1.0  # seconds of compiling after which the user is told

# Called as hook(kernel, seconds): at the start of each compilation with None, at its end with the time it took.
compile_hooks: list[Callable[[str, float | None], None]] = []


def jit(
    function: Callable | None = None,
    *,
    parallel: bool = False,
    apart: bool = False,
    contract: bool = True,
    reorder: bool = False,
):
    """Compile `function` at its first call (of each dtype), kept on disk between processes.

    parallel: allow prange; such a function is called from Python only, never from jitted code.
    apart: compiled once, for jitted code to call; else each caller optimises a copy of its own.
    contract: let a * b + c be one instruction; False where results must be the same bits everywhere.
    reorder: let sums be taken lane by lane, so that they vectorise; NaN and infinity stay what they are.
    """
    if function is None:
        return functools.partial(jit, parallel=parallel, apart=apart, contract=contract, reorder=reorder)
    import numba

    target()  # before Numba settles on one, if nothing was compiled before
    _listen()
    folder = cache_folder()
    place = folder and os.path.join(folder, _sources_of(function.__module__))
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, place or ""
    try:
        compiled = numba.njit(
            cache=folder is not None,
            parallel=parallel,
            nogil=True,
            error_model="numpy",
            fastmath={n for n, on in (("contract", contract), ("reassoc", reorder)) if on},
        )(function)
    finally:
        numba.config.CACHE_DIR = before
    _keep_needs(compiled)
    return _parallel_entry(compiled) if parallel else _called_by_name(compiled) if apart else compiled


# --- the machine


@functools.cache
def target() -> tuple[str, str]:
    """Name and features of the processor that is compiled for: this one, or that of NUMBA_CPU_NAME."""
    import numba
    from llvmlite import binding
    from numba.core.codegen import get_host_cpu_features

    config = numba.config
    if config.CPU_FEATURES is None:
        # Of a name given, its features alone: Numba would add this machine's own.
        config.CPU_FEATURES = "" if config.CPU_NAME else get_host_cpu_features()
        if platform.machine() in ("x86_64", "AMD64"):
            # LLVM leaves half of each register of AVX-512 unused on Intel's processors, for the clock of old ones.
            config.CPU_FEATURES += ("," if config.CPU_FEATURES else "") + "-prefer-256-bit"
    return config.CPU_NAME or binding.get_host_cpu_name(), config.CPU_FEATURES


@functools.cache
def vector_bytes() -> int:
    """Width of the widest vector registers (of AVX-512, AVX2, or 16), as LLVM itself uses them for the target."""
    from llvmlite import binding

    program = """define void @f(<16 x i32>* %a) "prefer-vector-width"="512" {
        %x = load <16 x i32>, <16 x i32>* %a
        %y = add <16 x i32> %x, %x
        store <16 x i32> %y, <16 x i32>* %a
        ret void
    }"""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    name, features = target()
    machine = binding.Target.from_default_triple().create_target_machine(cpu=name, features=features)
    code = machine.emit_assembly(binding.parse_assembly(program))
    return 64 if "zmm" in code else 32 if "ymm" in code else 16


# --- the cache folder


@functools.cache
def cache_folder() -> str | None:
    """Where compiled kernels are kept; None where nothing can be written (then each process compiles)."""
    base = os.environ.get("TINYDL_CACHE")
    if not base:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        base = os.path.join(home, "tinydl")
    folder = os.path.join(os.path.abspath(base), f"numba-{fingerprint()}")
    try:
        # Numba unpickles what it finds: nobody else may write there.
        os.makedirs(folder, mode=0o700, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return None
    return folder


@functools.cache
def fingerprint() -> str:
    """Hash of what compiled code depends on beside its sources, and that Numba's own key leaves out."""
    import numba

    parts = [numba.__version__, sys.version, *target(), f"bounds={numba.config.BOUNDSCHECK}"]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@functools.cache
def _sources_of(module: str) -> str:
    """The name of a module's folder: its own, and a hash of its source and of all that it imports from here."""
    seen, todo = {}, [Path(sys.modules[module].__file__)]
    while todo:
        file = todo.pop()
        if file not in seen:
            seen[file], needed = source_and_imports(file)
            todo += needed
    digest = hashlib.sha256()
    for file in sorted(seen):
        digest.update(seen[file])
    return f"{module.rpartition('.')[2]}-{digest.hexdigest()[:16]}"


_IMPORT = re.compile(rb"^[ \t]*from (\.+)([\w.]*) import (\([^)]*\)|[^\n]*)", re.MULTILINE)


@functools.cache
def source_and_imports(file: Path) -> tuple[bytes, list[Path]]:
    """A file's text, and the files among these kernels that it imports.  (`ast` would take a second for all.)"""
    source, top, found = file.read_bytes(), Path(__file__).parents[1], []
    for dots, module, names in _IMPORT.findall(source):
        folder = file.parents[len(dots) - 1].joinpath(*module.decode().split("."))
        found += [folder.with_suffix(".py")]
        found += [folder / f"{name.decode()}.py" for name in re.findall(rb"\w+", names)]
    return source, [f for f in found if top in f.parents and f.exists()]


# --- functions that stand apart

# Numba copies a function's code into each caller, and each loop with threads three times, and optimises all of it
# again. Here the caller has the name of the compiled code only, which LLVM looks up when it loads the caller.


class _Needed(NamedTuple):
    """A function that must have been loaded before a kept caller is: Numba calls this first."""

    module: str
    function: str
    types: tuple

    def __call__(self) -> object:
        """Load or compile the function, tell LLVM where it is; -> what Numba knows of it."""
        from llvmlite import binding

        compiled = getattr(import_module(self.module), self.function).dispatcher
        compiled.compile(self.types)
        found = compiled.overloads[self.types]
        binding.add_symbol(self.name, found.library.get_pointer_to_function(found.fndesc.llvm_func_name))
        return found

    @property
    def name(self) -> str:
        return f"{self.module}.{self.function}{self.types}"


def _keep_needs(compiled: Callable) -> None:
    """Let what is loaded from the disk tell its callers what it needs, as what was compiled just now does: Numba (0.68)
    keeps that beside the code, and does not give it back."""
    loader = getattr(getattr(compiled, "_cache", None), "_impl", None)  # None: nothing is kept
    rebuild = getattr(loader, "rebuild", None)
    if rebuild is None:
        return

    def rebuilt(context, payload):
        result = rebuild(context, payload)
        result.library._reload_init.update(result.reload_init)
        return result

    loader.rebuild = rebuilt


def _called_by_name(compiled: Callable) -> Callable:
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    def usual(kind):
        """One type for all integers: loops with threads count without sign, and are typed twice."""
        if isinstance(kind, types.BaseTuple):
            return types.BaseTuple.from_types([usual(k) for k in kind])
        kind = types.unliteral(kind)
        return types.int64 if isinstance(kind, types.Integer) else kind

    @intrinsic
    def call(typing, *arguments):
        arguments = tuple(map(usual, arguments))
        needed = _Needed(compiled.__module__, compiled.__name__, arguments)
        result = needed().signature.return_type

        def codegen(context, builder, signature, values):
            context.active_code_library._reload_init.add(needed)
            convention = context.call_conv
            kind = convention.get_function_type(result, arguments)
            function = cgutils.get_or_insert_function(builder.module, kind, needed.name)
            status, value = convention.call_function(
                builder, function, result, arguments, cgutils.unpack_tuple(builder, values[0])
            )
            with cgutils.if_unlikely(builder, status.is_error):
                convention.return_status_propagate(builder, status)
            return value

        return result(types.StarArgTuple.from_types(arguments)), codegen

    call.dispatcher = compiled
    return call


# --- threads


class _Threads:
    """State of this process: how many threads were asked for, and whether Numba's have been started."""

    wanted: int | None = None
    started = forked = False
    # Numba's fallback layer (workqueue) aborts the process on concurrent calls: one at a time until the
    # layer is known, and for good if it is that one.
    guard = threading.RLock()
    of_thread = threading.local()  # Numba counts per calling thread, PyTorch's users expect per process


@functools.cache
def thread_limit() -> int:
    """The most threads that Numba will start, as it was at the first call; readable without importing it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("NUMBA_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) > 0 else cores


def set_num_threads(n: int) -> None:
    """Threads that CPU kernels use from now on, in every calling thread; at most as many as there are cores."""
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"set_num_threads: expected an int, got {type(n).__name__}")
    if n < 1:
        raise ValueError(f"set_num_threads: expected a positive number, got {n}")
    _Threads.wanted = min(n, thread_limit())


def get_num_threads() -> int:
    """Threads that CPU kernels use."""
    return _Threads.wanted or thread_limit()


def _from_environment() -> None:
    asked = os.environ.get("TINYDL_NUM_THREADS")
    if asked is None:
        return
    if not asked.isdigit() or int(asked) < 1:
        raise ValueError(f"TINYDL_NUM_THREADS: expected a positive number, got {asked!r}")
    set_num_threads(int(asked))


_from_environment()


def _parallel_entry(compiled: Callable) -> Callable:
    """`compiled` behind what a call with threads needs: not in a forked child, the right number of threads."""
    import numba

    mine = _Threads.of_thread

    @functools.wraps(compiled)
    def entry(*args):
        if _Threads.forked:
            raise RuntimeError(
                f"{_kernel_name(compiled)}: this process was forked after the CPU kernels' threads had started, "
                "and they do not survive a fork; start worker processes with "
                "multiprocessing.get_context('spawn'), or use threads"
            )
        n = get_num_threads()
        with _Threads.guard:
            if getattr(mine, "n", None) != n:
                numba.set_num_threads(n)
                mine.n = n
            result = compiled(*args)
            if not _Threads.started:
                _Threads.started = True
                if numba.threading_layer() != "workqueue":
                    _Threads.guard = nullcontext()
        return result

    entry.dispatcher = compiled
    return entry


def _after_fork() -> None:
    _Threads.forked = _Threads.started


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


# --- telling the user about a long compilation


def _kernel_name(function) -> str:
    return function.__module__.rpartition(".")[2]


@functools.cache
def _listen() -> None:
    from numba.core import event

    class Announcer(event.Listener):
        """Compilations nest (a kernel compiles what it calls); only the outermost is the user's affair."""

        depth, said_once = 0, False

        def on_start(self, event):
            name = self.name(event)
            if name and not self.depth:
                self.began = time.perf_counter()
                self.timer = threading.Timer(PATIENCE, self.say)
                self.timer.daemon = True
                self.timer.start()
                _tell(name, None)
            self.depth += bool(name)

        def on_end(self, event):
            name = self.name(event)
            self.depth -= bool(name)
            if name and not self.depth:
                self.timer.cancel()
                _tell(name, time.perf_counter() - self.began)

        @staticmethod
        def name(event):
            function = event.data["dispatcher"].py_func
            ours = function.__module__.startswith(__package__.removesuffix("cpu"))
            return _kernel_name(function) if ours else None

        def say(self):
            if os.environ.get("TINYDL_QUIET", "0") != "0":
                return
            if self.said_once:
                return
            self.said_once = True
            kept = cache_folder() or "nowhere: no cache folder can be written"
            line = f"tinydl: compiling CPU kernels (first use, half a minute; kept in {kept}) ..."
            bars = sys.modules.get("tqdm")  # a progress bar steps aside; none can be there before tqdm is
            if bars:
                bars.tqdm.write(line, file=sys.stderr)
            else:
                print(line, file=sys.stderr, flush=True)

    event.register("numba:compile", Announcer())


def _tell(name: str, seconds: float | None) -> None:
    for hook in list(compile_hooks):
        hook(name, seconds)
