"""A worker whose event loop is held up says so, to whoever routes to it and whoever watches it."""

import asyncio
import time
from pathlib import Path

import httpx
import pytest
import yaml
from processes import configured

from router import shipped
from router.app import build
from router.catalog import load_catalog
from router.config.load import load
from router.observe.heart import STUCK
from router.service import Service

pytestmark = pytest.mark.anyio


async def test_a_stuck_loop_is_not_ready_until_it_has_recovered(tmp_path: Path) -> None:
    """A loop held up longer than a second shows in the metric and turns readiness to 503, for a while."""
    file = tmp_path / "router.yaml"
    file.write_text(yaml.safe_dump(configured("http://127.0.0.1:1")))
    service = Service.of(load(file, {}), load_catalog(shipped.path("catalog")))
    transport = httpx.ASGITransport(build(service))
    async with service.running(), httpx.AsyncClient(transport=transport, base_url="http://router") as client:
        assert (await client.get("/readyz")).status_code == 200
        await asyncio.sleep(0)  # the heart begins to beat
        time.sleep(STUCK * 1.5)  # noqa: ASYNC251 - this is the fault
        stuck = await client.get("/readyz")
        assert (stuck.status_code, stuck.json()["status"]) == (503, "stuck")
        assert (await client.get("/livez")).status_code == 200
        assert await _lag(client) > STUCK
        service.heart._lags.extend([0.0] * 20)  # so many sound beats later
        assert (await client.get("/readyz")).status_code == 200


async def _lag(client: httpx.AsyncClient) -> float:
    """What the metric says, once there was a beat."""
    while True:
        lines = (await client.get("/metrics")).text.splitlines()
        lag = next(float(line.split()[1]) for line in lines if line.startswith("image_router_loop_lag_seconds"))
        if lag:
            return lag
        await asyncio.sleep(0)
