"""Laws that hold for every adapter in the folder, whoever wrote it."""

import contextlib
import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import example, given, settings, strategies as st
from test_wire import WIRE, play

import providers
from providers.base import (
    Answer,
    Call,
    ImageResult,
    Job,
    Operation,
    Partial,
    Phase,
    ProviderError,
    Upload,
    bad_response,
)
from providers.dialect import PARAMETERS, Grid, OneOf, Shape, Sizes
from providers.http import Request

KINDS = providers.kinds()
each_kind = pytest.mark.parametrize("kind", KINDS)
each_streaming_kind = pytest.mark.parametrize("kind", [kind for kind in KINDS if providers.load(kind).stream])
quick = settings(max_examples=100, deadline=None, database=None, derandomize=True)


def golden(kind: str) -> list[Path]:
    """The golden files of a kind."""
    return sorted((WIRE / kind).glob("*.yaml"))


@cache
def jobs(kind: str) -> list[Job]:
    """One job for each operation of each dialect."""
    adapter = providers.load(kind)
    upload = Upload.of(bytes(12), width=64, height=64)
    return [
        Job(
            id="law",
            operation=operation,
            model=pattern.replace("*", "x"),
            prompt="a red kite",
            n=dialect.max_n,
            images=() if operation is Operation.GENERATE else (upload,) * max(dialect.max_images, 1),
            mask=upload if dialect.mask and operation is Operation.EDIT else None,
        )
        for pattern, dialect in adapter.dialects.items()
        for operation in sorted(dialect.operations)
    ]


@cache
def vocabulary(kind: str) -> list[str]:
    """Every key that the golden answers of a kind hold: what its answers are made of."""

    def keys(value: Any) -> set[str]:
        if isinstance(value, dict):
            return {*value, *(key for inner in value.values() for key in keys(inner))}
        return {key for inner in value for key in keys(inner)} if isinstance(value, list) else set()

    files = [yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader) for file in golden(kind)]
    answers = [step["answer"] for file in files for step in file.get("wire", ())]
    return sorted(keys([[answer.get("json"), answer.get("events")] for answer in answers]))


@cache
def event_names(kind: str) -> list[str]:
    """Every name of an event that the golden files of a kind hold, and none."""
    files = [yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader) for file in golden(kind)]
    steps = [step["answer"] for file in files for step in file.get("wire", ())]
    return sorted({event.get("event", "") for answer in steps for event in answer.get("events", ())} | {""})


@cache
def anything(kind: str) -> st.SearchStrategy[Any]:
    """Any JSON, made of words that the backend uses and of others."""
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
    words = st.sampled_from(vocabulary(kind)) | st.text(max_size=4)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=6),
        max_leaves=24,
    )


@each_kind
def test_tables_are_complete(kind):
    """Every model name finds a dialect, and every pattern its own."""
    adapter = providers.load(kind)
    assert list(adapter.dialects)[-1] == "*"
    for pattern, dialect in adapter.dialects.items():
        assert adapter.dialect(pattern.replace("*", "x")) is dialect


@each_kind
def test_tables_are_sound(kind):
    """A dialect names only common parameters, leaves no list of words empty, and says what it can do."""
    for dialect in providers.load(kind).dialects.values():
        rules = {**dialect.params, **dialect.edit_params, **dialect.mask_params}
        assert set(rules) <= PARAMETERS
        assert all(rule.words for rule in rules.values() if isinstance(rule, OneOf))
        assert dialect.operations
        assert dialect.max_n >= 1
        takes_pictures = bool(dialect.operations - {Operation.GENERATE})
        assert takes_pictures == (dialect.max_images > 0)
        assert dialect.mask is not None or not dialect.mask_params
        assert dialect.variation_prompt is None or Operation.EDIT in dialect.operations


@each_kind
def test_golden_files(kind):
    """Every kind has its golden files: at least eight."""
    assert len(golden(kind)) >= 8


@each_kind
def test_deterministic(kind):
    """The same job makes the same conversation, so that a retry sends what the first attempt sent."""
    for file in golden(kind):
        written = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
        assert play(kind, written) == play(kind, written)
    for job in jobs(kind):
        assert next(providers.load(kind).generate(job)) == next(providers.load(kind).generate(job))


@each_kind
def test_no_key_in_a_call(kind):
    """An adapter never writes the header that carries the key."""
    adapter = providers.load(kind)
    keyed: set[str] = set()
    if adapter.auth is not None:
        bare, request = (Request("POST", "http://local.test") for _ in range(2))
        next(adapter.auth("secret").auth_flow(request))
        keyed = set(request.headers) - set(bare.headers)
        assert keyed
    for job in jobs(kind):
        asked = [next(adapter.generate(job))]
        asked += [adapter.stream.request(replace(job, n=1), 1)] if adapter.stream is not None else []
        assert keyed.isdisjoint(name.lower() for call in asked for name in call.headers)


@cache
def any_answer(kind: str) -> st.SearchStrategy[Answer]:
    """Any answer of a backend, or of whatever stands before it."""
    bodies = anything(kind).map(msgspec.json.encode) | st.binary(max_size=32)
    statuses = st.sampled_from([200, 200, 200, 400, 401, 403, 404, 408, 424, 429, 500, 502, 503, 529, 599])
    return st.builds(Answer, statuses, st.just({}), bodies)


@cache
def any_event(kind: str) -> st.SearchStrategy[tuple[str, bytes]]:
    """Any event of a stream: its name and its data."""
    names = st.sampled_from(event_names(kind)) | st.text(max_size=12)
    known = st.fixed_dictionaries({"type": st.sampled_from(event_names(kind)), "b64_json": st.just("AAAA")})
    mixed = st.builds(lambda one, other: {**one, **other}, known, st.dictionaries(st.text(max_size=4), anything(kind)))
    return st.tuples(names, (anything(kind) | known | mixed).map(msgspec.json.encode) | st.binary(max_size=32))


@each_kind
@quick
@given(data=st.data())
def test_any_answer_is_understood_or_refused(kind, data):
    """Whatever a backend answers, the end is a result or a typed error."""
    job = data.draw(st.sampled_from(jobs(kind)), label="job")
    assert_ends(kind, job, any_answer(kind), data)


def assert_ends(kind, job, answers, data):
    """A conversation whose every answer is drawn ends as the contract says, or goes on asking."""
    adapter = providers.load(kind)
    flow = adapter.generate(job)
    asked = next(flow)
    for _ in range(5):
        assert isinstance(asked, Call)
        answer = data.draw(answers, label="answer")
        if answer.status >= 300:
            error = adapter.error(answer)
            assert isinstance(error, ProviderError)
            assert error.status == answer.status
            return
        try:
            asked = flow.send(answer)
        except StopIteration as stop:
            result = stop.value
            break
        except ProviderError:
            return
    else:
        flow.close()
        return
    assert isinstance(result, ImageResult)
    for image in result.images:
        assert sum(form is not None for form in (image.b64, image.url, image.data)) == 1


@each_kind
def test_streams_are_sound(kind):
    """A dialect says that its models stream only where the adapter can ask for events and read them."""
    adapter = providers.load(kind)
    assert any(dialect.stream for dialect in adapter.dialects.values()) == (adapter.stream is not None)


@each_streaming_kind
def test_asking_for_events(kind):
    """Events are asked for by one paid call, the same each time and unlike the plain one."""
    adapter = providers.load(kind)
    for job in jobs(kind):
        if not adapter.dialect(job.model).stream:
            continue
        for partials in range(4):
            call = adapter.stream.request(replace(job, n=1), partials)
            assert call == adapter.stream.request(replace(job, n=1), partials)
            assert call.phase is Phase.SUBMIT
            assert call != next(adapter.generate(replace(job, n=1)))


@each_streaming_kind
@quick
@given(data=st.data())
def test_any_event_is_understood_or_refused(kind, data):
    """Whatever a stream holds, an event is an early look, one picture, what was used, nothing, or a typed error."""
    name, body = data.draw(any_event(kind), label="event")
    try:
        said = providers.load(kind).stream.event(name, Answer(200, {}, body))
    except ProviderError:
        return
    assert said is None or isinstance(said, Partial | ImageResult)
    if isinstance(said, ImageResult):
        assert len(said.images) == 1 or said == ImageResult(images=(), usage=said.usage)


@each_kind
def test_nested_without_end(kind):
    """A body nested too deep to read is a typed error like any other."""
    deep = b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    adapter = providers.load(kind)
    assert adapter.error(Answer(500, {}, deep)).status == 500
    flow = adapter.generate(jobs(kind)[0])
    next(flow)
    with pytest.raises(ProviderError):
        flow.send(Answer(200, {}, deep))
    if adapter.stream is not None:
        for name in {"", "error"} | set(event_names(kind)):
            with contextlib.suppress(ProviderError):
                assert adapter.stream.event(name, Answer(200, {}, deep)) is None


def shape_rules(sort: type) -> pytest.MarkDecorator:
    """Every rule of this sort that a dialect has for shapes: once, however many have it."""
    dialects = [dialect for kind in KINDS for dialect in providers.load(kind).dialects.values()]
    rules = [dialect.params["shape"] for dialect in dialects if "shape" in dialect.params]
    found = [rule for at, rule in enumerate(rules) if isinstance(rule, sort) and rule not in rules[:at]]
    return pytest.mark.parametrize("rule", found)


sides = st.integers(1, 10_000)
shapes = st.builds(Shape, sides, sides) | st.builds(Shape, st.just(0), st.just(0), st.floats(0.01, 100))


def sent(rule, shape):
    """Width and height of what a rule sends."""
    fit = rule(shape)
    if len(fit.fields) == 2:  # one for the width and one for the height
        return tuple(fit.fields.values()), fit.reason
    (value,) = fit.fields.values()
    width, _, height = value.partition("x")
    return (int(width), int(height)), fit.reason


def off(size, ratio):
    """How far a size is from a ratio."""
    return abs(math.log(size[0] / size[1] / ratio))


@shape_rules(Sizes)
@quick
@given(shape=shapes)
def test_listed_sizes(rule, shape):
    """Every shape lands on a listed size, and no other has a nearer ratio."""
    size, _ = sent(rule, shape)
    assert size in rule.sizes
    assert off(size, shape.ratio) <= min(off(other, shape.ratio) for other in rule.sizes) + 0.01


@shape_rules(Grid)
@quick
@example(shape=Shape(476, 9705))  # where one pixel of the short side is sixteen of the long one
@given(shape=shapes)
def test_grid(rule, shape):
    """Every shape lands on the grid within its bounds, as near to its ratio as the steps allow."""
    (width, height), _ = sent(rule, shape)
    assert width % rule.step == height % rule.step == 0
    assert rule.area[0] <= width * height <= rule.area[1]
    assert max(width, height) <= min(rule.longest, rule.ratio * min(width, height))
    ratio = min(max(shape.ratio, 1 / rule.ratio), rule.ratio)
    assert off((width, height), ratio) <= 2 * rule.step / min(width, height)


@shape_rules(Grid)
def test_grid_keeps_what_is_legal(rule):
    """A size that the model draws is sent as it is, without a word."""
    most = rule.longest // rule.step
    sides = sorted({rule.step * max(1, most * part // 40) for part in range(1, 41)})
    legal = [(width, height) for width in sides for height in sides if rule._legal((width, height))]
    assert legal
    for size in legal:
        assert sent(rule, Shape(*size)) == (size, None)


def test_load():
    """A kind is a file's name or an installed module's; anything else is refused with the remedy."""
    assert providers.load("providers.openai") is providers.load("openai")
    for kind, words in {
        "opena": "use one of ",
        "base": "is unknown",
        "no.such_module": "install the module",
        ".openai": "cannot be imported",
        "providers.base": "must set `adapter",
    }.items():
        with pytest.raises(LookupError, match=words):
            providers.load(kind)


@pytest.mark.parametrize(
    ("text", "cargo"),
    [
        (b'"AAAA"', b"AAAA"),
        (b'"AA\\/A"', b"AA/A"),
        (b'""', b""),
        (b'"data:image/png;base64,AAAA"', b"AAAA"),
        (b'"data:image\\/png;base64,AA\\/A"', b"AA/A"),
    ],
)
def test_cargo(text, cargo):
    """Base64 is a slice of the body as it came, without a data address's head; only an escape makes a copy."""
    answer = Answer(200, {}, b'{"picture": ' + text + b"}")
    assert answer.cargo(msgspec.Raw(text)) == cargo


@pytest.mark.parametrize("text", [b"7", b"null", b'"\\ud800"', b'"', b""])
def test_no_cargo(text):
    """Anything else in a picture's place is a bad response."""
    answer = Answer(200, {}, text)
    with pytest.raises(ProviderError) as caught:
        answer.cargo(msgspec.Raw(text))
    assert caught.value.kind is bad_response("").kind


def test_upload_in_pieces():
    """An upload is read in pieces, whole and as often as wanted."""
    upload = Upload.of(bytes(range(10)))
    assert list(upload.pieces(4)) == list(upload.pieces(4)) == [bytes(range(4)), bytes(range(4, 8)), bytes([8, 9])]
