"""A configuration of LiteLLM's proxy to one of ours, with every translation and every loss said."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from router.config.mistakes import ConfigError, Mistake, Place, quoted
from router.config.nodes import parse
from router.migrate.chains import Chains
from router.migrate.draft import Draft, Note, nameable, section
from router.migrate.members import Entries
from router.migrate.settings import Settings
from router.migrate.spell import spelled

_SECTIONS = {
    *("model_list", "router_settings", "litellm_settings", "general_settings", "environment_variables"),
    "credential_list",
}
_FALLBACKS = {
    "content_policy_fallbacks": "add content_policy to the model's fallback_on, and the targets to its chain",
    "context_window_fallbacks": "prompts for pictures have no context window",
}


@dataclass(frozen=True, slots=True)
class Imported:
    """Our configuration as YAML, and what became of each setting."""

    text: str
    notes: tuple[Note, ...]


def imported(text: str, file: str, known: Callable[[str, str], bool]) -> Imported:
    """Translate; `known` tells whether a kind's model is known to draw.

    Raises:
        ConfigError: the text is no YAML, or no model in it is one of images.
    """
    root, mistakes = parse(text, file)
    source, draft = root.plain, Draft(root)
    for mistake in mistakes:
        draft.notes.append(Note(mistake.line, mistake.where or file, mistake.message, lost=True))
    Settings(draft, source).write()
    listed = source.get("model_list")
    entries = Entries(draft, _credentials(source), known)
    members = [entries.member(index, entry) for index, entry in enumerate(listed if isinstance(listed, list) else [])]
    ours = [member for member in members if member is not None]
    if not ours:
        message = "no entry is an image model that the router serves: name one, with model_info.mode: image_generation"
        raise ConfigError([Mistake(file, 0, 0, "model_list", message)])
    chains = Chains(draft, ours, section(source, "router_settings").get("routing_strategy"))
    aliases = _aliases(draft, source, chains.groups)
    chains.write(_fallbacks(draft, source, chains.groups, aliases), aliases)
    for name in source.keys() - _SECTIONS:
        draft.lost((name,), "the router has no such section")
    head = f"Made from {quoted(file)}, a configuration of LiteLLM. Comments say what each line comes from."
    return Imported(
        spelled(draft, f"{head}\nCheck it: image-router check FILE"),
        tuple(sorted(draft.notes, key=lambda note: note.line)),
    )


def _credentials(source: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    listed = source.get("credential_list")
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    return {str(row.get("credential_name")): section(row, "credential_values") for row in rows}


def _aliases(draft: Draft, source: Mapping[str, Any], groups: Mapping[str, Any]) -> dict[str, list[str]]:
    """Model -> its other names. An alias may be hidden in LiteLLM's lists, which ours cannot be."""
    found: dict[str, list[str]] = {}
    for alias, given in section(section(source, "router_settings"), "model_group_alias").items():
        place: Place = ("router_settings", "model_group_alias", alias)
        model = str(given.get("model")) if isinstance(given, dict) else str(given)
        if why := _no_alias(alias, model, groups):
            draft.lost(place, why)
            continue
        found.setdefault(model, []).append(alias)
        draft.took(place, ("models", model, "aliases"))
    return found


def _no_alias(alias: str, model: str, groups: Mapping[str, Any]) -> str:
    """Why a name cannot be another name of a model; nothing where it can."""
    if model not in groups:
        return f"no model {quoted(model)} was carried over"
    if alias in groups:
        return "is a model's name already"
    if model.endswith("/*"):
        return "a wildcard stands for many models, and has no other names"
    return "" if nameable(alias) and "*" not in alias else "a name with spaces, stars or characters beyond ASCII"


def _fallbacks(
    draft: Draft, source: Mapping[str, Any], groups: Mapping[str, Any], aliases: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """Model -> the models asked after it, those of everybody last."""
    real = {alias: model for model, names in aliases.items() for alias in names}
    found: dict[str, list[str]] = {}
    everybody: list[str] = []
    for part in ("router_settings", "litellm_settings"):
        settings = section(source, part)
        for key, why in _FALLBACKS.items():
            if settings.get(key):
                draft.lost((part, key), why)
        for model, others, place in _pairs(settings, part):
            for other in (real.get(name, name) for name in others):
                if other not in groups or (model != "*" and real.get(model, model) not in groups):
                    draft.lost(place, f"{quoted(model)} to {quoted(other)}: one of them was not carried over")
                elif other.endswith("/*") and not model.endswith("/*"):
                    draft.lost(place, f"{quoted(other)} stands for many models, and can follow none but such")
                elif model == "*":
                    everybody.append(other)
                    draft.took(place, ("models",), f"{other} stands at the end of every chain")
                else:
                    found.setdefault(real.get(model, model), []).append(other)
                    draft.took(place, ("models", real.get(model, model), "chain"), f"then the targets of {other}")
    return {name: [*found.get(name, ()), *(each for each in everybody if each != name)] for name in groups}


def _pairs(settings: Mapping[str, Any], part: str) -> list[tuple[str, list[str], Place]]:
    """Each model with its fallbacks; `*` is any model."""
    pairs: list[tuple[str, list[str], Place]] = []
    listed = settings.get("fallbacks")
    for index, row in enumerate(listed if isinstance(listed, list) else []):
        for model, others in row.items() if isinstance(row, dict) else ():
            names = (
                [str(each) for each in others if isinstance(each, str)] if isinstance(others, list) else [str(others)]
            )
            pairs.append((str(model), names, (part, "fallbacks", index)))
    general = settings.get("default_fallbacks")
    if isinstance(general, list):
        pairs.append(("*", [str(each) for each in general], (part, "default_fallbacks")))
    return pairs
