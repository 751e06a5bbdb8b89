"""A process shuts itself in: limits, capabilities, Landlock, seccomp; then it tries the doors.

Each layer is applied on its own and named in what `confine` returns, so that a caller can refuse to go on when one is
missing. On a system without Landlock or seccomp (macOS) the process runs with limits alone, and says so.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import resource
import socket
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

FILE_SIZE = 64 << 20
OPEN_FILES = 128
CPU_SECONDS = 900  # a last resort: the client watches each call

_LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_PR_CAPBSET_DROP = 24
_CLONE_NEWIPC, _CLONE_NEWUSER, _CLONE_NEWNET = 0x08000000, 0x10000000, 0x40000000  # `os.CLONE_NEWNET`: Python 3.12
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522

# What torch, NumPy, IPython and matplotlib need once they are loaded. Everything else is refused.
_ALLOWED = [
    "read",
    "write",
    "readv",
    "writev",
    "pread64",
    "pwrite64",
    "close",
    "stat",
    "fstat",
    "lstat",
    "newfstatat",
    "statx",
    "lseek",
    "access",
    "faccessat",
    "faccessat2",
    "getdents",
    "getdents64",
    "getcwd",
    "chdir",
    "readlink",
    "readlinkat",
    "mkdir",
    "mkdirat",
    "umask",
    "ftruncate",
    "dup",
    "dup2",
    "dup3",
    "pipe",
    "pipe2",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "epoll_wait",
    "epoll_pwait",
    "epoll_ctl",
    "epoll_create1",
    "eventfd2",
    "mmap",
    "mprotect",
    "munmap",
    "mremap",
    "madvise",
    "brk",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigpending",
    "sigaltstack",
    "alarm",
    "setitimer",
    "getitimer",
    "pause",
    "futex",
    "set_robust_list",
    "rseq",
    "set_tid_address",
    "sched_yield",
    "nanosleep",
    "clock_nanosleep",
    "clock_gettime",
    "clock_getres",
    "gettimeofday",
    "time",
    "times",
    "getrusage",
    "sysinfo",
    "uname",
    "getpid",
    "getppid",
    "gettid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getgroups",
    "getpgrp",
    "getrandom",
    "getrlimit",
    "exit",
    "exit_group",
    "restart_syscall",
    "statfs",
    "fstatfs",
    "getcpu",
]

# Honest code calls these and ignores what they do; they succeed and do nothing. A file that was really removed could be
# kept alive by a mapping, where nobody would count it: what a worker writes stays in its folder, in sight.
_PRETEND = [
    "unlink",
    "unlinkat",
    "rmdir",
    "fsync",
    "fdatasync",
    "flock",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "utimensat",
    "utime",
    "utimes",
    "futimesat",
]

# A newer libc falls back to an older call when these do not exist.
_ABSENT = [
    "clone3",
    "rseq_register",
    "close_range",
    "openat2",
    "io_uring_setup",
    "memfd_create",
    "landlock_create_ruleset",
]

# What to do when a layer is missing.
_REMEDIES = {
    "landlock": ": Linux 6.2 or newer is needed, started with Landlock among its `lsm=`, and the package landlockpy",
    "seccomp": ": install libseccomp2 (Debian, Ubuntu) or libseccomp (others)",
}

# Replacing a file removes one: `shutil.move` copies when it hears that the target is on another device.
_ELSEWHERE = ["rename", "renameat", "renameat2"]
_NAMELESS = 0o20000000  # the bit of O_TMPFILE: a file without a name, which nobody would count either

_FCNTL = ["F_DUPFD", "F_DUPFD_CLOEXEC", "F_GETFD", "F_SETFD", "F_GETFL", "F_SETFL", "F_GETLK", "F_SETLK", "F_SETLKW"]
_IOCTL_TCGETS, _IOCTL_FIOCLEX, _IOCTL_FIONCLEX, _IOCTL_FIONREAD = 0x5401, 0x5451, 0x5450, 0x541B


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapData(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, *values: object) -> None:
    if _libc().prctl(option, *[ctypes.c_ulong(v) if isinstance(v, int) else v for v in (*values, 0, 0, 0, 0)][:4]):
        code = ctypes.get_errno()
        raise OSError(code, f"prctl {option}: {os.strerror(code)}")


def die_with_parent(parent: int) -> None:
    """Be killed when the process that forked us (``parent``) ends, also when it has ended already."""
    if _LINUX:
        _prctl(_PR_SET_PDEATHSIG, 9)
    if os.getppid() != parent:
        os._exit(1)


def leave_network() -> list[str]:
    """Move this process, which must have one thread, to namespaces where no network and no IPC object is.

    A layer where the system has it, and none that is asked for: many systems keep it from ordinary users. Ubuntu lets
    them make a user namespace and allows nothing in it, not even to say who they are there, and there is no way back:
    so a child goes first. Returns the layer's name when it holds.
    """
    return ["namespaces"] if _LINUX and _works_in_a_child(_move_apart) and _move_apart() else []


def _move_apart() -> bool:
    uid, gid = os.getuid(), os.getgid()
    if _libc().unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC):
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:  # without these nobody may make a file
            file.write(text)
    return True


def _works_in_a_child(step: Callable[[], bool]) -> bool:
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if step() else 1)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def compile_filter() -> bytes | None:
    """The seccomp filter as BPF bytes, made once and loaded by every worker; None where there is no libseccomp."""
    if not _LINUX:
        return None
    try:
        import fcntl

        import pyseccomp as sc
    except (ImportError, RuntimeError, OSError):
        return None
    rules = sc.SyscallFilter(sc.ERRNO(errno.EPERM))
    rules.set_attr(sc.Attr.ACT_BADARCH, sc.KILL_PROCESS)
    kinds = (sc.ALLOW, _ALLOWED), (sc.ERRNO(0), _PRETEND), (sc.ERRNO(errno.ENOSYS), _ABSENT)
    for action, names in (*kinds, (sc.ERRNO(errno.EXDEV), _ELSEWHERE)):
        for name in names:
            _add_rule(sc, rules, action, name)
    for name, flags in (("open", 1), ("openat", 2)):
        _add_rule(sc, rules, sc.ALLOW, name, sc.Arg(flags, sc.MASKED_EQ, _NAMELESS, 0))
    for name in _FCNTL:
        _add_rule(sc, rules, sc.ALLOW, "fcntl", sc.Arg(1, sc.EQ, getattr(fcntl, name)))
    for request in (_IOCTL_TCGETS, _IOCTL_FIOCLEX, _IOCTL_FIONCLEX, _IOCTL_FIONREAD):
        _add_rule(sc, rules, sc.ALLOW, "ioctl", sc.Arg(1, sc.EQ, request))
    _add_rule(sc, rules, sc.ALLOW, "prlimit64", sc.Arg(0, sc.EQ, 0), sc.Arg(2, sc.EQ, 0))  # own limits, reading only
    _add_rule(sc, rules, sc.ALLOW, "sched_getaffinity", sc.Arg(0, sc.EQ, 0))
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def _add_rule(sc: object, rules: object, action: int, name: str, *args: object) -> None:
    with contextlib.suppress(ValueError, OSError):  # a call that nobody here knows cannot be made either
        rules.add_rule(action, name, *args)  # type: ignore[attr-defined]


def _load_filter(program: bytes) -> None:
    body = _Program(len(program) // 8, program)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(body))


def library_folders() -> list[str]:
    """What a worker may read: the standard library, the installed packages, shared libraries; each by exact path."""
    paths = sysconfig.get_paths()
    folders = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    base = Path(sys.base_prefix, "lib")
    folders |= {str(path) for path in base.glob("lib*.so*")}
    folders |= {"/usr/lib", "/lib", "/lib64", "/usr/share/zoneinfo", "/usr/share/fonts"}
    folders |= {"/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/etc/localtime"}
    return sorted(path for path in folders if os.path.exists(path))


def exposed(folders: Iterable[str], protected: Iterable[str]) -> list[str]:
    """Those protected paths that a readable folder would contain."""
    reals = [os.path.realpath(folder) for folder in folders]
    return [
        path
        for path in protected
        if any(os.path.realpath(path) == real or os.path.realpath(path).startswith(real + os.sep) for real in reals)
    ]


def preload() -> None:
    """Import what `confine` will need, so that no worker pays for it after its fork."""
    with contextlib.suppress(ImportError, OSError):
        import landlockpy  # noqa: F401


def _landlock(folder: str, readable: Sequence[str]) -> None:
    import landlockpy as ll

    if ll.abi_version() < 3:  # below that, truncating any file cannot be forbidden
        raise OSError(errno.ENOSYS, "Landlock ABI 3 is needed")
    read = ll.AccessFS.READ_FILE | ll.AccessFS.READ_DIR
    own = read | ll.AccessFS.WRITE_FILE | ll.AccessFS.MAKE_REG | ll.AccessFS.REMOVE_FILE | ll.AccessFS.TRUNCATE
    own |= ll.AccessFS.MAKE_DIR | ll.AccessFS.REMOVE_DIR  # torch keeps its caches in some
    with ll.Ruleset(scoped=ll.Scope.SIGNAL | ll.Scope.ABSTRACT_UNIX_SOCKET) as rules:  # and no TCP: the default
        for path in readable:
            is_device = path in ("/dev/null", "/dev/zero")
            access = ll.AccessFS.READ_FILE | (ll.AccessFS.WRITE_FILE if is_device else ll.AccessFS.READ_FILE)
            rules.allow_path(path, read if os.path.isdir(path) else access)
        rules.allow_path(folder, own)
        rules.restrict()


def _limits(memory: int) -> None:
    """Address space is what is mapped now plus ``memory`` bytes; nothing can be raised again."""
    space = _mapped() + memory if memory else resource.RLIM_INFINITY
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: FILE_SIZE,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CPU: CPU_SECONDS,
    }
    if _LINUX:  # elsewhere the address space cannot be limited
        limits[resource.RLIMIT_AS] = space
    for which, value in limits.items():
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY or value < 0 else min(value, hard)
        resource.setrlimit(which, (value, value))


def _mapped() -> int:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def _drop_capabilities() -> None:
    """Root without capabilities is an ordinary user who happens to own root's files."""
    libc = _libc()
    if os.geteuid() == 0:
        for number in range(64):
            libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(number), 0, 0, 0)  # fails past the last one
    header, data = _CapHeader(_CAPABILITY_VERSION_3, 0), (_CapData * 2)()
    if libc.capset(ctypes.byref(header), data):
        code = ctypes.get_errno()
        raise OSError(code, f"capset: {os.strerror(code)}")


def confine(folder: str, readable: Sequence[str], memory: int, program: bytes | None) -> tuple[list[str], list[str]]:
    """Shut this process in for good. Returns the layers that hold and those that are missing, with the reason."""
    steps: list[tuple[str, Callable[[], None]]] = [("limits", lambda: _limits(memory))]
    if _LINUX:
        steps += [
            ("no new privileges", lambda: _prctl(_PR_SET_NO_NEW_PRIVS, 1)),
            ("not dumpable", lambda: _prctl(_PR_SET_DUMPABLE, 0)),
            ("no capabilities", _drop_capabilities),
        ]
    steps += [
        ("landlock", lambda: _landlock(folder, readable)),
        ("seccomp", lambda: _load(program)),
    ]
    holding, missing = [], []
    for name, step in steps:
        try:
            step()
            holding.append(name)
        except (OSError, ImportError, RuntimeError, ValueError, AttributeError) as error:
            missing.append(f"{name} ({error}{_REMEDIES.get(name, '')})")
    return holding, missing


def _load(program: bytes | None) -> None:
    if program is None:
        raise OSError(errno.ENOSYS, "libseccomp is not installed")
    _load_filter(program)


def open_doors(protected: Sequence[str]) -> list[str]:
    """Try from inside what must not work; names what did."""
    found = [f"open {path}" for path in [*protected, "/etc/passwd", "/proc/self/environ"] if _opens(path)]
    try:
        socket.socket().close()
        found.append("socket")
    except OSError:
        pass
    try:
        left, right = socket.socketpair()
        found.append("socketpair")
        left.close()
        right.close()
    except OSError:
        pass
    try:
        os.execv("/bin/true", ["true"])
    except OSError as error:
        if error.errno == errno.ENOENT:  # nothing there to run: only the filter can tell, and fork below asks it
            pass
    try:
        child = os.fork()
        if child == 0:
            os._exit(0)
        found.append("fork")
    except OSError:
        pass
    return found


def _opens(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def confine_lightly(memory: int) -> tuple[list[str], list[str]]:
    """Limits alone: for a student's own notebook on the student's own machine, or by explicit flag."""
    _limits(memory)
    return ["limits"], ["landlock (not asked for)", "seccomp (not asked for)"]
