"""Fixtures of the tests of the wire: a wire over either transport, and an authority of the tests' own."""

import pytest
import trustme
from wiring import ADAPTER

from router.wire.send import Wire
from router.wire.transport import TransportSettings, build_transport


@pytest.fixture(params=["pyreqwest", "httpx"])
async def wire_to(request):
    """Makes a `Wire` to an address over the transport under test, closed at the end."""
    made = []

    def make(url, *, adapter=ADAPTER, max_answer=1 << 20, **settings):
        settings = {"connect_timeout": 0.3, "transport": request.param, **settings}
        made.append(
            Wire(adapter, url, "sk-secret", build_transport(TransportSettings(**settings)), max_answer=max_answer)
        )
        return made[-1]

    yield make
    for wire in made:
        await wire.aclose()


@pytest.fixture(scope="module")
def authority():
    """A certificate authority nobody knows."""
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority, tmp_path_factory):
    """Its root in a bundle, after another and beside a name that is not ASCII."""
    file = tmp_path_factory.mktemp("roots") / "roots.pem"
    file.write_bytes("# Főtanúsítvány\n".encode() + trustme.CA().cert_pem.bytes() + authority.cert_pem.bytes())
    return file
