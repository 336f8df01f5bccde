"""Pictures given as addresses: off unless ops allow it, and then only through the guard."""

from pathlib import Path

import httpx
import pytest
from backends.plain import PlainBackend
from pictures import png
from serving import serving

from providers.base import Upload
from router.api.bodies import Body
from router.api.fetched import with_fetched
from router.messages.errors import Refused
from router.wire.fetch import FetchFailed

EDIT = {"model": "m", "prompt": "a hat"}


@pytest.mark.parametrize("allowed", [False, True])
def test_an_address_inside_is_never_fetched(tmp_path: Path, *, allowed: bool) -> None:
    """Whether fetching is on or off, a caller cannot make the router call an address of its own network."""
    with PlainBackend() as plain, PlainBackend() as inside:
        config = {
            "server": {"fetch_images": allowed},
            "providers": {"p": {"kind": "kinds.bytes_only", "base_url": plain.origin}},
            "models": {"m": {"chain": ["p/any"]}},
        }
        with serving(config, tmp_path) as url:
            answer = httpx.post(f"{url}/v1/images/edits", json={**EDIT, "image": f"{inside.origin}/a.png"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_image")
    assert answer.json()["error"]["param"] == "image"
    assert len(plain.ledger) == 0


class Library:
    """Stands for the guarded download, which has tests of its own: it has one address."""

    async def fetch(self, url: str) -> bytes:
        """The picture at an address."""
        if url != "https://public.example/a.png":
            raise FetchFailed("the address could not be fetched", final=True)
        return png(32, 16)


@pytest.mark.anyio
async def test_a_fetched_picture_is_an_upload_like_any_other() -> None:
    """It waits in the request's spool, known by its bytes; pictures sent as bytes stay as they are, in order."""
    sent = Upload.of(png(8, 8), width=8, height=8)
    body = Body(
        fields={}, images=(sent, "https://public.example/a.png"), mask="https://public.example/a.png", form=False
    )
    with body:
        found = await with_fetched(body, Library())
        assert found.images[0] is sent
        assert (found.images[1].media_type, found.images[1].width, found.images[1].height) == ("image/png", 32, 16)
        assert found.images[1].read(0, 8) == found.mask.read(0, 8) == png(32, 16)[:8]


@pytest.mark.anyio
async def test_an_address_without_a_picture_is_the_callers_mistake() -> None:
    """The refusal names the field and tells nothing of what is behind the address."""
    with (
        Body(fields={}, images=("https://inside.example/",), mask=None, form=False) as body,
        pytest.raises(Refused) as refused,
    ):
        await with_fetched(body, Library())
    assert (refused.value.status, refused.value.code, refused.value.param) == (400, "invalid_image", "image")
