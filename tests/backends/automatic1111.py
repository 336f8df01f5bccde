"""AUTOMATIC1111's API: strict about its fields, loose about names of checkpoints, as the real one is."""

import io
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import msgspec
from PIL import Image, ImageFilter

from backends.drawing import picture
from backends.fields import Refusal, any_text, base64_picture, bytes_of, check, many, number, one_of
from backends.ledger import Record
from backends.repaint import repainted
from backends.server import Reply, Request, Server, Status
from backends.tasks import body, check_mask

TITLE = "dreamshaper_8.safetensors [879db523c3]"
NAME = "dreamshaper_8"
GOOD_KEY = "painter:swordfish"
SWITCH = one_of(True, False)  # noqa: FBT003 - the two values of a switch
TXT2IMG = {
    "prompt": lambda value: isinstance(value, str),
    "negative_prompt": any_text,
    "width": number(64, 8192, 8),
    "height": number(64, 8192, 8),
    "steps": number(1, 150, 1),
    "cfg_scale": number(1, 30),
    "seed": number(-1, 1 << 32, 1),
    "sampler_name": any_text,
    "scheduler": any_text,
    "alwayson_scripts": lambda value: isinstance(value, dict),
    "batch_size": one_of(1),
    "n_iter": number(1, 10, 1),
    "override_settings": lambda value: isinstance(value, dict) and set(value) == {"sd_model_checkpoint"},
    "override_settings_restore_afterwards": SWITCH,
    "send_images": one_of(True),  # noqa: FBT003 - a field's value
    "save_images": one_of(False),  # noqa: FBT003 - a field's value
}
IMG2IMG = {
    **TXT2IMG,
    "init_images": many(base64_picture, 1),
    "mask": base64_picture,
    "mask_blur": number(0, 64, 1),
    "denoising_strength": number(0, 1),
    "inpainting_fill": number(0, 3, 1),
}
SERVICES = {"/sdapi/v1/txt2img": TXT2IMG, "/sdapi/v1/img2img": IMG2IMG}


class Automatic1111Backend(Server):
    """`url` is the base URL. `locked` asks for a key; `stumbles` are what the next looks at the models are answered."""

    def __init__(self) -> None:
        super().__init__()
        self.locked = False
        self.stumbles: list[int] = []
        self.looks = 0
        self.masks: list[bytes] = []

    @property
    def url(self) -> str:
        """The base URL."""
        return self.origin

    def error(self, failure: Status) -> bytes:
        """Its own shape, and FastAPI's where a field is to blame."""
        if failure.param is not None:
            detail = {"loc": ["body", failure.param], "msg": failure.message, "type": failure.code}
            return msgspec.json.encode({"detail": [detail]})
        if failure.status == 500:
            said = {"error": failure.code, "detail": "", "body": "", "errors": failure.message}
        else:
            said = {"error": "HTTPException", "detail": failure.message, "body": "", "errors": ""}
        return msgspec.json.encode(said)

    def answer(self, request: Request) -> Reply:
        """The checkpoints, or pictures."""
        fields: Mapping[str, Any] = {}
        try:
            self._authorise(request)
            if request.method == "GET":
                return self._listing(request)
            fields = self._sound(request)
        except Refusal as refusal:
            failure = refusal.failure
            record = _record(request, fields, failure.status) if request.method == "POST" else None
            return Reply(failure.status, self.error(failure), record=record)
        return Reply(200, _drawn(fields), record=_record(request, fields, 200))

    def _authorise(self, request: Request) -> None:
        given = request.headers.get("authorization")
        if self.locked and given != f"Basic {b64encode(GOOD_KEY.encode()).decode()}":
            raise Refusal(401, "Incorrect username or password")

    def _listing(self, request: Request) -> Reply:
        self.looks += 1
        if request.path != "/sdapi/v1/sd-models":
            raise Refusal(404, "Not Found")
        if self.stumbles:
            raise Refusal(self.stumbles.pop(0), "busy", "RuntimeError")
        found = {"title": TITLE, "model_name": NAME, "hash": "879db523c3", "filename": f"/models/{NAME}"}
        return Reply(200, msgspec.json.encode([found]))

    def _sound(self, request: Request) -> dict[str, Any]:
        if request.path not in SERVICES:
            raise Refusal(404, "Not Found")
        fields = body(request)
        check(fields, SERVICES[request.path])
        if request.path.endswith("img2img") and "init_images" not in fields:
            raise Refusal(404, "Init image not found")
        if fields.get("sampler_name", "Euler a") != "Euler a":
            raise Refusal(404, "Sampler not found")
        if "mask" in fields:
            mask = bytes_of(fields["mask"])
            check_mask(mask, bytes_of(fields["init_images"][0]))
            self.masks.append(mask)
        return fields


def _record(request: Request, fields: Mapping[str, Any], status: int) -> Record:
    model = fields.get("override_settings", {}).get("sd_model_checkpoint")
    return Record(
        path=request.path,
        model=model,
        n=fields.get("n_iter", 1),
        fields=fields,
        headers=request.headers,
        status=status,
        billed=status == 200,
    )


def _drawn(fields: Mapping[str, Any]) -> bytes:
    size = f"{fields.get('width', 512)}x{fields.get('height', 512)}"
    seed, n = fields.get("seed", 1), fields["n_iter"]
    info = msgspec.json.encode({"seed": seed, "all_seeds": [seed + place for place in range(n)]}).decode()
    images = [_inpainted(fields)] * n if "mask" in fields else [picture(size, "png", shade) for shade in range(n)]
    return msgspec.json.encode({"images": images, "parameters": {**fields, "init_images": None}, "info": info})


def _inpainted(fields: Mapping[str, Any]) -> str:
    """The picture under its mask, the mask's edges softened by four pixels unless another number is given."""
    with Image.open(io.BytesIO(bytes_of(fields["mask"]))) as opened:
        area = opened.convert("L").filter(ImageFilter.GaussianBlur(fields.get("mask_blur", 4)))
    return b64encode(repainted(bytes_of(fields["init_images"][0]), area)).decode()


def white(mask: bytes) -> list[bool]:
    """Which pixels of a mask's first row are white."""
    with Image.open(io.BytesIO(mask)) as opened:
        grey = opened.convert("L")
        return [grey.getpixel((column, 0)) == 255 for column in range(grey.width)]
