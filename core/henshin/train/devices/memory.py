"""Memory of a training process on the CPU."""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
"""Parameters of glibc's mallopt (malloc.h)."""

_LARGE = 2**31 - 1


def keep_freed_memory() -> bool:
    """Make the C library keep freed memory for the next step; return whether it is one that can.

    glibc takes large tensors from the system and gives them back at once, and each new page costs a fault. The
    process then holds the most memory that it ever needed until it ends.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all([mallopt(_MMAP_MAX, 0), mallopt(_TRIM_THRESHOLD, _LARGE), mallopt(_TOP_PAD, 64 * 2**20)])
