"""The examples: each file loads, and every model in it is served by each of its targets, over real sockets."""

import asyncio
import contextlib
import re
from collections.abc import Iterator, Mapping
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import httpx
import pytest
import yaml
from backends import Status, volcengine
from backends.google import PROJECT
from pictures import png
from serving import ROOT, serving
from test_chains_across_kinds import BACKENDS, KEYS

import providers
from providers.base import Operation
from providers.dialect import Dialect
from router import shipped
from router.catalog import load_catalog
from router.config.load import load
from router.config.model import Settings, TargetSettings
from router.wire import conversation

EXAMPLES = {path.stem: path for path in sorted(shipped.path("examples").glob("*.yaml"))}
MODELS = [
    (name, model)
    for name, path in EXAMPLES.items()
    for model in yaml.load(path.read_text(), yaml.CSafeLoader)["models"]
]
WILD = {"openai/*": "openai/gpt-image-2.5-flare"}
PATHS = {Operation.GENERATE: "generations", Operation.EDIT: "edits", Operation.VARIATION: "variations"}
REFERENCE = re.compile(r"\$\{(\w+)(:-)?")
LASTING = date(2027, 1, 1)
CATALOG = load_catalog()


def needed(path: Path) -> dict[str, str]:
    """A value for each environment variable that a file needs."""
    names = {name for name, default in REFERENCE.findall(path.read_text()) if not default}
    values = {name: "https://example.com" if name.endswith("_ENDPOINT") else f"value-of-{name}" for name in names}
    return values | {name: PROJECT for name in names if name.endswith("_PROJECT")}


class Example(NamedTuple):
    """An example that is served: where, by which backends, and what it says."""

    url: str
    backends: Mapping[str, Any]
    settings: Settings

    def chain(self, model: str) -> list[tuple[TargetSettings, Dialect]]:
        """A model's targets, and what each accepts."""
        kinds = {name: providers.load(provider.kind) for name, provider in self.settings.providers.items()}
        asked = WILD.get(model, model).rpartition("/")[2]
        found = []
        for target in self.settings.models[model].chain:
            really = asked if target.model == "*" else target.like or target.model
            found.append((target, kinds[target.provider].dialect(really)))
        return found

    def operation(self, model: str) -> Operation:
        """What the model is there for: all draw but those made for edits alone."""
        draws = any(Operation.GENERATE in dialect.operations for _, dialect in self.chain(model))
        return Operation.GENERATE if draws else Operation.EDIT

    def forget(self) -> None:
        """Empty the backends' ledgers."""
        for backend in self.backends.values():
            backend.ledger.clear()

    def billed(self) -> dict[str, int]:
        """How many calls each provider has charged for, of those that have."""
        counts = {name: len(backend.ledger.billed) for name, backend in self.backends.items()}
        return {name: count for name, count in counts.items() if count}

    def ask(self, model: str, operation: Operation = Operation.GENERATE, **fields: str) -> httpx.Response:
        """One request, with a key that may make it."""
        name = WILD.get(model, model)
        may = (key for key in self.settings.server.keys if any(fnmatchcase(name, each) for each in key.models))
        headers = {"authorization": f"Bearer {next(may).key.reveal()}"}
        address = f"{self.url}/v2/router/images/{PATHS[operation]}"
        body = {"model": name, "prompt": "a red kite", **fields}
        if operation is Operation.GENERATE:
            return httpx.post(address, json=body, headers=headers, timeout=30)
        if operation is Operation.VARIATION:
            del body["prompt"]
        files = {"image": ("a.png", png(512, 512), "image/png")}
        if model == "inpaint":
            files["mask"] = ("m.png", png(512, 512, alpha=True), "image/png")
        return httpx.post(address, data=body, files=files, headers=headers, timeout=30)


@contextlib.contextmanager
def running(path: Path, directory: Path) -> Iterator[Example]:
    """An example as it stands, but for the backends' addresses and keys and the length of pauses."""
    config, environ = yaml.load(path.read_text(), yaml.CSafeLoader), needed(path)
    with contextlib.ExitStack() as stack:
        backends = {name: stack.enter_context(BACKENDS[each["kind"]]()) for name, each in config["providers"].items()}
        for name, provider in config["providers"].items():
            provider["base_url"] = backends[name].url
            if provider["kind"] in KEYS:
                provider["api_key"] = KEYS[provider["kind"]]
            if "project" in provider.get("options", {}):
                provider["api_key"] = backends[name].service_account
        config.setdefault("defaults", {}).setdefault("retry", {}).update(backoff="1ms", backoff_max="1ms")
        url = stack.enter_context(serving(config, directory, environ))
        yield Example(url, backends, load(directory / "router.yaml", environ).settings)


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Example]:
    """The example of that name on a router of its own, which remembers no failures of another test.

    Polls do not wait, and BytePlus has Ark's models by its own names.
    """

    async def at_once(_: float) -> None:
        await asyncio.sleep(0)

    own = {name.removeprefix("doubao-"): rules for name, rules in volcengine.MODELS.items()}
    monkeypatch.setattr(volcengine, "MODELS", own | volcengine.MODELS)
    monkeypatch.setattr(conversation, "asyncio", SimpleNamespace(sleep=at_once, timeout=asyncio.timeout))
    with running(EXAMPLES[request.param], tmp_path) as found:
        yield found


@pytest.mark.parametrize("path", EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_loads_with_what_its_head_asks_for(path: Path) -> None:
    """It has no mistakes and no warnings once the variables that its first comment names are set."""
    head = path.read_text().partition("\n\n")[0]
    assert {name for name in needed(path) if not re.search(rf"\b{name}\b", head)} == set()
    assert load(path, needed(path)).warnings == ()


@pytest.mark.parametrize("path", EXAMPLES.values(), ids=EXAMPLES)
def test_no_example_is_built_on_what_retires_soon(path: Path) -> None:
    """Each target is a model that lasts, as far as the catalogue knows."""
    settings = load(path, needed(path)).settings
    entries = {
        target.target: CATALOG.backend(settings.providers[target.provider].kind, target.like or target.model)
        for model in settings.models.values()
        for target in model.chain
    }
    assert {name for name, entry in entries.items() if entry and entry.retires and entry.retires < LASTING} == set()


@pytest.mark.parametrize(("example", "model"), MODELS, indirect=["example"], ids=map(" ".join, MODELS))
def test_each_target_serves_when_those_before_it_are_down(example: Example, model: str) -> None:
    """The first target draws; when it is overloaded the second does, and so on to the last; one call is billed."""
    operation, chain = example.operation(model), example.chain(model)
    for place, (target, dialect) in enumerate(chain):
        assert operation in dialect.operations
        example.forget()
        for before, _ in chain[:place]:
            example.backends[before.provider].script(Status(503))  # not retried: the router fails over first
        answer = example.ask(model, operation)
        assert answer.status_code == 200, (target.target, answer.text)
        told = (answer.headers["x-router-model"], answer.headers["x-router-attempts"])
        assert told == (target.target, str(place + 1))
        assert {"url", "b64_json"} & answer.json()["data"][0].keys()
        assert example.billed() == {target.provider: 1}


def test_cost_first_climbs() -> None:
    """No target is cheaper than the one before it, and every price is known."""
    path = EXAMPLES["cost-first"]
    settings = load(path, needed(path)).settings
    for name, model in settings.models.items():
        prices = []
        for target in model.chain:
            price = target.price.price if target.price else None
            price = price or CATALOG.price(settings.providers[target.provider].kind, target.model)
            assert price is not None, (name, target.target)
            prices += [min((image.usd for image in price.images), default=0.0)]
        assert prices == sorted(prices), name


def test_retired_names_are_served_by_their_successors() -> None:
    """Every name among the living models is one that retires, and the catalogue's successor is asked first."""
    path = EXAMPLES["living-models"]
    for name, model in load(path, needed(path)).settings.models.items():
        entry = CATALOG.entry(name)
        assert entry is not None
        assert entry.retires is not None, name
        assert entry.retires < LASTING, name
        assert entry.successor == f"{entry.owner}/{model.chain[0].model}", name


OLD = {
    "dall-e-2 draws": ("dall-e-2", Operation.GENERATE, {"size": "256x256", "response_format": "url"}),
    "dall-e-2 edits": ("dall-e-2", Operation.EDIT, {"size": "256x256"}),
    "dall-e-2 varies": ("dall-e-2", Operation.VARIATION, {"size": "512x512"}),
    "dall-e-3 draws": ("dall-e-3", Operation.GENERATE, {"size": "1792x1024", "style": "vivid", "quality": "hd"}),
    "gpt-image-1 draws": ("gpt-image-1", Operation.GENERATE, {"size": "1536x1024", "background": "transparent"}),
    "gpt-image-1 edits": ("gpt-image-1", Operation.EDIT, {"size": "1024x1536", "input_fidelity": "high"}),
}


@pytest.mark.parametrize("example", ["living-models"], indirect=True)
@pytest.mark.parametrize(("model", "operation", "fields"), OLD.values(), ids=OLD)
def test_old_clients_get_what_they_have_always_got(
    example: Example, model: str, operation: Operation, fields: Mapping[str, str]
) -> None:
    """A request in the words of a retired model is answered in its form: these pixels, and links from DALL-E."""
    answer = example.ask(model, operation, **fields)
    assert answer.status_code == 200, answer.text
    assert answer.json()["size"] == fields["size"]
    assert ("url" in answer.json()["data"][0]) is model.startswith("dall-e")


@pytest.mark.parametrize("example", ["china-and-international"], indirect=True)
def test_a_key_for_one_side_cannot_ask_the_other(example: Example) -> None:
    """The keys of China and of the world are refused each other's models, and nothing is sent."""
    keys = {key.name: key.key.reveal() for key in example.settings.server.keys}
    for side, other in (("china", "world/qwen-image"), ("world", "china/qwen-image"), ("world", "qwen-image")):
        answer = httpx.post(
            f"{example.url}/v2/router/images/generations",
            json={"model": other, "prompt": "a red kite"},
            headers={"authorization": f"Bearer {keys[side]}"},
        )
        assert answer.status_code == 403, answer.text
    assert not any(len(backend.ledger) for backend in example.backends.values())


def test_a_chain_of_one_side_stays_there() -> None:
    """What is named for China uses Chinese accounts alone, what is named for the world none of them."""
    path = EXAMPLES["china-and-international"]
    used: dict[str, set[str]] = {"china": set(), "world": set()}
    for name, model in load(path, needed(path)).settings.models.items():
        used.setdefault(name.partition("/")[0], set()).update(target.provider for target in model.chain)
    assert used["china"] & used["world"] == set()
    assert all(used[side] for side in ("china", "world"))


def test_the_readme_names_every_example() -> None:
    """A file that nobody is told of helps nobody."""
    readme = (ROOT / "README.md").read_text()
    assert {name for name in EXAMPLES if f"(config/examples/{name}.yaml)" not in readme} == set()
