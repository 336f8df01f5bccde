"""How answers are read: words, numbers and pictures by their path, and failures by what is known of them."""

import pytest

from providers.base import Answer, Image, Upload, Usage, parts, poll
from providers.dialect import VARY, As, Dialect, Operation
from providers.errors import ErrorKind, OutcomeClass, ProviderError, When, json_error, kept_back

BODY = b"""{"id": "a1", "n": 2, "no": null,
"output": [{"url": "https://one.test"}, {"url": null}, {}, null, {"url": ""}],
"inner": {"base64": ["AAAA", null, "data:image/png;base64,BB\\/B"]}}"""


def said(body=BODY, status=200):
    """An answer with this body."""
    return Answer(status, {}, body)


def test_words_and_numbers() -> None:
    """A word must be there; a number that is absent or null is None, however deep its path was to lead."""
    assert said().word("id") == "a1"
    assert said().number("n") == 2
    assert [said().number(path) for path in ("no", "none", "no.deeper", "inner.none")] == [None] * 4


def test_pictures() -> None:
    """Addresses and base64 are found wherever a path leads; what is null, absent or empty is no picture."""
    assert said().links("output.*.url") == (Image(url="https://one.test"),)
    assert [bytes(image.b64 or b"") for image in said().inline("inner.base64.*")] == [b"AAAA", b"BB/B"]
    assert said().links("nothing.*.url") == said().inline("no.*") == ()


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (lambda answer: answer.word("no"), "Object missing required field `no`"),
        (lambda answer: answer.word("inner.id"), "Object missing required field `id` - at `$.inner`"),
        (lambda answer: answer.word("n"), "Expected `str | null`, got `int` - at `$.n`"),
        (lambda answer: answer.number("id"), "Expected `int | float | null`, got `str` - at `$.id`"),
        (lambda answer: answer.links("id.*"), "Expected `array | null`, got `str` - at `$.id`"),
        (lambda answer: answer.links("n.url"), "Expected `object | null`, got `int` - at `$.n`"),
        (lambda answer: answer.inline("n"), "something else where a picture's base64 belongs"),
    ],
)
def test_an_odd_answer(read, words) -> None:
    """Whatever is missing or of another type is a bad response that names the place."""
    with pytest.raises(ProviderError) as caught:
        read(said())
    assert caught.value.kind is ErrorKind.BAD_RESPONSE
    assert caught.value.message.endswith(words)


READ = json_error(
    message=("words",),
    code=("code",),
    type=("type",),
    codes={"broke": ErrorKind.QUOTA, "torn": (ErrorKind.UNAVAILABLE, OutcomeClass.FAILED)},
    cases={
        When(423): ErrorKind.UNAVAILABLE,
        When((400, 422), words="nsfw|unsafe"): ErrorKind.CONTENT_POLICY,
        When(code="^E7$", words="asleep"): (ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED),
        When(type="^retired$"): ErrorKind.UNSUPPORTED,
    },
    within_200=OutcomeClass.FAILED,
    wordless="it ended as {code}",
)


@pytest.mark.parametrize(
    ("status", "body", "kind", "outcome"),
    [
        (400, b'{"words": "no"}', ErrorKind.INVALID_REQUEST, OutcomeClass.REJECTED),
        (400, b'{"code": "broke"}', ErrorKind.QUOTA, OutcomeClass.REJECTED),
        (400, b'{"code": "torn"}', ErrorKind.UNAVAILABLE, OutcomeClass.FAILED),
        (423, b"{}", ErrorKind.UNAVAILABLE, OutcomeClass.REJECTED),
        (422, b'{"words": "It is UNSAFE"}', ErrorKind.CONTENT_POLICY, OutcomeClass.REJECTED),
        (400, b'{"code": "nsfw_prompt"}', ErrorKind.CONTENT_POLICY, OutcomeClass.REJECTED),
        (403, b'{"words": "unsafe"}', ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED),
        (500, b'{"code": "E7", "words": "asleep"}', ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED),
        (500, b'{"code": "E70", "words": "asleep"}', ErrorKind.UNAVAILABLE, OutcomeClass.FAILED),
        (400, b'{"code": "broke", "type": "retired"}', ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED),
        (200, b'{"words": "no"}', ErrorKind.UNAVAILABLE, OutcomeClass.FAILED),
    ],
)
def test_failures(status, body, kind, outcome) -> None:
    """Codes outrank the status, and cases in which all that is given holds outrank both."""
    error = READ(said(body, status))
    assert (error.kind, error.outcome) == (kind, outcome)
    assert error.status == (status if status >= 300 else None)


def test_a_failure_without_words() -> None:
    """A failure told under a 200 without words is told in its adapter's, any other by its status."""
    assert READ(said(b'{"code": 7}')).message == "it ended as 7"
    assert READ(said(b'{"code": 7}', 418)).message == "the backend answered 418"


def test_a_picture_kept_back() -> None:
    """A picture that was drawn and withheld is a refusal that may have been billed."""
    error = kept_back("flagged", code="F1")
    assert (error.kind, error.outcome, error.code) == (ErrorKind.CONTENT_POLICY, OutcomeClass.AMBIGUOUS, "F1")


def test_a_poll_that_ends_badly() -> None:
    """The state stands at a path, and a failed one may be read as any failure is."""
    flow = poll("/jobs/1", status="job.state", pending={"wait"}, done={"made"}, failed={"torn": READ})
    next(flow)
    flow.send(said(b'{"job": {"state": "wait"}}'))
    with pytest.raises(ProviderError, match="the easel fell") as caught:
        flow.send(said(b'{"job": {"state": "torn"}, "words": "the easel fell", "code": "broke"}'))
    assert (caught.value.kind, caught.value.outcome) == (ErrorKind.QUOTA, OutcomeClass.FAILED)


def test_parts_of_a_form() -> None:
    """Text and pictures go into a form as they are, all else as JSON writes it."""
    picture = Upload.of(b"x")
    fields = {"prompt": "a kite", "seed": 7, "async": True, "tags": ["a"], "image": picture}
    assert parts(fields) == (
        *(("prompt", "a kite"), ("seed", "7"), ("async", "true"), ("tags", '["a"]')),
        ("image", picture),
    )


def test_usage_that_says_nothing() -> None:
    """What a backend used is None where it says nothing, and zero is something."""
    assert Usage().or_none() is None
    assert Usage(cost=0.0).or_none() == Usage(cost=0.0)


def test_a_table_made_from_another() -> None:
    """A dialect takes over its rules and arguments, and an editing one makes variations by edits unless told not to."""
    plain = Dialect(params={"seed": As("seed")}, max_n=4)
    other = plain.but({"steps": As("steps")}, extras=True)
    assert (set(other.params), other.max_n, other.extras) == ({"seed", "steps"}, 4, True)
    both, alone = plain.editing(3), plain.editing(alone=True)
    assert (both.operations, both.max_images) == ({Operation.GENERATE, Operation.EDIT}, 3)
    assert (alone.operations, alone.max_images) == ({Operation.EDIT}, 1)
    assert both.variation_prompt == alone.variation_prompt == VARY
    assert plain.editing(vary=None).variation_prompt is None
