"""What DashScope's answers say: a task's state, and pictures in either of two layouts."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec

from providers.base import Answer, Image, ImageResult, Usage
from providers.dashscope.errors import kind_of, refusal
from providers.errors import ErrorKind, OutcomeClass, ProviderError, bad_response

_SIZE = re.compile(r"([1-9]\d{0,4})\*([1-9]\d{0,4})")


class _Item(msgspec.Struct):
    image: msgspec.Raw = msgspec.Raw()


class _Message(msgspec.Struct):
    content: list[_Item]


class _Choice(msgspec.Struct):
    message: _Message


class _Drawn(msgspec.Struct):
    url: msgspec.Raw = msgspec.Raw()
    actual_prompt: str | None = None
    code: str | None = None
    message: str | None = None


class _Output(msgspec.Struct):
    task_id: str | None = None
    task_status: str | None = None
    code: str | None = None
    choices: list[_Choice] | None = None
    results: list[_Drawn] | None = None


class _Used(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    # of every picture: older models of Qwen, newer ones, and Wan each have words of their own
    width: Any = None
    height: Any = None
    output_width: Any = None
    output_height: Any = None
    size: Any = None


class _Body(msgspec.Struct):
    code: str | None = None
    output: _Output | None = None
    usage: _Used | None = None


def _sound(answer: Answer) -> _Output:
    """An answer's contents.

    Raises:
        ProviderError: it names a failure, or holds nothing.
    """
    body = answer.read(_Body)
    if body.code or (body.output is not None and body.output.code):
        raise refusal(answer)
    if body.output is None:
        raise bad_response("the backend's answer has no output")
    return body.output


def task(answer: Answer) -> str:
    """The name of the task that was taken.

    Raises:
        ProviderError: none was.
    """
    name = _sound(answer).task_id
    if not name:
        raise bad_response("the backend's answer names no task")
    return name


def state(answer: Answer) -> str:
    """How a task is getting on.

    Raises:
        ProviderError: the answer does not say: the work may go on unseen.
    """
    body = answer.read(_Body)
    status = body.output.task_status if body.output is not None else None
    if status is None and body.code:
        raise refusal(answer, OutcomeClass.AMBIGUOUS)
    if status is None:
        raise bad_response("the backend's answer names no state of the task")
    if status == "UNKNOWN":
        raise bad_response("the backend no longer knows the task that it took")
    return status


def result(answer: Answer, size: Any) -> ImageResult:
    """The pictures, and what they took. `size` is what was asked for, where anything was.

    Raises:
        ProviderError: there are none, and the answer says why.
    """
    output = _sound(answer)
    used = answer.read(_Body).usage or _Used()
    width, height = _pixels(used, size)
    images = tuple(replace(image, width=width, height=height) for image in _images(answer, output))
    fault = next((item for item in output.results or () if item.code), None)
    if fault is not None and not images:
        kind = kind_of(fault.code) or ErrorKind.UNAVAILABLE
        words = fault.message or f"the picture failed as {fault.code}"
        raise ProviderError(kind, words, outcome=OutcomeClass.FAILED, code=fault.code)
    usage = Usage(  # 0 is what is not counted
        input_tokens=used.input_tokens or None,
        output_tokens=used.output_tokens or None,
        output_image_tokens=used.output_tokens or None,  # all that comes out is picture
        total_tokens=used.total_tokens or None,
    )
    return ImageResult(images=images, usage=None if usage == Usage() else usage)


def _pixels(used: _Used, asked: Any) -> tuple[int, int]:
    """Each picture's width and height as the backend says, else as it was asked for, else 0."""
    said = f"{used.width or used.output_width}*{used.height or used.output_height}"
    found = _SIZE.fullmatch(said) or _SIZE.fullmatch(str(used.size)) or _SIZE.fullmatch(str(asked))
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _images(answer: Answer, output: _Output) -> Iterator[Image]:
    found = [(item.image, None) for choice in output.choices or () for item in choice.message.content]
    for raw, revised in [*found, *((item.url, item.actual_prompt) for item in output.results or ())]:
        if bytes(memoryview(raw)[:1]) in {b"", b"n"}:  # null
            continue
        text = answer.cargo(raw)
        if bytes(text[:4]) == b"http":
            yield Image(url=str(text, "utf-8", "replace"), revised_prompt=revised or None)
        elif text:
            yield Image(b64=text, revised_prompt=revised or None)
