"""Uploads of hundreds of megabytes through a real router process: its memory does not grow with them."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import yaml
from backends import OpenAIBackend, Status
from pictures import png
from serving import command

PICTURES = 16
SIZE = 20 << 20
ALLOWED = 16 << 20


def test_320_megabytes_in_grow_the_process_by_less_than_16(tmp_path: Path) -> None:
    """Uploads wait on disk, are streamed to the backend, and can be sent again after a failure."""
    with OpenAIBackend() as backend:
        config = {
            "defaults": {"retry": {"count": 1, "backoff": "1ms", "backoff_max": "1ms"}},
            "providers": {"o": {"kind": "openai", "base_url": backend.url, "api_key": "k"}},
            "models": {"edit": {"chain": ["o/gpt-image-2"]}},
        }
        file = tmp_path / "router.yaml"
        file.write_text(yaml.safe_dump(config))
        with command("--config", str(file)) as (address, process):
            upload(address, 1)
            before = psutil.Process(process.pid).memory_info().rss
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")
            backend.script(Status(503, "server_is_overloaded"))
            assert upload(address, PICTURES).startswith(b"HTTP/1.1 200")
            assert peak(process.pid) - before < ALLOWED
        sent = backend.ledger.records[-2:]
        assert [record.status for record in sent] == [503, 200]
        for record in sent:
            assert [size for _, _, size in record.files] == [SIZE] * PICTURES


def upload(address: str, count: int) -> bytes:
    """Send `count` pictures of `SIZE` bytes, made while they are sent; the head of the answer."""
    picture = png(64, 64)
    filler = b"\0" * (1 << 20)
    fields = b"".join(
        f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in (("model", "edit"), ("prompt", "merge these"))
    )
    head = b'--B\r\nContent-Disposition: form-data; name="image[]"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    length = len(fields) + count * (len(head) + SIZE + 2) + len(b"--B--\r\n")
    url = urlsplit(address)
    with socket.create_connection((url.hostname, url.port), timeout=60) as client:
        client.sendall(
            b"POST /v1/images/edits HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=B\r\n"
            b"content-length: %d\r\n\r\n" % length + fields,
        )
        for _ in range(count):
            client.sendall(head + picture)
            for at in range(len(picture), SIZE, len(filler)):
                client.sendall(filler[: SIZE - at])
            client.sendall(b"\r\n")
        client.sendall(b"--B--\r\n")
        return client.recv(65536)


def peak(pid: int) -> int:
    """The most memory the process held since it was last asked to forget."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
