"""Links to stored pictures: what a token grants, for how long, and that nobody alters one."""

import stat
import string
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from router.images.links import LinkRefused, Links, kept_key
from router.images.names import MEDIA_TYPES, PictureName, is_over, owner_digest

NOW = 1_700_000_000.0
LETTERS = string.ascii_letters + string.digits + "-_"
NAME = PictureName(472223, owner_digest("studio"), "0123456789abcdef" * 2, "png")


def links(*keys: str) -> Links:
    """Links signed with these keys, the newest last."""
    return Links(keys or ("a-key-of-sixteen-letters",))


@pytest.mark.parametrize("media_type", MEDIA_TYPES.values())
def test_a_token_grants_what_was_signed(media_type):
    """A token read back names the same picture and the same end, and fits into a path as it is."""
    name = PictureName.new("studio", media_type, NOW)
    token = links().sign(name, NOW + 60.9)
    claim = links().read(token, NOW)
    assert (claim.name, claim.expires_at) == (name, int(NOW) + 60)
    assert claim.name.media_type == media_type
    assert len(token) == 87
    assert set(token) <= {*LETTERS, "."}


def test_no_character_of_a_token_can_be_changed():
    """Whatever character of a token is replaced by whatever other, dropped or added: it opens nothing."""
    token = links().sign(NAME, NOW + 60)
    altered = {token[:at] + new + token[at + 1 :] for at in range(len(token)) for new in f"{LETTERS}.+/=%é\n\0"}
    altered |= {token[:at] + token[at + 1 :] for at in range(len(token))}
    altered |= {token[:at] + "A" + token[at:] for at in range(len(token) + 1)}
    altered |= {"", ".", token + "=", token * 2, f"{token}/..", token.upper()}
    for each in altered - {token}:
        with pytest.raises(LinkRefused) as refused:
            links().read(each, NOW)
        assert not refused.value.expired


def test_a_token_ends_on_time_for_clocks_a_minute_apart():
    """A token opens up to a minute after its end, as clocks differ, and is then told to have expired."""
    token = links().sign(NAME, NOW + 100)
    assert links().read(token, NOW + 160).expires_at == NOW + 100
    assert links().read(token, NOW - 10_000).name == NAME
    with pytest.raises(LinkRefused) as refused:
        links().read(token, NOW + 161)
    assert refused.value.expired


def test_keys_can_be_exchanged():
    """The newest key signs; a link signed with an older one works as long as that is among the keys."""
    old, new = "the-older-key-of-the-two", "the-newer-key-of-the-two"
    before = links(old).sign(NAME, NOW)
    after = links(old, new).sign(NAME, NOW)
    assert links(old, new).read(before, NOW).name == NAME
    assert links(new).read(after, NOW).name == NAME
    for reader, token in ((links(new), before), (links(old), after)):
        with pytest.raises(LinkRefused) as refused:
            reader.read(token, NOW)
        assert not refused.value.expired


def test_a_key_is_made_once(tmp_path):
    """However many workers start at once on a directory, they share one key, which only its owner can read."""
    together = threading.Barrier(16)

    def start(_: int) -> str:
        together.wait()
        return kept_key(tmp_path)

    with ThreadPoolExecutor(16) as workers:
        keys = set(workers.map(start, range(16)))
    assert len(keys) == 1
    assert kept_key(tmp_path) in keys
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_without_a_key_signs_nothing(tmp_path):
    """A key file that was cut short is refused, with the remedy, instead of signing with what is left."""
    kept_key(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_text("short")
    with pytest.raises(ValueError, match="delete it, and a new one is made"):
        kept_key(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "../" + str(NAME),
        "/" + str(NAME),
        f"{NAME}/..",
        f"{NAME}\n",
        str(NAME).replace("/", "//", 1),
        str(NAME).replace(".png", ".svg"),
        str(NAME).replace(".png", ".png#1"),
        f"1/../{NAME.owner}/{NAME.file}",
        str(NAME).upper(),
    ],
)
def test_only_names_of_ours_are_names(text):
    """A name that leads elsewhere, or to anything but a picture, is none."""
    assert PictureName.read(text) is None
    assert PictureName.read(str(NAME)) == NAME


def test_a_name_tells_nothing_of_its_owner_and_cannot_be_guessed():
    """A name holds a digest of its owner, and 128 bits of chance."""
    names = {PictureName.new("studio", "image/png", NOW) for _ in range(1000)}
    assert len({name.id for name in names}) == 1000
    assert {name.owner for name in names} == {owner_digest("studio")} != {owner_digest("ci")}
    assert not any("studio" in str(name) for name in names)


def test_what_is_no_picture_gets_no_name():
    """SVG and the like could hold scripts: they are not stored."""
    with pytest.raises(ValueError, match="svg"):
        PictureName.new("studio", "image/svg+xml", NOW)


def test_a_folder_is_over_once_nobody_may_read_it():
    """A folder ends with its hour and the minute that clocks may differ; one of another name never does."""
    end = (NAME.hour + 1) * 3600
    assert NAME.kept_until == end > NOW + 3600
    assert [is_over(str(NAME.hour), end + late) for late in (0, 59, 60)] == [False, False, True]
    assert not any(is_over(folder, end * 2) for folder in ("pictures", "", "-1", "1.5", "12345678"))
