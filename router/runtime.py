"""Everything built from one config, ready to serve: providers, routes, keys. Replaced whole, never changed."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import providers
from router.auth import Caller, Keys
from router.catalog import Catalog, Entry
from router.config.load import Loaded
from router.config.model import ModelSettings, Policies, ProviderSettings, Settings, TargetSettings, merge
from router.config.pictures import PartialResult
from router.engine.balance import Balance
from router.engine.handover import Handover
from router.engine.route import Backoff, Policy, Provider, Route, Target
from router.images.store import PictureStore, StoreFailed
from router.messages.errors import Refused
from router.messages.limits import BodyLimits
from router.observe import logs
from router.observe.metrics import Metrics
from router.wire.fetch import Fetcher
from router.wire.send import LocalSend, Wire
from router.wire.transport import TransportSettings, build_transport

_SWEEP_EVERY = 300.0  # seconds between two looks for pictures whose links have ended


class Runtime:
    """What one config promises.

    A name is looked up as written, then as an alias, then with or without its maker's prefix (`dall-e-3` is
    `openai/dall-e-3`), then under the wildcards.
    """

    def __init__(self, loaded: Loaded, catalog: Catalog) -> None:
        settings = loaded.settings
        self.version = loaded.text_hash
        self.server = settings.server
        self.limits = BodyLimits.of(settings.server)
        self.keys = Keys((key.key.reveal(), Caller(key.name, key.models)) for key in settings.server.keys)
        self._catalog = catalog
        self._wires: list[Wire] = []
        self.store = PictureStore.open(settings.server.store)
        self._fetcher = Fetcher(ca_files=_authorities(settings))
        self.images_fetcher = Fetcher(max_bytes=settings.server.max_image) if settings.server.fetch_images else None
        self.handover = Handover(self._fetcher, self.store, settings.server.store.lifetime)
        self._providers = {name: self._provider(name, given, settings) for name, given in settings.providers.items()}
        routes = {name: self._route(name, given, settings) for name, given in settings.models.items()}
        self._named = {name: route for name, route in routes.items() if not name.endswith("/*")}
        self._wildcards = {name: route for name, route in routes.items() if name.endswith("/*")}
        self._by_any_name = self._spellings(settings)

    def named(self) -> Iterator[tuple[str, Route]]:
        """The models that have a name of their own, in the config's order."""
        return iter(self._named.items())

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
        """Close every connection to the backends."""
        for wire in self._wires:
            await wire.aclose()
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
        return replace(target, model=model, dialect=dialect, price=price)

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

    def _provider(self, name: str, given: ProviderSettings, settings: Settings) -> Provider:
        adapter = providers.load(given.kind)
        if adapter.local is not None:
            return Provider(name=name, kind=given.kind, adapter=adapter, send=LocalSend(adapter), options=given.options)
        transport = build_transport(
            TransportSettings(
                transport=given.transport,
                connect_timeout=given.connect_timeout or settings.defaults.connect_timeout,
                pool_size=given.pool_size,
                ca_file=given.ca_file,
            ),
        )
        base_url = given.base_url or adapter.base_url
        key = given.api_key.reveal() if given.api_key is not None else None
        assert base_url is not None  # noqa: S101 - the config was checked for it
        wire = Wire(adapter, base_url, key, transport)
        self._wires.append(wire)
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
            targets=tuple(self._target(target, merge(policies, target)) for target in given.chain),
            policy=_policy(policies),
            params=given.params.asked(),
            entry=None if given.unconstrained else self._catalog.entry(name),
            partial=given.partial is PartialResult.ALLOW,
            resize=given.resize,
            heartbeat=given.heartbeat,
        )

    def _target(self, given: TargetSettings, policies: Policies) -> Target:
        provider = self._providers[given.provider]
        really = given.like or given.model
        price = given.price.price if given.price is not None else self._catalog.price(provider.kind, really)
        return Target(
            name=given.target,
            provider=provider,
            model=given.model,
            dialect=provider.adapter.dialect(really),
            policy=_policy(policies),
            price=price,
        )


@dataclass(slots=True)
class Service:
    """The running router: the runtime of the moment, and what outlives it."""

    runtime: Runtime
    metrics: Metrics = field(default_factory=Metrics)
    rng: random.Random = field(default_factory=random.SystemRandom)
    balance: Balance = field(init=False)

    def __post_init__(self) -> None:
        """The balance draws from the service's own source of chance."""
        self.balance = Balance(self.rng)

    async def sweep(self) -> None:
        """Delete pictures whose links have ended, for as long as the router runs."""
        await self.runtime.store.run_sweeper(_SWEEP_EVERY, _not_swept)

    async def aclose(self) -> None:
        """Let go of every connection."""
        await self.runtime.aclose()


def _not_swept(why: StoreFailed) -> None:
    logs.logger().warning("the picture store was not swept", reason=str(why))


def _authorities(settings: Settings) -> Mapping[str, Path]:
    """The certificates to trust at each provider's own address."""
    given = settings.providers.values()
    return {each.base_url: each.ca_file for each in given if each.base_url is not None and each.ca_file is not None}


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
        caller_backoff=policies.caller_backoff,
    )
