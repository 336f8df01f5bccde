"""`image-router health`: whether a router takes requests, for whoever may only run a command."""

import http.client
from urllib.parse import urlsplit

import click


@click.command()
@click.argument("url", default="http://127.0.0.1:8080")
@click.option("--timeout", type=click.FloatRange(0.1, 60), default=4.0, show_default=True, help="Seconds to wait.")
def health(url: str, timeout: float) -> None:
    """Exit with 0 where GET /readyz answers 200, with 1 where it does not. URL is the router's address."""
    try:
        status, said = _readyz(url, timeout)
    except (OSError, ValueError, http.client.HTTPException) as why:
        raise click.ClickException(f"{url} does not answer: {why or type(why).__name__}") from None
    if status != http.client.OK:
        raise click.ClickException(f"{url} is not ready, its /readyz answers {status}: {said}")
    click.echo(said)


def _readyz(url: str, timeout: float) -> tuple[int, str]:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("write an address such as http://127.0.0.1:8080")
    scheme = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = scheme(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/readyz")
        answer = connection.getresponse()
        return answer.status, answer.read(1000).decode("utf-8", "replace")
    finally:
        connection.close()
