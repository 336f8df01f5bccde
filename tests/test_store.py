"""The picture store: in a directory, and in a real S3 of this machine."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import obstore
import pytest
from pictures import png

from router.config.model import Store
from router.images.links import FILES_PATH, LinkRefused
from router.images.names import PictureName
from router.images.store import NotStored, PictureStore, StoreFailed

pytestmark = pytest.mark.anyio

NOW = 1_700_000_000.0
HOUR = 3600
S3_KEYS = {"access_key_id": "an-id", "secret_access_key": "a-secret", "region": "us-east-1"}


class Clock:
    """The time, as the test says."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> PictureStore:
    """A store in a directory that is not there yet."""
    return PictureStore.open(Store(url=str(tmp_path / "kept" / "pictures")), clock)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3 in a process of its own, with the bucket `pictures`."""
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    try:
        line = next(line for line in server.stderr if "Running on" in line)
        url = line.split()[-1]
        assert httpx.put(f"{url}/pictures").status_code == 200
        yield url
    finally:
        server.terminate()
        server.communicate(timeout=30)


def in_s3(url: str, clock: Clock, bucket: str = "pictures/some/prefix", **options: str) -> PictureStore:
    """The store in that S3."""
    settings = Store.model_validate({"url": f"s3://{bucket}", "options": {"endpoint": url, **S3_KEYS, **options}})
    return PictureStore.open(settings, clock)


async def read(store: PictureStore, name: PictureName, start: int = 0, end: int | None = None) -> bytes:
    """A picture's bytes, or a part of them."""
    return b"".join([piece async for piece in store.read(name, start, await store.size(name) if end is None else end)])


def files(directory: Path) -> set[str]:
    """Everything a directory holds but the key."""
    found = {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
    return found - {".signing-key"}


async def test_what_is_put_can_be_read(store, tmp_path):
    """A picture comes back whole and in parts, given as bytes or as buffers, under a name with its kind."""
    data = png() + os.urandom(1_000_000)
    whole = await store.put(data, "image/webp", "studio")
    pieces = await store.put([data[:10], memoryview(data)[10:]], "image/jpeg", "studio")
    for name in (whole, pieces):
        assert await store.size(name) == len(data)
        assert await read(store, name) == data
        assert await read(store, name, 300_000, 600_001) == data[300_000:600_001]
    assert (whole.extension, pieces.extension) == ("webp", "jpg")
    assert files(tmp_path / "kept/pictures") == {str(whole), str(pieces)}


async def test_a_large_picture_is_read_in_small_pieces(store):
    """However large the picture, memory holds a quarter of a mebibyte of it."""
    name = await store.put(bytes(5_000_000), "image/png", "studio")
    lengths = [len(piece) async for piece in store.read(name, 0, 5_000_000)]
    assert sum(lengths) == 5_000_000
    assert max(lengths) == 256 * 1024


async def test_a_link_of_a_directory_leads_to_the_router(store, clock):
    """A local link stands under the router's address, names its picture and ends after the lifetime asked."""
    name = await store.put(png(), "image/png", "studio")
    link = await store.link(name, "https://images.example.com/below", 600)
    place, _, token = link.rpartition("/")
    assert place == f"https://images.example.com/below{FILES_PATH}"
    claim, remaining = store.claim(token)
    assert (claim.name, remaining) == (name, 600)
    clock.now += 661
    with pytest.raises(LinkRefused):
        store.claim(token)


async def test_a_link_never_outlives_its_picture(store):
    """A link made with a longer life than the store's ends when the picture may go; by default it has the store's."""
    name = await store.put(png(), "image/png", "studio")
    for lifetime, end in ((None, NOW + HOUR), (24 * HOUR, name.kept_until)):
        link = await store.link(name, "", lifetime)
        claim, _ = store.claim(link.rpartition("/")[2])
        assert claim.expires_at == end


async def test_restarts_and_workers_share_links(store, tmp_path, clock):
    """A link made by one process opens in another on the same directory; keys in the config take the file's place."""
    place = str(tmp_path / "kept/pictures")
    name = await store.put(png(), "image/png", "studio")
    token = (await store.link(name, "")).rpartition("/")[2]
    again = PictureStore.open(Store(url=place), clock)
    assert again.claim(token)[0].name == name
    keyed = PictureStore.open(Store.model_validate({"url": place, "signing_keys": ["x" * 32]}), clock)
    with pytest.raises(LinkRefused):
        keyed.claim(token)


async def test_a_sweep_takes_what_has_expired_and_nothing_else(store, tmp_path, clock):
    """Expired pictures go, with what a killed write left and their folders; the rest stays, and so do others' files."""
    root = tmp_path / "kept/pictures"
    old = [await store.put(png(), "image/png", owner) for owner in ("studio", "ci")]
    (root / f"{old[0]}#1").write_bytes(b"half a pict")
    strange = root / "2024" / "holiday" / "beach.png"
    mixed = root / str(old[0].hour) / "notes.txt"
    for other in (strange, mixed):
        other.parent.mkdir(parents=True, exist_ok=True)
        other.touch()
    clock.now += 2 * HOUR
    young = await store.put(png(), "image/png", "studio")
    assert await store.sweep() == 3
    assert files(root) == {str(young), str(strange.relative_to(root)), str(mixed.relative_to(root))}
    with pytest.raises(NotStored):
        await store.size(old[0])
    mixed.unlink()
    assert await store.sweep() == 0
    assert sorted(path.name for path in root.iterdir()) == sorted([".signing-key", "2024", str(young.hour)])


async def test_a_sweep_is_bounded(store, clock, monkeypatch):
    """One sweep deletes only so many; the next goes on."""
    monkeypatch.setattr("router.images.store._MOST_AT_ONCE", 2)
    for _ in range(3):
        await store.put(png(), "image/png", "studio")
    clock.now += 3 * HOUR
    assert [await store.sweep(), await store.sweep(), await store.sweep()] == [2, 1, 0]


async def test_the_sweeper_goes_on_after_a_failure(store, tmp_path, clock):
    """A sweep that fails is told and does not end the sweeper, which sweeps at once and ends when cancelled."""
    root = tmp_path / "kept/pictures"
    name = await store.put(png(), "image/png", "studio")
    clock.now += 3 * HOUR
    root.rename(tmp_path / "away")
    failures: list[StoreFailed] = []
    swept = asyncio.Event()

    def failed(error: StoreFailed) -> None:
        failures.append(error)
        (tmp_path / "away").rename(root)

    plain = store.sweep

    async def watched() -> int:
        count = await plain()
        swept.set()
        return count

    store.sweep = watched
    task = asyncio.create_task(store.run_sweeper(0.001, failed))
    await asyncio.wait_for(swept.wait(), 10)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert len(failures) == 1
    assert "delete what has expired" in str(failures[0])
    assert not (root / str(name)).exists()


@pytest.mark.parametrize("below", ["", "/below"], ids=["a file", "below a file"])
def test_a_directory_that_cannot_be_is_told(tmp_path, below):
    """A store whose place is taken by a file does not open, and says which."""
    (tmp_path / "taken").touch()
    with pytest.raises(StoreFailed, match=r"taken.*: correct server\.store") as failed:
        PictureStore.open(Store(url=f"{tmp_path}/taken{below}"))
    assert "/taken" in str(failed.value)


async def test_a_write_that_fails_leaves_nothing(store, tmp_path):
    """When the disk refuses a picture the caller gets one sentence, and no part of the picture is there."""
    name = PictureName.new("studio", "image/png", NOW + HOUR)
    (tmp_path / "kept/pictures" / str(name.hour)).touch()  # a folder that cannot be made
    with pytest.raises(StoreFailed, match="could not keep a picture") as failed:
        await store.put(png(), "image/png", "studio")
    assert "\n" not in str(failed.value)
    assert files(tmp_path / "kept/pictures") == {str(name.hour)}


def test_a_full_disk_leaves_nothing(tmp_path):
    """When no more bytes can be written, the picture fails whole: no file of it stays, under any name."""
    script = """
import asyncio, resource, signal, sys
from router.config.model import Store
from router.images.store import PictureStore, StoreFailed
store = PictureStore.open(Store(url=sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
async def main():
    try:
        await store.put(bytes(1_000_000), "image/png", "studio")
    except StoreFailed as error:
        print(error)
    await store.aclose()
asyncio.run(main())
"""
    place = tmp_path / "pictures"
    run = subprocess.run([sys.executable, "-c", script, str(place)], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert "could not keep a picture" in run.stdout
    assert files(place) == set()


def test_the_default_place_is_this_users_alone(tmp_path, monkeypatch):
    """Without a place of its own the store takes a private directory, and none that somebody else has laid out."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    PictureStore.open(Store())
    (made,) = tmp_path.iterdir()
    assert made.name == f"image-router-pictures-{os.getuid()}"
    assert made.stat().st_mode & 0o777 == 0o700
    made.chmod(0o755)
    with pytest.raises(StoreFailed, match="not this user's alone"):
        PictureStore.open(Store())
    made.rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").chmod(0o700)
    made.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreFailed, match="not this user's alone"):
        PictureStore.open(Store())


def test_a_directory_relative_to_the_config_is_found(tmp_path, monkeypatch):
    """A store's relative path is meant from where the config stands."""
    monkeypatch.chdir(tmp_path)
    settings = Store.model_validate({"url": "pictures/here"}, context={"directory": Path("config")})
    PictureStore.open(settings)
    assert (tmp_path / "config/pictures/here/.signing-key").is_file()


async def test_a_name_of_nothing_is_not_stored(store):
    """A picture that is not there is told apart from a store that fails."""
    name = PictureName.new("studio", "image/png", NOW)
    with pytest.raises(NotStored):
        await store.size(name)
    with pytest.raises(NotStored):
        await read(store, name, 0, 10)


async def test_a_bucket_serves_its_own_links(s3, clock):
    """A picture put in S3 opens by a presigned link, as a picture, and by no altered one; no token of ours does."""
    store = in_s3(s3, clock)
    data = png() + bytes(6_000_000)
    name = await store.put([data[:100], memoryview(data)[100:]], "image/png", "studio")
    link = await store.link(name, "https://router.example", 90)
    assert link.startswith(f"{s3}/pictures/some/prefix/{name}?")
    assert httpx.URL(link).params["X-Amz-Expires"] == "90"
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(link)
    assert (answer.status_code, answer.content) == (200, data)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == f'inline; filename="{name.file}"'
    assert answer.headers["cache-control"] == "private, max-age=3600"
    assert await read(store, name, 50, 5_000_000) == data[50:5_000_000]
    with pytest.raises(LinkRefused):
        store.claim("any token")


async def test_a_bucket_is_swept(s3, clock):
    """Expired pictures leave the bucket; younger ones stay, and whatever else lies there."""
    store = in_s3(s3, clock, bucket="pictures/swept")
    old = [await store.put(png(), "image/png", "studio") for _ in range(3)]
    foreign = "2024/holiday/beach.png"
    await obstore.put_async(store._store, foreign, b"not ours")
    clock.now += 3 * HOUR
    young = await store.put(png(), "image/png", "studio")
    assert await store.sweep() == 3
    for name in old:
        with pytest.raises(NotStored):
            await store.size(name)
    left = [each["path"] for batch in obstore.list(store._store) for each in batch]
    assert sorted(left) == sorted([foreign, str(young)])


async def test_a_bucket_that_is_not_there_is_told(s3, clock):
    """A write to no bucket fails in one sentence, without the keys."""
    store = in_s3(s3, clock, bucket="no-such-bucket")
    with pytest.raises(StoreFailed, match="could not keep a picture") as failed:
        await store.put(png(), "image/png", "studio")
    assert "\n" not in str(failed.value)
    assert "a-secret" not in str(failed.value)


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("s3://bucket", {"acess_key_id": "hush-hush"}, "'acess_key_id' is not valid for store 'S3'"),
        ("s3://bucket", {"allow_http": "hush-hush"}, "failed to parse"),
        ("az://container", {}, "Account must be specified"),
        ("gs://bucket", {"service_account_key": "hush-hush"}, "service account"),
    ],
)
def test_options_that_a_cloud_does_not_know_are_told(url, options, said):
    """A bucket's wrong options are told before anything is served, without their values."""
    with pytest.raises(StoreFailed, match=r"correct server\.store") as failed:
        PictureStore.open(Store.model_validate({"url": url, "options": options}))
    assert said in str(failed.value)
    assert "hush" not in str(failed.value)
    assert "\n" not in str(failed.value)
