"""Keys of clients: known by digest, compared in constant time, ended by clock or by hand, and never left to guess."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import serving

from router import auth, shipped
from router.auth import Keys
from router.catalog import load_catalog
from router.config import keyring
from router.config.keys import StoredKey, loopback
from router.config.last_good import LastGood
from router.config.load import ConfigError, Loaded, load
from router.config.reload import Reloader
from router.messages.errors import Refused
from router.runtime import Runtime
from router.serving.start import CannotServe, Found

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
REST = "providers: {pen: {kind: sketch}}\nmodels: {m: {chain: [pen/sketch]}, n: {chain: [pen/sketch]}}\n"
TWO = "server:\n  keys_file: keys.yaml\n  keys: [{name: studio, models: [m]}, {name: ci}]\n" + REST
SHA = "0123456789abcdef" * 4


def make(name: str = "studio", expires: datetime | None = None) -> tuple[str, StoredKey]:
    """A key of that name, and what is kept of it."""
    return keyring.made(name, NOW, expires, ())


def configured(directory: Path, *keys: StoredKey, text: str = TWO) -> Path:
    """A configuration with these keys."""
    (directory / "keys.yaml").write_text(keyring.written(keys))
    file = directory / "router.yaml"
    file.write_text(text)
    return file


def keys_of(loaded: Loaded, now: datetime = NOW) -> Keys:
    """The keys of a configuration, at that moment."""
    return Keys.of(loaded.settings.server, loaded.keys, now.timestamp)


def who(keys: Keys, key: str) -> str:
    """Whose a key is, or the code and the words of the refusal."""
    try:
        return keys.caller(f"Bearer {key}").name
    except Refused as refused:
        return f"{refused.code}: {refused.message}"


def said(error: pytest.ExceptionInfo[ConfigError], directory: Path) -> list[str]:
    """The mistakes, without the directory."""
    return [str(mistake).removeprefix(f"{directory}/") for mistake in error.value.mistakes]


def test_a_key_has_its_form_and_no_two_are_alike() -> None:
    """`irk_`, 8 characters that name it, 32 that nobody can guess; what is kept tells nothing of these."""
    made = [make() for _ in range(200)]
    for key, stored in made:
        form = re.fullmatch(r"irk_([A-Za-z0-9]{8})_([A-Za-z0-9]{32})", key)
        assert form is not None
        assert form[1] == stored.id
        assert form[2] not in keyring.written([stored])
    assert len({key for key, _ in made}) == len({stored.id for _, stored in made}) == 200


def test_several_keys_open_for_one_name_with_its_rights(tmp_path: Path) -> None:
    """Every key of a name is that caller, with the models, limits and budget of the configuration; so is its `key`."""
    text = """\
server:
  keys_file: keys.yaml
  keys:
    - {name: studio, key: "${KEY}", models: [m], limits: {requests_per_minute: 3}, budget: {usd: 2}, dry_run: true}
"""
    (one, first), (two, second) = make(), make()
    loaded = load(configured(tmp_path, first, second, text=text + REST), {"KEY": "given-key"})
    keys = keys_of(loaded)
    callers = {keys.caller(f"Bearer {key}") for key in (one, two, "given-key")}
    (caller,) = callers
    assert (caller.name, caller.models, caller.dry_run) == ("studio", ("m",), True)
    assert caller.limits.requests_per_minute == 3
    assert caller.budget is not None
    assert caller.budget.usd == 2


def test_a_wrong_secret_or_id_is_not_known(tmp_path: Path) -> None:
    """An id alone, another's secret or a slip of the pen opens nothing, and is told as any unknown key."""
    (one, first), (two, second) = make(), make("ci")
    keys = keys_of(load(configured(tmp_path, first, second), {}))
    assert (who(keys, one), who(keys, two)) == ("studio", "ci")
    wrong = (one[:-1], one + "x", one[:12] + two[12:], "x" * 45, f"irk_{first.id}", first.sha256, one.lower())
    assert {who(keys, key) for key in wrong} == {
        "invalid_api_key: this key is not known here: check it, or ask who runs this router"
    }


def test_every_key_is_compared_once_in_constant_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Known id or not, one comparison of 32 bytes with 32 bytes, in a time that does not depend on them."""
    key, stored = make()
    keys = keys_of(load(configured(tmp_path, stored), {}))
    seen: list[tuple[int, int]] = []
    compare = auth.compare_digest

    def spied(one: bytes, other: bytes) -> bool:
        seen.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(auth, "compare_digest", spied)
    for asked in (key, key[:-1] + "!", "irk_unknown1_" + "x" * 32, "short", "é" * 99, "\udce9"):
        who(keys, asked)
    assert seen == [(32, 32)] * 6


def test_a_key_ends_without_a_reload(tmp_path: Path) -> None:
    """The same keys object knows it until its last moment, and after it says when it ended."""
    key, stored = make(expires=NOW + timedelta(hours=1))
    loaded = load(configured(tmp_path, stored), {})
    clock = [NOW.timestamp()]
    keys = Keys.of(loaded.settings.server, loaded.keys, lambda: clock[0])
    clock[0] += 3599.9
    assert who(keys, key) == "studio"
    clock[0] += 0.1
    ended = "expired_api_key: this key ended at 2026-11-21 13:00:00 UTC: ask who runs this router for another"
    assert who(keys, key) == ended
    assert who(keys, key[:-1] + "!").startswith("invalid_api_key: this key is not known")


def test_a_revoked_key_is_told_to_its_owner_alone(tmp_path: Path) -> None:
    """Who has the secret hears that it was revoked; who has the id alone hears what any guesser hears."""
    key, stored = make()
    (revoked,) = keyring.revoked([stored], {stored.id}, NOW)
    keys = keys_of(load(configured(tmp_path, revoked), {}))
    assert who(keys, key) == "invalid_api_key: this key was revoked: ask who runs this router for another"
    assert "not known" in who(keys, key[:-1] + "!")


def test_names_without_any_key_leave_the_router_closed(tmp_path: Path) -> None:
    """A caller named is a router that asks for keys, even while there is none, or none that lives."""
    loaded = load(configured(tmp_path), {})
    assert "not known" in who(keys_of(loaded), "irk_whatever")
    with pytest.raises(Refused, match="a key is required"):
        keys_of(loaded).caller(None)
    assert Keys([]).caller(None).name == "anyone"
    assert [warning.message for warning in loaded.warnings] == [
        f"there is no key for '{name}': run `image-router keys new {name}`" for name in ("studio", "ci")
    ]


def test_a_name_without_a_key_or_a_file_is_told(tmp_path: Path) -> None:
    """Without a file for keys the warning says that one is needed first, or a key."""
    loaded = load(configured(tmp_path, text="server: {keys: [{name: the lab}]}\n" + REST), {})
    assert [str(warning).removeprefix(f"{tmp_path}/") for warning in loaded.warnings] == [
        (
            "router.yaml:1:17: server.keys[0]: there is no key for 'the lab': "
            "add 'key', or name a server.keys_file and run `image-router keys new 'the lab'`"
        )
    ]


def test_a_key_of_nobody_opens_nothing(tmp_path: Path) -> None:
    """Who is taken out of `server.keys` loses their keys at once; the file is then odd, not wrong."""
    key, stored = make("stduio")
    old, ended = make("gone")
    loaded = load(configured(tmp_path, stored, *keyring.revoked([ended], {ended.id}, NOW)), {})
    assert {who(keys_of(loaded), each)[:15] for each in (key, old)} == {"invalid_api_key"}
    warnings = [str(each) for each in loaded.warnings if each.file.endswith("keys.yaml")]
    assert warnings == [
        (
            f"{tmp_path}/keys.yaml:4:12: keys[0].name: no one is named 'stduio' in server.keys "
            "(did you mean 'studio'?): this key opens nothing"
        )
    ]


BAD: dict[str, tuple[str, list[str]]] = {
    "empty": ("", ["keys.yaml:1:1: this is no file of keys: put back what `image-router keys` wrote"]),
    "a word": ("keys", ["keys.yaml:1:1: this is no file of keys: put back"]),
    "half written": ('keys:\n  - {name: "a", id:', ["keys.yaml:2:20: not valid YAML"]),
    "unknown key": ("keys: []\nkyes: []\n", ["keys.yaml:2:1: unknown key 'kyes' (did you mean 'keys'?)"]),
    "what is missing": (
        "keys:\n  - {name: studio, id: abcd1234}\n",
        [
            "keys.yaml:2:5: keys[0]: the key 'created' is missing: add it",
            "keys.yaml:2:5: keys[0]: the key 'sha256' is missing: add it",
        ],
    ),
    "odd values": (
        f"keys:\n  - {{name: studio, id: short, sha256: {SHA[1:]}, created: 2026-01-01}}\n",
        [
            "keys.yaml:2:24: keys[0].id: expected the 8 letters and digits of a key's id, not 'short'",
            "keys.yaml:2:39: keys[0].sha256: expected a SHA-256 in 64 digits, not",
            "keys.yaml:2:113: keys[0].created: expected a moment such as 2026-12-31T23:59:59Z, not '2026-01-01'",
        ],
    ),
    "one id twice": (
        "keys:\n" + f'  - {{name: ci, id: abcd1234, sha256: "{SHA}", created: "2026-01-01T00:00:00Z"}}\n' * 2,
        ["keys.yaml:3:20: keys[1].id: 'abcd1234' is the id of another key too: remove one"],
    ),
}


@pytest.mark.parametrize("text", BAD)
def test_a_mistake_in_the_file_is_told_where_it_stands(tmp_path: Path, text: str) -> None:
    """Each with file, line and column, as those of the configuration; nothing of it is served."""
    file = configured(tmp_path)
    written, expected = BAD[text]
    (tmp_path / "keys.yaml").write_text(written)
    with pytest.raises(ConfigError) as refused:
        load(file, {})
    told = said(refused, tmp_path)
    assert len(told) == len(expected)
    for mistake, start in zip(told, expected, strict=True):
        assert mistake.startswith(start)


def test_a_missing_file_is_told_where_it_is_named(tmp_path: Path) -> None:
    """With the command that makes it."""
    file = configured(tmp_path)
    (tmp_path / "keys.yaml").unlink()
    with pytest.raises(ConfigError) as refused:
        load(file, {})
    assert said(refused, tmp_path) == [
        "router.yaml:2:14: server.keys_file: no such file: `image-router keys new NAME` makes it"
    ]


def test_a_file_for_nobody_is_a_mistake(tmp_path: Path) -> None:
    """Keys without anyone in `server.keys` would leave the router open, against what was meant."""
    with pytest.raises(ConfigError) as refused:
        load(configured(tmp_path, make()[1], text="server: {keys_file: keys.yaml}\n" + REST), {})
    assert "nobody in server.keys may call with these keys" in said(refused, tmp_path)[0]


def plain(key: str, host: str = "0.0.0.0", more: str = "") -> str:
    """A configuration with a key as it is written."""
    return f"server: {{host: '{host}', keys: [{{name: a, key: '{key}'{more}}}]}}\n{REST}"


@pytest.mark.parametrize("key", ["literal", "$$ign", "${GONE:-literal}", "${EMPTY:-literal}"])
def test_a_key_in_plain_text_is_for_this_machine_alone(tmp_path: Path, key: str) -> None:
    """Where others can reach the router it is refused at its place; a default is plain text too."""
    environ = {"EMPTY": ""}
    with pytest.raises(ConfigError) as refused:
        load(configured(tmp_path, text=plain(key)), environ)
    (told,) = said(refused, tmp_path)
    column = plain(key).index("key: '") + 6
    assert told.startswith(f"router.yaml:1:{column}: server.keys[0].key: the key of 'a' stands in the file while")
    assert load(configured(tmp_path, text=plain(key, more=", plain: true")), environ).warnings == ()
    here = load(configured(tmp_path, text=plain(key, "127.0.0.1")), environ)
    Found(here).guard("127.0.0.1")
    with pytest.raises(CannotServe, match=r"stands in the file while the router listens on 0\.0\.0\.0"):
        Found(here).guard("0.0.0.0")


@pytest.mark.parametrize("key", ["${KEY}", "${KEY:-spare}", "${file:key}", "pre-${KEY}"])
def test_a_key_from_elsewhere_is_not_plain(tmp_path: Path, key: str) -> None:
    """The environment and files of their own are where keys belong; `plain` has then nothing to allow."""
    (tmp_path / "key").write_text("from-a-file")
    loaded = load(configured(tmp_path, text=plain(key)), {"KEY": "from-outside"})
    Found(loaded).guard("0.0.0.0")
    needless = load(configured(tmp_path, text=plain(key, more=", plain: true")), {"KEY": "from-outside"})
    assert [warning.where for warning in needless.warnings] == ["server.keys[0].plain"]


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("::", False), ("host", False)],
)
def test_what_this_machine_alone_can_reach(host: str, *, own: bool) -> None:
    """Addresses that lead nowhere else, and the one name that always means them."""
    assert loopback(host) is own


@pytest.mark.anyio
async def test_a_reload_takes_up_the_file_of_keys(tmp_path: Path) -> None:
    """The file is watched: a key revoked in it opens nothing at the next look, under another version."""
    key, stored = make()
    file = configured(tmp_path, stored)
    loaded = load(file, {})
    served = [Runtime(loaded, load_catalog(shipped.path("catalog")))]

    def apply(found: Loaded) -> None:
        served.append(Runtime(found, load_catalog(shipped.path("catalog"))))

    reloader = Reloader(file, {}, loaded, apply, lambda _: None)
    assert tmp_path / "keys.yaml" in loaded.files
    assert who(served[-1].keys, key) == "studio"
    with keyring.changing(tmp_path / "keys.yaml", NOW) as kept:
        kept[:] = keyring.revoked(kept, {stored.id}, NOW)
    assert (await reloader.once()).changed
    assert "revoked" in who(served[-1].keys, key)
    assert served[0].version != served[-1].version
    (tmp_path / "keys.yaml").write_text("")
    look = await reloader.once()
    assert (look.changed, look.good, len(served)) == (False, False, 2)
    for runtime in served:
        await runtime.aclose()


def test_the_last_good_state_knows_what_was_revoked_since(tmp_path: Path) -> None:
    """A start on a broken configuration brings no revoked key back; with the file of keys broken too, its old state."""
    key, stored = make()
    file = configured(tmp_path, stored)
    kept = LastGood(file, {"STATE_DIRECTORY": str(tmp_path / "state")})
    kept.keep(load(file, {}))
    file.write_text("")
    (tmp_path / "keys.yaml").write_text(keyring.written(keyring.revoked([stored], {stored.id}, NOW)))
    found = kept.load({})
    assert found is not None
    assert "revoked" in who(keys_of(found), key)
    (tmp_path / "keys.yaml").write_text("")
    found = kept.load({})
    assert found is not None
    assert who(keys_of(found), key) == "studio"


def test_the_words_reach_the_client(tmp_path: Path) -> None:
    """Over HTTP: a living key is served its models, an expired one gets 401 with its end, an unknown one 401."""
    (living, first), (ended, second) = make(), make(expires=NOW - timedelta(days=1))
    configured(tmp_path, first, second)
    config = {
        "server": {"keys_file": "keys.yaml", "keys": [{"name": "studio", "models": ["m"]}]},
        "providers": {"pen": {"kind": "sketch"}},
        "models": {"m": {"chain": ["pen/sketch"]}, "n": {"chain": ["pen/sketch"]}},
    }
    with serving(config, tmp_path) as url, httpx.Client(base_url=url) as client:

        def asked(key: str, model: str = "m") -> tuple[int, Any]:
            body = {"model": model, "prompt": "a fox", "size": "256x256"}
            headers = {"authorization": f"Bearer {key}"}
            answer = client.post("/v1/images/generations", json=body, headers=headers)
            return answer.status_code, answer.json().get("error")

        assert asked(living) == (200, None)
        assert asked(living, "n")[1]["code"] == "model_not_allowed"
        status, error = asked(ended)
        assert (status, error["type"], error["code"]) == (401, "authentication_error", "expired_api_key")
        assert error["message"].startswith("this key ended at 2026-11-20 12:00:00 UTC")
        assert asked(living[:-1] + "!")[1]["code"] == "invalid_api_key"
