"""What one target would be sent for a request: pure, so that it can be asked without sending anything.

Requirements rule a target out with the reason; preferences are adapted with a warning.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from providers.base import Job, Operation
from providers.dialect import ParameterWarning, Strictness, Unsupported, translate
from router.engine.request import ImageRequest
from router.engine.route import Target


@dataclass(frozen=True, slots=True)
class Plan:
    """The jobs of one target, side by side, and what differs from what was asked."""

    target: Target
    jobs: tuple[Job, ...]
    warnings: tuple[ParameterWarning, ...]


def plan(request: ImageRequest, defaults: Mapping[str, Any], target: Target, made: int = 0) -> Plan:
    """The jobs that would make what is missing once `made` of the request's pictures exist.

    `defaults` are the route's parameters, used where the caller was silent.

    Raises:
        Unsupported: the target cannot meet a requirement.
    """
    request, warnings = _emulated(request, target)
    _require(request, target)
    asked = {**defaults, **request.asked} if defaults else request.asked
    strictness = request.strictness or target.policy.strictness
    translation = translate(asked, target.dialect, request.operation, strictness)
    extras, dropped = _extras(request, target, strictness)
    job = Job(
        id=request.id,
        operation=request.operation,
        model=target.model,
        prompt=request.prompt,
        n=request.n - made,
        params=translation.params,
        extras=extras,
        images=request.images,
        mask=request.mask,
        options=target.provider.options,
        base_url=target.provider.base_url,
    )
    jobs = tuple(_shards(job, made, asked, target)) if made or job.n > target.dialect.max_n else (job,)
    return Plan(target, jobs, (*warnings, *translation.warnings, *dropped))


def _emulated(request: ImageRequest, target: Target) -> tuple[ImageRequest, tuple[ParameterWarning, ...]]:
    """A variation becomes an edit where the model has no variations of its own."""
    prompt = target.dialect.variation_prompt
    if request.operation is not Operation.VARIATION or prompt is None:
        return request, ()
    if Operation.VARIATION in target.dialect.operations:
        return request, ()
    said = ParameterWarning("operation", "variation", "edit", "the model makes a variation by an edit")
    return replace(request, operation=Operation.EDIT, prompt=prompt), (said,)


def _require(request: ImageRequest, target: Target) -> None:
    dialect = target.dialect
    if request.operation not in dialect.operations:
        raise Unsupported(f"operation: the model cannot {request.operation}")
    if len(request.images) > dialect.max_images:
        raise Unsupported(f"image: the model takes at most {dialect.max_images}, not {len(request.images)}")
    if request.mask is not None and not dialect.mask:
        raise Unsupported("mask: the model takes none")
    for image in request.images:
        if image.media_type is not None and image.media_type not in dialect.input_types:
            raise Unsupported(f"image: the model does not read {image.media_type}")


def _extras(
    request: ImageRequest,
    target: Target,
    strictness: Strictness,
) -> tuple[Mapping[str, Any], tuple[ParameterWarning, ...]]:
    """Fields nobody here knows, where the dialect lets them through, and those the caller aims at this kind."""
    aimed = request.options.get(target.provider.kind, {})
    if target.dialect.extras or not request.extras:
        return {**request.extras, **aimed}, ()
    if strictness is Strictness.ERROR:
        raise Unsupported(f"{next(iter(request.extras))}: the model has no such parameter")
    reason = "not a parameter of the model"
    return aimed, tuple(ParameterWarning(name, "given", None, reason) for name in request.extras)


def _shards(job: Job, made: int, asked: Mapping[str, Any], target: Target) -> Iterator[Job]:
    """The job in parts the backend can make; a seed moves on with each, or the parts would be the same picture."""
    seed = asked.get("seed")
    rule = target.dialect.rule("seed", job.operation)
    for first in range(0, job.n, target.dialect.max_n):
        shard = replace(job, id=f"{job.id}-{made + first}", n=min(target.dialect.max_n, job.n - first))
        fit = rule(seed + made + first) if rule is not None and seed is not None else None
        yield replace(shard, params={**job.params, **fit.fields}) if fit is not None else shard
