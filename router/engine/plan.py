"""What one target would be sent for a request: pure, so that it can be asked without sending anything.

Requirements rule a target out with the reason; preferences are adapted with a warning.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from msgspec import Struct

from providers.base import Job, Operation
from providers.dialect import ParameterWarning, Rule, Strictness, Unsupported, merged, translate
from router.engine.request import ImageRequest
from router.engine.route import Target

CONVERTIBLE = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
"""Input pictures that are turned into PNG for a target that does not read them."""


class Shard(Struct, frozen=True):
    """A job, and which of the pictures asked it makes: their places, counted from 0."""

    job: Job
    places: tuple[int, ...]


class Plan(Struct, frozen=True):
    """The jobs of one target, side by side, and what differs from what was asked."""

    target: Target
    shards: tuple[Shard, ...]
    warnings: tuple[ParameterWarning, ...]


def plan(
    request: ImageRequest,
    defaults: Mapping[str, Any],
    target: Target,
    places: Sequence[int] | None = None,
) -> Plan:
    """The jobs that would make the pictures at `places`; all of the request's where none are named.

    `defaults` are the route's parameters, used where the caller was silent.

    Raises:
        Unsupported: the target cannot meet a requirement.
    """
    request, warnings = _emulated(request, target)
    _require(request, target)
    asked = {**defaults, **request.asked} if defaults else request.asked
    strictness = request.strictness or target.policy.strictness
    dialect = target.dialect if request.mask is None else target.dialect.masked()
    translation = translate(asked, dialect, request.operation, strictness)
    extras, dropped = _extras(request, target, strictness)
    most = 1 if streams(request, target) else target.dialect.max_n
    wanted = tuple(range(request.n)) if places is None else tuple(places)
    seed: Any = asked.get("seed")
    rule = None if seed is None else dialect.rule("seed", request.operation)
    shards = []
    for at in range(0, len(wanted), most):
        own = wanted[at : at + most]
        params = translation.params if rule is None else _moved_on(translation.params, rule, seed, own[0])
        shards.append(Shard(_job(request, target, params, extras, own), own))
    return Plan(target, tuple(shards), (*warnings, *translation.warnings, *dropped))


def streams(request: ImageRequest, target: Target) -> bool:
    """Whether a target sends its events as they come: one picture a call, as events do not say whose they are."""
    return request.stream and target.provider.adapter.stream is not None and target.dialect.stream


def _emulated(request: ImageRequest, target: Target) -> tuple[ImageRequest, tuple[ParameterWarning, ...]]:
    """A variation becomes an edit where the model has no variations of its own."""
    prompt = target.dialect.variation_prompt
    if request.operation is not Operation.VARIATION or prompt is None:
        return request, ()
    if Operation.VARIATION in target.dialect.operations:
        return request, ()
    said = ParameterWarning("operation", "variation", "edit", "the model makes a variation by an edit")
    return replace(request, operation=Operation.EDIT, prompt=prompt), (said,)


def objections(request: ImageRequest, defaults: Mapping[str, Any], target: Target) -> tuple[str, ...]:
    """Every reason why a target is not asked; none where `plan` has jobs for it."""
    request, _ = _emulated(request, target)
    strictness = request.strictness or target.policy.strictness
    asked = {**defaults, **request.asked}
    dialect = target.dialect if request.mask is None else target.dialect.masked()
    found = list(_unmet(request, target))
    try:
        inexact = translate(asked, dialect, request.operation).warnings
    except Unsupported as why:  # of all that is asked only transparency is no preference
        found.append(str(why))
        opaque = {name: value for name, value in asked.items() if name != "background"}
        inexact = translate(opaque, dialect, request.operation).warnings
    if strictness is Strictness.ERROR:
        found += [warning.objection for warning in inexact]
        found += map(_unknown, _lost(request, target))
    return tuple(dict.fromkeys(found))


def _require(request: ImageRequest, target: Target) -> None:
    for reason in _unmet(request, target):
        raise Unsupported(reason)


def _unmet(request: ImageRequest, target: Target) -> Iterator[str]:
    """The requirements that a target cannot meet."""
    dialect = target.dialect
    if request.operation not in dialect.operations:
        yield f"operation: the model cannot {request.operation}"
    if len(request.images) > dialect.max_images:
        yield f"image: the model takes at most {dialect.max_images}, not {len(request.images)}"
    if request.mask is not None and dialect.mask is None:
        yield "mask: the model takes none"
    for image in request.images:
        if image.media_type is not None and image.media_type not in dialect.input_types | CONVERTIBLE:
            yield f"image: the model does not read {image.media_type}"


def _lost(request: ImageRequest, target: Target) -> list[str]:
    """The fields nobody here knows that the dialect does not let through."""
    known = target.dialect.extras
    return [name for name in request.extras if not (name in known if isinstance(known, frozenset) else known)]


def _unknown(name: str) -> str:
    return f"{name}: the model has no such parameter"


def _extras(
    request: ImageRequest,
    target: Target,
    strictness: Strictness,
) -> tuple[Mapping[str, Any], tuple[ParameterWarning, ...]]:
    """Fields nobody here knows, where the dialect lets them through, and those the caller aims at this kind."""
    aimed = request.options.get(target.provider.kind, {})
    if not request.extras:
        return aimed, ()
    lost = _lost(request, target)
    if lost and strictness is Strictness.ERROR:
        raise Unsupported(_unknown(lost[0]))
    passed = {name: value for name, value in request.extras.items() if name not in lost}
    warnings = tuple(ParameterWarning(name, "given", None, "not a parameter of the model") for name in lost)
    return {**passed, **aimed}, warnings


def _moved_on(params: Mapping[str, Any], rule: Rule, seed: int, place: int) -> Mapping[str, Any]:
    """The parameters for a place: a seed moves on with it, or two would be the same picture."""
    fit = rule(seed + place) if place else None
    return params if fit is None else merged(params, fit.fields)


def _job(
    request: ImageRequest, target: Target, params: Mapping[str, Any], extras: Mapping[str, Any], places: Sequence[int]
) -> Job:
    """The part of the work that makes the pictures at these places."""
    provider, first = target.provider, places[0]
    return Job(
        id=f"{request.id}-{first}" if first else request.id,
        operation=request.operation,
        model=target.model,
        prompt=request.prompt,
        n=len(places),
        params=params,
        extras=extras,
        images=request.images,
        mask=request.mask,
        options=provider.options,
        base_url=provider.base_url,
    )
