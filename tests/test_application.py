"""The application as any ASGI server may call it: below a path of the server's own, and where something is broken."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from processes import PATH, configured

from router import shipped
from router.app import build
from router.catalog import load_catalog
from router.config.load import load
from router.service import Service

pytestmark = pytest.mark.anyio


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """Of a router that needs a key."""
    file = tmp_path / "router.yaml"
    file.write_text(yaml.safe_dump(configured("http://127.0.0.1:1", keys=[{"name": "a", "key": "a-key"}])))
    return Service.of(load(file, {}), load_catalog(shipped.path("catalog")))


def client(service: Service, **server: Any) -> httpx.AsyncClient:
    """A client of the application, without a network."""
    transport = httpx.ASGITransport(build(service), raise_app_exceptions=False, **server)
    return httpx.AsyncClient(transport=transport, base_url="http://router")


@pytest.mark.parametrize("root", ["", "/pictures"])
async def test_paths_begin_where_the_server_says(service: Service, root: str) -> None:
    """An image operation is found directly and below the server's own root, and takes no other method in either."""
    async with client(service, root_path=root) as asking:
        asked = await asking.post(root + PATH, json={})
        assert (asked.status_code, asked.json()["error"]["code"]) == (401, "authentication_required")
        other = await asking.get(root + PATH)
        assert (other.status_code, other.headers["allow"]) == (405, "POST")
        assert (await asking.post(f"{root}{PATH}/more", json={})).status_code == 404


async def test_whatever_breaks_is_told_in_the_envelope(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where even the answer to a refused request fails, its caller gets a 500 that clients can read."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(service.metrics, "request_ended", broken)
    async with client(service) as asking:
        answer = await asking.post(PATH, json={}, headers={"x-request-id": "mine"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert answer.headers["x-request-id"] == "mine"
