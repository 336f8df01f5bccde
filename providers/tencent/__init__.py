"""Tencent's Hunyuan images: TokenHub answers at once to an API key, the older signed API mostly with a job.

`hunyuan-image` and `hunyuan-image-lite` are the signed API's, whose `api_key` is `SECRET_ID:SECRET` or
`SECRET_ID:SECRET:SESSION_TOKEN`; all other models are TokenHub's. Each is asked at its own host; a `base_url` that the
configuration sets holds for both.
"""

from typing import Any

from providers.auth import tencent
from providers.base import Adapter, Flow, Inline, Job, poll, submit
from providers.tencent.answers import error, job_failed, links, one_picture, sound, state, talked, told
from providers.tencent.tables import DIALECTS, JOBS, LITE, TALKS

_TOKENHUB = "https://tokenhub.tencentmaas.com"
_SIGNED = "hunyuan.tencentcloudapi.com"


def _generate(job: Job) -> Flow:
    dialect = DIALECTS.get(job.model)
    if dialect is LITE:
        said = _signed(job)
        answer = sound((yield submit(_where(job), json=said, headers=_action("TextToImageLite"))))
        return one_picture(answer, said.get("Resolution"))
    if dialect is JOBS:
        return (yield from _later(job))
    said = {**job.params, **job.extras, "model": job.model}
    if job.model.startswith(TALKS):
        said["messages"] = [{"role": "user", "content": [{"type": "text", "text": job.prompt}]}]
        return talked((yield submit("/v1/wand/hunyuan-image/v35-generation", json=said)))
    said["prompt"] = job.prompt
    if job.images:
        said["images"] = [Inline(image) for image in job.images]
    return told((yield submit("/v1/wand/hunyuan-image/v3-generation", json=said)), said.get("size"))


def _later(job: Job) -> Flow:
    said = {**_signed(job), "Num": job.n}
    if job.images:
        said["ContentImage"] = {"ImageBase64": Inline(job.images[0])}
    taken = sound((yield submit(_where(job), json=said, headers=_action("SubmitHunyuanImageJob"))))
    answer = yield from poll(
        _where(job),
        status=state,
        pending={"1", "2", "RequestLimitExceeded", "InternalError"},  # the last two are the question's, not the job's
        done={"5"},
        failed={"4": job_failed},
        every=2,
        headers=_action("QueryHunyuanImageJob"),
        json={"JobId": taken.word("Response.JobId")},
    )
    # from a picture the backend may draw in that one's shape
    return links(answer, None if job.images else said.get("Resolution"), said.get("Clarity"))


def _signed(job: Job) -> dict[str, Any]:
    said = {**job.params, **job.extras, "Prompt": job.prompt}
    if isinstance(size := said.get("Resolution"), str):
        said["Resolution"] = size.replace("x", ":")
    return said


def _where(job: Job) -> str:
    return f"https://{_SIGNED}/" if job.base_url == _TOKENHUB else "/"


def _action(name: str) -> dict[str, str]:
    common = {"x-tc-version": "2023-09-01", "x-tc-region": "ap-guangzhou", "x-tc-language": "en-US"}
    return {"x-tc-action": name, **common}


adapter = Adapter(
    base_url=_TOKENHUB,
    key_hosts=(_SIGNED,),
    dialects=DIALECTS,
    auth=tencent("hunyuan"),
    generate=_generate,
    error=error,
    link_life=3600,
)
