"""LiteLLM's groups, fallbacks and aliases to our models: members of one name become one chain."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import providers
from router.config.mistakes import Place, quoted
from router.config.model import Params
from router.migrate.draft import Draft
from router.migrate.members import Member

_HARDLY_EVER = 0.000001
"""The weight of a target that is only to be asked after the others; it must have one."""

_HEAVIEST = 1000.0
_STRATEGIES: Mapping[str, tuple[str, str]] = {
    "simple-shuffle": ("weight_based", ""),
    "latency-based-routing": ("latency_based", ""),
    "least-busy": ("round_robin", "in turn comes nearest: the router does not ask by who is least busy"),
    "usage-based-routing": ("round_robin", "in turn comes nearest: the router counts no usage by the minute"),
    "usage-based-routing-v2": ("round_robin", "in turn comes nearest: the router counts no usage by the minute"),
    "cost-based-routing": ("as_written", "write the cheapest target first: chains are asked in their order"),
}


class Chains:
    """Writes the models of a draft."""

    def __init__(self, draft: Draft, members: Sequence[Member], routing: Any) -> None:
        self._draft = draft
        self._models: dict[str, dict[str, Any]] = draft.tree.setdefault("models", {})
        self.groups: dict[str, list[Member]] = {}
        for member in members:
            self.groups.setdefault(member.group, []).append(member)
        self._order = self._strategy(str(routing or "simple-shuffle"))

    def write(self, fallbacks: Mapping[str, Sequence[str]], aliases: Mapping[str, Sequence[str]]) -> None:
        """One model for each group; after its own members come those of its fallbacks."""
        for name, members in self.groups.items():
            own = sorted(members, key=lambda member: member.order)
            further = [member for group in fallbacks.get(name, ()) for member in self.groups[group]]
            self._models[name] = self._model(name, own, further)
            if aliases.get(name):
                self._models[name]["aliases"] = list(aliases[name])

    def _strategy(self, routing: str) -> str:
        source: Place = ("router_settings", "routing_strategy")
        if routing not in _STRATEGIES:
            self._draft.lost(source, f"the router knows no {quoted(routing)}: chains are asked in their order")
            return "as_written"
        order, nearest = _STRATEGIES[routing]
        if nearest:
            self._draft.lost(source, nearest)
        return order

    def _model(self, name: str, own: Sequence[Member], further: Sequence[Member]) -> dict[str, Any]:
        tiers = [list(tier) for _, tier in groupby(own, key=lambda member: member.order)]
        written: list[str] = []
        chain: list[dict[str, Any]] = []
        for member in (*own, *further):
            if member.chain["target"] in written:
                self._draft.lost(member.source, "the same target stands in this chain already")
                continue
            place: Place = ("models", name, "chain", len(written))
            written.append(member.chain["target"])
            chain.append(dict(member.chain))
            self._placed(member, place)
        model: dict[str, Any] = {"chain": chain}
        first = {member.chain["target"] for member in tiers[0]}
        if len(first) > 1 and self._order != "as_written":
            self._balance(name, model, first, {member.chain["target"]: member.weight for member in own})
        model["chain"] = [target["target"] if len(target) == 1 else target for target in chain]
        if params := self._params(name, own):
            model["params"] = params
        return model

    def _placed(self, member: Member, place: Place) -> None:
        """What was said of the entry now stands beside it."""
        beside = self._draft.comments.setdefault(place, [])
        if member.group != place[1]:
            beside.append(f"a fallback: {member.group}")
            return
        self._draft.took(member.source, place)
        beside.extend(self._draft.comments.pop(member.source, ()))

    def _balance(self, name: str, model: dict[str, Any], first: set[str], weights: Mapping[str, float | None]) -> None:
        """Spread requests over the targets of the first tier, which no later tier and no fallback takes part in."""
        chain = model["chain"]
        alone = len(first) == len(chain)
        model["order"] = self._order if alone else "weight_based"
        if not alone:
            text = "the weight of later targets is next to nothing: they are asked when those before them fail"
            self._draft.comments.setdefault(("models", name, "order"), []).append(text)
        given = [weight for target in first if (weight := weights[target])]
        scale = min(1.0, _HEAVIEST / max(given, default=1.0))
        for target in chain:
            if target["target"] not in first:
                target["weight"] = _HARDLY_EVER
            elif (weight := weights[target["target"]]) and model["order"] == "weight_based":
                target["weight"] = max(_HARDLY_EVER, round(weight * scale, 6))

    def _params(self, name: str, members: Sequence[Member]) -> dict[str, Any]:
        """Defaults that all members agree on and one of them can express."""
        agreed: dict[str, Any] = {}
        for member in members:
            for parameter, value in member.params.items():
                source = (*member.source, "litellm_params", parameter)
                if any(other.params.get(parameter) != value for other in members):
                    self._draft.lost(source, "our defaults are of a whole model, and its entries differ")
                elif not self._takes(members, parameter, value):
                    self._draft.lost(source, "no target of the chain has such a value")
                elif parameter not in agreed:
                    agreed[parameter] = value
                    self._draft.took(source, ("models", name, "params", parameter))
        return agreed

    def _takes(self, members: Sequence[Member], parameter: str, value: Any) -> bool:
        try:
            asked = Params.model_validate({parameter: value}).asked()
        except ValueError:
            return False
        for member in members:
            provider, _, model = member.chain["target"].partition("/")
            kind = self._draft.tree["providers"][provider]["kind"]
            dialect = providers.load(kind).dialect(member.chain.get("like", model))
            rules = [
                (dialect.rule(name, operation), each)
                for name, each in asked.items()
                for operation in dialect.operations
            ]
            if (
                parameter == "response_format"
                or not asked
                or any(rule and rule(each) is not None for rule, each in rules)
            ):
                return True
        return False
