"""What the worker gives up once its models are loaded: files, sockets, programs, core dumps.

The parent may hand over a seccomp program (an array of struct sock_filter) as an inherited descriptor
named in CALLWARD_WORKER_FILTER_FD. Without one, and on systems that know no seccomp, the worker runs as it
is and says so in its Hello: the listener shows it on the system page.
"""

import ctypes
import os
import resource

PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 4, 22, 38
SECCOMP_MODE_FILTER = 2
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4
FILTER_BYTES_MAX = 4096 * 8  # BPF_MAXINSNS


class SockFprog(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def read_filter():
    """The program's bytes, or None. Read before the confinement, installed by confine()."""
    number = os.environ.pop("CALLWARD_WORKER_FILTER_FD", "")
    if not number.isdigit():
        return None
    fd = int(number)
    try:
        size = min(os.fstat(fd).st_size, FILTER_BYTES_MAX)
        program = os.pread(fd, size, 0)
    except OSError:
        return None
    finally:
        os.close(fd)
    return program if program and len(program) % 8 == 0 else None


def confine(program):
    """True when the seccomp program is in force."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    # Audio of customers passes through this memory: keep it out of swap where the limits allow.
    libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or program is None:
        return False
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = SockFprog(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    return libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(fprog), 0, 0) == 0
