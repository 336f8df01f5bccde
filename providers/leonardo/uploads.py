"""Brings pictures to where Leonardo's models find them: a ticket first, then a form to a stranger's address."""

from collections.abc import Generator

import msgspec

from providers.base import Answer, Call, Phase, Upload


class _Place(msgspec.Struct):
    id: str
    url: str
    fields: str  # JSON within JSON


class _Room(msgspec.Struct):
    uploadInitImage: _Place  # noqa: N815 - their word


def uploaded(image: Upload) -> Generator[Call, Answer, str]:
    """The name of a picture brought to where they say; the form goes to a stranger, who takes the file last."""
    kind = {"image/jpeg": "jpg", "image/webp": "webp"}.get(image.media_type or "", "png")
    answer = yield Call(phase=Phase.PREPARE, method="POST", path="/v1/init-image", json={"extension": kind})
    place = answer.read(_Room).uploadInitImage
    fields = Answer(answer.status, {}, place.fields.encode(errors="replace")).read(dict[str, str])
    yield Call(phase=Phase.PREPARE, method="POST", path=place.url, form=(*fields.items(), ("file", image)))
    return place.id
