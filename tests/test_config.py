"""The configuration: what a file says, and what is said of a file that is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from broken_configs import BROKEN, REST, Broken
from hypothesis import given, settings, strategies as st

from providers.base import ErrorKind
from providers.dialect import PARAMETERS, Shape, Strictness
from router import shipped
from router.config import nodes
from router.config.load import ConfigError, Loaded, load, schema
from router.config.model import Overrides, Params, Policies, Retry, RetryOverrides, Secret, merge
from router.config.values import spell_duration, spell_size

ENVIRON = {"PORT": "from-the-environment", "EMPTY": ""}
REFERRED = {"ROUTER_KEY_STUDIO": "studio-key", "OPENAI_API_KEY": "openai-key"}


@pytest.fixture
def config(tmp_path):
    """Loads a text as a config."""

    def read(text: str, environ: dict[str, str] | None = None) -> Loaded:
        path = tmp_path / "router.yaml"
        path.write_text(text)
        return load(path, environ or {})

    return read


def said(error: ConfigError) -> list[str]:
    """The mistakes without their directory."""
    return [str(mistake).replace(mistake.file, "router.yaml", 1) for mistake in error.mistakes]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_every_mistake_is_told_where_it_stands(config, broken: Broken):
    """A broken config is refused with all its mistakes at once, each with line, column, place and remedy."""
    with pytest.raises(ConfigError) as refused:
        config(broken.text, ENVIRON)
    expected = [f"router.yaml:{line}" if line[0].isdigit() else f"router.yaml: {line}" for line in broken.said]
    assert said(refused.value) == expected


@pytest.mark.parametrize("state", ["rediss//:secret@host", "redis:/host", "sqlite:state", "sqlite://state", "disk", ""])
def test_a_state_nobody_has_is_told_without_its_password(config, state: str) -> None:
    """An address that no store can be opened by is a mistake of the file, found before anything is started on it."""
    with pytest.raises(ConfigError) as raised:
        config(f"server: {{state: '{state}'}}\n{REST}", ENVIRON)
    (mistake,) = said(raised.value)
    assert mistake.startswith("router.yaml:1:17: server.state: ")
    assert "secret" not in mistake


@pytest.mark.parametrize(
    "text",
    [broken.text for broken in BROKEN] + [path.read_text() for path in sorted(shipped.path().rglob("*.yaml"))],
    ids=[broken.name for broken in BROKEN] + [path.stem for path in sorted(shipped.path().rglob("*.yaml"))],
)
def test_the_quick_reader_and_the_thorough_one_agree(monkeypatch, text: str):
    """Whether libyaml reads a file or PyYAML's own stages do, values and mistakes are the same, in the same places."""

    def read() -> object:
        try:
            return nodes.parse(text, "router.yaml")
        except ConfigError as refused:
            return refused.mistakes

    quick = read()
    monkeypatch.setattr(nodes, "_ByLibyaml", nodes._InPython)
    assert read() == quick


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    """Missing files, directories, other encodings and giants are refused by name."""
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("a: 1\nb: é\n".encode("latin-1"))
    giant = tmp_path / "giant.yaml"
    giant.write_bytes(b"#" * (4 << 20) + b"\n")
    reasons = {
        tmp_path / "none.yaml": ": no such file: check the path",
        tmp_path: ": cannot be read (Is a directory): check the path",
        latin: ":2:4: not UTF-8: save the file in that encoding",
        giant: ": larger than 4MiB: no config is, so check the path",
    }
    for path, reason in reasons.items():
        with pytest.raises(ConfigError) as refused:
            load(path, {})
        assert str(refused.value) == f"{path}{reason}"


def test_the_smallest_config_has_every_default(config):
    """Providers and models are enough; all else has its documented default."""
    loaded = config(REST)
    server = loaded.settings.server
    assert (server.host, server.port, server.open, server.disclose, server.keys) == ("127.0.0.1", 8080, False, True, ())
    assert (server.max_body, server.max_json, server.max_form_text) == (900 << 20, 64 << 20, 1 << 20)
    assert (server.max_image, server.spool_dir, server.default_model) == (50_000_000, None, None)
    assert loaded.settings.defaults == Policies()
    assert loaded.warnings == ()
    provider = loaded.settings.providers["openai"]
    assert (provider.pool_size, provider.transport, provider.options) == (256, "pyreqwest", {})
    target = loaded.settings.models["m"].chain[0]
    assert (target.target, target.provider, target.model) == ("openai/x", "openai", "x")


def test_a_hash_tells_texts_apart(config):
    """The same text has the same hash, another text another."""
    assert config(REST).text_hash == config(REST).text_hash != config(REST + "# more\n").text_hash


def test_overrides_merge_key_by_key(config):
    """A model overrides the defaults and a target the model, a retry key by key; what is left out stays."""
    loaded = config(
        """\
defaults: {timeout: 5m, retry: {count: 3, backoff: 100ms}, unsupported: drop}
providers: {openai: {kind: openai, api_key: k}}
models:
  m:
    timeout: 90s
    retry: {count: 0}
    chain: [{target: openai/x, attempt_timeout: 1.5s, retry: {on_codes: [500]}, fallback_on: [timeout]}]
""",
    ).settings
    model = loaded.models["m"]
    merged = merge(loaded.defaults, model, model.chain[0])
    assert merged == Policies(
        timeout="90s",
        attempt_timeout="1500ms",
        unsupported="drop",
        retry=Retry(count=0, on_codes=[500], backoff="100ms"),
        fallback_on=["timeout"],
    )
    assert merged.fallback_on == {ErrorKind.TIMEOUT}
    assert merged.unsupported is Strictness.DROP


def test_merging_nothing_changes_nothing():
    """Layers that say nothing leave the policies as they are; one that says everything replaces them."""
    base = Policies(timeout="1m", retry={"count": 2})
    assert merge(base) == merge(base, Overrides(), Overrides(retry=RetryOverrides())) == base


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("5m", 300), ("1.5h", 5400), ("0.25s", 0.25), ("24h", 86_400)],
)
def test_durations_have_units(config, text, seconds):
    """A duration is read in seconds, whatever its unit."""
    assert config(f"defaults: {{timeout: {text}}}\n{REST}").settings.defaults.timeout == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("1B", 1), ("64KiB", 65_536), ("50MB", 50_000_000), ("1.5kB", 1500), ("1GiB", 1 << 30), ("2GB", 2 * 10**9)],
)
def test_sizes_have_units(config, text, size):
    """A size is read in bytes, whatever its unit."""
    assert config(f"server: {{max_json: {text}}}\n{REST}").settings.server.max_json == size


def test_durations_and_sizes_are_spelled_as_they_are_read():
    """What is printed for people can be read back."""
    assert [spell_duration(seconds) for seconds in (0.5, 5, 90, 600, 7200)] == ["500ms", "5s", "90s", "10m", "2h"]
    assert [spell_size(size) for size in (7, 900 << 20, 50_000_000, 1 << 30)] == ["7B", "900MiB", "50MB", "1GiB"]


def test_references_are_filled_in_after_parsing(config, tmp_path):
    """Environment and files fill in values, with defaults, and can never change the structure."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "one").write_text("from-a-file\n")
    settings = config(
        """\
server:
  port: ${PORT}
  disclose: ${DISCLOSE:-false}
  keys: [{name: "a ${HOSTILE} b", key: "${file:keys/one}"}, {name: "$$5 ${X:-} $", key: "$${no}"}]
defaults: {timeout: "${MINUTES}m", unsupported: "${MODE}"}
providers:
  openai: {kind: openai, api_key: "${EMPTY:-spare}", base_url: "http://${HOST}/v1/"}
models:
  m: {chain: [openai/x]}
""",
        {
            "PORT": "81",
            "HOSTILE": "'}], open: true #",
            "MINUTES": "2",
            "MODE": "error",
            "EMPTY": "",
            "HOST": "h:1",
        },
    ).settings
    assert settings.server.port == 81
    assert settings.server.disclose is False
    assert settings.server.open is False
    assert settings.server.keys[0].name == "a '}], open: true # b"
    assert [key.key.reveal() for key in settings.server.keys] == ["from-a-file", "${no}"]
    assert settings.server.keys[1].name == "$5  $"
    assert (settings.defaults.timeout, settings.defaults.unsupported) == (120, Strictness.ERROR)
    assert settings.providers["openai"].api_key == Secret("spare")
    assert settings.providers["openai"].base_url == "http://h:1/v1"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty, and model 'm' uses this provider: write the value into it"),
        (b"\xff", "is not UTF-8, and model 'm' uses this provider: write the value into it as text"),
        (b"k" * 70_000, "is larger than 64KiB, and model 'm' uses this provider: name a file that holds one value"),
    ],
)
def test_a_file_that_holds_no_value_is_refused(config, tmp_path, content, why):
    """A referenced file must hold one value as text."""
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        config(REST.replace("api_key: k", 'api_key: "${file:key}"'))
    assert said(refused.value) == [f"router.yaml:3:35: providers.openai.api_key: the file 'key' {why}"]


def test_what_nobody_uses_is_a_warning(config):
    """The missing key of a provider outside every chain, and words without effect, do not keep the config from use."""
    loaded = config(
        """\
server:
  open: true
  keys: [{name: a, key: k, models: [m, n*, "w/x-*"]}]
providers:
  openai: {kind: openai, api_key: k}
  spare: {kind: openai, api_key: "${NOT_SET}"}
  other: {kind: azure, base_url: https://example.openai.azure.com}
models:
  m: {chain: [openai/x]}
  "w/*": {chain: ["openai/*"]}
""",
    )
    assert [str(warning).rpartition("router.yaml:")[2] for warning in loaded.warnings] == [
        "2:9: server.open: has no effect while there are keys: remove it, or the keys",
        "3:40: server.keys[0].models[1]: 'n*' matches no model: this client gains nothing by it",
        (
            "6:34: providers.spare.api_key: the environment variable 'NOT_SET' is not set, and no chain uses this "
            "provider yet: set it, or give a default as in ${NOT_SET:-default}"
        ),
        "7:3: providers.other: kind 'azure' needs a key, though no chain uses it yet: add 'api_key'",
    ]
    assert loaded.settings.providers["spare"].api_key is None


def test_a_server_of_ones_own_needs_no_key(config):
    """Where the usual address is replaced, the key may be left out."""
    text = REST.replace("api_key: k", "base_url: http://images.internal/v1")
    assert config(text).settings.providers["openai"].api_key is None


def test_keys_never_show(config):
    """A key prints as asterisks in every form but `reveal()`."""
    loaded = config(
        f"server: {{keys: [{{name: a, key: hush-hush}}]}}\n{REST.replace('api_key: k', 'api_key: hush-hush')}"
    )
    settings = loaded.settings
    shown = [str(loaded), repr(settings), f"{settings}", str(settings.model_dump()), settings.model_dump_json()]
    assert not any("hush-hush" in each for each in shown)
    assert settings.server.keys[0].key.reveal() == "hush-hush"
    assert f"{settings.server.keys[0].key} {settings.server.keys[0].key!r}" == "******** '********'"
    assert settings.server.keys[0].key == settings.providers["openai"].api_key
    assert len({settings.server.keys[0].key, Secret("hush-hush"), Secret("other")}) == 2


def test_a_mistake_never_shows_what_a_reference_holds(config):
    """A wrong value is shown as the file spells it, not as the environment fills it."""
    with pytest.raises(ConfigError) as refused:
        config('server: {port: "${KEY}", keys: "${KEY}"}\n' + REST, {"KEY": "hush-hush"})
    assert "hush-hush" not in str(refused.value)
    assert "hush-hush" not in repr(refused.value)


def test_paths_are_relative_to_the_file(config, tmp_path):
    """A relative path is meant from where the config stands."""
    (tmp_path / "ca.pem").touch()
    (tmp_path / "spool").mkdir()
    settings = config(
        "server: {spool_dir: spool}\n" + REST.replace("api_key: k", "api_key: k, ca_file: ca.pem")
    ).settings
    assert settings.server.spool_dir == tmp_path / "spool"
    assert settings.providers["openai"].ca_file == tmp_path / "ca.pem"


def test_yaml_is_read_as_version_1_2_with_merges(config):
    """A date stays text, a quoted word is text, anchors and merges work and own keys win."""
    settings = config(
        """\
providers:
  a: &a {kind: azure, base_url: https://x, api_key: "010", options: {api_version: 2025-04-01}}
  b: {<<: *a, api_key: "no"}
models:
  "404": &m {timeout: 1m, chain: [a/x]}
  n: {timeout: 2m, <<: *m}
""",
    ).settings
    assert settings.providers["b"].options == {"api_version": "2025-04-01"}
    assert settings.providers["b"].api_key == Secret("no")
    assert (settings.models["404"].timeout, settings.models["n"].timeout) == (60, 120)


def test_default_parameters_are_asked_for_by_their_common_names():
    """Default parameters become what a client would have asked: `size` as a shape, `auto` as nothing."""
    assert {"shape" if name == "size" else name for name in Params.model_fields} == PARAMETERS
    assert Params(size="1792x1024", seed=0).asked() == {"shape": Shape(1792, 1024), "seed": 0}
    assert Params(size="auto", quality="auto").asked() == {"quality": "auto"}


def test_a_target_can_state_its_price(config):
    """A price of a target is read as the catalogue would state it."""
    text = REST.replace("openai/x", "{target: openai/x, price: {image: 0.04, tokens: {image_out: 30}}}")
    price = config(text).settings.models["m"].chain[0].price
    assert price is not None
    assert [tier.usd for tier in price.price.images] == [0.04]
    assert price.price.tokens is not None
    assert price.price.tokens.image_out == 30


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(st.text(), st.text("{}[]:,&*!|>'\"%@`#-? \n\tab10$~<\\U"), st.text(REST)))
def test_no_text_is_too_odd(text, tmp_path_factory):
    """Whatever a file holds, it loads or is refused with mistakes; nothing else is raised."""
    path = tmp_path_factory.getbasetemp() / "odd.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(ConfigError) as refused:
        load(path, {})
    assert refused.value.mistakes


def test_the_shipped_schema_is_fresh():
    """`config/schema.json` is what `image-router schema` prints."""
    assert json.loads(shipped.path("schema.json").read_text()) == schema()


def test_editors_agree_with_the_reader():
    """Each shipped file names its schema on its first line, and satisfies it."""
    files: dict[Path, list[str]] = {}
    for path in shipped.path().rglob("*.yaml"):
        modeline, named, against = path.read_text().splitlines()[0].partition("$schema=")
        assert (modeline, named) == ("# yaml-language-server: ", "$schema=")
        files.setdefault((path.parent / against).resolve(), []).append(str(path))
    assert {path.name for path in files} == {"schema.json"}
    for against, paths in files.items():
        command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(against), *paths]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_the_quick_start_needs_nothing():
    """The shipped config loads without keys, environment or warnings."""
    loaded = load(shipped.path("router.yaml"), {})
    assert loaded.warnings == ()
    assert {"gpt-image-2", "gpt-image-1", "dall-e-3", "dall-e-2", "sketch"} <= loaded.settings.models.keys()


def test_the_reference_loads(tmp_path):
    """It is a config that works once its keys are there."""
    (tmp_path / "keys").mkdir()
    for name in ("ci", "azure"):
        (tmp_path / "keys" / name).write_text(f"key-of-{name}")
    keyed = f"{{name: lab, id: aaaaaaaa, sha256: '{'0' * 64}', created: '2026-01-01T00:00:00Z'}}"
    (tmp_path / "keys.yaml").write_text(f"keys: [{keyed}]\n")
    reference = tmp_path / "reference.yaml"
    reference.write_text(shipped.path("reference.yaml").read_text())
    assert load(reference, REFERRED).warnings == ()


def test_the_reference_has_every_key_with_its_default():
    """No key is missing from the reference, and the defaults it states are the defaults."""
    text = shipped.path("reference.yaml").read_text()
    keys = {key for part in schema()["$defs"].values() for key in part.get("properties", {})}
    assert {key for key in keys if f"{key}:" not in text} == set()
    stated = yaml.safe_load(text)["defaults"]
    assert Policies.model_validate(stated) == Policies()
