"""The caller's routing controls: every place, every spelling, every limit."""

import pytest
from hypothesis import given, strategies as st

from router.engine.request import Balancer, BalancerType, Cache, Controls, Member, Retry, Trace
from router.messages.controls import read_controls
from router.messages.errors import Refused


def read(fields, *, form=False, headers=None, **more):
    """The controls and the trace of a body."""
    return read_controls(fields, form=form, headers=headers or {}, **more)


def retry(count, *codes):
    """A caller's retries."""
    return Retry(count, frozenset(codes or {429}))


def drawn(kind, **weights):
    """A balancer."""
    return Balancer(BalancerType(kind), tuple(Member(model, weight) for model, weight in weights.items()))


def outcome(fields, *, form):
    """What becomes of a body: controls and trace, or the refusal."""
    try:
        return read(fields, form=form)
    except Refused as refused:
        return refused


A, B = {"model": "a"}, {"model": "b"}
CACHED = {"type": "exact_match"}

ACCEPTED = {
    "no control is no control": ({}, Controls()),
    "null is absent": ({"retry": None, "orq": None, "timeout": None, "fallbacks": None}, Controls()),
    "retry with count and codes": ({"retry": {"count": 2, "on_codes": [429, 500]}}, Controls(retry=retry(2, 429, 500))),
    "whole floats are integers": ({"retry": {"count": 2.0, "on_codes": [429.0]}}, Controls(retry=retry(2))),
    "retry without count is three": ({"retry": {}}, Controls(retry=retry(3))),
    "retry of zero is off": ({"retry": {"count": 0}}, Controls(retry=retry(0))),
    "retry in orq": ({"orq": {"retry": {"count": 1}}}, Controls(retry=retry(1))),
    "retries": ({"retries": {"count": 1}}, Controls(retry=retry(1))),
    "retries in orq": ({"orq": {"retries": {"count": 4}}}, Controls(retry=retry(4))),
    "attempts and on_status_codes": (
        {"retry": {"attempts": 5, "on_status_codes": [503]}},
        Controls(retry=retry(5, 503)),
    ),
    "count before attempts": ({"retry": {"attempts": 5, "count": 1}}, Controls(retry=retry(1))),
    "num_retries": ({"num_retries": 2}, Controls(retry=retry(2))),
    "the top level before orq": ({"retry": {"count": 1}, "orq": {"retry": {"count": 2}}}, Controls(retry=retry(1))),
    "orq before older spellings": ({"retries": {"count": 1}, "orq": {"retry": {"count": 2}}}, Controls(retry=retry(2))),
    "older spellings before those in orq": (
        {"num_retries": 1, "orq": {"retries": {"count": 2}}},
        Controls(retry=retry(1)),
    ),
    "places are not merged": (
        {"retry": {"count": 1}, "orq": {"retry": {"count": 2, "on_codes": [500]}}},
        Controls(retry=retry(1)),
    ),
    "fallbacks": ({"fallbacks": [A, B]}, Controls(fallbacks=("a", "b"))),
    "fallbacks as names": ({"fallbacks": ["a", B]}, Controls(fallbacks=("a", "b"))),
    "fallbacks in orq": ({"orq": {"fallbacks": [A]}}, Controls(fallbacks=("a",))),
    "models": ({"models": ["a"]}, Controls(fallbacks=("a",))),
    "models of a gateway": ({"providerOptions": {"gateway": {"models": ["a"]}}}, Controls(fallbacks=("a",))),
    "other options of a client library": ({"providerOptions": {"openai": {"user": "x"}}}, Controls()),
    "no fallbacks before those in orq": ({"fallbacks": [], "orq": {"fallbacks": [A]}}, Controls()),
    "ten fallbacks": ({"fallbacks": [A] * 10}, Controls(fallbacks=("a",) * 10)),
    "fallback_on_codes": ({"fallback_on_codes": [429, 429.0]}, Controls(fallback_on_codes=frozenset({429}))),
    "fallback_on_codes in orq": ({"orq": {"fallback_on_codes": [599]}}, Controls(fallback_on_codes=frozenset({599}))),
    "an empty list of codes is the default": (
        {"fallback_on_codes": [], "orq": {"fallback_on_codes": [500]}},
        Controls(),
    ),
    "a timeout is milliseconds": ({"timeout": {"call_timeout": 1500.0}}, Controls(call_timeout=1.5)),
    "a timeout in orq": ({"orq": {"timeout": {"call_timeout": 1}}}, Controls(call_timeout=0.001)),
    "request_timeout": ({"request_timeout": 2000}, Controls(call_timeout=2)),
    "a cache without ttl is an hour": ({"cache": CACHED}, Controls(cache=Cache(3600))),
    "a cache with ttl": ({"cache": {**CACHED, "ttl": 60.0}}, Controls(cache=Cache(60))),
    "a cache in orq": ({"orq": {"cache": {**CACHED, "ttl": 259_200}}}, Controls(cache=Cache(259_200))),
    "a balancer": (
        {"load_balancer": {"type": "weight_based", "models": [{**A, "weight": 0.4}, B]}},
        Controls(balancer=drawn("weight_based", a=0.4, b=0.5)),
    ),
    "a bare balancer": ({"load_balancer": [A]}, Controls(balancer=drawn("weight_based", a=0.5))),
    "a balancer in orq": (
        {"orq": {"load_balancer": {"type": "round_robin", "models": [A]}}},
        Controls(balancer=drawn("round_robin", a=0.5)),
    ),
    "a balancer by latency": (
        {"load_balancer": {"type": "latency_based", "models": [A]}},
        Controls(balancer=drawn("latency_based", a=0.5)),
    ),
    "an unknown balancer goes by weight": (
        {"load_balancer": {"type": "by_mood", "models": [{**A, "weight": 0.001}]}},
        Controls(balancer=drawn("weight_based", a=0.001)),
    ),
    "a balancer without models is none": ({"load_balancer": {"type": "weight_based", "models": []}}, Controls()),
}


@pytest.mark.parametrize(("fields", "expected"), ACCEPTED.values(), ids=ACCEPTED)
def test_a_control_is_read_wherever_it_may_stand(fields, expected) -> None:
    """Each control is found in each of its places and spellings, the first place counting whole."""
    assert read(fields)[0] == expected


REFUSED = {
    "retry that is no object": ({"retry": 3}, "invalid_type", "retry"),
    "six retries": ({"retry": {"count": 6}}, "invalid_value", "retry.count"),
    "minus one retry": ({"retry": {"count": -1}}, "invalid_value", "retry.count"),
    "half a retry": ({"retry": {"count": 2.5}}, "invalid_value", "retry.count"),
    "retry by truth": ({"retry": {"count": True}}, "invalid_type", "retry.count"),
    "retry by text": ({"retry": {"count": "2"}}, "invalid_type", "retry.count"),
    "attempts out of bounds": ({"retry": {"attempts": 9}}, "invalid_value", "retry.attempts"),
    "no codes to retry": ({"retry": {"on_codes": []}}, "invalid_value", "retry.on_codes"),
    "a code of 99": ({"retry": {"on_codes": [429, 99]}}, "invalid_value", "retry.on_codes[1]"),
    "a code of 600": ({"retry": {"on_codes": [600]}}, "invalid_value", "retry.on_codes[0]"),
    "codes that are no list": ({"retry": {"on_codes": 429}}, "invalid_type", "retry.on_codes"),
    "bad retries in orq": ({"orq": {"retry": {"count": 7}}}, "invalid_value", "orq.retry.count"),
    "bad num_retries": ({"num_retries": "many"}, "invalid_type", "num_retries"),
    "a bad place that does not count": (
        {"retry": {"count": 1}, "orq": {"retries": {"count": 7}}},
        "invalid_value",
        "orq.retries.count",
    ),
    "a bad spelling that does not count": (
        {"retry": {"count": 1, "attempts": 7}},
        "invalid_value",
        "retry.attempts",
    ),
    "fallbacks that are no list": ({"fallbacks": A}, "invalid_type", "fallbacks"),
    "one fallback as text": ({"fallbacks": "a"}, "invalid_type", "fallbacks"),
    "eleven fallbacks": ({"fallbacks": [A] * 11}, "invalid_value", "fallbacks"),
    "a fallback without a model": ({"fallbacks": [A, {}]}, "missing_required_parameter", "fallbacks[1].model"),
    "a fallback by number": ({"fallbacks": [1]}, "invalid_type", "fallbacks[0]"),
    "a fallback with a number for a model": ({"fallbacks": [{"model": 1}]}, "invalid_type", "fallbacks[0].model"),
    "a null fallback": ({"fallbacks": [None]}, "missing_required_parameter", "fallbacks[0]"),
    "a fallback with a NUL": ({"fallbacks": ["a\0"]}, "invalid_value", "fallbacks[0]"),
    "a bad gateway": ({"providerOptions": {"gateway": 1}}, "invalid_type", "providerOptions.gateway"),
    "a bad gateway model": (
        {"providerOptions": {"gateway": {"models": [1]}}},
        "invalid_type",
        "providerOptions.gateway.models[0]",
    ),
    "falling back on a 200": ({"fallback_on_codes": [200]}, "invalid_value", "fallback_on_codes[0]"),
    "falling back on 21 codes": ({"fallback_on_codes": list(range(400, 421))}, "invalid_value", "fallback_on_codes"),
    "a bare timeout": ({"timeout": 30}, "invalid_type", "timeout"),
    "an empty timeout": ({"timeout": {}}, "missing_required_parameter", "timeout.call_timeout"),
    "a timeout of nothing": ({"timeout": {"call_timeout": 0}}, "invalid_value", "timeout.call_timeout"),
    "a timeout beyond all numbers": ({"timeout": {"call_timeout": 1e300}}, "invalid_value", "timeout.call_timeout"),
    "a timeout that is no number": (
        {"timeout": {"call_timeout": float("nan")}},
        "invalid_value",
        "timeout.call_timeout",
    ),
    "a bad request_timeout": ({"request_timeout": []}, "invalid_type", "request_timeout"),
    "a cache without type": ({"cache": {"ttl": 60}}, "missing_required_parameter", "cache.type"),
    "a cache of another type": ({"cache": {"type": "semantic"}}, "invalid_value", "cache.type"),
    "a cache for no time": ({"cache": {**CACHED, "ttl": 0}}, "invalid_value", "cache.ttl"),
    "a cache for four days": ({"cache": {**CACHED, "ttl": 345_600}}, "invalid_value", "cache.ttl"),
    "a balancer without type": ({"load_balancer": {"models": [A]}}, "missing_required_parameter", "load_balancer.type"),
    "a balancer that lists no models": (
        {"load_balancer": {"type": "weight_based"}},
        "missing_required_parameter",
        "load_balancer.models",
    ),
    "a weight of nothing": (
        {"load_balancer": {"type": "weight_based", "models": [{**A, "weight": 0}]}},
        "invalid_value",
        "load_balancer.models[0].weight",
    ),
    "a weight above one": (
        {"load_balancer": [A, {**B, "weight": 1.1}]},
        "invalid_value",
        "load_balancer[1].weight",
    ),
    "a member without a model": ({"load_balancer": [{}]}, "missing_required_parameter", "load_balancer[0].model"),
    "a member by name": ({"load_balancer": ["a"]}, "invalid_type", "load_balancer[0]"),
    "orq that is no object": ({"orq": []}, "invalid_type", "orq"),
    "a stored prompt": ({"orq": {"prompt": {"id": "p"}}}, "unsupported_parameter", "orq.prompt"),
    "an identity without an id": ({"identity": {}}, "missing_required_parameter", "identity.id"),
    "an identity by name": ({"identity": "me"}, "invalid_type", "identity"),
    "a long identity": ({"identity": {"id": "x" * 256}}, "string_above_max_length", "identity.id"),
    "a numeric e-mail": ({"identity": {"id": "x", "email": 1}}, "invalid_type", "identity.email"),
    "a numeric tag": ({"identity": {"id": "x", "tags": ["a", 1]}}, "invalid_type", "identity.tags[1]"),
    "odd identity metadata": ({"identity": {"id": "x", "metadata": "a"}}, "invalid_type", "identity.metadata"),
    "21 fields of identity": (
        {"identity": {"id": "x", "metadata": [{str(i): i} for i in range(21)]}},
        "invalid_value",
        "identity.metadata",
    ),
    "a bad contact that does not count": (
        {"identity": {"id": "x"}, "orq": {"contact": {}}},
        "missing_required_parameter",
        "orq.contact.id",
    ),
    "a numeric name": ({"name": 1}, "invalid_type", "name"),
    "metadata that is no object": ({"metadata": []}, "invalid_type", "metadata"),
    "numeric metadata": ({"metadata": {"a": 1}}, "invalid_type", "metadata.a"),
    "long metadata": ({"metadata": {"a": "x" * 513}}, "invalid_value", "metadata.a"),
    "redaction": ({"plugins": [{"id": "pii_redaction"}]}, "unsupported_parameter", "plugins[0]"),
    "redaction or nothing": (
        {"orq": {"plugins": [{"id": "pii_redaction", "on_failure": "block"}]}},
        "unsupported_parameter",
        "orq.plugins[0]",
    ),
    "an unknown plugin": ({"plugins": [{"id": "poetry"}]}, "unsupported_parameter", "plugins[0].id"),
    "a plugin without an id": ({"plugins": [{}]}, "missing_required_parameter", "plugins[0].id"),
    "a plugin that is no object": ({"plugins": ["x"]}, "invalid_type", "plugins[0]"),
}


@pytest.mark.parametrize(("fields", "code", "param"), REFUSED.values(), ids=REFUSED)
def test_a_malformed_control_is_refused_where_it_stands(fields, code, param) -> None:
    """A malformed control is a 400 that names its place as written, also where another place holds a good one."""
    with pytest.raises(Refused) as caught:
        read(fields)
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, code, param)
    assert param in caught.value.message


FORMS = {
    "numbers as text": ({"retry": {"count": "2.0", "on_codes": ["429", "500"]}}, Controls(retry=retry(2, 429, 500))),
    "codes with commas": ({"fallback_on_codes": "429, 503"}, Controls(fallback_on_codes=frozenset({429, 503}))),
    "codes as a list": ({"fallback_on_codes": ["429"]}, Controls(fallback_on_codes=frozenset({429}))),
    "one code": ({"fallback_on_codes": "429"}, Controls(fallback_on_codes=frozenset({429}))),
    "one fallback": ({"fallbacks": "a"}, Controls(fallbacks=("a",))),
    "null and nothing are absent": ({"fallbacks": "null", "retry": "", "num_retries": " "}, Controls()),
    "a timeout": ({"timeout": {"call_timeout": "1000"}}, Controls(call_timeout=1)),
    "a cache": ({"cache": {"type": "exact_match", "ttl": "60"}}, Controls(cache=Cache(60))),
    "a balancer whose empty list was not sent": ({"load_balancer": {"type": "weight_based"}}, Controls()),
    "a weight": (
        {"load_balancer": {"type": "weight_based", "models": [{"model": "a", "weight": "7e-1"}]}},
        Controls(balancer=drawn("weight_based", a=0.7)),
    ),
    "typed values from a JSON part": ({"retry": {"count": 2.0}}, Controls(retry=retry(2))),
}


@pytest.mark.parametrize(("fields", "expected"), FORMS.values(), ids=FORMS)
def test_a_forms_text_is_read_as_the_value_it_means(fields, expected) -> None:
    """In a form, text stands for numbers and lists, and `null` or nothing means absent."""
    assert read(fields, form=True)[0] == expected


@pytest.mark.parametrize("text", ["two", "1_0", "0x2", "2.5", "nan", "inf", "1e999", "٢", "9" * 5000])
def test_odd_numbers_in_forms_are_refused(text) -> None:
    """Text that is no plain whole number is a 400, whatever Python might make of it."""
    with pytest.raises(Refused) as caught:
        read({"retry": {"count": text}}, form=True)
    assert caught.value.status == 400


def test_the_codes_that_retry_means_can_be_configured() -> None:
    """Where `retry` names no statuses, the server's own list holds."""
    codes = frozenset({429, 503})
    for fields in ({"retry": {}}, {"num_retries": 3}):
        assert read(fields, retry_codes=codes)[0].retry == Retry(3, codes)


HEADED = {"x-orq-identity-id": "header", "x-orq-contact-id": "older"}
TRACES = {
    "nothing": ({}, {}, Trace()),
    "the body's identity first": ({"identity": {"id": "me"}, "contact": {"id": "no"}}, HEADED, Trace(identity="me")),
    "then orq's": ({"orq": {"identity": {"id": "me"}}, "contact": {"id": "no"}}, HEADED, Trace(identity="me")),
    "then the contact": ({"contact": {"id": "me"}, "orq": {"contact": {"id": "no"}}}, HEADED, Trace(identity="me")),
    "then orq's contact": ({"orq": {"contact": {"id": "me"}}}, HEADED, Trace(identity="me")),
    "then the header": ({}, HEADED, Trace(identity="header")),
    "then the older header": ({}, {"x-orq-contact-id": "older"}, Trace(identity="older")),
    "a whole identity": (
        {"identity": {"id": "me", "email": "e", "display_name": "d", "metadata": [{"a": 1}], "tags": ["t"]}},
        {},
        Trace(identity="me"),
    ),
    "older identity metadata": ({"identity": {"id": "me", "metadata": {"a": 1}}}, {}, Trace(identity="me")),
    "a name": ({"name": "n", "orq": {"name": "no"}}, {}, Trace(name="n")),
    "a name in orq": ({"orq": {"name": "n"}}, {}, Trace(name="n")),
    "metadata": ({"metadata": {"a": "x" * 512}}, {}, Trace(metadata={"a": "x" * 512})),
    "a plugin passed over": (
        {"plugins": [{"id": "pii_redaction", "on_failure": "passthrough"}]},
        {},
        Trace(notes=("plugin pii_redaction passed over",)),
    ),
}


@pytest.mark.parametrize(("fields", "headers", "expected"), TRACES.values(), ids=TRACES)
def test_what_a_caller_says_of_itself_is_kept(fields, headers, expected) -> None:
    """Identity, name and metadata are taken from the first place that has them, and notes say what was passed over."""
    assert read(fields, headers=headers)[1] == expected


def test_a_long_identity_header_is_refused() -> None:
    """The header's identity has the body's limit."""
    with pytest.raises(Refused) as caught:
        read({}, headers={"x-orq-identity-id": "x" * 256})
    assert (caught.value.code, caught.value.param) == ("string_above_max_length", "x-orq-identity-id")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["model", "id", "type", "x"]), inner),
    max_leaves=8,
)
CONTROLS = ["retry", "retries", "num_retries", "fallbacks", "models", "fallback_on_codes", "cache", "load_balancer"]
CONTROLS += ["timeout", "request_timeout", "identity", "contact", "name", "metadata", "plugins", "providerOptions"]
BODIES = st.dictionaries(st.sampled_from(CONTROLS), JSON, max_size=4)


@given(BODIES, st.none() | BODIES, st.booleans())
def test_any_object_is_read_or_refused(fields, orq, form) -> None:
    """No JSON value in any control breaks the reading: it is understood or a 400."""
    answer = outcome({**fields, "orq": orq}, form=form)
    assert isinstance(answer, Refused) or isinstance(answer[0], Controls)
    assert not isinstance(answer, Refused) or answer.status == 400
