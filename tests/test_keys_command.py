"""`image-router keys`: a key is shown once, its file is whole at any moment, and what is said of it is so."""

import json
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from router.auth import Keys
from router.cli import main
from router.config import keyring
from router.config.load import load
from router.messages.errors import Refused

CONFIG = """\
server:
  keys_file: keys.yaml
  keys: [{name: studio, models: [m]}, {name: ci, key: "${CI_KEY}"}]
providers: {pen: {kind: sketch}, o: {kind: openai, api_key: "${PROVIDER_KEY}"}}
models: {m: {chain: [pen/sketch, o/gpt-image-2]}}
"""
ENVIRON = {"CI_KEY": "given-key", "PROVIDER_KEY": "k"}
KEY = re.compile(r"irk_[A-Za-z0-9]{8}_[A-Za-z0-9]{32}\n")

Command = Callable[..., Result]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration whose variables are the router's, and are not set here."""
    path = tmp_path / "router.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def keys(file: Path) -> Command:
    """`image-router keys` with these arguments."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["keys", *arguments, "--config", str(file)])

    return run


def listed(keys: Command) -> list[tuple[str, str]]:
    """The name and the state of each key."""
    return [(row["name"], row["state"]) for row in json.loads(keys("list", "--json").stdout)]


def opens(file: Path, key: str, after: timedelta = timedelta()) -> bool:
    """Whether a router with this configuration lets a key in, then."""
    loaded = load(file, ENVIRON)
    moment = datetime.now(UTC) + after
    try:
        Keys.of(loaded.settings.server, loaded.keys, moment.timestamp).caller(f"Bearer {key.strip()}")
    except Refused:
        return False
    return True


def test_a_new_key_is_alone_on_stdout_and_nowhere_else(file: Path, keys: Command) -> None:
    """It can be piped; what is said of it goes to stderr, and the file has its digest, for its owner's eyes only."""
    done = keys("new", "studio")
    assert done.exit_code == 0
    assert KEY.fullmatch(done.stdout)
    stored = (file.parent / "keys.yaml").read_text()
    secret = done.stdout.strip()[-32:]
    assert secret not in done.stderr
    assert secret not in stored
    assert "does not end by itself and is not shown again" in done.stderr
    assert stat.S_IMODE((file.parent / "keys.yaml").stat().st_mode) == 0o600
    assert opens(file, done.stdout)
    assert sorted(path.name for path in file.parent.iterdir()) == ["keys.yaml", "router.yaml"]


def test_a_key_ends_when_it_was_told_to(file: Path, keys: Command) -> None:
    """After a time, or with a day of UTC; what is over already, or no time at all, is refused."""
    key = keys("new", "studio", "--expires", "90d").stdout
    assert opens(file, key, timedelta(days=90, seconds=-9))
    assert not opens(file, key, timedelta(days=90, seconds=9))
    assert "ends at 2100-01-01T00:00:00Z" in keys("new", "studio", "--expires", "2099-12-31").stderr
    for end in ("2020-01-01", "0s", "soon", "90", "99999999-01-01"):
        assert keys("new", "studio", "--expires", end).exit_code == 2
    assert len(listed(keys)) == 3


def test_rotate_lets_the_old_keys_of_the_name_overlap(file: Path, keys: Command) -> None:
    """A new key, at once; the old ones for 24 hours more, or as long as was said, and never longer than before."""
    old, short = keys("new", "studio").stdout, keys("new", "studio", "--expires", "1h").stdout
    other = keys("new", "ci").stdout
    new = keys("rotate", "studio").stdout
    assert KEY.fullmatch(new)
    day = timedelta(hours=24)
    assert all(opens(file, each) for each in (old, short, other, new))
    assert opens(file, old, day - timedelta(seconds=9))
    assert not opens(file, short, timedelta(hours=2))
    assert not opens(file, old, day + timedelta(seconds=9))
    assert opens(file, new, 2 * day)
    assert opens(file, other, 2 * day)
    newest = keys("rotate", "studio", "--overlap", "0s").stdout
    assert [opens(file, each) for each in (old, new, newest)] == [False, False, True]


def test_rotate_needs_something_to_rotate(keys: Command) -> None:
    """A name without a living key of ours gets none by surprise."""
    done = keys("rotate", "studio")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "make one with `image-router keys new studio`" in done.stderr


def test_revoke_ends_what_is_named_and_no_more(file: Path, keys: Command) -> None:
    """By id, with or without what stands before it, by the leaked key itself, or all of a name; twice does no harm."""
    made = [keys("new", "studio").stdout.strip() for _ in range(5)]
    assert keys("revoke", made[0][4:12], made[1][:12], made[2]).exit_code == 0
    assert [opens(file, key) for key in made] == [False, False, False, True, True]
    assert "nothing to revoke" in keys("revoke", made[0]).stderr
    assert keys("revoke", "--name", "studio").exit_code == 0
    assert not any(opens(file, key) for key in made)
    assert listed(keys) == [*[("studio", "revoked")] * 5, ("ci", "given")]


def test_revoke_is_whole_or_nothing(file: Path, keys: Command) -> None:
    """One id that is not there leaves all as they are; what is no id is not repeated, as it may be a key."""
    key = keys("new", "studio").stdout.strip()
    done = keys("revoke", key[4:12], "unknown1")
    assert (done.exit_code, "no key has the id unknown1, so none was revoked" in done.stderr) == (1, True)
    assert opens(file, key)
    odd = keys("revoke", key + "x")
    assert (odd.exit_code, key in odd.output) == (2, False)
    assert keys("revoke").exit_code == 2


def test_a_key_that_is_not_ours_to_end_is_told(keys: Command) -> None:
    """Who has a `key` in the configuration too can still use that one."""
    keys("new", "ci")
    for done in (keys("rotate", "ci"), keys("revoke", "--name", "ci")):
        assert "'ci' can still use the key that" in done.stderr


def test_nobody_gets_a_key_without_rights(keys: Command) -> None:
    """A name that the configuration does not have is refused, with the name that may be meant."""
    done = keys("new", "stduio")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "has nobody named 'stduio' (did you mean 'studio'?): add `- {name: ...}` first" in done.stderr


def test_list_tells_each_key_and_each_name_without(file: Path, keys: Command) -> None:
    """Whose, since when, until when, its state and models; as a table and as JSON; keys of nobody too."""
    assert listed(keys) == [("studio", "missing"), ("ci", "given")]
    first = keys("new", "studio", "--expires", "2099-12-31").stdout
    keys("new", "ci")
    file.write_text(CONFIG.replace(', {name: ci, key: "${CI_KEY}"}', ""))
    assert listed(keys) == [("studio", "active"), ("ci", "unnamed")]
    row = json.loads(keys("list", "--json").stdout)[0]
    assert (row["id"], row["expires"], row["models"]) == (first[4:12], "2100-01-01T00:00:00Z", ["m"])
    head, studio, _ = keys("list").stdout.splitlines()
    assert head.split() == ["NAME", "ID", "CREATED", "EXPIRES", "STATE", "MODELS"]
    assert studio.split() == ["studio", first[4:12], row["created"], "2100-01-01T00:00:00Z", "active", "m"]


def test_what_ended_long_ago_is_forgotten(tmp_path: Path) -> None:
    """A key is listed for 90 days after its end, so that the file does not grow for ever; living ones stay."""
    now = datetime(2026, 11, 21, tzinfo=UTC)
    ends = [None, now + timedelta(days=1), now - timedelta(days=89), now - timedelta(days=91)]
    stored = [keyring.made("a", now, end, ())[1] for end in ends]
    (tmp_path / "keys.yaml").write_text(keyring.written(stored))
    with keyring.changing(tmp_path / "keys.yaml", now):
        pass
    assert list(keyring.keys_of(tmp_path / "keys.yaml")) == stored[:3]


@pytest.mark.parametrize("name", ["a b", 'q"u\\o', "ключ 🔑", "x\x7fy\x85", "- [#]: {", "${HOME}", "12345678"])
def test_any_name_survives_the_file(tmp_path: Path, name: str) -> None:
    """What is written is what is read, whatever the name holds."""
    now = datetime(2026, 11, 21, tzinfo=UTC)
    stored = keyring.made(name, now, now, ())[1]
    (tmp_path / "keys.yaml").write_text(keyring.written([stored]))
    assert list(keyring.keys_of(tmp_path / "keys.yaml")) == [stored]


def test_a_file_with_mistakes_is_left_alone(file: Path, keys: Command) -> None:
    """The command says them as the router would, and changes nothing."""
    stored = file.parent / "keys.yaml"
    stored.write_text("keys: [{name: studio}]\n")
    for done in (keys("new", "studio"), keys("revoke", "--name", "studio"), keys("list")):
        assert (done.exit_code, done.stdout) == (1, "")
        assert "keys.yaml:1:8: keys[0]: the key 'sha256' is missing" in done.stderr
    assert stored.read_text() == "keys: [{name: studio}]\n"


def test_a_key_can_be_revoked_while_the_configuration_has_mistakes(file: Path, keys: Command) -> None:
    """A leak does not wait; that the router takes nothing up until they are mended is said."""
    key = keys("new", "studio").stdout
    file.write_text(CONFIG.replace("chain:", "chian:"))
    done = keys("revoke", key.strip())
    assert done.exit_code == 0
    assert "a running router takes nothing up until they are mended" in done.stderr
    file.write_text(CONFIG)
    assert not opens(file, key)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (CONFIG.replace("  keys_file: keys.yaml\n", ""), "add `keys_file: keys.yaml` to its server part"),
        (CONFIG.replace("keys.yaml", "${KEYS_FILE}"), "'KEYS_FILE' is not set"),
        (CONFIG.replace("keys.yaml", "nowhere/keys.yaml"), "No such file or directory, so nothing was changed"),
        ("\tserver: {}", "not valid YAML"),
    ],
)
def test_without_a_place_for_keys_there_is_none(file: Path, keys: Command, text: str, told: str) -> None:
    """What keeps the command from its work is said, and no key is printed that is kept nowhere."""
    file.write_text(text)
    done = keys("new", "studio")
    assert (done.exit_code, done.stdout) == (1, "")
    assert told in done.stderr


def test_a_failure_while_writing_leaves_the_old_file(
    file: Path, keys: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is replaced or it is not; nothing is left beside it, and no key is shown."""
    keys("new", "studio")
    before = (file.parent / "keys.yaml").read_text()

    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    done = keys("new", "studio")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "No space left on device, so nothing was changed" in done.stderr
    assert (file.parent / "keys.yaml").read_text() == before
    assert sorted(path.name for path in file.parent.iterdir()) == ["keys.yaml", "router.yaml"]


def test_a_link_and_the_group_s_right_to_read_stay(file: Path, keys: Command) -> None:
    """A router that reads the file by its group, or by a link, still can; nobody else ever may."""
    real = file.parent / "real.yaml"
    real.write_text("keys: []\n")
    real.chmod(0o664)
    (file.parent / "keys.yaml").symlink_to("real.yaml")
    keys("new", "studio")
    assert (file.parent / "keys.yaml").is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert len(keyring.keys_of(real)) == 1


def test_two_commands_at_once_lose_nothing(tmp_path: Path) -> None:
    """Each waits for the other: eight changes at a time are eight keys."""
    path, now = tmp_path / "keys.yaml", datetime(2026, 11, 21, tzinfo=UTC)
    inside: list[int] = []

    def add(number: int) -> None:
        with keyring.changing(path, now) as kept:
            inside.append(number)
            kept.append(keyring.made(str(number), now, None, kept)[1])
            assert inside[-1:] == [number]

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {key.name for key in keyring.keys_of(path)} == set("01234567")


@pytest.mark.parametrize("name", ["", "new", "rotate", "revoke", "list"])
def test_each_command_explains_itself(name: str) -> None:
    """`--help` is a sentence, as of a process of its own."""
    arguments = ["keys", *filter(None, [name]), "--help"]
    done = subprocess.run(
        [sys.executable, "-m", "router", *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    assert re.search(r"[A-Z].*\.", done.stdout)
