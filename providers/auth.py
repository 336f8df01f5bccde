"""How keys travel. An adapter names a scheme; only the router ever holds the key."""

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Generator, Mapping
from functools import partial

import msgspec

from providers.errors import ErrorKind, OutcomeClass, ProviderError, by_status
from providers.http import Auth, Request, Response

_AWS_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_SIGNED = ("accept", "content-type")  # beside the host and Amazon's own; proxies may change the others


class HeaderAuth(Auth):
    """A key in one header, `name`, which is the same in each call."""

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.value = value

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Set the header and send once."""
        request.headers[self.name] = self.value
        yield request


def header(name: str) -> Callable[[str], Auth]:
    """The key as it is, in the header `name`."""
    return lambda key: HeaderAuth(name, key)


def bearer() -> Callable[[str], Auth]:
    """`Authorization: Bearer <key>`."""
    return lambda key: HeaderAuth("authorization", f"Bearer {key}")


class AmazonAuth(Auth):
    """Amazon's signature, version 4: made anew for each sending, over the whole body.

    The region is the one that the host names, such as `bedrock-runtime.us-east-1.amazonaws.com`; else `region`.
    """

    requires_request_body = True

    def __init__(self, service: str, region: str, access_key_id: str, secret: str, token: str | None) -> None:
        from botocore.credentials import Credentials  # noqa: PLC0415 - slow to import, and only Amazon needs it

        self._service = service
        self._region = region
        self._credentials = Credentials(access_key_id, secret, token)

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Sign and send once."""
        from botocore.auth import SigV4Auth  # noqa: PLC0415 - as above
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - as above

        named = (label for label in request.url.host.split(".") if _AWS_REGION.fullmatch(label))
        headers = {name: request.headers[name] for name in _SIGNED if name in request.headers}
        signed = AWSRequest(request.method, str(request.url), headers, request.content)
        SigV4Auth(self._credentials, self._service, next(named, self._region)).add_auth(signed)
        request.headers.update(dict(signed.headers.items()))
        yield request


def amazon(service: str, region: str) -> Callable[[str], Auth]:
    """`ACCESS_KEY_ID:SECRET`, or with temporary credentials `ACCESS_KEY_ID:SECRET:SESSION_TOKEN`, signs each call.

    A key without a colon is an API key, sent as `Authorization: Bearer <key>`. `region` is signed for where the host
    names none.

    Raises:
        ValueError: a part is missing, or there is one too many.
    """

    def scheme(key: str) -> Auth:
        if ":" not in key:
            return bearer()(key)
        return AmazonAuth(service, region, *_parts(key, "ACCESS_KEY_ID"))

    return scheme


def _parts(key: str, first: str) -> tuple[str, str, str | None]:
    """Who signs, with which secret, and the token of temporary credentials."""
    parts = key.split(":")
    if len(parts) > 3 or not all(parts):
        raise ValueError(f"api_key: write {first}:SECRET, {first}:SECRET:SESSION_TOKEN, or an API key")
    return parts[0], parts[1], parts[2] if len(parts) == 3 else None


class TencentAuth(Auth):
    """Tencent Cloud's signature, version 3: made anew for each sending, over the whole body."""

    requires_request_body = True

    def __init__(self, service: str, secret_id: str, secret: str, token: str | None) -> None:
        self._service = service
        self._secret_id = secret_id
        self._secret = secret
        self._token = token

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Sign and send once."""
        now = int(time.time())
        scope = f"{time.strftime('%Y-%m-%d', time.gmtime(now))}/{self._service}/tc3_request"
        heads = f"content-type:{request.headers.get('content-type', '')}\nhost:{request.headers['host']}\n"
        body = hashlib.sha256(request.content).hexdigest()
        asked = f"{request.method}\n/\n\n{heads}\ncontent-type;host\n{body}"  # whatever the path, it is signed as `/`
        text = f"TC3-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(asked.encode()).hexdigest()}"
        key = f"TC3{self._secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        request.headers["x-tc-timestamp"] = str(now)
        if self._token is not None:
            request.headers["x-tc-token"] = self._token
        request.headers["authorization"] = (
            f"TC3-HMAC-SHA256 Credential={self._secret_id}/{scope}, "
            f"SignedHeaders=content-type;host, Signature={signature}"
        )
        yield request


def tencent(service: str) -> Callable[[str], Auth]:
    """`SECRET_ID:SECRET`, or with temporary credentials `SECRET_ID:SECRET:SESSION_TOKEN`, signs each call.

    A key without a colon is an API key, sent as `Authorization: Bearer <key>`.

    Raises:
        ValueError: a part is missing, or there is one too many.
    """

    def scheme(key: str) -> Auth:
        return TencentAuth(service, *_parts(key, "SECRET_ID")) if ":" in key else bearer()(key)

    return scheme


def google(key: str) -> Auth:
    """Google's: a plain key goes into its header; one that begins with `{` is the JSON text of a service account."""
    return ServiceAccountAuth(key) if key.lstrip().startswith("{") else HeaderAuth("x-goog-api-key", key)


class _ServiceAccount(msgspec.Struct):
    client_email: str
    private_key: str
    private_key_id: str | None = None
    token_uri: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address


class _Token(msgspec.Struct):
    access_token: str
    expires_in: int = 3600


class _Refusal(msgspec.Struct):
    error: str
    error_description: str = ""


class ServiceAccountAuth(Auth):
    """A Google service account: signs for a token, which serves until shortly before it ends.

    While one call renews a token that still holds, the others go on with it; without one, each call asks for its own.

    Raises:
        ValueError: the key is no service account's.
    """

    requires_response_body = True  # the token's

    _SCOPE = "https://www.googleapis.com/auth/cloud-platform"
    _GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    _LIFE = 3600  # seconds a signature asks for; no token lives longer
    _EARLY = 300.0  # seconds before a token's end at which a call renews it
    _PATIENCE = 30.0  # seconds after which another call may try the same
    _TOO_LATE = 10.0  # seconds before its end at which a token may end on its way

    def __init__(self, key: str, clock: Callable[[], float] = time.time) -> None:
        from google.auth import crypt, jwt  # noqa: PLC0415 - slow to import, and only Google needs it

        signer: Callable[[str, str | None], crypt.Signer] = crypt.RSASigner.from_string
        encode: Callable[[crypt.Signer, Mapping[str, str | int]], bytes] = jwt.encode
        try:
            self._account = msgspec.json.decode(key, type=_ServiceAccount)
            self._sign = partial(encode, signer(self._account.private_key, self._account.private_key_id))
        except (msgspec.MsgspecError, ValueError, TypeError):
            raise ValueError(
                "api_key: it begins as JSON but is no key of a Google service account; "
                "give the whole key file, with client_email and private_key",
            ) from None  # the cause may quote the key
        self._clock = clock
        self._token = ""
        self._renew_at = self._ends_at = 0.0

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Set the token, asking for one first where it is due, and once more where the backend refuses a kept one."""
        renewed = self._due()
        if renewed:
            self._take((yield self._plea()))
        request.headers["authorization"] = f"Bearer {self._token}"
        sent = self._token
        response = yield request
        if response.status_code != 401 or renewed:
            return
        if sent == self._token:
            self._ends_at = 0.0
            self._take((yield self._plea()))
        request.headers["authorization"] = f"Bearer {self._token}"
        yield request

    def _due(self) -> bool:
        now = self._clock()
        if now < self._renew_at:
            return False
        self._renew_at = now + self._PATIENCE if now < self._ends_at else 0.0
        return True

    def _plea(self) -> Request:
        """The request for a token, signed."""
        now = int(self._clock())
        address = self._account.token_uri
        claims = {"iss": self._account.client_email, "scope": self._SCOPE, "aud": address}
        signed = self._sign({**claims, "iat": now, "exp": now + self._LIFE})
        return Request("POST", address, data={"grant_type": self._GRANT, "assertion": signed.decode()})

    def _take(self, response: Response) -> None:
        """Keep the token in an answer.

        Raises:
            ProviderError: there is none in it, and none is left that still holds.
        """
        now = self._clock()
        try:
            token = msgspec.json.decode(response.content, type=_Token) if response.status_code == 200 else None
        except (msgspec.MsgspecError, UnicodeError):
            token = None
        if token is not None:
            self._token = token.access_token
            self._ends_at = now + token.expires_in - self._TOO_LATE
            self._renew_at = min(self._ends_at, now + token.expires_in - self._EARLY)
        elif now >= self._ends_at:
            raise _no_token(response)


def _no_token(response: Response) -> ProviderError:
    status = response.status_code
    kind, _ = by_status(status)
    if kind is ErrorKind.INVALID_REQUEST:  # the signature, the account or the clock
        kind = ErrorKind.AUTHENTICATION
    try:
        refusal = msgspec.json.decode(response.content, type=_Refusal)
        words = f"{refusal.error}: {refusal.error_description}".removesuffix(": ")
    except (msgspec.MsgspecError, UnicodeError):
        words = f"it answered {status}" if status >= 300 else "it answered with something else"
    message = f"Google gave the service account no token: {words}"
    return ProviderError(kind, message, outcome=OutcomeClass.NOT_SENT, status=status if status >= 300 else None)
