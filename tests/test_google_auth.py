"""Google's keys: told apart, and a service account's tokens asked for, kept, renewed and refused."""

import asyncio

import httpx
import msgspec
import pytest
from backends.google import EMAIL, GRANT, PROJECT, SCOPE, GoogleBackend, account
from google.auth import jwt

from providers.auth import HeaderAuth, ServiceAccountAuth, google
from providers.base import ErrorKind, OutcomeClass, ProviderError
from providers.http import Request, Response

TOKEN_URI = "https://oauth2.example.com/token"
NOW = 1_763_670_000
OK = Response(200)


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = float(NOW)

    def __call__(self):
        """The time."""
        return self.now


@pytest.fixture
def clock():
    """The time."""
    return Clock()


@pytest.fixture
def auth(clock):
    """A service account's way of signing."""
    return ServiceAccountAuth(account(TOKEN_URI), clock)


def token(name, life=3600):
    """The answer that gives a token."""
    return Response(200, content=msgspec.json.encode({"access_token": name, "expires_in": life}))


def call():
    """A call that needs a token."""
    return Request("POST", "https://aiplatform.example.com/v1/models/m:generateContent")


def first(auth):
    """A flow, and what it sends first."""
    flow = auth.auth_flow(call())
    return flow, next(flow)


def ends(flow, answer=OK):
    """Whether a flow is content with an answer."""
    try:
        flow.send(answer)
    except StopIteration:
        return True
    return False


def bearer(request):
    """The token a call carries."""
    return request.headers["authorization"].removeprefix("Bearer ")


def holding(auth, name, life=3600):
    """Let it have a token."""
    flow, _ = first(auth)
    assert bearer(flow.send(token(name, life))) == name
    assert ends(flow)


@pytest.mark.parametrize("blank", ["", " ", "\n"])
def test_keys_are_told_apart(blank):
    """A key that begins with a brace is a service account; any other goes into Google's header as it is."""
    assert isinstance(google(blank + account(TOKEN_URI)), ServiceAccountAuth)
    plain = google("AIza-plain")
    assert isinstance(plain, HeaderAuth)
    assert next(plain.auth_flow(call())).headers["x-goog-api-key"] == "AIza-plain"


@pytest.mark.parametrize(
    "key",
    ["{", '{"type":"service_account"}', account(TOKEN_URI, private_key="secret-pem"), '{"client_email":7}'],
)
def test_a_broken_account_is_told_at_once(key):
    """What begins as JSON and is no service account is refused in words that quote nothing of it."""
    with pytest.raises(ValueError, match="give the whole key file") as caught:
        google(key)
    assert "secret-pem" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_asks_for_a_token(auth):
    """The account signs who it is, what for and how long; the call then carries what it was given."""
    flow, plea = first(auth)
    assert (plea.method, str(plea.url)) == ("POST", TOKEN_URI)
    form = httpx.QueryParams(plea.content.decode())
    assert form["grant_type"] == GRANT
    head, claims = jwt.decode_header(form["assertion"]), jwt.decode(form["assertion"], verify=False)
    assert (head["alg"], head["kid"]) == ("RS256", "k-1")
    assert claims == {"iss": EMAIL, "scope": SCOPE, "aud": TOKEN_URI, "iat": NOW, "exp": NOW + 3600}
    assert "authorization" not in plea.headers
    assert bearer(flow.send(token("t-1"))) == "t-1"
    assert ends(flow)


def test_keeps_a_token_until_shortly_before_its_end(auth, clock):
    """While a token holds no other is asked for; five minutes before its end one is."""
    holding(auth, "t-1")
    clock.now += 3299
    flow, sent = first(auth)
    assert bearer(sent) == "t-1"
    assert ends(flow)
    clock.now += 2
    _, plea = first(auth)
    assert str(plea.url) == TOKEN_URI


def test_one_call_renews_while_others_go_on(auth, clock):
    """Of calls side by side the first renews; the others take the token there is, and the new one once it came."""
    holding(auth, "t-1")
    clock.now += 3400
    renewing, plea = first(auth)
    assert str(plea.url) == TOKEN_URI
    _, beside = first(auth)
    assert bearer(beside) == "t-1"
    assert bearer(renewing.send(token("t-2"))) == "t-2"
    _, after = first(auth)
    assert bearer(after) == "t-2"


def test_a_renewal_that_fails_is_tried_again(auth, clock):
    """A token that still holds is used on, and half a minute later another call asks again."""
    holding(auth, "t-1")
    clock.now += 3400
    flow, _ = first(auth)
    assert bearer(flow.send(Response(503))) == "t-1"
    _, sent = first(auth)
    assert bearer(sent) == "t-1"
    clock.now += 31
    _, plea = first(auth)
    assert str(plea.url) == TOKEN_URI


def test_calls_without_a_token_each_ask(auth, clock):
    """No call waits for another's token, nor fails with it."""
    (one, plea), (two, other) = first(auth), first(auth)
    assert str(plea.url) == str(other.url) == TOKEN_URI
    with pytest.raises(ProviderError):
        one.send(Response(500))
    assert bearer(two.send(token("t-2"))) == "t-2"
    clock.now += 3595
    assert str(first(auth)[1].url) == str(first(auth)[1].url) == TOKEN_URI


def test_a_refused_token_is_renewed_once(auth):
    """A kept token that the backend refuses is exchanged for a new one; a new one that is refused stands."""
    holding(auth, "t-1")
    flow, sent = first(auth)
    assert bearer(sent) == "t-1"
    assert str(flow.send(Response(401)).url) == TOKEN_URI
    assert bearer(flow.send(token("t-2"))) == "t-2"
    assert ends(flow, Response(401))
    fresh = ServiceAccountAuth(account(TOKEN_URI))
    flow, _ = first(fresh)
    flow.send(token("t-1"))
    assert ends(flow, Response(401))


def test_a_token_renewed_meanwhile_is_taken(auth):
    """Of calls refused side by side one asks anew, and the others use what it got."""
    holding(auth, "t-1")
    (one, _), (two, _) = first(auth), first(auth)
    one.send(Response(401))
    one.send(token("t-2"))
    assert bearer(two.send(Response(401))) == "t-2"


@pytest.mark.parametrize(
    ("answer", "kind", "status", "words"),
    [
        (
            Response(400, json={"error": "invalid_grant", "error_description": "Invalid JWT Signature."}),
            ErrorKind.AUTHENTICATION,
            400,
            "invalid_grant: Invalid JWT Signature.",
        ),
        (Response(401, json={"error": "invalid_client"}), ErrorKind.AUTHENTICATION, 401, "invalid_client"),
        (Response(429), ErrorKind.RATE_LIMITED, 429, "it answered 429"),
        (Response(503, content=b"<html>"), ErrorKind.UNAVAILABLE, 503, "it answered 503"),
        (Response(200, content=b"\xff"), ErrorKind.UNAVAILABLE, None, "it answered with something else"),
        (Response(200, json={"access_token": 7}), ErrorKind.UNAVAILABLE, None, "it answered with something else"),
    ],
)
def test_no_token(auth, answer, kind, status, words):
    """Without a token the call is never sent, and the error says why."""
    flow, _ = first(auth)
    with pytest.raises(ProviderError) as caught:
        flow.send(answer)
    error = caught.value
    assert (error.kind, error.outcome, error.status) == (kind, OutcomeClass.NOT_SENT, status)
    assert error.message == f"Google gave the service account no token: {words}"


@pytest.mark.anyio
async def test_many_calls_at_once_over_a_socket():
    """Calls side by side all get through; later ones use the token kept; one that lapsed is replaced."""
    path = f"/projects/{PROJECT}/locations/global/publishers/google/models/gemini-3-pro-image:generateContent"
    body = {
        "contents": [{"role": "user", "parts": [{"text": "a red kite"}]}],
        "generationConfig": {"responseModalities": ["IMAGE"]},
    }
    with GoogleBackend() as backend:
        async with httpx.AsyncClient(auth=google(backend.service_account), trust_env=False) as client:

            async def paint():
                return (await client.post(f"{backend.url}{path}", json=body)).status_code

            assert await asyncio.gather(*(paint() for _ in range(8))) == [200] * 8
            asked = len(backend.issued)
            assert 1 <= asked <= 8
            assert [await paint() for _ in range(3)] == [200] * 3
            assert len(backend.issued) == asked
            backend.lapsed.update(backend.issued)
            assert await paint() == 200
            assert len(backend.issued) == asked + 1


def test_an_account_nobody_knows():
    """Google gives a token to nobody but the account that signs; no call is sent."""
    with GoogleBackend() as backend:
        other = account(f"{backend.origin}/token", client_email="someone@else.example.com")
        with httpx.Client(auth=google(other), trust_env=False) as client, pytest.raises(ProviderError, match="grant"):
            client.post(backend.url)
        assert len(backend.ledger) == 0
