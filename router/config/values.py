"""The values a config is made of: durations, sizes, keys, paths. Each has its grammar and its complaints."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

DURATION = r"^[0-9]+(\.[0-9]+)?(ms|s|m|h)$"
SIZE = r"^[0-9]+(\.[0-9]+)?(B|kB|MB|GB|KiB|MiB|GiB)$"

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"B": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_LONGEST = 24 * 3600.0
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]+)")
_PICTURE_SIZE = re.compile(r"auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4}")
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_BUCKET = re.compile(r"(s3|gs|az)://[A-Za-z0-9._-]+(/[\x21-\x7e]*)?")
_NAME = re.compile(r"[\x21-\x29\x2b-\x7e]+")  # printable, without spaces and without '*'


class Record(BaseModel):
    """What every part of a config is: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


def expected(what: str) -> NoReturn:
    """Refuse a value: it should have been `what`. The sentence goes on with the value as the file spells it."""
    raise PydanticCustomError("expected", "{what}", {"what": what})


def forbidden(sentence: str) -> NoReturn:
    """Refuse a value in a whole sentence, without repeating it."""
    raise PydanticCustomError("forbidden", "{sentence}", {"sentence": sentence})


class Secret:
    """A key. It prints as asterisks wherever it goes; `reveal()` is the one way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The key itself."""
        return self._text

    def __repr__(self) -> str:
        return "'********'"

    def __str__(self) -> str:
        return "********"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read from text, written as asterisks."""
        return core_schema.no_info_plain_validator_function(
            _secret,
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Text, for editors."""
        return {"type": "string"}


def _secret(value: Any) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str) or not value:
        forbidden('expected a key, such as "${NAME}" or "${file:PATH}"; a key of digits needs quotes')
    if value.lstrip().startswith("{"):  # a key that is JSON, as Google's files are laid out in lines
        value = "".join(value.strip().splitlines())
    if not (value.isascii() and value.isprintable()) or value != value.strip():
        forbidden(
            "the key holds spaces at its ends, line breaks or characters that no key has: check where it comes from"
        )
    return Secret(value)


def _quantity(value: Any, units: Mapping[str, float]) -> float | None:
    found = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if found is None or found.group(2) not in units:
        return None
    return float(found.group(1)) * units[found.group(2)]


def _pause(value: Any) -> float:
    seconds = _quantity(value, _SECONDS)
    if seconds is None:
        expected("a duration such as 500ms, 30s or 5m")
    if seconds > _LONGEST:
        expected("a duration of at most 24h")
    return seconds


def _duration(value: Any) -> float:
    seconds = _pause(value)
    if seconds <= 0:
        expected("a duration longer than nothing")
    return seconds


def _size(value: Any) -> int:
    number = _quantity(value, _BYTES)
    if number is None:
        expected("a size such as 64KiB, 50MB or 1GiB")
    if not 1 <= number <= 1 << 50:
        expected("a size of at least 1B")
    return int(number)


def _whole(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"[-+]?[0-9]{1,18}", value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        expected("a whole number")
    return value


def _number(value: Any) -> float:
    if isinstance(value, str) and re.fullmatch(r"[-+]?[0-9]{1,18}(\.[0-9]{1,18})?", value):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        expected("a number")
    return value


def _switch(value: Any) -> bool:
    switches = {"true": True, "false": False}
    if isinstance(value, str) and value in switches:
        return switches[value]
    if not isinstance(value, bool):
        expected("true or false")
    return value


def _path(value: Any, info: ValidationInfo) -> Path:
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        expected("a path")
    directory: Path = (info.context or {}).get("directory", Path())
    return directory / value


def _in_a_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _address(value: str) -> str:
    try:
        parts = urlsplit(value)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        host = None
    if host is None or parts.scheme not in {"http", "https"} or not _HOST.fullmatch(host) or not _NAME.fullmatch(value):
        expected("an address such as https://images.internal:8000/v1")
    if parts.username is not None:
        forbidden("an address holds no name or password: put the key in api_key")
    if parts.query or parts.fragment:
        forbidden("an address ends with its path: leave out what follows ? or #")
    return value.rstrip("/")


def _store_place(value: str, info: ValidationInfo) -> str:
    _, is_bucket, rest = value.partition("://")
    if not is_bucket:
        return str(_path(value, info))
    if "@" in rest.partition("/")[0]:
        forbidden("a bucket's address holds no key: put it in options")
    if not _BUCKET.fullmatch(value) or "?" in value or "#" in value:
        expected("a directory, or a bucket such as s3://bucket/prefix, gs://bucket or az://container")
    return value.rstrip("/")


def _picture_size(value: str) -> str:
    if not _PICTURE_SIZE.fullmatch(value):
        expected("a picture's size such as 1024x1024, or auto")
    return value


def _kind(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*", value):
        expected("a kind such as openai, or the dotted name of a module")
    return value


def _provider_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", value):
        expected("a provider's name of letters, digits, '.', '_' and '-'")
    return value


def _model_name(value: str) -> str:
    if not _NAME.fullmatch(value.removesuffix("/*")) or value.startswith("/"):
        expected("a model's name without spaces, or a wildcard such as openai/*")
    return value


def _alias(value: str) -> str:
    if not _NAME.fullmatch(value):
        expected("a name without spaces and without '*'")
    return value


def _target(value: str) -> str:
    provider, _, model = value.partition("/")
    if not provider or not (model == "*" or _NAME.fullmatch(model)):
        expected("provider/model, such as openai/gpt-image-2")
    return value


Duration = Annotated[
    float,
    BeforeValidator(_duration, json_schema_input_type=Annotated[str, Field(pattern=DURATION)]),
]
Pause = Annotated[
    float,
    BeforeValidator(_pause, json_schema_input_type=Annotated[str, Field(pattern=DURATION)]),
]
Size = Annotated[int, BeforeValidator(_size, json_schema_input_type=Annotated[str, Field(pattern=SIZE)])]
Whole = BeforeValidator(_whole)
Number = BeforeValidator(_number)
Switch = Annotated[bool, BeforeValidator(_switch)]
FilePath = Annotated[Path, BeforeValidator(_path, json_schema_input_type=str)]
FilePaths = Annotated[
    tuple[FilePath, ...],
    Field(min_length=1),
    BeforeValidator(_in_a_list, json_schema_input_type=str | tuple[str, ...]),
]
Address = Annotated[str, AfterValidator(_address)]
StorePlace = Annotated[str, AfterValidator(_store_place)]
PictureSize = Annotated[str, AfterValidator(_picture_size)]
Kind = Annotated[str, AfterValidator(_kind)]
ProviderName = Annotated[str, AfterValidator(_provider_name)]
ModelName = Annotated[str, AfterValidator(_model_name)]
Alias = Annotated[str, AfterValidator(_alias)]
TargetName = Annotated[str, AfterValidator(_target)]
Filled = Annotated[str, Field(min_length=1)]


def spell_duration(seconds: float) -> str:
    """A duration in its largest whole unit."""
    for unit in ("h", "m", "s"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:g}{unit}"
    return f"{seconds * 1000:g}ms"


def spell_size(size: int) -> str:
    """A size in its largest whole unit."""
    for unit in ("GiB", "GB", "MiB", "MB", "KiB", "kB"):
        if size % _BYTES[unit] == 0 and size:
            return f"{size // _BYTES[unit]}{unit}"
    return f"{size}B"
