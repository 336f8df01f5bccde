"""Links to pictures in a directory: short signed tokens that name a picture, expire, and cannot be altered."""

import base64
import hashlib
import os
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from itsdangerous import BadSignature, Signer

from router.images.names import CLOCK_SKEW, MEDIA_TYPES, PictureName

FILES_PATH = "/v2/router/images/files"
"""Where the router serves what the tokens name."""

_KEY_FILE = ".signing-key"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}\.[A-Za-z0-9_-]{43}")
_KINDS = tuple(MEDIA_TYPES)  # a token holds the place in this list, so it may only grow at its end


class LinkRefused(Exception):  # noqa: N818 - an answer to the caller, not a fault
    """A token that opens nothing: it was never ours, or, if `expired`, no longer is."""

    def __init__(self, *, expired: bool) -> None:
        super().__init__("the link has expired" if expired else "no such link")
        self.expired = expired


@dataclass(frozen=True, slots=True)
class Claim:
    """What a token grants: one picture, up to a second of the clock."""

    name: PictureName
    expires_at: int


class Links:
    """Signs and reads tokens. The last key signs, all are honoured, so keys can be exchanged without breaking links."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._signer = Signer(list(keys), salt="image-router.link", key_derivation="hmac", digest_method=hashlib.sha256)

    def sign(self, name: PictureName, expires_at: float) -> str:
        """A token for a picture: 87 characters, safe in any URL."""
        packed = b"".join(
            (
                int(expires_at).to_bytes(4, "big"),
                name.hour.to_bytes(3, "big"),
                _KINDS.index(name.extension).to_bytes(1, "big"),
                bytes.fromhex(name.owner),
                bytes.fromhex(name.id),
            )
        )
        return self._signer.sign(_text(packed)).decode()

    def read(self, token: str, now: float) -> Claim:
        """What a token grants now, by a clock that may be a minute off.

        Raises:
            LinkRefused: it is no token of ours, not as it was signed, or has expired.
        """
        # Two spellings of one signature would be two tokens: the last letter has bits that decoding ignores.
        if not _TOKEN.fullmatch(token) or _text(_bytes(token[44:])) != token[44:].encode():
            raise LinkRefused(expired=False)
        try:
            packed = _bytes(self._signer.unsign(token).decode())
        except BadSignature:
            raise LinkRefused(expired=False) from None
        expires_at = int.from_bytes(packed[:4], "big")
        if now > expires_at + CLOCK_SKEW:
            raise LinkRefused(expired=True)
        hour, kind = int.from_bytes(packed[4:7], "big"), _KINDS[packed[7]]
        return Claim(PictureName(hour, packed[8:16].hex(), packed[16:].hex(), kind), expires_at)


def kept_key(directory: Path) -> str:
    """The key that everyone who signs for a directory shares; made once, readable by its owner alone.

    Raises:
        OSError: it cannot be read or written.
        ValueError: the file holds no key.
    """
    file = directory / _KEY_FILE
    if not file.exists():
        _make_key(file)
    key = file.read_text("ascii").strip()
    if len(key) < 32:
        raise ValueError(f"the file {_KEY_FILE} holds no key: delete it, and a new one is made")
    return key


def _make_key(file: Path) -> None:
    """Written under another name and then linked: of all who try at once one succeeds, and nobody reads half a key."""
    draft = file.with_name(f"{_KEY_FILE}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as writer:
        writer.write(secrets.token_hex(32))
    try:
        with suppress(FileExistsError):
            file.hardlink_to(draft)
    finally:
        draft.unlink()


def _text(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(f"{text}=")
