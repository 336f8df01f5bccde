"""A configuration edited on a live system: taken up whole, within two seconds, or not at all, and the mistake told."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from stopwatch import Stopwatch

from router.config.load import Loaded, load
from router.config.reload import Reload, Reloader

GOOD = """
providers:
  pen: {{kind: sketch}}
models:
  {name}:
    chain: [pen/sketch]
"""


class Router:
    """What a reloader serves: the names of the config's models, and every look's result."""

    def __init__(self, file: Path, environ: dict[str, str] | None = None) -> None:
        self.environ = environ if environ is not None else {}
        loaded = load(file, self.environ)
        self.models = list(loaded.settings.models)
        self.looks: list[Reload] = []
        self.news = asyncio.Event()
        self.reloader = Reloader(file, self.environ, loaded, self.apply, self.observe)

    def apply(self, loaded: Loaded) -> None:
        """Take up another config."""
        self.models = list(loaded.settings.models)

    def observe(self, look: Reload) -> None:
        """Note a look that found something."""
        self.looks.append(look)
        self.news.set()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """While it watches."""
        task = asyncio.create_task(self.reloader.run())
        await asyncio.sleep(0)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def hears(self) -> Reload:
        """The next look that found something."""
        async with asyncio.timeout(10):
            await self.news.wait()
        self.news.clear()
        return self.looks[-1]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A good configuration."""
    path = tmp_path / "router.yaml"
    path.write_text(GOOD.format(name="one"))
    return path


def rewrite(file: Path, name: str = "two") -> None:
    """As an editor that writes in place."""
    file.write_text(GOOD.format(name=name))


def rename(file: Path) -> None:
    """As an editor that writes beside and renames."""
    beside = file.with_suffix(".tmp")
    beside.write_text(GOOD.format(name="two"))
    beside.replace(file)


@pytest.mark.anyio
@pytest.mark.parametrize("edit", [rewrite, rename])
async def test_an_edit_is_seen_however_it_is_saved(file: Path, edit: Callable[[Path], None]) -> None:
    """Written in place or renamed into place, again and again: the file's new text is served."""
    router = Router(file)
    async with router.watching():
        edit(file)
        look = await router.hears()
        assert (look.changed, look.good) == (True, True)
        assert router.models == ["two"]
        rewrite(file, "three")
        await router.hears()
        assert router.models == ["three"]


@pytest.mark.anyio
async def test_a_configmap_swap_is_seen_in_two_seconds(tmp_path: Path) -> None:
    """Kubernetes swaps a link beside the file's own, which itself never changes."""
    for version, name in (("v1", "one"), ("v2", "two")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "router.yaml").write_text(GOOD.format(name=name))
    (tmp_path / "..data").symlink_to("v1")
    file = tmp_path / "router.yaml"
    file.symlink_to("..data/router.yaml")
    router = Router(file)
    async with router.watching():
        (tmp_path / "..data_tmp").symlink_to("v2")
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")
        swapped = Stopwatch()
        await router.hears()
    assert router.models == ["two"]
    assert swapped.seconds < 2


@pytest.mark.anyio
async def test_a_key_in_a_file_of_its_own_is_watched_too(tmp_path: Path) -> None:
    """A rotated key needs no edit of the configuration that names its file."""
    (tmp_path / "key").write_text("first-key")
    file = tmp_path / "router.yaml"
    file.write_text(
        "providers:\n  a: {kind: openai, api_key: '${file:key}'}\nmodels:\n  one: {chain: [a/gpt-image-2]}\n"
    )
    router = Router(file)
    async with router.watching():
        (tmp_path / "key").write_text("second-key")
        assert (await router.hears()).changed
    key = router.reloader.loaded.settings.providers["a"].api_key
    assert key is not None
    assert key.reveal() == "second-key"


BAD = {
    "half written": lambda file: file.write_text("providers:\n  pen: {kind: sket"),
    "empty": lambda file: file.write_text(""),
    "blanks only": lambda file: file.write_text("\n\n   \n"),
    "deleted": lambda file: file.unlink(),
    "a directory in its place": lambda file: (file.unlink(), file.mkdir()),
    "alias bomb": lambda file: file.write_text(
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "\n".join(f"{b}: &{b} [{', '.join(['*' + a] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    ),
    "doubled key": lambda file: file.write_text(GOOD.format(name="one") + "  one: {chain: [pen/sketch]}\n"),
    "unknown key": lambda file: file.write_text(GOOD.format(name="one") + "modles: {}\n"),
    "unknown provider": lambda file: file.write_text(GOOD.format(name="one").replace("[pen/", "[pan/")),
    "unknown kind": lambda file: file.write_text(GOOD.format(name="one").replace("kind: sketch", "kind: scetch")),
    "a removed variable": lambda file: file.write_text(
        GOOD.format(name="one").replace("kind: sketch", 'kind: openai, api_key: "${GONE}"')
    ),
    "a bad duration": lambda file: file.write_text(GOOD.format(name="one") + "defaults: {timeout: 90}\n"),
    "not UTF-8": lambda file: file.write_bytes(b"\xff\xfe" + GOOD.format(name="one").encode("utf-16-le")),
    "a tab": lambda file: file.write_text(GOOD.format(name="one").replace("    chain", "\tchain")),
    "huge": lambda file: file.write_text("#" * (20 << 20)),
    "no models": lambda file: file.write_text("providers:\n  pen: {kind: sketch}\nmodels: {}\n"),
    "a list": lambda file: file.write_text("- providers\n- models\n"),
    "two documents": lambda file: file.write_text(GOOD.format(name="one") + "---\n" + GOOD.format(name="two")),
    "a link to nowhere": lambda file: (file.unlink(), file.symlink_to("nowhere")),
}


@pytest.mark.anyio
@pytest.mark.parametrize("edit", BAD)
async def test_a_bad_edit_changes_nothing_and_is_told_with_its_place(file: Path, edit: str) -> None:
    """What was served is served on; the mistake names file, line and column, or the file where it has no lines."""
    router = Router(file)
    async with router.watching():
        BAD[edit](file)
        look = await router.hears()
        assert not look.good
        assert not look.changed
        assert router.models == ["one"]
        for mistake in look.mistakes:
            unreadable = mistake.line == 0
            assert str(mistake).startswith(str(file) if unreadable else f"{file}:{mistake.line}:{mistake.column}: ")
        mend(file)
        while not (await router.hears()).good:
            pass
        assert router.models == ["mended"]


def mend(file: Path) -> None:
    """Put a good file there, whatever is in its place."""
    if file.is_dir():
        file.rmdir()
    file.unlink(missing_ok=True)
    rewrite(file, "mended")


@contextmanager
def closed(file: Path) -> Iterator[None]:
    """While nobody may read the file, root included."""
    real = os.geteuid()
    file.chmod(0)
    if real == 0:
        os.seteuid(65534)
    try:
        assert not os.access(file, os.R_OK, effective_ids=True)
        yield
    finally:
        os.seteuid(real)
        file.chmod(0o600)


@pytest.mark.anyio
async def test_a_file_nobody_may_read_changes_nothing(file: Path) -> None:
    """Taken away by its permissions, it is a mistake like any other."""
    router = Router(file)
    with closed(file):
        look = await router.reloader.once()
    assert not look.good
    assert router.models == ["one"]


@pytest.mark.anyio
async def test_what_cannot_be_served_is_not_taken_up(file: Path) -> None:
    """A config that reads well but cannot be built leaves the old one in place."""
    router = Router(file)

    def refuse(_loaded: Loaded) -> None:
        raise ValueError("the store is not there")

    router.reloader._apply = refuse  # what a service may say
    rewrite(file)
    look = await router.reloader.once()
    assert [str(mistake) for mistake in look.mistakes] == [f"{file}:1:1: the store is not there"]
    assert router.reloader.loaded.settings.models.keys() == {"one"}


@pytest.mark.anyio
async def test_a_touched_file_is_no_news(file: Path) -> None:
    """The same text again is not a new config."""
    router = Router(file)
    rewrite(file, "one")
    look = await router.reloader.once()
    assert (look.changed, look.good, router.looks) == (False, True, [])
