"""LiteLLM's configurations: ten in its documented shape become ours, load without mistakes and serve every model."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from backends import Status
from click.testing import CliRunner, Result
from hypothesis import given, settings as limits, strategies as st
from serving import ROOT
from test_examples import WILD, Example, needed, running

from router.cli import main
from router.config.load import load
from router.config.mistakes import ConfigError
from router.config.model import Settings
from router.migrate.accounts import PREFIXES
from router.migrate.litellm import imported as translated

CONFIGS = {path.stem: path for path in sorted((ROOT / "tests/litellm").glob("*.yaml"))}


def imported(source: Path, output: Path | None = None) -> Result:
    """What the command made of a file."""
    to = ["--output", str(output)] if output else []
    return CliRunner().invoke(main, ["import", "litellm", str(source), *to])


def settings(text: str, directory: Path) -> tuple[Settings, Result]:
    """The settings that a source's text becomes, and the command's words."""
    source, output = directory / "litellm.yaml", directory / "made.yaml"
    source.write_text(text)
    told = imported(source, output)
    assert told.exit_code == 0, told.output
    loaded = load(output, needed(output))
    assert loaded.warnings == ()
    return loaded.settings, told


def entry(name: str, model: str, more: str = "") -> str:
    """One entry of a model_list."""
    return f"  - {{model_name: {name}, litellm_params: {{model: {model}, api_key: os.environ/KEY{more}}}}}\n"


@contextlib.contextmanager
def served(name: str, directory: Path) -> Iterator[Example]:
    """An imported example before scripted backends; its Redis is left out, and it has a key where it had none."""
    made = directory / "made.yaml"
    assert imported(CONFIGS[name], made).exit_code == 0
    config = yaml.safe_load(made.read_text())
    config["server"].pop("state", None)
    for provider in config["providers"].values():
        provider.setdefault("api_key", "any")  # the scripted backends all ask for one
    config["server"].setdefault("keys", [{"name": "master", "key": "${MASTER_KEY}"}])
    made.write_text(yaml.safe_dump(config, sort_keys=False))
    with running(made, directory) as found:
        yield found


def test_there_are_ten() -> None:
    """LiteLLM's shapes are covered by ten files."""
    assert len(CONFIGS) == 10


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_imports_to_one_without_mistakes(name: str, tmp_path: Path) -> None:
    """What is written loads with neither mistakes nor warnings once the variables it names are set."""
    made = tmp_path / "made.yaml"
    told = imported(CONFIGS[name], made)
    assert told.exit_code == 0, told.output
    assert load(made, needed(made)).warnings == ()


@pytest.mark.parametrize("name", CONFIGS)
def test_every_line_has_its_comment(name: str, tmp_path: Path) -> None:
    """Each thing that stderr says of the source stands as a comment in the output too."""
    told = imported(CONFIGS[name])
    comments = " ".join(" ".join(line.split("# ", 1)[1:]) for line in told.stdout.splitlines())
    for line in told.stderr.splitlines():
        source = line.removeprefix(f"{CONFIGS[name]}:").split(": ", 2)[1]
        assert source in comments, line


@pytest.mark.parametrize("name", CONFIGS)
def test_no_secret_is_carried_along(name: str) -> None:
    """A key in plain text reaches neither the output nor the messages: a variable takes its place."""
    told = imported(CONFIGS[name])
    assert not any(secret in told.output for secret in ("in-plain-text", "sk-1234"))


@pytest.mark.parametrize("name", CONFIGS)
def test_an_imported_config_serves_every_model(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model draws, and each of its targets does when the others are down; one call is billed."""
    monkeypatch.setitem(WILD, "xai/*", "xai/grok-imagine-image")
    with served(name, tmp_path) as example:
        for model, chosen in example.settings.models.items():
            for target in chosen.chain:
                example.forget()
                for other in {other.provider for other in chosen.chain} - {target.provider}:
                    example.backends[other].script(*[Status(503)] * 2)
                answer = example.ask(model)
                assert answer.status_code == 200, (model, answer.text)
                assert len(answer.json()["data"]) == 1
                assert sum(example.billed().values()) == 1
                for backend in example.backends.values():
                    backend._steps.clear()


def test_orders_are_tiers(tmp_path: Path) -> None:
    """The entries of the lowest order share the requests by weight; those of the next stand behind them."""
    found, _ = settings(CONFIGS["ordered"].read_text(), tmp_path)
    model = found.models["gpt-image"]
    assert [(target.target, target.weight) for target in model.chain] == [
        ("openai-2/gpt-image-1.5", 9),
        ("azure/gpt-image-1.5", 1),
        ("openai/gpt-image-1.5", 0.000001),
    ]
    assert model.order == "weight_based"


def test_fallbacks_end_the_chain(tmp_path: Path) -> None:
    """A group's fallbacks follow its own targets, those of every group come last, and aliases keep working."""
    found, _ = settings(CONFIGS["fallbacks"].read_text(), tmp_path)
    targets = [target.target for target in found.models["best"].chain]
    assert targets == ["openai/gpt-image-2", "black-forest-labs/flux-pro-1.1", "xai/grok-imagine-image"]
    assert found.models["best"].aliases == ("dall-e-3",)
    assert (found.defaults.retry.count, found.defaults.circuit.failures) == (3, 4)
    assert (found.defaults.attempt_timeout, found.defaults.timeout) == (900, 900)


def test_a_plain_key_is_named_a_variable(tmp_path: Path) -> None:
    """Two different keys in plain text become two variables, neither of which the source names already."""
    text = (
        "model_list:\n"
        "  - {model_name: a, litellm_params: {model: openai/gpt-image-2, api_key: sk-one}}\n"
        "  - {model_name: b, litellm_params: {model: openai/gpt-image-2, api_key: sk-two}}\n"
        "  - {model_name: c, litellm_params: {model: openai/gpt-image-2, api_key: os.environ/OPENAI_API_KEY}}\n"
    )
    found, told = settings(text, tmp_path)
    keys = [provider.api_key.reveal() for provider in found.providers.values() if provider.api_key]
    assert keys == [f"value-of-OPENAI_API_KEY{end}" for end in ("_2", "_3", "")]
    assert "set the environment variable OPENAI_API_KEY_2 to it" in told.stderr


def test_a_password_in_an_address_stays_behind(tmp_path: Path) -> None:
    """What stands before the host of an address is a secret: it is left out and said, without being repeated."""
    entries = entry("a", "openai/gpt-image-2", ', api_base: "https://me:hush@images.internal/v1"')
    found, told = settings(f"model_list:\n{entries}", tmp_path)
    assert found.providers["openai"].base_url == "https://images.internal/v1"
    assert "hush" not in told.output + (tmp_path / "made.yaml").read_text()


STRATEGIES = {
    "simple-shuffle": "weight_based",
    "latency-based-routing": "latency_based",
    "least-busy": "round_robin",
    "usage-based-routing": "round_robin",
    "cost-based-routing": "as_written",
    "of-ones-own": "as_written",
}


@pytest.mark.parametrize(("routing", "order"), STRATEGIES.items())
def test_a_strategy_becomes_an_order(routing: str, order: str, tmp_path: Path) -> None:
    """Each routing strategy becomes the order that comes nearest; what is only near is said."""
    entries = entry("a", "openai/gpt-image-2") + entry("a", "xai/grok-imagine-image")
    found, told = settings(f"model_list:\n{entries}router_settings: {{routing_strategy: {routing}}}\n", tmp_path)
    assert found.models["a"].order == order
    assert ("router_settings.routing_strategy: NOT" in told.stderr) is (order in {"round_robin", "as_written"})


def test_large_shares_fit(tmp_path: Path) -> None:
    """Shares beyond our largest weight keep their proportion."""
    entries = entry("a", "openai/gpt-image-2", ", rpm: 9000") + entry("a", "xai/grok-imagine-image", ", rpm: 900")
    found, _ = settings(f"model_list:\n{entries}", tmp_path)
    assert [target.weight for target in found.models["a"].chain] == [1000, 100]


def test_defaults_of_parameters_are_carried_where_they_fit(tmp_path: Path) -> None:
    """A default that no target knows, or that entries disagree on, is left out and said."""
    text = entry("a", "openai/gpt-image-2", ", quality: low, style: vivid") + entry("b", "xai/grok-imagine-image")
    text += entry("b", "openai/gpt-image-2", ", quality: low")
    found, told = settings(f"model_list:\n{text}", tmp_path)
    assert found.models["a"].params.model_dump(exclude_none=True) == {"quality": "low"}
    assert found.models["b"].params.model_dump(exclude_none=True) == {}
    assert "litellm_params.style: NOT carried over" in told.stderr
    assert "our defaults are of a whole model" in told.stderr


BAD: dict[str, Any] = {
    "no YAML": "model_list: [",
    "nothing of ours": "model_list: [{model_name: a, litellm_params: {model: openai/gpt-5}}]",
    "entries of nothing": "model_list: [1, text, {model_name: a}, {litellm_params: {model: openai/gpt-image-2}}]",
    "no list": "model_list: 7",
    "empty": "",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_cannot_be_imported_says_why(text: str, tmp_path: Path) -> None:
    """A file with no image model ends with 1 and a sentence that names it, and writes nothing."""
    source = tmp_path / "litellm.yaml"
    source.write_text(text)
    told = imported(source, tmp_path / "made.yaml")
    assert (told.exit_code, told.stdout) == (1, "")
    assert str(source) in told.stderr
    assert not (tmp_path / "made.yaml").exists()


def test_odd_values_are_no_crash(tmp_path: Path) -> None:
    """Values of the wrong kind are left out, and what can be read is."""
    text = (
        f"model_list:\n{entry('a', 'openai/gpt-image-2', ', timeout: soon, rpm: [1], weight: {}, order: x')}"
        "router_settings: {num_retries: many, timeout: -1, fallbacks: {a: b}, model_group_alias: [a]}\n"
        "litellm_settings: {fallbacks: [a, {a: b}, {z: [a]}], default_fallbacks: [a, q]}\n"
        "general_settings: [1]\nenvironment_variables: yes\n"
    )
    found, told = settings(text, tmp_path)
    assert [target.target for target in found.models["a"].chain] == ["openai/gpt-image-2"]
    assert "router_settings.num_retries: NOT carried over" in told.stderr


def test_an_output_that_exists_is_kept(tmp_path: Path) -> None:
    """Nothing is overwritten."""
    (tmp_path / "made.yaml").write_text("mine")
    told = imported(CONFIGS["quick-start"], tmp_path / "made.yaml")
    assert told.exit_code == 1
    assert (tmp_path / "made.yaml").read_text() == "mine"


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 100_000),
    st.floats(allow_nan=True),
    st.sampled_from(
        ["", "a b", "*", "os.environ/X", "os.environ/", "${X", "http://[", "é", "gpt-image-2", "x: y #", "[1]"]
    ),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["a", "model"]), st.integers(), max_size=2),
)
PARAMS = st.sampled_from(
    [
        "api_key",
        "api_version",
        "organization",
        "rpm",
        "tpm",
        "weight",
        "order",
        "timeout",
        "num_retries",
        "max_parallel_requests",
        "size",
        "quality",
        "response_format",
        "input_cost_per_image",
        "input_cost_per_pixel",
        "output_cost_per_token",
        "model_id",
        "aws_region_name",
        "aws_access_key_id",
        "vertex_project",
        "vertex_location",
        "litellm_credential_name",
        "tags",
    ]
)
NAMES = st.sampled_from(["a", "b", "openai/*", "a b", "é", "", "/x"])
MODELS = st.sampled_from([f"{prefix}/{name}" for prefix in (*PREFIXES, "other") for name in ("flux-image", "*", "")])
ENTRIES = st.fixed_dictionaries(
    {
        "model_name": NAMES,
        "litellm_params": st.tuples(MODELS, st.dictionaries(PARAMS, ODD, max_size=4)).map(
            lambda drawn: {"api_base": "https://images.example.com/v1", **drawn[1], "model": drawn[0]}
        ),
    },
    optional={
        "model_info": st.dictionaries(st.sampled_from(["mode", "base_model", "input_cost_per_token", "id"]), ODD),
        "rpm": ODD,
    },
)
SETTINGS = st.dictionaries(
    st.sampled_from(
        [
            "num_retries",
            "timeout",
            "request_timeout",
            "allowed_fails",
            "cooldown_time",
            "retry_after",
            "routing_strategy",
            "redis_host",
            "redis_port",
            "redis_password",
            "model_group_alias",
            "fallbacks",
            "default_fallbacks",
            "drop_params",
            "cache_params",
            "master_key",
            "max_parallel_requests",
            "disable_cooldowns",
        ]
    ),
    st.one_of(
        ODD,
        st.lists(st.dictionaries(NAMES, st.lists(NAMES, max_size=2), max_size=2), max_size=2),
        st.dictionaries(st.sampled_from(["c", "d e", "f*", "a"]), NAMES, max_size=3),
    ),
    max_size=6,
)


@limits(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries(
        {"model_list": st.lists(ENTRIES, min_size=1, max_size=4)},
        optional=dict.fromkeys(("router_settings", "litellm_settings", "general_settings"), SETTINGS),
    )
)
def test_whatever_is_imported_loads_or_says_why(tmp_path_factory: pytest.TempPathFactory, source: Any) -> None:
    """No source crashes the command: it ends in a configuration that loads, or in a sentence."""
    try:
        made = translated(yaml.safe_dump(source), "litellm.yaml", lambda _kind, _model: True)
    except ConfigError:
        return
    output = tmp_path_factory.getbasetemp() / "whatever.yaml"
    output.write_text(made.text)
    load(output, needed(output) | {"AZURE_API_BASE": "https://example.com", "X": "1"})
