"""The envelope, and what callers are told of a provider's failure."""

import msgspec
import pytest
from hypothesis import given, strategies as st

from providers.base import ErrorKind, OutcomeClass, ProviderError
from router.messages.errors import LONGEST_MESSAGE, Refused, envelope, from_provider, redacted, should_retry

KIND = ErrorKind
CLASS = OutcomeClass


def failed(kind, status=None, outcome=CLASS.REJECTED, message="no", **words):
    """A provider's failure."""
    return ProviderError(kind, message, outcome=outcome, status=status, **words)


def body(refused, *failures):
    """The envelope's inside, read back."""
    return msgspec.json.decode(envelope(refused, failures))["error"]


def test_the_envelope_has_all_four_keys() -> None:
    """An error carries message, type, param and code, the last two null where there is nothing to say."""
    assert body(Refused(400, None, "wrong")) == {
        "message": "wrong",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }


def test_the_envelope_lists_what_was_tried() -> None:
    """Failures stand in the envelope as they were given."""
    assert body(Refused(502, "provider_error", "no"), {"model": "a/b", "status": 500})["failures"] == [
        {"model": "a/b", "status": 500}
    ]


@given(st.text(st.characters(codec=None)), st.text(st.characters(codec=None)))
def test_any_text_makes_an_envelope(message, param) -> None:
    """No message and no field's name, lone surrogates included, can break the envelope."""
    found = body(Refused(400, "invalid_value", message, param=param))
    assert isinstance(found["message"], str)
    assert isinstance(found["param"], str)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "insufficient_quota"),
        (403, "permission_error"),
        (404, "invalid_request_error"),
        (405, "invalid_request_error"),
        (408, "timeout_error"),
        (413, "invalid_request_error"),
        (415, "invalid_request_error"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (501, "server_error"),
        (502, "provider_error"),
        (503, "provider_error"),
        (504, "provider_error"),
    ],
)
def test_a_status_has_its_type(status, expected) -> None:
    """The envelope's type follows from the status."""
    assert Refused(status, "x", "y").type == expected


PROVIDER_TABLE = {
    "a 400 keeps the backend's code": (failed(KIND.INVALID_REQUEST, 400, code="bad"), 400, "bad"),
    "a 400 without a code has none": (failed(KIND.INVALID_REQUEST, 400), 400, None),
    "a 404 keeps its status": (failed(KIND.UNSUPPORTED, 404), 404, "model_not_found"),
    "a 413 keeps its status": (failed(KIND.INVALID_REQUEST, 413), 413, "request_too_large"),
    "a 422 keeps its status": (failed(KIND.INVALID_REQUEST, 422, code="bad"), 422, "bad"),
    "a 429 keeps its status": (failed(KIND.RATE_LIMITED, 429), 429, "rate_limit_exceeded"),
    "throttling told by a code is a 429": (failed(KIND.RATE_LIMITED, 403, code="Throttled"), 429, "Throttled"),
    "throttling with another status is a 429": (failed(KIND.RATE_LIMITED, 400), 429, "rate_limit_exceeded"),
    "a 401 is our key, not the caller's": (failed(KIND.AUTHENTICATION, 401), 422, "provider_credential_invalid"),
    "a 403 is our key, not the caller's": (failed(KIND.AUTHENTICATION, 403), 422, "provider_credential_invalid"),
    "a bad key told by a code is ours": (failed(KIND.AUTHENTICATION, 400), 422, "provider_credential_invalid"),
    "a 403 of any other kind is ours too": (failed(KIND.INVALID_REQUEST, 403), 422, "provider_credential_invalid"),
    "our unpaid account is not the caller's 402": (failed(KIND.QUOTA, 402), 503, "provider_error"),
    "our quota told by a 429 is not the caller's": (failed(KIND.QUOTA, 429), 503, "provider_error"),
    "our own timeout is a 408": (failed(KIND.TIMEOUT, None, CLASS.AMBIGUOUS), 408, "request_timeout"),
    "the provider's 408 is its own timeout": (failed(KIND.TIMEOUT, 408, CLASS.AMBIGUOUS), 504, "provider_timeout"),
    "a 500 is a 502": (failed(KIND.UNAVAILABLE, 500, CLASS.FAILED), 502, "provider_error"),
    "a 501 keeps its status": (failed(KIND.UNSUPPORTED, 501), 501, "not_implemented"),
    "a 502 keeps its status": (failed(KIND.UNAVAILABLE, 502, CLASS.AMBIGUOUS), 502, "provider_error"),
    "a 503 keeps its status": (failed(KIND.UNAVAILABLE, 503), 503, "provider_overloaded"),
    "a 504 keeps its status": (failed(KIND.UNAVAILABLE, 504, CLASS.AMBIGUOUS), 504, "provider_timeout"),
    "a 529 is a 503": (failed(KIND.UNAVAILABLE, 529), 503, "provider_overloaded"),
    "a 520 is a 502": (failed(KIND.UNAVAILABLE, 520, CLASS.AMBIGUOUS), 502, "provider_error"),
    "a redirect is a 502": (failed(KIND.UNAVAILABLE, 302, CLASS.AMBIGUOUS), 502, "provider_error"),
    "a lost connection is a 502": (failed(KIND.UNAVAILABLE, None, CLASS.NOT_SENT), 502, "provider_error"),
    "a 200 without a picture is a 502": (failed(KIND.BAD_RESPONSE, None, CLASS.AMBIGUOUS), 502, "provider_error"),
    "a 409 about the request is a 400": (failed(KIND.INVALID_REQUEST, 409, code="odd"), 400, "odd"),
    "a job that judged the request bad is a 400": (failed(KIND.INVALID_REQUEST, code="odd"), 400, "odd"),
    "what no target can do is a 400": (failed(KIND.UNSUPPORTED), 400, "unsupported_parameter"),
    "a safety refusal is a 400": (failed(KIND.CONTENT_POLICY, 403, code="blocked"), 400, "blocked"),
    "a safety refusal without a code gets one": (failed(KIND.CONTENT_POLICY), 400, "moderation_blocked"),
}


@pytest.mark.parametrize(("error", "status", "code"), PROVIDER_TABLE.values(), ids=PROVIDER_TABLE)
def test_a_providers_failure_has_one_answer(error, status, code) -> None:
    """Each kind and status of a provider's failure gives the caller one status and one code, never a 401 or 402."""
    refused = from_provider(error)
    assert (refused.status, refused.code) == (status, code)
    assert refused.status not in {401, 402, 403}


def test_a_safety_refusal_keeps_the_backends_pair() -> None:
    """A refusal by policy keeps the backend's type and code, and has the contract's type where it gave none."""
    pair = failed(KIND.CONTENT_POLICY, 400, type="invalid_request_error", code="content_policy_violation")
    assert from_provider(pair).type == "invalid_request_error"
    assert from_provider(failed(KIND.CONTENT_POLICY)).type == "image_generation_user_error"


def test_a_kept_error_keeps_param_and_message() -> None:
    """What a backend says of the request reaches the caller: message, parameter, type."""
    refused = from_provider(failed(KIND.INVALID_REQUEST, 400, message="Bad size", param="size", type="odd"))
    assert (refused.message, refused.param, refused.type) == ("Bad size", "size", "odd")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_told_in_our_words(status) -> None:
    """The backend's text about a key, which may quote it, never reaches the caller."""
    refused = from_provider(failed(KIND.AUTHENTICATION, status, message="wrong key: hunter2", param="key"))
    assert "hunter2" not in refused.message
    assert refused.param is None


def test_retry_after_is_passed_on() -> None:
    """The backend's wish to be left alone is told to the caller."""
    assert from_provider(failed(KIND.RATE_LIMITED, 429, retry_after=7.0)).retry_after == 7.0


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abc123def456",
        "sk-abc***xyz9",
        "Bearer abc.def",
        "api-key: s3cret-value",
        'api_key="s3cret-value"',
        "x-key=s3cretvalue",
        "AIza" + "b" * 35,
        "AKIAIOSFODNN7EXAMPLE",
        "0123456789abcdef0123456789abcdef",
        "iVBORw0KGgo" * 20,
        "data:image/png;base64,iVBORw0KGgo=",
        "https://user:hunter2@example.com",
    ],
)
def test_nothing_like_a_key_reaches_the_caller(secret) -> None:
    """Keys, tokens and base64 are cut out of a backend's text, the sentence around them stays."""
    found = redacted(f"Refused {secret} for now")
    assert found.startswith("Refused ")
    assert found.endswith(" for now")
    assert "[redacted]" in found
    for part in ("sk-", "abc.def", "s3cret", "AIza", "AKIA", "0123456789", "iVBOR", "hunter2"):
        assert part not in found


def test_plain_words_are_not_redacted() -> None:
    """Sentences, request ids and model names pass as they are."""
    text = (
        "Invalid size '17x17' for gpt-image-1.5 (request 8d3f1c1e-2222-4444-8888-1234567890ab): token limit, key frame"
    )
    assert redacted(text) == text


def test_a_backends_text_has_an_end() -> None:
    """A caller never gets more than a thousand characters of a backend's text."""
    assert len(redacted("so sorry " * 10_000)) == LONGEST_MESSAGE


@given(st.text(st.characters(codec=None), max_size=300))
def test_any_backend_text_can_be_told(text) -> None:
    """Whatever a backend says, the answer is an envelope."""
    assert body(from_provider(failed(KIND.INVALID_REQUEST, 400, message=text, code=text, param=text, type=text)))


RETRY_TABLE = {
    "a rate limit": (failed(KIND.RATE_LIMITED, 429), True),
    "an overload": (failed(KIND.UNAVAILABLE, 503), True),
    "a connection never made": (failed(KIND.UNAVAILABLE, None, CLASS.NOT_SENT), True),
    "a timeout before anything was sent": (failed(KIND.TIMEOUT, None, CLASS.NOT_SENT), True),
    "work that failed": (failed(KIND.UNAVAILABLE, 500, CLASS.FAILED), True),
    "a timeout": (failed(KIND.TIMEOUT, None, CLASS.AMBIGUOUS), False),
    "a reset": (failed(KIND.UNAVAILABLE, None, CLASS.AMBIGUOUS), False),
    "a 200 without a picture": (failed(KIND.BAD_RESPONSE, None, CLASS.AMBIGUOUS), False),
    "a refused key": (failed(KIND.AUTHENTICATION, 401), False),
    "an unpaid account": (failed(KIND.QUOTA, 402), False),
    "a safety refusal": (failed(KIND.CONTENT_POLICY, 400), False),
    "a bad request": (failed(KIND.INVALID_REQUEST, 400), False),
    "a missing capability": (failed(KIND.UNSUPPORTED), False),
}


@pytest.mark.parametrize(("error", "expected"), RETRY_TABLE.values(), ids=RETRY_TABLE)
def test_clients_are_told_whether_to_ask_again(error, expected) -> None:
    """Asking again is advised only where it may help and nothing was billed, and never after our own second try."""
    assert should_retry(error, 1) is expected
    assert from_provider(error).should_retry is expected
    assert should_retry(error, 2) is False
    assert from_provider(error, 2).should_retry is False
