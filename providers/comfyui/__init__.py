"""ComfyUI: graphs with slots, of the configuration or, for a plain checkpoint, of our own; submitted and polled.

Pictures are uploaded first; a mask is transparent where to draw, which LoadImage's MASK turns into 1.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from glob import escape
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

from providers.auth import bearer
from providers.base import (
    Adapter,
    Answer,
    Call,
    ErrorKind,
    Flow,
    FreshSeed,
    Image,
    ImageResult,
    Job,
    OutcomeClass,
    Phase,
    ProviderError,
    Upload,
    Workflows,
    poll,
    submit,
)
from providers.comfyui.answers import (
    DONE,
    FAILED,
    WAITING,
    Saved,
    Stored,
    Taken,
    error,
    failure,
    saved_by,
    state,
    unsaved,
)
from providers.comfyui.checkpoint import CHECKPOINT
from providers.comfyui.flaws import flaws
from providers.comfyui.tables import SIZE, dialect, escaped
from providers.comfyui.workflow import IMAGES, Workflow
from providers.dialect import Shape

_LARGEST_UNASKED = 1 << 21  # pixels up to which an edit is as large as its picture where nobody asks for a size


def _refused(message: str, param: str | None = None) -> ProviderError:
    return ProviderError(ErrorKind.UNSUPPORTED, message, outcome=OutcomeClass.NOT_SENT, param=param)


def _chosen(job: Job, workflows: Sequence[Workflow]) -> Workflow:
    """The graph that takes what the job brings."""
    role = (len(job.images), job.mask is not None)
    for workflow in workflows:
        if (workflow.images, workflow.masked) == role:
            return workflow
    mask = "a" if role[1] else "no"
    raise _refused(f"image: the model has no workflow for {role[0]} pictures and {mask} mask; add one to its list")


def _values(job: Job, workflow: Workflow) -> dict[str, Any]:
    """What goes into the slots, but for the pictures."""
    for name in sorted(job.extras):
        raise _refused(f"{name}: is not passed on to workflows; leave it out", name)
    values = {"seed": FreshSeed(), **job.params, "prompt": job.prompt, "model": job.model, "n": job.n}
    if job.options.get("prompt_syntax") != "allow":
        values |= {name: escaped(values[name]) for name in ("prompt", "negative_prompt") if name in values}
    if job.images and job.images[0].width and "width" in workflow.slots and "width" not in values:
        width, height = job.images[0].width, job.images[0].height
        small = width * height <= _LARGEST_UNASKED
        values |= SIZE(Shape(width, height) if small else Shape(aspect=width / height)).fields
    return values


def _uploaded(upload: Upload, folder: str) -> Generator[Call, Answer, str]:
    """Where a picture lies at the server, which renames what would lie over another."""
    form = (("image", upload), ("type", "input"), ("subfolder", folder))
    answer = yield Call(phase=Phase.PREPARE, method="POST", path="/upload/image", form=form)
    return answer.read(Stored).path


def _fetched(saved: Saved) -> Generator[Call, Answer, Image]:
    place = urlencode({"filename": saved.filename, "subfolder": saved.subfolder, "type": saved.type})
    answer = yield Call(phase=Phase.FETCH, method="GET", path=f"/view?{place}")
    return Image(data=answer.body)


def _generate(job: Job, workflows: Mapping[str, Sequence[Workflow]]) -> Flow:
    workflow = _chosen(job, workflows.get(job.model, CHECKPOINT))
    values = _values(job, workflow)
    folder = f"image-router/{sha256(job.id.encode()).hexdigest()[:16]}"  # a job's id may be the caller's own
    for slot, upload in (*zip(IMAGES, job.images, strict=False), *((("mask", job.mask),) if job.mask else ())):
        values[slot] = yield from _uploaded(upload, folder)
    taken = (yield submit("/prompt", json={"prompt": workflow.filled(values)})).read(Taken)
    answer = yield from poll(
        f"/history/{quote(taken.prompt_id, safe='')}",
        status=lambda answer: state(answer, taken.prompt_id),
        pending={WAITING},
        done={DONE},
        failed={FAILED: lambda answer: failure(answer, taken.prompt_id)},
        every=0.5,
    )
    saved = saved_by(answer, taken.prompt_id, workflow.output)
    if not saved:
        raise unsaved(taken, workflow.output)
    images = []
    for each in saved:
        images.append((yield from _fetched(each)))  # noqa: PERF401 - a generator asks in between
    return ImageResult(images=tuple(images))


def _equipped(graphs: Mapping[str, Sequence[Any]]) -> Adapter:
    """The adapter for graphs without flaws; a model that has none is a checkpoint."""
    workflows = {model: tuple(map(Workflow.of, own)) for model, own in graphs.items()}
    dialects = {escape(model): dialect(own) for model, own in workflows.items()}
    return replace(adapter, dialects={**dialects, **adapter.dialects}, generate=partial(_generate, workflows=workflows))


adapter = Adapter(
    base_url="http://127.0.0.1:8188",
    dialects={"*": dialect(CHECKPOINT)},
    auth=bearer(),  # the server asks for none; what stands before it may
    options={
        "prompt_syntax": "`allow`: prompts may hold the nodes' own syntax, such as `(word:1.2)`, which is escaped "
        "otherwise"
    },
    generate=partial(_generate, workflows={}),
    error=error,
    workflows=Workflows(flaws=flaws, equipped=_equipped),
)
