"""Everything built from one config, ready to serve: providers, routes, keys. Replaced whole, never changed."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import providers
from router.auth import Caller, Keys
from router.catalog import Catalog, Entry
from router.config.health import overlaid
from router.config.load import Loaded
from router.config.model import ModelSettings, Policies, ProviderSettings, Settings, TargetSettings, merge
from router.config.pictures import PartialResult
from router.config.workflows import equipped, known_as
from router.engine.handover import Handover
from router.engine.route import Backoff, Policy, Provider, Route, Target
from router.health.book import Rules
from router.health.budget import BudgetRules
from router.health.circuit import CircuitRules
from router.health.cooldown import CooldownRules
from router.images.store import PictureStore
from router.messages.errors import Refused
from router.messages.limits import BodyLimits
from router.wire.fetch import Fetcher
from router.wire.send import LocalSend, Wire
from router.wire.shared import SharedWires
from router.wire.transport import TransportSettings, build_transport


class Runtime:
    """What one config promises.

    A name is looked up as written, then as an alias, then with or without its maker's prefix (`dall-e-3` is
    `openai/dall-e-3`), then under the wildcards.
    """

    def __init__(self, loaded: Loaded, catalog: Catalog, wires: SharedWires | None = None) -> None:
        settings = loaded.settings
        self.version = loaded.text_hash
        self.pins = 0  # pieces of work that go by it
        self.retired = False  # by a newer one
        self.server = settings.server
        self.limits = BodyLimits.of(settings.server)
        self.keys = Keys.of(settings.server, loaded.keys)
        self._catalog = catalog
        self._graphs = loaded.graphs
        self._wires = wires if wires is not None else SharedWires()
        self._taken: list[Hashable] = []
        self.store = PictureStore.open(settings.server.store)
        self._fetcher = Fetcher(ca_files=_authorities(settings))
        self.images_fetcher = Fetcher(max_bytes=settings.server.max_image) if settings.server.fetch_images else None
        self.handover = Handover(self._fetcher, self.store, settings.server.store.lifetime)
        self._providers = {
            name: tuple(self._accounts(name, given, settings)) for name, given in settings.providers.items()
        }
        routes = {name: self._route(name, given, settings) for name, given in settings.models.items()}
        self._named = {name: route for name, route in routes.items() if not name.endswith("/*")}
        self._wildcards = {name: route for name, route in routes.items() if name.endswith("/*")}
        self._by_any_name = self._spellings(settings)
        rules = {name: _rules(settings, given) for name, given in settings.providers.items()}
        self.targets = targets = [target for route in routes.values() for target in route.targets]
        self.health_rules: Mapping[str, Rules] = {target.key: rules[target.provider.name] for target in targets}
        self.budget_rules: Mapping[str, BudgetRules] = {
            target.account: BudgetRules(
                **dict(overlaid(settings.defaults.retry_budget, settings.providers[target.provider.name].retry_budget))
            )
            for target in targets
        }

    def retirements(self) -> tuple[Mapping[str, date], Mapping[str, date]]:
        """When what will go goes: by model, its name or the first of its targets, and by target."""
        targets = {each.name: each.retires for _, route in self.named() for each in route.targets if each.retires}
        models = {}
        for name, route in self.named():
            promised = route.entry.retires if route.entry is not None else None
            if dates := [each for each in (promised, *(target.retires for target in route.targets)) if each]:
                models[name] = min(dates)
        return models, targets

    def named(self) -> Iterator[tuple[str, Route]]:
        """The models that have a name of their own, in the config's order."""
        return iter(self._named.items())

    def routes(self) -> Iterator[tuple[str, Route]]:
        """Every route by its name, wildcards too."""
        return iter((self._named | self._wildcards).items())

    def entry(self, model: str) -> Entry | None:
        """What the catalogue promises callers of a name; None where nothing is, or ops declared it unconstrained."""
        route = self._find(model)
        return route.entry if route is not None else self._catalog.entry(model)

    def require(self, model: str, caller: Caller, param: str) -> Route:
        """The route of a model that this caller may use.

        Raises:
            Refused: 404 `model_not_found`, 403 `model_not_allowed`.
        """
        route = self._find(model)
        if route is None:
            words = f"there is no model {model[:200]!r} here; GET /v1/models lists those there are"
            raise Refused(404, "model_not_found", words, param=param)
        if not (caller.may(model) or caller.may(route.name)):
            words = f"this key may not use the model {model[:200]!r}; ask for one of the models it lists"
            raise Refused(403, "model_not_allowed", words, param=param)
        return route

    async def aclose(self) -> None:
        """Close every connection to the backends that no other config uses."""
        for made_of in self._taken:
            await self._wires.give_back(made_of)
        await self._fetcher.aclose()
        if self.images_fetcher is not None:
            await self.images_fetcher.aclose()
        await self.store.aclose()

    def _find(self, model: str) -> Route | None:
        return self._by_any_name.get(model) or self._wild(model)

    def _wild(self, model: str) -> Route | None:
        for pattern, route in self._wildcards.items():
            prefix = pattern.removesuffix("*")
            if model.startswith(prefix) and len(model) > len(prefix):
                rest = model.removeprefix(prefix)
                targets = tuple(self._concrete(target, rest) for target in route.targets)
                return replace(route, targets=targets, entry=self._catalog.entry(model))
        return None

    def _concrete(self, target: Target, model: str) -> Target:
        """A wildcard's target for one model. Its name stays the pattern: labels come from the config only."""
        if target.model != "*":
            return target
        price = target.price or self._catalog.price(target.provider.kind, model)
        dialect = target.provider.adapter.dialect(model)
        return replace(target, model=model, dialect=dialect, price=price, retires=self._retires(target.provider, model))

    def _retires(self, provider: Provider, model: str) -> date | None:
        known = self._catalog.backend(provider.kind, model)
        return known.retires if known is not None else None

    def _spellings(self, settings: Settings) -> Mapping[str, Route]:
        found = dict(self._named)
        for name, given in settings.models.items():
            for alias in given.aliases:
                entry = self._catalog.entry(alias) or self._named[name].entry
                found[alias] = replace(self._named[name], entry=None if given.unconstrained else entry)
        for name, route in list(found.items()):
            if (entry := self._catalog.entry(name)) is not None:
                found.setdefault(entry.id, route)
                if entry.owner == "openai":
                    found.setdefault(entry.bare, route)
        return found

    def _accounts(self, name: str, given: ProviderSettings, settings: Settings) -> Iterator[Provider]:
        """The accounts of a provider: one for each of its keys."""
        keys = [secret.reveal() for secret in given.api_keys]
        if not keys:
            yield self._provider(name, given, settings, given.api_key.reveal() if given.api_key is not None else None)
        for number, key in enumerate(keys, start=1):
            yield replace(self._provider(name, given, settings, key), number=number)

    def _provider(self, name: str, given: ProviderSettings, settings: Settings, key: str | None) -> Provider:
        adapter = equipped(providers.load(given.kind), self._graphs.get(name))
        if adapter.local is not None:
            return Provider(name=name, kind=given.kind, adapter=adapter, send=LocalSend(adapter), options=given.options)
        base_url = given.base_url or adapter.base_url
        assert base_url is not None  # noqa: S101 - the config was checked for it
        connection = TransportSettings(
            transport=given.transport,
            connect_timeout=given.connect_timeout or settings.defaults.connect_timeout,
            pool_size=given.pool_size,
            ca_file=given.ca_file,
        )
        made_of = (name, given.kind, base_url, key, connection, given.send_traceparent)
        wire = self._wires.take(
            made_of,
            lambda: Wire(adapter, base_url, key, build_transport(connection), traced=given.send_traceparent),
        )
        self._taken.append(made_of)
        return Provider(
            name=name,
            kind=given.kind,
            adapter=adapter,
            send=wire,
            base_url=base_url,
            options=given.options,
            link_life=given.link_life if given.link_life is not None else adapter.link_life,
            insecure_links=given.insecure_links,
        )

    def _route(self, name: str, given: ModelSettings, settings: Settings) -> Route:
        policies = merge(settings.defaults, given)
        return Route(
            name=name,
            targets=tuple(each for target in given.chain for each in self._targets(target, merge(policies, target))),
            policy=_policy(policies),
            params=given.params.asked(),
            entry=None if given.unconstrained else self._catalog.entry(name),
            partial=given.partial is PartialResult.ALLOW,
            resize=given.resize,
            heartbeat=given.heartbeat,
            order=given.order,
            exercise=given.exercise,
            accounts=any(len(self._providers[target.provider]) > 1 for target in given.chain),
        )

    def _targets(self, given: TargetSettings, policies: Policies) -> Iterator[Target]:
        """A member of a chain, at each account of its provider."""
        really = given.like or given.model
        for provider in self._providers[given.provider]:
            price = given.price.price if given.price is not None else self._catalog.price(provider.kind, really)
            yield Target(
                name=given.target,
                provider=provider,
                model=given.model,
                dialect=provider.adapter.dialect(known_as(given, self._graphs)),
                policy=_policy(policies),
                price=price,
                retires=self._retires(provider, really),
                weight=given.weight,
            )


def _authorities(settings: Settings) -> Mapping[str, Path]:
    """The certificates to trust at each provider's own address."""
    given = settings.providers.values()
    return {each.base_url: each.ca_file for each in given if each.base_url is not None and each.ca_file is not None}


def _rules(settings: Settings, given: ProviderSettings) -> Rules:
    return Rules(
        circuit=CircuitRules(**dict(overlaid(settings.defaults.circuit, given.circuit))),
        cooldown=CooldownRules(**dict(overlaid(settings.defaults.cooldown, given.cooldown))),
    )


def _policy(policies: Policies) -> Policy:
    retry = policies.retry
    return Policy(
        timeout=policies.timeout,
        attempt_timeout=policies.attempt_timeout,
        strictness=policies.unsupported,
        retry=Backoff(
            count=retry.count,
            on_codes=retry.on_codes,
            first=retry.backoff,
            longest=retry.backoff_max,
        ),
        fallback_on=policies.fallback_on,
        max_billable_attempts=policies.max_billable_attempts,
        side_by_side=policies.side_by_side,
        max_concurrency=policies.max_concurrency,
        queue_wait=policies.queue_wait,
        caller_backoff=policies.caller_backoff,
    )
