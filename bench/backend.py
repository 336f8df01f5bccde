"""The mock backend, a process of its own: `python -m bench.backend PORT`. It reads uploads to their end.

`POST /KIND/v1/images/generations` gives the answer of that kind. An edit is answered with the bytes that came, as
`created`, which every proxy passes on; under `/refuses/` it is read and then answered with 503.
"""

import asyncio
import json
import sys
from typing import cast

import httptools
import uvloop

from bench.payloads import KINDS, answer


class _Connection(asyncio.Protocol):
    answers: dict[str, bytes]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(self)
        self._path, self._came = "", 0

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_url(self, url: bytes) -> None:
        self._path = url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"expect" and value:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._came += len(body)

    def on_message_complete(self) -> None:
        came, self._came = self._came, 0
        kind = self._path.split("/")[1]
        if kind == "refuses":
            self._say("503 Service Unavailable", b'{"error":{"message":"come back later"}}')
        elif self._path.endswith("/edits"):
            said = {**json.loads(self.answers["tiny"]), "created": came}
            self._say("200 OK", json.dumps(said).encode())
        else:
            self._say("200 OK", self.answers[kind])

    def _say(self, status: str, body: bytes) -> None:
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode())
        self._transport.write(body)


async def _serve(port: int) -> None:
    _Connection.answers = {kind: answer(kind) for kind in KINDS}
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
