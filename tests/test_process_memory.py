"""Memory of the process that serves: large blocks are used again, and requests leave nothing for the collector."""

import os
import platform
import subprocess
import sys

import pytest
from serving import ROOT

GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")

FAULTS = """
import os, resource
from router.serving.allocator import tune

assert tune(os.environ)
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
b"x" * (6 << 20)
before = faults()
for _ in range(10):
    b"x" * (6 << 20)
print(faults() - before)
"""

GARBAGE = """
import asyncio, gc, tempfile
from pathlib import Path
from bench.inside import Inside, quiet

async def main(kind):
    with tempfile.TemporaryDirectory() as directory:
        inside = Inside(Path(directory), kind)
        for _ in range(5):
            await inside.once()
        gc.collect()
        gc.disable()
        for _ in range(3):
            await inside.once()
        print(gc.collect())
        await inside.aclose()

quiet()
for kind in ("tiny", "l"):
    asyncio.run(main(kind))
"""


def said(program: str, **environ: str) -> list[int]:
    """The numbers that a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [int(line) for line in done.stdout.split()]


@GLIBC
def test_a_large_block_that_was_given_back_is_taken_again() -> None:
    """The second buffer of 6 MB costs no page that the first one has not brought."""
    (faults,) = said(FAULTS)
    assert faults < 200


@GLIBC
@pytest.mark.parametrize(
    "environ",
    [
        {"MALLOC_MMAP_THRESHOLD_": "131072"},
        {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=131072"},
    ],
    ids=["variable", "tunable"],
)
def test_what_the_environment_says_of_the_allocator_stays(environ: dict[str, str]) -> None:
    """Whoever runs the router may set its allocator: each large block is then mapped anew, as was asked."""
    (faults,) = said(FAULTS, **environ)
    assert faults > 10_000


def test_a_request_leaves_nothing_for_the_collector() -> None:
    """What served a request is gone with it, without a search for cycles: that search may then be rare."""
    assert said(GARBAGE) == [0, 0]
