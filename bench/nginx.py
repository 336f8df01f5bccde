"""nginx in both its parts: the plain reverse proxy that others are held against, and a backend of files."""

import os
import shutil
from pathlib import Path

from bench.payloads import KINDS, answer

_COMMON = """
{user}worker_processes 1; daemon off; pid {directory}/{part}.pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off; default_type application/json; sendfile on; tcp_nopush on; tcp_nodelay on;
  keepalive_requests 1000000000; keepalive_timeout 600s; client_max_body_size 0; client_body_buffer_size 1m;
  client_body_temp_path {directory}/{part}-body; proxy_temp_path {directory}/{part}-proxy;
  fastcgi_temp_path {directory}/{part}-fastcgi; uwsgi_temp_path {directory}/{part}-uwsgi;
  scgi_temp_path {directory}/{part}-scgi;
{rest}
}}
"""

_BACKEND = """
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location ~ ^/({kinds})/ {{ error_page 418 =200 /answers/$1.json; return 418; }}
    location /answers/ {{ internal; alias {directory}/; open_file_cache max=10; }}
  }}
"""

_PROXY = """
  upstream answers {{ server 127.0.0.1:{answers}; keepalive 128; keepalive_requests 1000000000; }}
  upstream uploads {{ server 127.0.0.1:{uploads}; keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Authorization "Bearer backend";
    proxy_buffers 16 64k; proxy_buffer_size 64k; proxy_busy_buffers_size 128k; proxy_max_temp_file_size 0;
    proxy_request_buffering off;
    location / {{ proxy_pass http://answers; }}
    location ~ /edits$ {{ proxy_pass http://uploads; }}
  }}
"""


def program() -> str | None:
    """Where nginx is; None where it is not."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def backend(directory: Path, port: int) -> list[str]:
    """The command of a backend that answers with files."""
    for kind in KINDS:
        (directory / f"{kind}.json").write_bytes(answer(kind))
    return _command("backend", directory, _BACKEND.format(port=port, directory=directory, kinds="|".join(KINDS)))


def proxy(directory: Path, port: int, answers: int, uploads: int) -> list[str]:
    """The command of the reverse proxy before both backends."""
    return _command("proxy", directory, _PROXY.format(port=port, answers=answers, uploads=uploads))


def _command(part: str, directory: Path, rest: str) -> list[str]:
    user = "user root; " if os.geteuid() == 0 else ""  # whose directory this is
    file = directory / f"nginx-{part}.conf"
    file.write_text(_COMMON.format(user=user, directory=directory, part=part, rest=rest))
    return [program() or "nginx", "-p", str(directory), "-c", str(file)]
