"""Replicate's predictions: strict about each model's input, and failing within a 201."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from backends.fields import MAGIC, Legal, Refusal, any_text, bytes_of, check, data_picture, many, number, one_of
from backends.server import Reply, Request, Status
from backends.tasks import Order, Task, TaskServer, body, check_mask, size_of

RATIOS = ("1:1", "16:9", "21:9", "3:2", "2:3", "4:5", "5:4", "3:4", "4:3", "9:16", "9:21")
TWO = ("jpg", "png")
THREE = ("webp", "jpg", "png")
SMALL = 256 * 1024
FORMS = {"jpg": "jpeg"}


class ReplicateBackend(TaskServer):
    """Any key will do but `bad-key`; "forbidden" in a prompt is flagged. `at_once`: whether an order waits for its end.

    A task ends in `succeeded`, `canceled`, `aborted`, or any other word, which is then the failure's own.
    """

    def __init__(self, *, at_once: bool = True) -> None:
        super().__init__()
        self.at_once = at_once
        self.uploads: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/v1"

    def error(self, failure: Status) -> bytes:
        """A problem in Replicate's words."""
        return msgspec.json.encode({"title": "Problem", "detail": failure.message, "status": failure.status})

    def authorise(self, request: Request) -> None:
        """A bearer's key."""
        if request.headers.get("authorization", "Bearer bad-key") == "Bearer bad-key":
            raise Refusal(401, "You did not pass a valid authentication token")

    def answer(self, request: Request) -> Reply:
        """A file is taken before an order; all else is an order, a question or a picture."""
        if request.path != "/v1/files":
            return super().answer(request)
        _, _, data = request.body.partition(b"\r\n\r\n")
        if b'name="content"' not in request.body or not any(data.startswith(magic) for magic in MAGIC):
            return Reply(400, self.error(Status(400, message="content is missing")))
        link = f"{self.origin}/v1/files/f{len(self.uploads)}"
        self.uploads[link] = data[: data.rindex(b"\r\n--")]
        return Reply(201, msgspec.json.encode({"id": "f", "urls": {"get": link}}))

    def order(self, request: Request) -> Order:
        """One model's input, all legal."""
        sent = body(request)
        if request.headers.get("prefer") != "wait":
            raise Refusal(400, "Prefer: wait")
        model, fields = self._addressed(request.path, sent), sent.get("input")
        if not isinstance(fields, dict):
            raise Refusal(422, "input is required")
        rules = self._rules().get(model)
        if rules is None:
            raise Refusal(404, "The requested resource could not be found.")
        check(fields, rules, "prompt")
        if (fields.get("aspect_ratio") == "custom") != ("width" in fields):
            raise Refusal(422, "width and height go with a custom aspect_ratio")
        if "mask" in fields:
            check_mask(self._bytes(fields["mask"]), self._bytes(fields["image"]))
        if "forbidden" in fields["prompt"]:
            self.end("The input or output was flagged as sensitive. Please try again. (E005)")
        form = fields.get("output_format", "webp")
        n = fields.get("num_outputs", fields.get("num_images", 1))
        return Order(model=model, fields=fields, size=self._size(fields), form=FORMS.get(form, form), n=n)

    def taken(self, task: Task) -> Reply:
        """The prediction as it stands when the waiting is over."""
        return Reply(201, self._prediction(task, task.end if self.at_once else "starting"))

    def told(self, request: Request) -> Reply:
        """The prediction as it stands now."""
        task = self.task(request.path.removeprefix("/v1/predictions/"))
        return Reply(200, self._prediction(task, "processing" if task.left >= 0 else task.end))

    def _prediction(self, task: Task, end: str) -> bytes:
        known = end in {"starting", "processing", "succeeded", "canceled", "aborted"}
        done = end == "succeeded"
        links = task.links[0] if len(task.links) == 1 else task.links
        told = {
            "id": task.name,
            "status": end if known else "failed",
            "output": links if done else None,
            "error": None if known else end,
            "metrics": {"predict_time": 0.61} if done else {},
            "urls": {"get": f"{self.origin}/v1/predictions/{task.name}"},
        }
        return msgspec.json.encode(told)

    def _addressed(self, path: str, sent: Mapping[str, Any]) -> str:
        found = re.fullmatch(r"/v1/(?:models/|(?=deployments/))(.+)/predictions", path)
        if found is not None and sent.keys() == {"input"}:
            return found[1]
        if path == "/v1/predictions" and sent.keys() == {"input", "version"}:
            return str(sent["version"]).partition(":")[0]
        raise Refusal(404, "The requested resource could not be found.")

    def _rules(self) -> Mapping[str, Mapping[str, Legal]]:
        image, sizes = self._picture, {"width": number(256, 2048, 16), "height": number(256, 2048, 16)}
        flux_1 = rules(THREE, RATIOS, num_outputs=number(1, 4, 1))
        return {
            "black-forest-labs/flux-schnell": {**flux_1, "num_inference_steps": number(1, 4, 1)},
            "black-forest-labs/flux-dev": {
                **flux_1,
                "image": image,
                "prompt_strength": number(0, 1),
                "guidance": number(0, 10),
            },
            "black-forest-labs/flux-2-pro": {
                **rules(THREE, (*RATIOS, "match_input_image", "custom"), **sizes),
                "input_images": many(image, 8),
                "safety_tolerance": number(1, 5, 1),
            },
            "black-forest-labs/flux-kontext-pro": rules(TWO, (*RATIOS, "match_input_image"), input_image=image),
            "black-forest-labs/flux-fill-pro": rules(THREE, image=image, mask=image),
            "ideogram-ai/ideogram-4-5-precise-edit": {
                **{name: rules()[name] for name in ("prompt", "seed")},
                "image": image,
                "mask": image,
                "reference_images": many(image, 4),
                "quality": one_of("very_low", "low", "medium", "high"),
                "num_images": number(1, 8, 1),
            },
            "someone/painter": {"prompt": any_text, "scheduler": any_text},
            "deployments/acme/painter": {"prompt": any_text},
        }

    def _picture(self, value: Any) -> bool:
        """A small picture within the JSON, or one that was uploaded."""
        return value in self.uploads or (data_picture(value) and len(bytes_of(value)) <= SMALL)

    def _bytes(self, value: str) -> bytes:
        return self.uploads[value] if value in self.uploads else bytes_of(value)

    def _size(self, fields: Mapping[str, Any]) -> tuple[int, int]:
        if "width" in fields:
            return fields["width"], fields["height"]
        across, colon, down = fields.get("aspect_ratio", "").partition(":")
        if colon:
            return round(1024 * (int(across) / int(down)) ** 0.5), round(1024 * (int(down) / int(across)) ** 0.5)
        given = [*fields.get("input_images", []), fields.get("input_image"), fields.get("image")]
        return next((size_of(self._bytes(picture)) for picture in given if picture), (1024, 1024))


def rules(formats: tuple[str, ...] = (), ratios: tuple[str, ...] = (), **more: Legal) -> Mapping[str, Legal]:
    """What nearly every model takes, and `more`."""
    return {
        "prompt": any_text,
        "seed": number(0, 1 << 62, 1),
        "aspect_ratio": one_of(*ratios),
        "output_format": one_of(*formats),
        "output_quality": number(0, 100, 1),
        **more,
    }
