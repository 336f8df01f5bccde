"""Tencent's two ways to Hunyuan: TokenHub with plain statuses, and the signed API, whose refusals are all a 200."""

import hashlib
import hmac
import re
import time
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from backends.fields import Legal, Refusal, any_text, base64_picture, bytes_of, check, many, number, one_of
from backends.server import Reply, Request, Status
from backends.tasks import Order, Task, TaskServer, body, size_of

SECRET_ID, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMIK7MDENG", "FwoGZXIvYXdzEBYaDH"
SKEW = 300  # seconds
SQUARES = ("768:768", "768:1024", "1024:768", "1024:1024")
SIZES = (*SQUARES, "720:1280", "1280:720", "768:1280", "1280:768")
SWITCH = one_of(0, 1)
SIGNED = re.compile(
    r"TC3-HMAC-SHA256 Credential=(\w+)/([\d-]+)/hunyuan/tc3_request, "
    r"SignedHeaders=content-type;host, Signature=([0-9a-f]{64})",
)
SUBMIT, QUERY, LITE = "SubmitHunyuanImageJob", "QueryHunyuanImageJob", "TextToImageLite"


def text(longest: int) -> Legal:
    """Some text, no longer than so many characters."""
    return lambda value: any_text(value) and len(value) <= longest


def sides(low: int, high: int, most: int) -> Legal:
    """`WxH` with both sides within bounds, and an area."""

    def legal(value: Any) -> bool:
        found = re.fullmatch(r"(\d+)x(\d+)", value) if isinstance(value, str) else None
        if found is None:
            return False
        size = int(found[1]), int(found[2])
        return low <= min(size) and max(size) <= high and size[0] * size[1] <= most

    return legal


def reference(value: Any) -> bool:
    """A picture to start from, as base64."""
    return isinstance(value, dict) and value.keys() == {"ImageBase64"} and base64_picture(value["ImageBase64"])


SEED = number(1, (1 << 32) - 1, 1)
ACTIONS: Mapping[str, Mapping[str, Legal]] = {
    SUBMIT: {
        "Prompt": text(1024),
        "NegativePrompt": text(1024),
        "Style": one_of("riman", "xieshi", "shuimo"),
        "Resolution": one_of(*SIZES),
        "Num": number(1, 4, 1),
        "Clarity": one_of("x2", "x4"),
        "ContentImage": reference,
        "Revise": SWITCH,
        "Seed": number(1, 1 << 62, 1),
        "LogoAdd": SWITCH,
    },
    QUERY: {"JobId": any_text},
    LITE: {
        "Prompt": text(256),
        "NegativePrompt": text(256),
        "Style": one_of("000", "101", "201", "401"),
        "Resolution": one_of(*SIZES, "1080:1920", "1920:1080"),
        "RspImgType": one_of("base64", "url"),
        "LogoAdd": SWITCH,
    },
}
HUB: Mapping[str, tuple[str, Mapping[str, Legal]]] = {
    "hy-image-v3": (
        "v3-generation",
        {
            "prompt": text(8192),
            "size": sides(512, 2048, 1 << 20),
            "images": many(base64_picture, 3),
            "seed": SEED,
            "revise": one_of(True, False),  # noqa: FBT003 - the two values of a switch
            "footnote": text(16),
        },
    ),
    "hy-image-v3.5-preview": (
        "v35-generation",
        {
            "messages": lambda value: isinstance(value, list) and len(value) == 1,
            "size": sides(256, 8192, 1 << 24),
            "seed": SEED,
            "footnote": text(16),
        },
    ),
}


class TencentBackend(TaskServer):
    """`url` is the base URL of both. TokenHub takes any key but `bad-key`, the signed API what `SECRET_ID` signs.

    "forbidden" in a prompt is refused. What `end` is told may name a code after the state: `4 FailedOperation`.
    """

    good = "5"

    def __init__(self) -> None:
        super().__init__()
        self._orders: dict[str, Order] = {}

    @property
    def url(self) -> str:
        """The base URL."""
        return self.origin

    def error(self, failure: Status) -> bytes:
        """The signed API's envelope for what is a 200, TokenHub's for the others."""
        if failure.status != 200:
            return msgspec.json.encode({"error": {"code": failure.code, "message": failure.message}})
        return enveloped(Error={"Code": failure.code, "Message": failure.message})

    def answer(self, request: Request) -> Reply:
        """Questions come by POST too."""
        return self._asked(request) if request.headers.get("x-tc-action") == QUERY else super().answer(request)

    def authorise(self, request: Request) -> None:
        """A signature that comes out the same when made again, or TokenHub's key."""
        said = request.headers.get("authorization", "")
        if request.path == "/":
            check_signature(request, said)
        elif said in {"", "Bearer bad-key"} or not said.startswith("Bearer "):
            raise Refusal(401, "Incorrect API key.", "invalid_api_key")

    def order(self, request: Request) -> Order:
        """What either way is asked for."""
        order = self._signed(request) if request.path == "/" else self._hub(request)
        self._orders[f"t{len(self._tasks)}"] = order
        return order

    def _hub(self, request: Request) -> Order:
        fields = body(request)
        if fields.get("model") not in HUB:
            raise Refusal(404, "The model does not exist.", "model_not_found")
        path, rules = HUB[fields["model"]]
        if request.path != f"/v1/wand/hunyuan-image/{path}":
            raise Refusal(404, "Nothing is here.", "not_found")
        try:
            check(fields, {**rules, "model": any_text}, "model", "prompt" if "prompt" in rules else "messages")
        except Refusal as refusal:
            raise Refusal(400, f"{refusal.failure.param} is not legal", "invalid_request") from refusal
        prompt = fields["prompt"] if "prompt" in rules else spoken(fields["messages"][0])
        if "forbidden" in prompt:
            raise Refusal(400, "The prompt may not be drawn.", "OperationDenied.TextIllegalDetected")
        width, height = map(int, fields.get("size", "1024x1024").split("x"))
        return Order(model=fields["model"], fields=fields, size=(width, height))

    def _signed(self, request: Request) -> Order:
        action, fields = called(request)
        size = fields.get("Resolution", "768:768" if action == LITE else "1024:1024")
        width, height = map(int, size.split(":"))
        if "ContentImage" in fields:
            given = size_of(bytes_of(fields["ContentImage"]["ImageBase64"]))
            if max(given) >= 5000 or size not in SQUARES:
                raise Refusal(200, "ContentImage and Resolution do not fit", "InvalidParameterValue")
        if "forbidden" in fields["Prompt"]:
            raise Refusal(200, "The text is not legal.", "OperationDenied.TextIllegalDetected")
        times = int(fields.get("Clarity", "x1")[1])
        return Order(model=action, fields=fields, size=(times * width, times * height), n=fields.get("Num", 1))

    def taken(self, task: Task) -> Reply:
        """A job's name, or where there is no job its picture."""
        order = self._orders[task.name]
        (path, *_) = (link.removeprefix(self.origin) for link in task.links)
        if order.model == SUBMIT:
            return Reply(200, enveloped(JobId=task.name))
        if order.model == LITE:
            linked = order.fields.get("RspImgType") == "url"
            return Reply(200, enveloped(ResultImage=task.links[0] if linked else b64encode(self._drawn[path]).decode()))
        if "messages" in order.fields:
            image = {"url": task.links[0], "width": order.size[0], "height": order.size[1]}
            return Reply(200, msgspec.json.encode({"choices": [{"delta": {"image": image}}], "assembled_history": "x"}))
        data = [{"url": task.links[0], "revised_prompt": "a better p"}]
        return Reply(200, msgspec.json.encode({"id": task.name, "created": 1795000000, "data": data}))

    def told(self, request: Request) -> Reply:
        """The state of a job, and in the end its pictures."""
        _, fields = called(request)
        try:
            task = self.task(fields["JobId"])
        except Refusal as refusal:
            raise Refusal(200, "There is no such job.", "ResourceNotFound") from refusal
        state, _, code = ("2" if task.left >= 0 else task.end).partition(" ")
        made = task.links if state == self.good else ()
        return Reply(
            200,
            enveloped(
                JobStatusCode=state,
                JobStatusMsg="",
                JobErrorCode=code,
                JobErrorMsg="It failed." if code else "",
                ResultImage=list(made),
                ResultDetails=["Success"] * len(made),
                RevisedPrompt=["a better p"] * len(made),
            ),
        )


def enveloped(**said: Any) -> bytes:
    """What every answer of the signed API is wrapped in."""
    return msgspec.json.encode({"Response": {**said, "RequestId": "r1"}})


def spoken(message: Any) -> str:
    """The words of a conversation's one message."""
    try:
        check(message, {"role": one_of("user"), "content": many(bool, 1)}, "role", "content")
        (said,) = message["content"]
        check(said, {"type": one_of("text"), "text": any_text}, "type", "text")
    except Refusal as refusal:
        raise Refusal(400, "messages is not legal", "invalid_request") from refusal
    return said["text"]


def called(request: Request) -> tuple[str, dict[str, Any]]:
    """The action that a signed call names, and its fields."""
    action, fields = request.headers.get("x-tc-action", ""), body(request)
    if action not in ACTIONS:
        raise Refusal(200, "The action is not there.", "InvalidAction")
    for name, value in {"x-tc-version": "2023-09-01", "x-tc-region": "ap-guangzhou"}.items():
        if request.headers.get(name) != value:
            raise Refusal(200, f"{name} is missing or wrong.", "MissingParameter")
    try:
        check(fields, ACTIONS[action], "JobId" if action == QUERY else "Prompt")
    except Refusal as refusal:
        code = "UnknownParameter" if refusal.failure.code == "extra_forbidden" else "InvalidParameterValue"
        raise Refusal(200, f"{refusal.failure.param} is not legal", code) from refusal
    return action, fields


def check_signature(request: Request, said: str) -> None:
    """Refuses whatever is not signed by the one secret, just now, over the very bytes that came."""
    found = SIGNED.fullmatch(said)
    if found is None or found[1] != SECRET_ID:
        raise Refusal(200, "The SecretId is not found.", "AuthFailure.SecretIdNotFound")
    stamp = request.headers.get("x-tc-timestamp", "0")
    if abs(time.time() - int(stamp)) > SKEW:
        raise Refusal(200, "The signature has expired.", "AuthFailure.SignatureExpire")
    date = f"{datetime.fromtimestamp(int(stamp), UTC):%Y-%m-%d}"
    if found[2] != date or not hmac.compare_digest(found[3], signature(request, stamp, date)):
        raise Refusal(200, "The signature does not match.", "AuthFailure.SignatureFailure")
    if request.headers.get("x-tc-token", TOKEN) != TOKEN:
        raise Refusal(200, "The token is not valid.", "AuthFailure.TokenFailure")


def signature(request: Request, stamp: str, date: str) -> str:
    """The signature that a call should have."""
    lines = [
        *("POST", "/", ""),
        f"content-type:{request.headers['content-type']}",
        f"host:{request.headers['host']}",
        *("", "content-type;host", hashlib.sha256(request.body).hexdigest()),
    ]
    hashed = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    key = f"TC3{SECRET}".encode()
    for part in (date, "hunyuan", "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text_to_sign = f"TC3-HMAC-SHA256\n{stamp}\n{date}/hunyuan/tc3_request\n{hashed}"
    return hmac.new(key, text_to_sign.encode(), hashlib.sha256).hexdigest()
