"""Has glibc keep the megabytes that one answer gave back for the next, instead of mapping and clearing them anew."""

import ctypes
from collections.abc import Mapping

_MIB = 1024 * 1024

# By the variable that sets each too: its number in malloc.h, and what suits answers of megabytes.
_SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": (-3, 8 * _MIB),  # a larger block is mapped by itself: it would leave too large a hole
    "MALLOC_TRIM_THRESHOLD_": (-1, 128 * _MIB),  # so much may stay free at the end of the heap
    "MALLOC_ARENA_MAX": (-8, 2),  # threads that read files and connections share the second heap
}


def tune(environ: Mapping[str, str]) -> bool:
    """Set what the environment leaves open; whether there is a glibc to set it in."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    tunables = environ.get("GLIBC_TUNABLES", "")
    for name, (parameter, value) in _SETTINGS.items():
        tunable = name.strip("_").lower().replace("malloc_", "glibc.malloc.")
        if name not in environ and tunable not in tunables:
            libc.mallopt(parameter, value)
    return True
