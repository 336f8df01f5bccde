"""Zhipu's images: from a prompt alone, one a call, as links; codes of errors are digits in a string."""

from typing import Any

import msgspec

from backends.openai import Part, Refusal
from backends.server import Request, Status
from backends.strict import Rules, StrictBackend, Test, Work, check, text, truth, words

_LISTED = {(1280, 1280), (1568, 1056), (1472, 1088), (1728, 960)}


def _sized(step: int, least: int, area: int, listed: set[tuple[int, int]]) -> Test:
    def test(value: Any) -> bool:
        size = tuple(map(int, value.split("x")))
        if size in listed or size[::-1] in listed:
            return True
        within = all(least <= side <= 2048 and side % step == 0 for side in size)
        return within and size[0] * size[1] <= area

    return test


_COMMON: Rules = {
    "model": text,
    "prompt": text,
    "quality": words("hd", "standard"),
    "user_id": lambda value: text(value) and 6 <= len(value) <= 128,
    "watermark_enabled": truth,
}
_COGVIEW: Rules = {**_COMMON, "size": _sized(16, 512, 1 << 21, set())}
MODELS: dict[str, Rules] = {
    "glm-image": {**_COMMON, "quality": words("hd"), "size": _sized(32, 1024, 1 << 22, _LISTED)},
    "cogview-4-250304": _COGVIEW,
    "cogview-4": _COGVIEW,
    "cogview-3-flash": _COGVIEW,
}


class ZhipuBackend(StrictBackend):
    """`url` is the base URL. A prompt with `forbidden` is refused."""

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/api/paas/v4"

    def unauthorised(self) -> Refusal:
        """What a bad key gets."""
        return Refusal(401, "1000", "authentication failed")

    def error(self, failure: Status) -> bytes:
        """Its envelope; a field that is wrong is 1214, whatever is wrong with it."""
        code = failure.code if failure.code is None or failure.code.isdecimal() else "1214"
        return msgspec.json.encode({"error": {"code": code, "message": failure.message}})

    def work(self, request: Request, fields: dict[str, Any], files: list[Part]) -> Work:
        """One picture from a prompt."""
        if request.path != "/api/paas/v4/images/generations":
            raise Refusal(404, None, "Nothing is here.")
        model = fields.get("model")
        if model not in MODELS:
            raise Refusal(400, "1211", "the model does not exist")
        check(fields, MODELS[model])
        if "forbidden" in fields["prompt"]:
            raise Refusal(400, "1301", "unsafe or sensitive content")
        body = {
            "created": 1795000000,
            "data": [{"url": f"{self.origin}/made.png"}],
            "content_filter": [{"role": "user", "level": 3}],
        }
        return Work(model=model, body=msgspec.json.encode(body))
