"""A program as a container runs it: user 10001, no capabilities, a root it cannot write to but for what is mounted."""

import contextlib
import functools
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from serving import ROOT

UID = 10001
_NAKED = f"setpriv --reuid {UID} --regid {UID} --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all"


@functools.cache
def contained() -> bool:
    """Whether this machine lets us mount, and so be a container."""
    if os.geteuid() != 0:
        return False
    tried = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
    )
    return tried.returncode == 0


def _script(root: Path, mounts: Mapping[str, Path], command: Sequence[str], environ: Mapping[str, str]) -> str:
    """Build the root from what Python needs, close it, and become the program."""
    lines = ["set -e", f"mount -t tmpfs none {root}"]
    ours = {str(path): path for path in map(Path, (sys.prefix, sys.base_prefix, ROOT))}
    system = {path: Path(path) for path in ("/usr", "/lib", "/lib64", "/bin", "/etc/ssl") if Path(path).is_dir()}
    bound = {**system, **ours, "/opt/image-router": Path(sys.prefix)}
    for inside, outside in mounts.items():  # first: what is ours may lie below one of them, as in /tmp
        lines += [f"mkdir -p {root}{inside}", f"mount --bind {outside} {root}{inside}"]
    for inside, outside in bound.items():
        lines += [f"mkdir -p {root}{inside}", f"mount --bind {outside} {root}{inside}"]
        lines += [f"mount -o remount,ro,bind {root}{inside}"]
    lines += [f"mkdir -p {root}/{name} && mount --rbind /{name} {root}/{name}" for name in ("dev", "proc")]
    lines += [f"mount -o remount,ro {root}"]
    named = shlex.join(f"{name}={value}" for name, value in environ.items())
    lines += [f"exec chroot {root} {_NAKED} env -i {named} {shlex.join(command)}"]
    return "\n".join(lines)


@contextlib.contextmanager
def running(
    command: Sequence[str], directory: Path, mounts: Mapping[str, Path], environ: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """The program while it runs. `mounts` are directories by the path at which it finds them.

    Where nothing can be mounted it runs as the user it is, on the directories themselves.
    """
    if contained():
        root = directory / "root"
        root.mkdir()
        path = "/opt/image-router/bin:/usr/bin:/bin"
        words = ["unshare", "--mount", "sh", "-c", _script(root, mounts, command, {"PATH": path, **environ})]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    else:
        found = {**os.environ, "TMPDIR": "/tmp", **environ, "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}"}  # noqa: S108 - replaced below
        words = [_outside(word, mounts) for word in command]
        given = {name: _outside(value, mounts) for name, value in found.items()}
        process = subprocess.Popen(words, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


def _outside(text: str, mounts: Mapping[str, Path]) -> str:
    """A path as it is called where nothing was mounted."""
    for inside, outside in mounts.items():
        if text == inside or text.startswith(f"{inside}/"):
            return f"{outside}{text.removeprefix(inside)}"
    return text
