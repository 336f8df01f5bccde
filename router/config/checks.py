"""What no single value can be wrong about: providers that are named exist, names are unique, keys are where needed."""

from collections.abc import Iterator, Mapping, Set as AbstractSet
from dataclasses import dataclass
from fnmatch import fnmatchcase

import providers
from providers.base import Adapter
from providers.dialect import Dialect, parameter_name
from router.config import states
from router.config.mistakes import Place, quoted, suggestion
from router.config.model import ModelSettings, ProviderSettings, Server, Settings, Store, TargetSettings
from router.config.workflows import Graphs, equipped, known_as

_NOT_THE_TARGETS = {"response_format"}
"""Parameters that the router itself fulfils, whatever the target."""

_SHORTEST_LIFETIME = 60.0
_SHORTEST_SIGNING_KEY = 16


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at a place: at its key, or at its value. `grave` findings keep the config from being used."""

    place: Place
    message: str
    at_key: bool = False
    grave: bool = True


def check(settings: Settings, written: AbstractSet[Place], graphs: Mapping[str, Graphs]) -> Iterator[Finding]:
    """Everything wrong across the file.

    `written` are all places the file has, also those cut for their mistakes; `graphs` those that could be read.
    """
    adapters: dict[str, Adapter] = {}
    for name, provider in settings.providers.items():
        try:
            adapters[name] = equipped(providers.load(provider.kind), graphs.get(name))
        except LookupError as error:
            hint = suggestion(provider.kind, providers.kinds())
            message = f"no kind {quoted(provider.kind)}{hint}" if hint else str(error)
            yield Finding(("providers", name, "kind"), message)
    users = chains_by_provider(settings)
    for name, adapter in adapters.items():
        yield from _provider(name, settings.providers[name], adapter, users.get(name), written)
    known = {str(place[1]) for place in written if len(place) == 2 and place[0] == "providers"}
    for name, model in settings.models.items():
        yield from _model_name(name, model)
        for index, target in enumerate(model.chain):
            yield from _target(name, index, target, known)
            yield from _workflow(("models", name, "chain", index), target, settings.providers.get(target.provider))
        yield from _params(name, model, adapters, graphs)
    yield from _aliases(settings.models)
    yield from _server(settings.server, settings.models, written)
    yield from _state(settings.server.state.reveal())
    yield from _store(settings.server.store)


def chains_by_provider(settings: Settings) -> dict[str, str]:
    """Provider -> the first model whose chain uses it."""
    users: dict[str, str] = {}
    for name, model in settings.models.items():
        for target in model.chain:
            users.setdefault(target.provider, name)
    return users


def _provider(
    name: str,
    provider: ProviderSettings,
    adapter: Adapter,
    user: str | None,
    written: AbstractSet[Place],
) -> Iterator[Finding]:
    here: Place = ("providers", name)
    given = {str(place[2]) for place in written if len(place) == 3 and place[:2] == here}
    # a misspelt key has been told already
    given |= {key for key in ("api_key", "base_url") if any(suggestion(each, [key]) for each in given)}
    kind = f"kind {quoted(provider.kind)}"
    if adapter.local is not None and provider.base_url is not None:
        yield Finding((*here, "base_url"), f"{kind} draws inside the router and has no address: remove it")
    if adapter.local is None and adapter.base_url is None and "base_url" not in given:
        yield Finding(here, f"{kind} has no usual address: add 'base_url'", at_key=True)
    if adapter.auth is None and (*here, "api_key") in written:
        yield Finding((*here, "api_key"), f"{kind} takes no key: remove it")
    # an address of one's own, in place of the usual one, may be a server that asks for no key
    own_server = "base_url" in given and adapter.base_url is not None
    if provider.api_key is not None and provider.api_keys:
        yield Finding((*here, "api_keys"), "give either 'api_key' or 'api_keys', not both")
    if adapter.auth is not None and not own_server and not given & {"api_key", "api_keys"}:
        need = f"and model {quoted(user)} uses it" if user else "though no chain uses it yet"
        message = f"{kind} needs a key, {need}: add 'api_key'"
        yield Finding(here, message, at_key=True, grave=user is not None)
    for option in provider.options:
        if option not in adapter.options:
            legal = f": its options are {', '.join(adapter.options)}" if adapter.options else ": it has none"
            hint = suggestion(option, adapter.options) or legal
            yield Finding((*here, "options", option), f"{kind} has no option {quoted(option)}{hint}", at_key=True)
    if provider.workflows and adapter.workflows is None:
        yield Finding((*here, "workflows"), f"{kind} runs no workflows: remove them", at_key=True)
    if provider.ca_file is not None and not provider.ca_file.is_file():
        yield Finding((*here, "ca_file"), "no such file: name one with certificates in PEM")


def _model_name(name: str, model: ModelSettings) -> Iterator[Finding]:
    wildcard = name.endswith("/*")
    if wildcard and model.aliases:
        message = "a wildcard stands for many models, so it can have no aliases: remove them"
        yield Finding(("models", name, "aliases"), message)
    if wildcard and not any(target.model == "*" for target in model.chain):
        message = "a wildcard whose chain serves one model only: write a target such as openai/*, or name the model"
        yield Finding(("models", name, "chain"), message)


def _target(name: str, index: int, target: TargetSettings, known: AbstractSet[str]) -> Iterator[Finding]:
    here: Place = ("models", name, "chain", index)
    if target.provider not in known:
        hint = suggestion(target.provider, known) or f": the providers are {', '.join(sorted(known))}"
        yield Finding(here, f"no provider {quoted(target.provider)}{hint}")
    if target.model == "*" and not name.endswith("/*"):
        message = f"{quoted(target.target)} needs a wildcard for its model's name, such as {quoted('openai/*')}"
        yield Finding(here, f"{message}: name one model of the provider")
    if target.like is not None and target.model == "*":
        yield Finding((*here, "like"), "a wildcard target is many models, so it is like no single one: remove it")
    elif target.like is not None and target.like == target.model:
        yield Finding((*here, "like"), f"{quoted(target.like)} is the target's own model: remove it")
    if target.price is not None and target.price.image is None and target.price.tokens is None:
        yield Finding((*here, "price"), "a price of nothing: add 'image' or 'tokens', or remove it")


def _workflow(here: Place, target: TargetSettings, provider: ProviderSettings | None) -> Iterator[Finding]:
    """A model of a provider with workflows that has none."""
    if provider is None or not provider.workflows or target.model in {*provider.workflows, "*"}:
        return
    known = sorted(provider.workflows)
    hint = suggestion(target.model, known) or f": it has them for {', '.join(known)}"
    yield Finding(here, f"provider {quoted(target.provider)} has no workflow for {quoted(target.model)}{hint}")


def _params(
    name: str, model: ModelSettings, adapters: Mapping[str, Adapter], graphs: Mapping[str, Graphs]
) -> Iterator[Finding]:
    """Default parameters that no target of the chain can express."""
    if any(target.provider not in adapters for target in model.chain):
        return
    dialects = [adapters[target.provider].dialect(known_as(target, graphs)) for target in model.chain]
    for parameter, value in model.params.asked().items():
        if parameter in _NOT_THE_TARGETS or any(_takes(dialect, parameter, value) for dialect in dialects):
            continue
        said = parameter_name(parameter)
        known = any(dialect.rule(parameter, operation) for dialect in dialects for operation in dialect.operations)
        why = f"no target of the chain knows {quoted(str(value))}" if known else f"no target of the chain has a {said}"
        yield Finding(("models", name, "params", said), f"{why}: remove it, or add a target that does")


def _takes(dialect: Dialect, parameter: str, value: object) -> bool:
    rules = (dialect.rule(parameter, operation) for operation in dialect.operations)
    return any(rule is not None and rule(value) is not None for rule in rules)


def _aliases(models: Mapping[str, ModelSettings]) -> Iterator[Finding]:
    owners = {name: name for name in models}
    for name, model in models.items():
        for index, alias in enumerate(model.aliases):
            if alias in owners:
                what = "a model" if alias in models else f"an alias of {quoted(owners[alias])}"
                yield Finding(("models", name, "aliases", index), f"{quoted(alias)} is already {what}: choose another")
            owners.setdefault(alias, name)


def _state(state: str) -> Iterator[Finding]:
    """Told without the value, which may hold a password."""
    if not states.known(state):
        yield Finding(("server", "state"), f"no store is named so: write {states.FORMS}")


def _server(server: Server, models: Mapping[str, ModelSettings], written: AbstractSet[Place]) -> Iterator[Finding]:
    known = {str(place[1]) for place in written if len(place) == 2 and place[0] == "models"}
    if server.default_model is not None and server.default_model not in known:
        hint = suggestion(server.default_model, known) or ": name one of 'models'"
        yield Finding(("server", "default_model"), f"no model {quoted(server.default_model)}{hint}")
    elif server.default_model is not None and server.default_model.endswith("/*"):
        yield Finding(("server", "default_model"), "a wildcard is no single model: name one of 'models'")
    if server.open and server.keys:
        message = "has no effect while there are keys: remove it, or the keys"
        yield Finding(("server", "open"), message, grave=False)
    if server.spool_dir is not None and not server.spool_dir.is_dir():
        yield Finding(("server", "spool_dir"), "no such directory: create it, or name another")
    names: dict[str, int] = {}
    owners: dict[str, str] = {}
    callable_names = {*known, *(alias for model in models.values() for alias in model.aliases)}
    for index, key in enumerate(server.keys):
        here: Place = ("server", "keys", index)
        if names.setdefault(key.name, index) != index:
            yield Finding((*here, "name"), f"{quoted(key.name)} already names another key: choose another name")
        if key.key is not None and owners.setdefault(key.key.reveal(), key.name) != key.name:
            owner = quoted(owners[key.key.reveal()])
            yield Finding((*here, "key"), f"the same key as that of {owner}: give each client its own")
        for nth, pattern in enumerate(key.models):
            if not any(_may_match(pattern, name) for name in callable_names):
                hint = suggestion(pattern, callable_names)
                message = f"{quoted(pattern)} matches no model{hint}: this client gains nothing by it"
                yield Finding((*here, "models", nth), message, grave=False)


def _store(store: Store) -> Iterator[Finding]:
    here: Place = ("server", "store")
    in_cloud = store.url is not None and "://" in store.url
    if store.options and not in_cloud:
        yield Finding((*here, "options"), "a directory has no options: remove them, or name a bucket in 'url'")
    if store.lifetime < _SHORTEST_LIFETIME:
        yield Finding((*here, "lifetime"), "a link that ends within a minute helps nobody: give it 1m or more")
    if store.signing_keys and in_cloud:
        message = "have no effect: a bucket's links are signed with its own key, so remove them"
        yield Finding((*here, "signing_keys"), message, grave=False)
    for index, key in enumerate(store.signing_keys):
        if len(key.reveal()) < _SHORTEST_SIGNING_KEY:
            message = f"can be guessed: give it {_SHORTEST_SIGNING_KEY} characters or more"
            yield Finding((*here, "signing_keys", index), message)


def _may_match(pattern: str, name: str) -> bool:
    """Whether a key's pattern can match a model's name; of a wildcard only the prefix is known."""
    return fnmatchcase(name, pattern) or (name.endswith("/*") and pattern.startswith(name[:-1]))
