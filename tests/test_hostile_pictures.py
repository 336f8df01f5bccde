"""Pictures no caller should get: what a backend sends is checked, and each kind of harm has its documented end."""

import base64
import os
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import httpx
import psutil
import yaml
from backends.plain import PlainBackend
from pictures import png
from PIL import Image as Pillow
from serving import FORGIVING, command, serving

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><script>alert(1)</script></svg>'


def claiming(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its data, a few bytes, would fill: a decompression bomb."""
    honest = png(8, 8)
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return honest[:12] + header + struct.pack(">I", zlib.crc32(header)) + honest[33:]


def moving() -> bytes:
    """An animated WebP."""
    frames = [Pillow.new("RGB", (64, 64), colour) for colour in ("red", "green", "blue")]
    out = BytesIO()
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:], duration=100)
    return out.getvalue()


def large() -> bytes:
    """A true picture just above 50 megapixels."""
    out = BytesIO()
    Pillow.new("1", (10_000, 5_100)).save(out, "PNG")
    return out.getvalue()


ENDS: dict[str, tuple[Callable[[], bytes], int]] = {
    "over 50 megapixels": (large, 502),
    "a decompression bomb": (lambda: claiming(7_000, 7_000), 502),
    "an impossible size": (lambda: claiming(60_000, 60_000), 502),
    "an SVG": (lambda: SVG, 502),
    "a truncated PNG": (lambda: png(640, 640)[:-30], 502),
    "text": (lambda: b"not a picture", 502),
    "nothing": (lambda: b"", 502),
    "an animated WebP": (moving, 200),
    "an honest PNG": (lambda: png(64, 64), 200),
}


def test_harm_ends_as_documented_and_in_bounded_memory(tmp_path: Path) -> None:
    """A picture that cannot be used is a 502 not to be repeated; one that moves becomes a still; memory stays flat."""
    drawn = [b""]
    with PlainBackend(draw=lambda *_: drawn[0]) as plain:
        config = {
            "defaults": FORGIVING,
            "providers": {"p": {"kind": "kinds.bytes_only", "base_url": plain.origin}},
            "models": {"m": {"chain": ["p/any"]}},
        }
        file = tmp_path / "router.yaml"
        file.write_text(yaml.safe_dump(config))
        environ = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent)])}
        with command("--config", str(file), environ=environ) as (url, process):
            before = 0
            for picture, status in reversed(ENDS.values()):
                drawn[0] = picture()
                body = {"model": "m", "prompt": "p", "output_format": "webp", "response_format": "b64_json"}
                answer = httpx.post(f"{url}/v1/images/generations", json=body, timeout=60)
                assert answer.status_code == status, answer.text
                before = before or psutil.Process(process.pid).memory_info().rss
                if status == 502:
                    assert answer.headers["x-should-retry"] == "false"
                else:
                    assert answer.json()["output_format"] == "webp"
            peak = next(
                line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "VmHWM" in line
            )
            assert int(peak.split()[1]) * 1024 - before < 64 << 20


def test_a_still_has_one_frame(tmp_path: Path) -> None:
    """Whoever asked for a picture does not get a film."""
    with PlainBackend(draw=lambda *_: moving()) as plain:
        config = {
            "providers": {"p": {"kind": "kinds.bytes_only", "base_url": plain.origin}},
            "models": {"m": {"chain": ["p/any"]}},
        }
        with serving(config, tmp_path) as url:
            body = {"model": "m", "prompt": "p", "response_format": "b64_json"}
            item = httpx.post(f"{url}/v1/images/generations", json=body).json()["data"][0]
    with Pillow.open(BytesIO(base64.b64decode(item["b64_json"]))) as picture:
        assert getattr(picture, "n_frames", 1) == 1
