"""Google's image models: generateContent on the Gemini API and on Vertex AI, and the tokens of service accounts."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

from backends.drawing import picture
from backends.ledger import Record
from backends.server import Reply, Request, Server, Status

TEN = frozenset({"1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"})
FOURTEEN = TEN | {"1:4", "4:1", "1:8", "8:1"}
PIXELS = {
    "1:1": (1024, 1024),
    "3:2": (1264, 848),
    "4:3": (1200, 896),
    "5:4": (1152, 928),
    "16:9": (1376, 768),
    "21:9": (1584, 672),
    "4:1": (2048, 512),
    "8:1": (3072, 384),
}
PIXELS_25 = {
    "1:1": (1024, 1024),
    "3:2": (1248, 832),
    "4:3": (1184, 864),
    "5:4": (1152, 896),
    "16:9": (1344, 768),
    "21:9": (1536, 672),
}
SCALES = {"512": 0.5, "1K": 1, "2K": 2, "4K": 4}
HARMS = frozenset({"HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT"})
MAGIC = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8\xff", "image/webp": b"RIFF"}
PROJECT = "p-1"
EMAIL = "painter@p-1.iam.gserviceaccount.com"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a model takes; without `tiers` there is no imageSize."""

    ratios: frozenset[str]
    tiers: frozenset[str] = frozenset()
    most: int = 14
    seed: bool = True
    pixels: Mapping[str, tuple[int, int]]


UPPER = frozenset({"1K", "2K", "4K"})
LIVE = {
    "gemini-nano-banana-2.1": Rules(ratios=FOURTEEN, tiers=UPPER, seed=False, pixels=PIXELS),
    "gemini-3-pro-image": Rules(ratios=TEN, tiers=UPPER, pixels=PIXELS),
    "gemini-3.1-flash-image": Rules(ratios=FOURTEEN, tiers=UPPER | {"512"}, pixels=PIXELS),
    "gemini-3.1-flash-lite-image": Rules(ratios=TEN, tiers=frozenset({"1K"}), pixels=PIXELS),
    "gemini-2.5-flash-image": Rules(ratios=TEN, most=3, pixels=PIXELS_25),
}


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """A request that is answered with an error."""

    def __init__(self, status: int, name: str, message: str, reason: str | None = None) -> None:
        self.failure = Status(status, name, reason, message)


class GoogleBackend(Server):
    """Both APIs at one `url`. `issued` are the tokens given, the newest last; one in `lapsed` holds no more.

    A prompt that says "forbidden" is refused, what "shy" draws is held back, and "dream" only thinks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.issued: list[str] = []
        self.lapsed: set[str] = set()

    @property
    def url(self) -> str:
        """The base URL of either API; on Vertex AI the project is named after it."""
        return f"{self.origin}/v1"

    @property
    def service_account(self) -> str:
        """The JSON text of an account that this backend knows."""
        return account(f"{self.origin}/token")

    def error(self, failure: Status) -> bytes:
        """Google's envelope; `type` is the reason in its details."""
        said: dict[str, Any] = {"code": failure.status, "message": failure.message, "status": failure.code}
        if failure.type is not None:
            said["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": failure.type}]
        return msgspec.json.encode({"error": said})

    def answer(self, request: Request) -> Reply:
        """A token, or what the model makes."""
        if request.path == "/token":
            return self._token(request)
        record = Record(path=request.path, model=None, n=1, fields={}, headers=request.headers, status=200, billed=True)
        try:
            model = self._resolve(request)
            fields = msgspec.json.decode(request.body, type=dict[str, Any])
            record = replace(record, model=model, fields=fields)
            pictures = check(fields, LIVE[model])
        except Refusal as refusal:
            failure = refusal.failure
            return Reply(
                failure.status, self.error(failure), record=replace(record, status=failure.status, billed=False)
            )
        return Reply(200, msgspec.json.encode(made(fields, LIVE[model], pictures)), record=record)

    def _resolve(self, request: Request) -> str:
        """The model, once the key is found good for where it is asked."""
        found = re.fullmatch(
            r"/v1(?:beta1)?(/projects/([^/]+)/locations/[^/]+/publishers/google)?/models/([^/]+):generateContent",
            request.path,
        )
        if found is None or request.method != "POST":
            raise Refusal(404, "NOT_FOUND", "The requested URL was not found on this server.")
        key, bearer = request.headers.get("x-goog-api-key"), request.headers.get("authorization")
        if found[1] is None and (bearer is not None or key in {None, "", "bad-key"}):
            raise Refusal(400, "INVALID_ARGUMENT", "API key not valid.", "API_KEY_INVALID")
        if found[1] is not None and (key is not None or not self._knows(bearer)):
            raise Refusal(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if found[1] is not None and found[2] != PROJECT:
            raise Refusal(403, "PERMISSION_DENIED", "Permission denied on resource project.")
        if found[3] not in LIVE:
            raise Refusal(404, "NOT_FOUND", f"models/{found[3]} is not found.")
        return found[3]

    def _knows(self, bearer: str | None) -> bool:
        token = (bearer or "").removeprefix("Bearer ")
        return token in self.issued and token not in self.lapsed

    def _token(self, request: Request) -> Reply:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        try:
            claims = jwt.decode(form["assertion"], certs=keys()[1], audience=f"{self.origin}/token")
        except ValueError:
            claims = {}
        if form["grant_type"] != GRANT or (claims.get("iss"), claims.get("scope")) != (EMAIL, SCOPE):
            said = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            return Reply(400, msgspec.json.encode(said))
        self.issued.append(f"token-{len(self.issued)}")
        said = {"access_token": self.issued[-1], "expires_in": 3599, "token_type": "Bearer"}
        return Reply(200, msgspec.json.encode(said))


@cache
def keys() -> tuple[str, str]:
    """A private key and its public half, both as PEM."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    plain, pem = serialization.NoEncryption(), serialization.Encoding.PEM
    public = private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain).decode(), public.decode()


def account(token_uri: str, **changes: str) -> str:
    """A service account's key file."""
    file = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "k-1",
        "private_key": keys()[0],
        "client_email": EMAIL,
        "token_uri": token_uri,
    }
    return msgspec.json.encode({**file, **changes}).decode()


def check(fields: Mapping[str, Any], rules: Rules) -> int:
    """Refuses whatever the model does not take; how many pictures it is shown."""
    _known(fields, {"contents", "generationConfig", "safetySettings"})
    config = fields.get("generationConfig", {})
    _known(config, {"responseModalities", "imageConfig", "seed"})
    canvas = config.get("imageConfig", {})
    _known(canvas, {"aspectRatio", "imageSize"})
    if config.get("responseModalities") not in (["IMAGE"], ["TEXT", "IMAGE"]):
        raise _invalid("responseModalities")
    if canvas.get("aspectRatio", "1:1") not in rules.ratios:
        raise _invalid("aspectRatio")
    if "imageSize" in canvas and canvas["imageSize"] not in rules.tiers:
        raise _invalid("imageSize")
    seed = config.get("seed", 0)
    if ("seed" in config and not rules.seed) or type(seed) is not int or not -(1 << 31) <= seed < 1 << 31:
        raise _invalid("seed")
    for setting in fields.get("safetySettings", ()):
        if setting["category"].removeprefix("HARM_CATEGORY_") not in HARMS or setting["threshold"] != "BLOCK_ONLY_HIGH":
            raise _invalid("safetySettings")
    return _check_parts(fields, rules)


def _check_parts(fields: Mapping[str, Any], rules: Rules) -> int:
    contents = fields.get("contents")
    if not isinstance(contents, list) or len(contents) != 1 or contents[0].get("role") != "user":
        raise _invalid("contents")
    pictures = 0
    for part in contents[0]["parts"]:
        _known(part, {"text", "inlineData"})
        if len(part) != 1:
            raise _invalid("contents.parts")
        if "inlineData" in part:
            _check_picture(part["inlineData"])
            pictures += 1
    if pictures > rules.most or not contents[0]["parts"]:
        raise _invalid("contents.parts")
    return pictures


def _check_picture(blob: Mapping[str, Any]) -> None:
    _known(blob, {"mimeType", "mime_type", "data"})  # JSON of either spelling is read
    media_type = blob.get("mimeType") or blob.get("mime_type")
    data = base64.urlsafe_b64decode(blob["data"].replace("+", "-").replace("/", "_"))
    if media_type not in MAGIC or not data.startswith(MAGIC[media_type]):
        raise _invalid("inlineData")


def _known(fields: Mapping[str, Any], names: set[str]) -> None:
    for name in fields.keys() - names:
        raise Refusal(400, "INVALID_ARGUMENT", f'Invalid JSON payload received. Unknown name "{name}".')


def _invalid(name: str) -> Refusal:
    return Refusal(400, "INVALID_ARGUMENT", f"Invalid value at '{name}'.")


def made(fields: Mapping[str, Any], rules: Rules, pictures: int) -> dict[str, Any]:
    """The documented answer: a thought with a draft, and the picture; or what it says instead of one."""
    prompt = " ".join(part["text"] for part in fields["contents"][0]["parts"] if "text" in part)
    words = len(prompt.split())
    used: dict[str, Any] = {"promptTokenCount": words + 258 * pictures, "totalTokenCount": words + 258 * pictures}
    if "forbidden" in prompt:
        return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": used}
    if "shy" in prompt:
        return {"candidates": [{"index": 0, "finishReason": "IMAGE_SAFETY"}], "usageMetadata": used}
    canvas = fields["generationConfig"].get("imageConfig", {})
    parts: list[dict[str, Any]] = [
        {"text": "a draft", "thought": True},
        {"inlineData": {"mimeType": "image/png", "data": picture("16x16", "png", 3)}, "thought": True},
    ]
    if "dream" not in prompt:
        data = picture("{}x{}".format(*size_of(canvas, rules)), "png")
        parts.append({"inlineData": {"mimeType": "image/png", "data": data}})
    seen = [{"modality": "IMAGE", "tokenCount": 258 * pictures}] if pictures else []
    drawn = [{"modality": "IMAGE", "tokenCount": 1120}]
    usage = {
        **used,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": words}, *seen],
        "candidatesTokenCount": 1120,
        "candidatesTokensDetails": drawn,
        "thoughtsTokenCount": 90,
        "totalTokenCount": words + 258 * pictures + 1210,
    }
    content = {"role": "model", "parts": parts}
    return {"candidates": [{"index": 0, "finishReason": "STOP", "content": content}], "usageMetadata": usage}


def size_of(canvas: Mapping[str, str], rules: Rules) -> tuple[int, int]:
    """The pixels drawn for a ratio and a tier."""
    ratio, scale = canvas.get("aspectRatio", "1:1"), SCALES[canvas.get("imageSize", "1K")]
    if ratio in rules.pixels:
        width, height = rules.pixels[ratio]
    else:
        height, width = rules.pixels[":".join(reversed(ratio.split(":")))]
    return int(width * scale), int(height * scale)
