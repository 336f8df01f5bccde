"""Stability AI's Stable Image, v2beta: every call is a form, every answer one picture as base64.

A target's model is a service: `stable-image-core`, `sd3.5-medium`, `inpaint`, `search-and-replace`. What an editing
service takes beside the common parameters, such as `search_prompt` or `left`, is sent as the caller spells it.
"""

from dataclasses import replace
from hashlib import sha256
from urllib.parse import quote

import msgspec

from providers.auth import bearer
from providers.base import Adapter, Answer, Flow, Image, ImageResult, Job, parts, poll, submit
from providers.dialect import As
from providers.errors import ErrorKind, json_error, kept_back
from providers.stable_image import CUT_OUT, GUIDED, NO_WEBP, SEEDED, SHAPE, STYLE, Rules, Service, draws, edits, redraws

_GUIDANCE: Rules = {"guidance": As("cfg_scale")}
_SD3 = Service(redraws({**GUIDED, **NO_WEBP, **_GUIDANCE}), "generate/sd3")
_RELIGHT = Service(edits(SEEDED), "edit/replace-background-and-relight", "background_prompt", ("subject_image",))
_SERVICES = {
    "stable-image-ultra": Service(redraws(GUIDED), "generate/ultra"),
    "stable-image-core": Service(draws({**GUIDED, **STYLE}), "generate/core"),
    "sd3.5-large-turbo": replace(_SD3, dialect=redraws({**SEEDED, **NO_WEBP, **_GUIDANCE})),
    "inpaint": Service(edits(GUIDED, mask=True), "edit/inpaint"),
    "erase": Service(edits(SEEDED, mask=True), "edit/erase", prompt=None),
    "outpaint": Service(edits(SEEDED), "edit/outpaint"),
    "search-and-replace": Service(edits(GUIDED), "edit/search-and-replace"),
    "search-and-recolor": Service(edits(GUIDED), "edit/search-and-recolor"),
    "remove-background": Service(edits(CUT_OUT), "edit/remove-background", prompt=None),
    "replace-background-and-relight": _RELIGHT,
    "sketch": Service(edits(GUIDED), "control/sketch"),
    "structure": Service(edits(GUIDED), "control/structure"),
    "style": Service(edits({**GUIDED, **SHAPE}), "control/style"),
    "*": _SD3,
}
_USER: Rules = {"user": As("user"), "safety_identifier": As("user")}


class _Made(msgspec.Struct):
    image: msgspec.Raw = msgspec.Raw()
    result: msgspec.Raw = msgspec.Raw()  # the same, in some answers to polls
    finish_reason: str | None = None


def _generate(job: Job) -> Flow:
    service = _SERVICES.get(job.model, _SD3)
    named = {}
    if service.path == _SD3.path:
        named = {"model": job.model, "mode": "image-to-image" if job.images else "text-to-image"}
    fields = service.fields(job, named)
    user = fields.pop("user", None)  # a header, and nobody's business in clear
    headers = {} if user is None else {"stability-client-user-id": sha256(str(user).encode()).hexdigest()}
    answer = yield submit(f"/v2beta/stable-image/{service.path}", form=parts(fields), headers=headers)
    if service is _RELIGHT:
        path = f"/v2beta/results/{quote(answer.word('id'), safe='')}"
        answer = yield from poll(path, status=_state, pending={"running"}, done={"done"}, failed={}, every=10)
    return _picture(answer)


def _state(answer: Answer) -> str:
    return "running" if answer.status == 202 else "done"


def _picture(answer: Answer) -> ImageResult:
    made = answer.read(_Made)
    if made.finish_reason == "CONTENT_FILTERED":
        raise kept_back("the backend's content filter blurred the picture", code=made.finish_reason)
    return ImageResult(images=(Image(b64=answer.cargo(made.image or made.result)),))


adapter = Adapter(
    base_url="https://api.stability.ai",
    dialects={
        name: replace(service.dialect, params={**service.dialect.params, **_USER})
        for name, service in _SERVICES.items()
    },
    auth=bearer(),
    generate=_generate,
    error=json_error(
        message=("errors.0", "message"),
        code=("name",),
        codes={"content_moderation": ErrorKind.CONTENT_POLICY},
    ),
)
