"""One entry of LiteLLM's `model_list` to one member of a chain.

What is said of an entry waits beside its place in the source, until it is known where in a chain it stands.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from router.config.mistakes import Place, quoted
from router.migrate.accounts import PREFIXES, Accounts
from router.migrate.draft import Draft, duration, nameable, section

Known = Callable[[str, str], bool]
"""Whether a kind's model is known to draw."""

_BARE = re.compile(r"(dall-e|gpt-image|chatgpt-image)[-.\w]*")
_DRAWS = re.compile(
    r"image|imagine|imagen|dall-e|flux|stable|diffusion|sd3|sdxl|recraft|canvas|kontext|seedream|ideogram|banana|\*"
)
_MODES = {"image_generation", "image_edit", "image_variation"}
_DEFAULTS = ("size", "quality", "style", "background", "output_format", "moderation", "response_format", "user", "seed")
_SILENT = {"id", "mode", "db_model", "description", "metadata", "base_model"}
_FALS_OWN = ("fal-ai/", "openai/", "xai/", "bria/")
_NOTHING_LIKE_IT = "the router has no such setting of a target"
_PIXELS = 1024 * 1024
_DEAREST = 1e6
_TOKENS = {
    "input_cost_per_token": "text_in",
    "cache_read_input_token_cost": "cached_text_in",
    "input_cost_per_image_token": "image_in",
    "output_cost_per_token": "text_out",
    "output_cost_per_image_token": "image_out",
}


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the chain of `group`: what to write, and what decides where it stands."""

    group: str
    source: Place
    chain: dict[str, Any]
    order: float
    weight: float | None
    params: Mapping[str, Any] = field(default_factory=dict)


class Entries:
    """Reads entries, each with what the ones before it have made."""

    def __init__(self, draft: Draft, credentials: Mapping[str, Mapping[str, Any]], known: Known) -> None:
        self._draft = draft
        self._credentials = credentials
        self._known = known
        self._accounts = Accounts(draft)

    def member(self, index: int, entry: Any) -> Member | None:
        """The member; None where the entry is none of ours, which is noted."""
        source: Place = ("model_list", index)
        if not isinstance(entry, dict):
            self._draft.lost(source, "no entry: it needs a model_name and litellm_params")
            return None
        params = {name: value for name, value in section(entry, "litellm_params").items() if value is not None}
        model, group = str(params.pop("model", "")), str(entry.get("model_name") or "")
        params = {**self._credential(params, source), **params}
        prefix, name = _split(model, str(params.pop("custom_llm_provider", "")))
        if (why := self._foreign(group, prefix, name, section(entry, "model_info"))) is not None:
            self._draft.lost(source, why)
            return None
        info = dict(section(entry, "model_info"))
        chain: dict[str, Any] = {"target": ""}
        if prefix == "bedrock":
            name = _in_region(name, params)
        if prefix == "fal_ai" and not name.startswith((*_FALS_OWN, "*")):
            name = f"fal-ai/{name}"
        like = str(info.get("base_model") or "").rpartition("/")[2]
        if nameable(like) and like != name != "*":
            chain["like"] = like
        resource = params.pop("model_id", "")
        if name != "*" and isinstance(resource, str) and nameable(resource):
            name, chain["like"] = self._draft.referred(resource), name
        chain["target"] = f"{self._accounts.provider(prefix, params, (*source, 'litellm_params'))}/{name}"
        chain |= self._price(params, info, source)
        chain |= self._patience(params, source)
        order, weight = self._amount(params, "order", source), self._weight(entry, params, source)
        asked = {each: params.pop(each) for each in _DEFAULTS if each in params}
        self._rest(source, params, info)
        return Member(group, source, chain, 1.0 if order is None else order, weight, asked)

    def _credential(self, params: dict[str, Any], source: Place) -> Mapping[str, Any]:
        name = params.pop("litellm_credential_name", None)
        if name is not None and str(name) not in self._credentials:
            where = (*source, "litellm_params", "litellm_credential_name")
            self._draft.lost(where, f"credential_list has no {quoted(str(name))}; it may be in LiteLLM's database")
        return self._credentials.get(str(name), {})

    def _foreign(self, group: str, prefix: str, name: str, info: Mapping[str, Any]) -> str | None:
        """Why an entry cannot be ours."""
        if not group or not name:
            return "an entry needs a model_name and a litellm_params.model"
        if not (nameable(group) and nameable(name)):
            return "a name with spaces, dollars or characters beyond ASCII: choose another"
        if "*" in group.removesuffix("/*") or ("*" in name and name != "*") or group.endswith("/*") != (name == "*"):
            return "a wildcard stands for a whole name after a prefix, on both sides: openai/* to openai/*"
        mode = str(info.get("mode") or "")
        if mode and mode not in _MODES:
            return f"its mode is {quoted(mode)}: the router serves images alone"
        if prefix not in PREFIXES:
            return f"no kind of provider for the prefix {quoted(prefix)}" if prefix else "the model has no known prefix"
        if prefix == "vertex_ai" and name.startswith("imagen"):
            return "Google's Imagen models are retired: name a Gemini image model"
        drawn = mode in _MODES or _DRAWS.search(name.lower()) or self._known(PREFIXES[prefix].kind, name)
        return None if drawn else "seems to be no image model: if it is, say model_info.mode: image_generation"

    def _price(self, params: dict[str, Any], info: dict[str, Any], source: Place) -> dict[str, Any]:
        """In dollars per picture and per million tokens; from either place where LiteLLM looks."""
        costs = {**info, **params}
        images = [
            found for key in ("output_cost_per_image", "input_cost_per_image") if (found := _number(costs.get(key)))
        ]
        tokens = {
            ours: min(_DEAREST, float(costs[theirs]) * 1e6)
            for theirs, ours in _TOKENS.items()
            if _number(costs.get(theirs))
        }
        price: dict[str, Any] = {"image": min(_DEAREST, images[0])} if images else {}
        for key in ("output_cost_per_pixel", "input_cost_per_pixel"):
            if not price and (pixel := _number(costs.get(key))):
                price = {"image": min(_DEAREST, pixel * _PIXELS)}
                self._draft.took((*source, key), source, "a price per pixel, written as that of 1024x1024")
        if tokens:
            price["tokens"] = tokens
        for costs in (params, info):
            for key in [key for key in costs if "cost_per" in key or key in _TOKENS]:
                del costs[key]
        return {"price": price} if price else {}

    def _patience(self, params: dict[str, Any], source: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if timeout := self._amount(params, "timeout", source):
            found["attempt_timeout"] = duration(timeout)
        given = [self._amount(params, name, source) for name in ("num_retries", "max_retries")]
        if (retries := next((each for each in given if each is not None), None)) is not None:
            found["retry"] = {"count": min(5, int(retries))}
        if most := self._amount(params, "max_parallel_requests", source):
            found["max_concurrency"] = max(1, min(65_536, int(most)))
        return found

    def _amount(self, params: dict[str, Any], name: str, source: Place) -> float | None:
        """A number of none or more; anything else is left out and said."""
        value = params.pop(name, None)
        if value is not None and _number(value) is None:
            self._draft.lost((*source, "litellm_params", name), "no number: write one here, not a variable", source)
        return _number(value)

    def _weight(self, entry: Mapping[str, Any], params: dict[str, Any], source: Place) -> float | None:
        """LiteLLM's share of an entry: its weight, else its rpm, else its tpm."""
        given = {name: entry[name] for name in ("rpm", "tpm") if name in entry} | params
        for name in ("rpm", "tpm"):
            params.pop(name, None)
        limits = {name: self._amount(given, name, source) for name in ("rpm", "tpm")}
        for name in (name for name, value in limits.items() if value is not None):
            text = "no limit here, but the target's share where its group is balanced"
            self._draft.lost((*source, "litellm_params", name), text, source)
        weight = self._amount(params, "weight", source)
        return next((each for each in (weight, limits["rpm"], limits["tpm"]) if each), None)

    def _rest(self, source: Place, params: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        for name in params:
            self._draft.lost((*source, "litellm_params", name), _NOTHING_LIKE_IT, source)
        for name in info:
            if name not in _SILENT and not name.startswith(("supports_", "max_")):
                self._draft.lost((*source, "model_info", name), _NOTHING_LIKE_IT, source)


def _split(model: str, named: str) -> tuple[str, str]:
    """The prefix and the model's own name."""
    prefix, slash, name = model.partition("/")
    if named and prefix != named:
        return named, model
    if slash and (prefix in PREFIXES or not _BARE.fullmatch(model)):
        return prefix, name
    return ("openai", model) if _BARE.fullmatch(model) else ("", model)


def _in_region(name: str, params: dict[str, Any]) -> str:
    """Bedrock's `us-east-1/stability.x` names a region."""
    region, slash, rest = name.partition("/")
    if not slash or not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", region):
        return name
    params.setdefault("aws_region_name", region)
    return rest


def _number(value: Any) -> float | None:
    """A number of none or more."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if isfinite(number) and number >= 0 else None
