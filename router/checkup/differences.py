"""What differs between two configurations, in words: what callers notice, and what ops do. Keys are never shown."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from router.checkup.findings import Audience, Difference
from router.checkup.values import Written, changes
from router.config.load import Loaded
from router.config.mistakes import listed, quoted
from router.config.model import ClientKey, ModelSettings, Settings, TargetSettings

_FOR_CALLERS = frozenset({"params", "partial", "resize", "heartbeat", "unconstrained", "timeout", "unsupported"})
_SERVER_FOR_CALLERS = frozenset(
    {"default_model", "disclose", "max_body", "max_json", "max_form_text", "max_image", "fetch_images", "idempotency"}
)
"""What a caller can tell by the answers."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two configurations, and their texts."""

    old: Settings
    new: Settings
    old_text: Written
    new_text: Written


def differences(old: Loaded, old_file: Path, new: Loaded, new_file: Path) -> Iterator[Difference]:
    """Everything that differs, models first."""
    pair = _Pair(old.settings, new.settings, Written.of(old.texts[old_file]), Written.of(new.texts[new_file]))
    yield from _models(pair)
    yield from _defaults(pair)
    yield from _providers(pair)
    yield from _server(pair)
    yield from _keys(pair)
    yield from _graphs(old, new)


def _callers(words: str) -> Difference:
    return Difference(Audience.CALLERS, words)


def _ops(words: str) -> Difference:
    return Difference(Audience.OPS, words)


def _models(pair: _Pair) -> Iterator[Difference]:
    before, after = pair.old.models, pair.new.models
    for name in (each for each in before if each not in after):
        yield _callers(f"model {quoted(name)} is gone: {_serving(name, after)}")
    for name, model in after.items():
        if name not in before:
            yield _callers(f"model {quoted(name)} is new: {_chain(model)}")
        else:
            yield from _model(pair, name)
    wild = [name for name in after if name in before and name.endswith("/*")]
    if wild != [name for name in before if name in wild]:
        yield _ops(f"wildcards are tried in another order: {', '.join(wild)}")


def _serving(name: str, models: Mapping[str, ModelSettings]) -> str:
    """What becomes of callers of a name that is no longer what it was."""
    for other, model in models.items():
        if name in (other, *model.aliases) or (other.endswith("/*") and name.startswith(other.removesuffix("*"))):
            return f"{quoted(other)} serves it now"
    return "who asks for it gets 404"


def _chain(model: ModelSettings) -> str:
    return " -> ".join(target.target for target in model.chain)


def _model(pair: _Pair, name: str) -> Iterator[Difference]:
    old, new = pair.old.models[name], pair.new.models[name]
    called = f"model {quoted(name)}"
    for alias in (each for each in new.aliases if each not in old.aliases):
        yield _callers(f"{called} is also {quoted(alias)}")
    for alias in (each for each in old.aliases if each not in new.aliases):
        heir = _serving(alias, pair.new.models)
        yield _callers(f"{called} is no longer also {quoted(alias)}: {heir}")
    yield from _chains(pair, name, called)
    place = ("models", name)
    for change in changes(old, new, place, pair.old_text, pair.new_text, but={"chain", "aliases"}):
        audience = Audience.CALLERS if change.place[2] in _FOR_CALLERS else Audience.OPS
        yield Difference(audience, f"{called}: {change.after(2)}")


def _chains(pair: _Pair, name: str, called: str) -> Iterator[Difference]:
    """Targets by name, the second of a name being another; then their order, then what each says besides."""
    before, after = _numbered(pair.old.models[name]), _numbered(pair.new.models[name])
    for key in before:
        if key not in after:
            yield _ops(f"{called} no longer asks {quoted(key[0])}")
    for at, key in enumerate(after, start=1):
        if key not in before:
            yield _ops(f"{called} also asks {quoted(key[0])}, as number {at} of {len(after)}")
    if [key for key in before if key in after] != [key for key in after if key in before]:
        yield _ops(f"{called} asks in another order: {_chain(pair.new.models[name])}")
    for key, (at, target) in after.items():
        if key in before:
            was, old = before[key]
            place = ("models", name, "chain")
            found = changes(old, target, (*place, at), pair.old_text, pair.new_text, old_place=(*place, was))
            yield from (_ops(f"{called}, target {quoted(target.target)}: {change.after(4)}") for change in found)


def _numbered(model: ModelSettings) -> dict[tuple[str, int], tuple[int, TargetSettings]]:
    """The members of a chain by their target, and which of that target's it is; with their place."""
    found: dict[tuple[str, int], tuple[int, TargetSettings]] = {}
    for at, target in enumerate(model.chain):
        found[target.target, sum(key[0] == target.target for key in found)] = (at, target)
    return found


def _defaults(pair: _Pair) -> Iterator[Difference]:
    for change in changes(pair.old.defaults, pair.new.defaults, ("defaults",), pair.old_text, pair.new_text):
        audience = Audience.CALLERS if change.place[1] in _FOR_CALLERS else Audience.OPS
        yield Difference(audience, f"every model that does not say otherwise: {change.after(1)}")


def _providers(pair: _Pair) -> Iterator[Difference]:
    before, after = pair.old.providers, pair.new.providers
    for name in before:
        if name not in after:
            yield _ops(f"provider {quoted(name)} is gone")
    for name, provider in after.items():
        if name not in before:
            at = f" at {provider.base_url}" if provider.base_url else ""
            yield _ops(f"provider {quoted(name)} is new: kind {provider.kind}{at}")
            continue
        found = changes(before[name], provider, ("providers", name), pair.old_text, pair.new_text)
        yield from (_ops(f"provider {quoted(name)}: {change.after(2)}") for change in found)


def _server(pair: _Pair) -> Iterator[Difference]:
    for change in changes(pair.old.server, pair.new.server, ("server",), pair.old_text, pair.new_text, but={"keys"}):
        audience = Audience.CALLERS if change.place[1] in _SERVER_FOR_CALLERS else Audience.OPS
        yield Difference(audience, f"server: {change.after(1)}")


def _keys(pair: _Pair) -> Iterator[Difference]:
    before = {key.name: (at, key) for at, key in enumerate(pair.old.server.keys)}
    after = {key.name: (at, key) for at, key in enumerate(pair.new.server.keys)}
    if bool(before) is not bool(after):
        yield _callers("a key is needed now" if after else "no key is needed any more")
    for name in before:
        if name not in after:
            yield _callers(f"key {quoted(name)} is gone: who uses it gets 401")
    for name, (at, key) in after.items():
        if name not in before:
            yield _callers(f"key {quoted(name)} is new: it may ask for {listed(key.models)}")
            continue
        was, old = before[name]
        yield from _key(pair, old, key, was, at)


def _key(pair: _Pair, old: ClientKey, new: ClientKey, was: int, at: int) -> Iterator[Difference]:
    called = f"key {quoted(new.name)}"
    if old.models != new.models:
        yield _callers(f"{called} may ask for {listed(new.models)}, not for {listed(old.models)}")
    place: tuple[Any, ...] = ("server", "keys")
    found = changes(
        old, new, (*place, at), pair.old_text, pair.new_text, old_place=(*place, was), but={"models", "name"}
    )
    yield from (_callers(f"{called}: {change.after(3)}") for change in found)


def _graphs(old: Loaded, new: Loaded) -> Iterator[Difference]:
    for name, graphs in new.graphs.items():
        before = old.graphs.get(name, {})
        for model in graphs:
            if model in before and before[model] != graphs[model]:
                yield _ops(f"provider {quoted(name)}: the workflow of {quoted(model)} draws differently")
