"""Sorts the parts of a form as they arrive: pictures into the spool, text into memory, both within their limits."""

import re
from typing import Protocol

from router.api.form_fields import TextPart
from router.api.json_pictures import too_many, unsupported_file
from router.api.pictures import Extent, FilePicture, TextPicture
from router.images.spool import Spool
from router.messages.errors import Refused
from router.messages.limits import BodyLimits

_PICTURE = re.compile(r"(image|images|mask)((?:\[[^\[\]]*\])*)")
# A file whose name is written only in the extended syntax has none here.
_FILE_TYPES = ("image/", "application/octet-stream")
_PLACE = re.compile(r"(\[\d{0,3}\])?(\[image_url\](\[url\])?)?")


class Part(Protocol):
    """A part being read."""

    def feed(self, data: bytes | memoryview) -> None:
        """Takes the next bytes."""

    def finish(self) -> None:
        """The part is complete."""


class FormParts:
    """What a form has brought so far."""

    def __init__(self, spool: Spool, limits: BodyLimits) -> None:
        self.fields: list[TextPart] = []
        self.images: list[Extent | str] = []
        self.masks: list[Extent | str] = []
        self._spool = spool
        self._limits = limits
        self._parts = 0
        self._text = 0

    def open(self, name: str, filename: str | None = None, content_type: str = "") -> Part:
        """The part that now begins; `filename` is None where the part is no file.

        Raises:
            Refused: one part or one picture too many, or a file where none can be.
        """
        self._parts += 1
        if self._parts > self._limits.max_parts:
            words = f"the form has more than {self._limits.max_parts} parts: send nested fields as JSON text"
            raise Refused(400, "invalid_request_body", words)
        picture = _PICTURE.fullmatch(name)
        if picture:
            return self._picture(name, picture[1], picture[2], filename, content_type)
        if filename is not None and not content_type.startswith(("application/json", "text/")):
            words = f"{name} is a file, and only image, image[] and mask can be: rename it, or send text"
            raise Refused(400, "unsupported_parameter", words, param=name)
        return _Text(self, name, json=content_type.startswith("application/json"))

    def keep(self, part: TextPart) -> None:
        """Keeps a complete text part."""
        self.fields.append(part)

    def count_text(self, name: str, size: int, more: int) -> None:
        """Holds text to its limits: `size` of this part so far, of which `more` are new."""
        self._text += more
        if size > self._limits.max_text or self._text > self._limits.max_all_text:
            most = self._limits.max_text if size > self._limits.max_text else self._limits.max_all_text
            whose = name if size > self._limits.max_text else "the form's text"
            words = f"{whose} is longer than {most} bytes: shorten it"
            raise Refused(400, "string_above_max_length", words, param=name)

    def _picture(self, name: str, root: str, place: str, filename: str | None, content_type: str) -> Part:
        if place.endswith("[file_id]"):
            raise unsupported_file(root)
        if not _PLACE.fullmatch(place):
            words = f"{name} is no place for a picture: name the part image, image[] or mask"
            raise Refused(400, "invalid_request_body", words, param=root)
        found, most = (self.masks, 1) if root == "mask" else (self.images, self._limits.max_images)
        if len(found) >= most:
            raise too_many(most, root)
        param = root if root == "mask" or (not place and not found) else f"{root}[{len(found)}]"
        if filename is not None or content_type.startswith(_FILE_TYPES):
            return _Picture(found, FilePicture(self._spool, param, self._limits.max_image, given=filename != ""))
        return _Picture(found, TextPicture(self._spool, param, self._limits.max_image))


class _Picture:
    """A picture of either kind, on its way to its list."""

    def __init__(self, found: list[Extent | str], picture: FilePicture | TextPicture) -> None:
        self._found = found
        self._picture = picture
        self.feed = picture.feed

    def finish(self) -> None:
        result = self._picture.finish()
        if result is not None:
            self._found.append(result)


class _Text:
    """A text part."""

    def __init__(self, form: FormParts, name: str, *, json: bool) -> None:
        self._form = form
        self._name = name
        self._json = json
        self._data = bytearray()

    def feed(self, data: bytes | memoryview) -> None:
        self._form.count_text(self._name, len(self._data) + len(data), len(data))
        self._data += data

    def finish(self) -> None:
        try:
            text = self._data.decode()
        except UnicodeDecodeError as error:
            words = f"{self._name} is not UTF-8: send text as UTF-8, and pictures as image"
            raise Refused(400, "invalid_request_body", words, param=self._name) from error
        self._form.keep(TextPart(self._name, text, self._json))
