"""Alibaba's DashScope (Model Studio): newer models are told in messages, older ones in fields; many give a task.

A key belongs to one region; elsewhere than in Singapore the configuration sets `base_url`.
"""

from typing import Any
from urllib.parse import quote

from providers.auth import bearer
from providers.base import Adapter, Flow, Inline, Job, poll, submit
from providers.dashscope.answers import result, state, task
from providers.dashscope.errors import error, refusal
from providers.dashscope.tables import DIALECTS, Path, path
from providers.errors import ErrorKind

_PENDING = frozenset({"PENDING", "RUNNING", "SUSPENDED"})
_DONE = frozenset({"SUCCEEDED", "FAILED"})
_LATER = {"x-dashscope-async": "enable"}
_UNBOUNDED = frozenset({"enable_interleave", "max_images"})  # they draw more than `n`
_INPUT = ("negative_prompt", "function")  # what the older models take beside the prompt


def _generate(job: Job) -> Flow:
    where = path(job.model)
    extras = {name: value for name, value in job.extras.items() if name not in _UNBOUNDED}
    parameters = {**job.params, **extras, "n": job.n}  # the default of some is 4
    if isinstance(size := parameters.get("size"), str):
        parameters["size"] = size.replace("x", "*")
    said = _messages(job) if where in {Path.AT_ONCE, Path.LATER} else _fields(job, where, parameters)
    body = {"model": job.model, "input": said, "parameters": parameters}
    if where is Path.AT_ONCE:
        return result((yield submit(where, json=body)), parameters.get("size"))
    name = task((yield submit(where, json=body, headers=_LATER)))
    answer = yield from poll(
        f"/tasks/{quote(name, safe='')}",
        status=state,
        pending=_PENDING,
        done=_DONE,
        failed={"CANCELED": ErrorKind.UNAVAILABLE},
        every=3,
    )
    if state(answer) == "FAILED":
        raise refusal(answer)
    return result(answer, parameters.get("size"))


def _messages(job: Job) -> dict[str, Any]:
    pictures = [{"image": Inline.data_uri(image)} for image in job.images]
    return {"messages": [{"role": "user", "content": [*pictures, {"text": job.prompt}]}]}


def _fields(job: Job, where: Path, parameters: dict[str, Any]) -> dict[str, Any]:
    """What the older models are told; it is taken out of the parameters."""
    said: dict[str, Any] = {name: parameters.pop(name) for name in _INPUT if name in parameters}
    said["prompt"] = job.prompt
    pictures = [Inline.data_uri(image) for image in job.images]
    if where is Path.DRAW:
        return said
    if not job.model.startswith("wanx"):
        return {**said, "images": pictures}
    if job.mask is None:
        return {"function": "description_edit", **said, "base_image_url": pictures[0]}
    mask = {"mask_image_url": Inline.data_uri(job.mask), "function": "description_edit_with_mask"}
    return {**said, **mask, "base_image_url": pictures[0]}


adapter = Adapter(
    base_url="https://dashscope-intl.aliyuncs.com/api/v1",
    dialects=DIALECTS,
    auth=bearer(),
    generate=_generate,
    error=error,
    link_life=24 * 3600,
)
