"""xAI's images: JSON alone, ratios instead of sizes, three shapes of errors, and the price in every answer."""

from typing import Any

import msgspec

from backends.openai import Part, Refusal
from backends.server import Request, Status
from backends.strict import TINY, Rules, StrictBackend, Work, check, inline, text, whole, words

_FIRST = words(
    *["1:1", "3:4", "4:3", "9:16", "16:9", "2:3", "3:2", "9:19.5", "19.5:9", "9:20", "20:9", "1:2", "2:1", "auto"]
)
_PICTURE = inline("image/png", "image/jpeg")
_COMMON: Rules = {
    "model": text,
    "prompt": lambda value: text(value) and len(value) <= 8000,
    "n": whole(1, 10),
    "aspect_ratio": _FIRST,
    "response_format": words("b64_json", "url"),
    "user": text,
}
_SECOND: Rules = {
    "aspect_ratio": lambda value: _FIRST(value) or value in ("21:9", "5:2"),
    "resolution": words("1k", "1.5k", "2k"),
    "quality": words("low", "medium", "auto"),
}
MODELS: dict[str, tuple[Rules, int]] = {
    "grok-imagine-image": (_COMMON, 3),
    "grok-imagine-image-2.0": ({**_COMMON, **_SECOND}, 5),
}
TICKS = 400_000_000


def _linked(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"url", "type"} and value["type"] == "image_url"


class XaiBackend(StrictBackend):
    """`url` is the base URL. A prompt with `forbidden` is drawn, kept back and charged; `shy` is kept back in a 200."""

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/v1"

    def unauthorised(self) -> Refusal:
        """A bad key is a mistake like any other here."""
        return Refusal(400, "Client specified an invalid argument", "Incorrect API key provided: ba***ey.")

    def error(self, failure: Status) -> bytes:
        """The commonest of its three shapes."""
        used = {"usage": {"cost_in_usd_ticks": TICKS}} if failure.billed else {}
        return msgspec.json.encode({"code": failure.code, "error": failure.message, **used})

    def work(self, request: Request, fields: dict[str, Any], files: list[Part]) -> Work:
        """Pictures for a generation or an edit."""
        if request.headers["content-type"] != "application/json":
            raise Refusal(415, "unsupported", "Expected a JSON body.")
        if request.path not in ("/v1/images/generations", "/v1/images/edits"):
            raise Refusal(404, "not_found", "Nothing is here.")
        if fields.get("model") not in MODELS:
            raise Refusal(404, "Some requested entity was not found", "The model does not exist.")
        rules, most = MODELS[fields["model"]]
        if request.path.endswith("edits"):
            rules = {
                **rules,
                "image": lambda value: _linked(value) and _PICTURE(value["url"]),
                "images": lambda value: (
                    2 <= len(value) <= most and all(_linked(one) and _PICTURE(one["url"]) for one in value)
                ),
            }
            if ("image" in fields) == ("images" in fields):
                raise Refusal(400, "Client specified an invalid argument", "Send one of image and images.")
        check(fields, rules)
        if "forbidden" in fields["prompt"]:
            words_ = "Generated image rejected by content moderation."
            refusal = Refusal(400, "imagine:content-moderated", words_)
            refusal.failure = Status(400, "imagine:content-moderated", None, words_, billed=True)
            raise refusal
        n, shy = fields.get("n", 1), "shy" in fields["prompt"]
        item = {"mime_type": "image/png", "revised_prompt": "", "respect_moderation": not shy}
        data = [{**item, **({} if shy else {"b64_json": TINY})} for _ in range(n)]
        used = {"cost_in_usd_ticks": TICKS * n}
        return Work(
            model=fields["model"],
            n=n,
            body=msgspec.json.encode({"model": fields["model"], "data": data, "usage": used}),
        )
