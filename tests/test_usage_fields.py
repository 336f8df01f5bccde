"""What callers are told that their pictures took: every number, against what the backends said and drew."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from backends import OpenAIBackend, Status
from backends.dashscope import DashScopeBackend
from backends.drawing import used
from backends.tasks import size_of
from pictures import base64_png
from serving import serving

from router.wire import conversation

AT_ONCE = ("qwen-image-3.0", "qwen-image-2.0-pro", "qwen-image-plus")
LATER = ("wan2.7-image-pro", "wan2.6-t2i", "wan2.2-t2i-plus")
EDITORS = ("qwen-image-3.0", "qwen-image-edit-plus", "wan2.7-image-pro", "wan2.5-i2i-preview")
GPT = "gpt-image-1.5"
EACH = {"qwen-image-3.0": 0.03, "qwen-image-2.0-pro": 0.075}  # dollars a picture, of the models with a known price
CALLS = {"qwen-image-plus": 2}  # for two pictures, at models that draw one a call
MILLIONTHS = {"text_in": 5, "image_in": 8, "image_out": 32}  # the same for a token of GPT's
BUSY = Status(503, "scripted")
Qwen = tuple[DashScopeBackend, DashScopeBackend]
Gpt = tuple[OpenAIBackend, OpenAIBackend]


@pytest.fixture(scope="module")
def qwen() -> Iterator[Qwen]:
    """The first and the second member of every chain of Alibaba's."""
    with DashScopeBackend() as first, DashScopeBackend() as second:
        yield first, second


@pytest.fixture(scope="module")
def gpt() -> Iterator[Gpt]:
    """The same for OpenAI's."""
    with OpenAIBackend() as first, OpenAIBackend() as second:
        yield first, second


@pytest.fixture(scope="module")
def router(qwen: Qwen, gpt: Gpt, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A router whose polls and pauses take no time."""
    kinds = {"dashscope": qwen, "openai": gpt}
    models = (*AT_ONCE, *LATER, *EDITORS)
    config = {
        "defaults": {"retry": {"backoff": "1ms", "backoff_max": "1ms"}},
        "providers": {
            f"{kind}-{place}": {"kind": kind, "base_url": backend.url, "api_key": "key"}
            for kind, pair in kinds.items()
            for place, backend in enumerate(pair)
        },
        "models": {
            **{model: {"chain": [f"dashscope-0/{model}", f"dashscope-1/{model}"]} for model in models},
            GPT: {"chain": [f"openai-0/{GPT}", f"openai-1/{GPT}"]},
            "gpt-then-qwen": {"chain": [f"openai-0/{GPT}", "dashscope-1/qwen-image-3.0"]},
        },
    }

    async def at_once(_: float) -> None:
        await asyncio.sleep(0)

    with pytest.MonkeyPatch.context() as patch, serving(config, tmp_path_factory.mktemp("router")) as url:
        patch.setattr(conversation, "asyncio", SimpleNamespace(sleep=at_once, timeout=asyncio.timeout))
        yield url


@pytest.fixture(autouse=True)
def _clean(qwen: Qwen, gpt: Gpt) -> None:
    for backend in (*qwen, *gpt):
        backend.ledger.clear()
    for backend in qwen:
        backend.used.clear()


def ask(router: str, model: str, **fields: Any) -> dict[str, Any]:
    """What a generation, or with a picture an edit, is answered with."""
    path = "edits" if "image" in fields else "generations"
    body = {"model": model, "prompt": "a red kite", **fields}
    answer = httpx.post(f"{router}/v1/images/{path}", json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def streamed(router: str, model: str, **fields: Any) -> list[dict[str, Any]]:
    """The usage of each finished picture of a stream."""
    path = "edits" if "image" in fields else "generations"
    body = {"model": model, "prompt": "a red kite", "stream": True, **fields}
    answer = httpx.post(f"{router}/v1/images/{path}", json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    events = [msgspec.json.decode(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    return [event["usage"] for event in events if event["type"].endswith("completed")]


def of_qwen(
    said: Sequence[Mapping[str, Any]],
    size: tuple[int, int],
    *,
    count: int,
    edit: bool = False,
    each: float | None = None,
) -> dict[str, Any]:
    """The usage that stands for what backends of Alibaba's said; of an edit's input it is not said what is text."""
    given, made, total = (sum(one.get(f"{name}_tokens", 0) for one in said) for name in ("input", "output", "total"))
    text = 0 if edit else given
    found: dict[str, Any] = {
        "input_tokens": given,
        "output_tokens": made,
        "total_tokens": total,
        "input_tokens_details": {"text_tokens": text, "image_tokens": 0},
        "prompt_tokens": given,
        "input_text_tokens": text,
        "image_count": count,
        "width": size[0],
        "height": size[1],
    }
    if made:
        found["output_tokens_details"] = {"text_tokens": 0, "image_tokens": made}
        found |= {"image_tokens": made, "output_image_tokens": made}
    return found if each is None else {**found, "cost": each * count}


def of_gpt(backends: Gpt, inputs: int, size: tuple[int, int]) -> dict[str, Any]:
    """The usage that stands for what both of OpenAI's said of the work they did."""
    done = [record for backend in backends for record in backend.ledger.billed]
    said = [used(record.fields, inputs, record.n) for record in done]
    given, made, total = (sum(one[f"{name}_tokens"] for one in said) for name in ("input", "output", "total"))
    text, image = (sum(one["input_tokens_details"][f"{name}_tokens"] for one in said) for name in ("text", "image"))
    cost = text * MILLIONTHS["text_in"] + image * MILLIONTHS["image_in"] + made * MILLIONTHS["image_out"]
    return {
        "input_tokens": given,
        "output_tokens": made,
        "total_tokens": total,
        "input_tokens_details": {"text_tokens": text, "image_tokens": image},
        "output_tokens_details": {"text_tokens": 0, "image_tokens": made},
        "prompt_tokens": given,
        "image_tokens": made,
        "input_text_tokens": text,
        "output_image_tokens": made,
        "image_count": sum(record.n for record in done),
        "width": size[0],
        "height": size[1],
        "cost": cost / 1_000_000,
    }


def same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Every number is right, and there is none beside them."""
    assert {**found, "cost": None} == {**wanted, "cost": None}
    assert found.get("cost") == pytest.approx(wanted.get("cost"))


def added(usages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The sum of several usages; their pictures are of one size."""
    total = dict(usages[0])
    for name in ("input_tokens_details", "output_tokens_details"):
        if name in total:
            total[name] = {key: sum(usage[name][key] for usage in usages if name in usage) for key in total[name]}
    for name in total.keys() - {"input_tokens_details", "output_tokens_details", "width", "height"}:
        total[name] = sum(usage.get(name, 0) for usage in usages)
    return total


@pytest.mark.parametrize("form", [None, "url", "b64_json"])
@pytest.mark.parametrize("model", [*AT_ONCE, *LATER])
def test_a_picture_of_qwens_is_told_in_the_words_of_r9s(router: str, qwen: Qwen, model: str, form: str | None) -> None:
    """Tokens are the backend's, pixels the pictures', at once or later, in both layouts, seen or only linked to."""
    answer = ask(router, model, n=2, size="1280x1280", response_format=form)
    links = [item["url"] for item in answer["data"] if "url" in item]
    assert len(links) == (0 if form == "b64_json" else 2)
    size = (1328, 1328) if model == "qwen-image-plus" else (1280, 1280)
    assert {size_of(httpx.get(link).content) for link in links} <= {size}
    assert answer["size"] == "{}x{}".format(*size)
    assert qwen[0].ledger.pictures == 2
    same(answer["usage"], of_qwen(qwen[0].used, size, count=2, each=EACH.get(model)))


@pytest.mark.parametrize("model", EDITORS)
def test_an_edit_of_qwens_counts_no_picture_as_text(router: str, qwen: Qwen, model: str) -> None:
    """Where only a total is known, and a picture was sent, no part of it is said to be text."""
    picture = f"data:image/png;base64,{base64_png(1024, 768)}"
    answer = ask(router, model, n=2, image=picture, response_format="b64_json")
    size = (1024, 768)
    same(answer["usage"], of_qwen(qwen[0].used, size, count=2, edit=True, each=EACH.get(model)))


@pytest.mark.parametrize(
    ("model", "late"),
    [*((model, False) for model in (*AT_ONCE, *LATER)), *((model, True) for model in LATER)],
)
def test_after_a_fallback_usage_is_of_those_who_drew(router: str, qwen: Qwen, model: str, *, late: bool) -> None:
    """A first target that refuses the work, or loses it later, adds no number."""
    first, second = qwen
    if late:
        first.end("FAILED InternalError.Algo")
    else:
        first.script(*[BUSY] * CALLS.get(model, 1))
    answer = ask(router, model, n=2, size="1280x1280")
    size = (1328, 1328) if model == "qwen-image-plus" else (1280, 1280)
    assert not (first.used if late else first.ledger.pictures)
    assert second.ledger.pictures == 2
    same(answer["usage"], of_qwen(second.used, size, count=2, each=EACH.get(model)))


def test_pictures_of_two_targets_are_one_usage(router: str, qwen: Qwen) -> None:
    """Where one of two pictures is drawn by the second target, both are counted, each once."""
    first, second = qwen
    first.script(BUSY)
    answer = ask(router, "qwen-image-plus", n=2)
    assert (first.ledger.pictures, second.ledger.pictures) == (1, 1)
    same(answer["usage"], of_qwen([], (1328, 1328), count=2))


def test_after_another_kind_the_numbers_are_qwens(router: str, qwen: Qwen, gpt: Gpt) -> None:
    """A chain from GPT to Qwen that ends at Qwen says what Qwen said."""
    gpt[0].script(BUSY)
    answer = ask(router, "gpt-then-qwen", n=2, size="1024x1024")
    same(answer["usage"], of_qwen(qwen[1].used, (1024, 1024), count=2, each=0.03))


def test_pixels_that_nobody_tells_are_left_out(router: str) -> None:
    """A link whose backend says no size, for a request that names none, has neither width nor height nor size."""
    answer = ask(router, "wan2.2-t2i-plus")
    assert "url" in answer["data"][0]
    assert {"width", "height"} & answer["usage"].keys() == set()
    assert "size" not in answer
    assert answer["usage"]["image_count"] == 1


@pytest.mark.parametrize("model", [*AT_ONCE, *LATER])
def test_the_events_of_qwens_pictures_add_up(router: str, qwen: Qwen, model: str) -> None:
    """Each finished picture counts as one, and together the events say what the backend said, once."""
    usages = streamed(router, model, n=2, size="1280x1280")
    size = (1328, 1328) if model == "qwen-image-plus" else (1280, 1280)
    assert [usage["image_count"] for usage in usages] == [1, 1]
    assert {(usage["width"], usage["height"]) for usage in usages} == {size}
    same(added(usages), of_qwen(qwen[0].used, size, count=2, each=EACH.get(model)))


@pytest.mark.parametrize("failing", [False, True])
@pytest.mark.parametrize("inputs", [0, 2])
@pytest.mark.parametrize("stream", [False, True])
def test_a_picture_of_gpts_is_told_in_the_words_of_r9s(
    router: str,
    gpt: Gpt,
    inputs: int,
    *,
    failing: bool,
    stream: bool,
) -> None:
    """Prompt and picture tokens are the backend's, streamed or not, also after the first target failed."""
    if failing:
        gpt[0].script(*[BUSY] * (2 if stream else 1))
    fields: dict[str, Any] = {"n": 2, "size": "1536x1024", "quality": "low"}
    if inputs:
        fields["image"] = [f"data:image/png;base64,{base64_png(64, 64)}"] * inputs
    if stream:
        usages = streamed(router, GPT, partial_images=1, **fields)
        assert [usage["image_count"] for usage in usages] == [1, 1]
        found = added(usages)
    else:
        found = ask(router, GPT, **fields)["usage"]
    assert found["image_tokens"] == 2 * 210
    same(found, of_gpt(gpt, inputs, (1536, 1024)))
