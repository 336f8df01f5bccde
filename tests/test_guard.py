"""Which addresses the guard lets through, and that it opens no connection to any other."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from detour import Detour, names
from faults import answering, faulty
from hypothesis import given, strategies as st

from providers.http import wire_level
from router.wire.guard import Connector, Denied, allowed, anywhere, lookup, plain

PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::200e", "::ffff:8.8.8.8"]
SHUT = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:2::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1111%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]

# What the C library reads as loopback or another inner address, and what else a reader might.
NUMBERS = [
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7f.1",
    "0X7F.0.0.1",
    "127.1",
    "127.0.1",
    "0177.0.0.1",
    "0177.0.0.0x1",
    "127.0.0.01",
    "0",
    "0x0",
    "0xa9fea9fe",
    "2852039166",
    "169.254.43518",
]
CROOKED = [
    *NUMBERS,
    "localhost",
    "metadata",
    "localhost.",
    "public.test.",
    "127.0.0.1.",
    "public..test",
    ".public.test",
    "",
    ".",
    "[::1]",
    "fe80::1%eth0",
    "fe80::1%25eth0",
    "%6c%6f%63al.test",
    "public.test\n",
    "public.test\0.internal",
    "public.test:80",
    "a@public.test",
    "public.0x7f",
    "public.1",
    "-public.test",
    "públic.test",
    "127。0。0。1",
    "①②⑦.⓪.⓪.①",
    "a" * 64 + ".test",
    "a." * 127 + "test",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address):
    """A public address may be connected to."""
    assert allowed(ip_address(address))


@pytest.mark.parametrize("address", SHUT)
def test_shut(address):
    """Whatever is not plainly public may not, nor what another protocol would turn into something else."""
    assert not allowed(ip_address(address))


@given(st.one_of(st.ip_addresses(), st.ip_addresses(network="::/96"), st.ip_addresses(network="::ffff:0:0/96")))
def test_no_looser_than_the_registry(address):
    """Nothing is allowed that the language's own registry of special addresses knows."""
    inner = getattr(address, "ipv4_mapped", None) or address
    special = inner.is_private or inner.is_loopback or inner.is_link_local or inner.is_multicast or inner.is_reserved
    assert not (allowed(address) and (special or inner.is_unspecified or getattr(inner, "is_site_local", False)))


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_the_address(address):
    """An IPv4 address written as IPv6 is judged as what it is; as NAT64 or 6to4 it is never allowed."""
    assert allowed(IPv6Address(f"::ffff:{address}")) == allowed(address)
    assert not allowed(IPv6Address(int(IPv6Address("64:ff9b::")) | int(address)))
    assert not allowed(IPv6Address(int(IPv6Address("2002::")) | int(address) << 80))


@pytest.mark.parametrize("host", [*PUBLIC, "public.test", "a-b.c_d.example", "xn--bcher-kva.example", "127.0.0.1"])
def test_plain_hosts(host):
    """A name and a whole address are spelled plainly; the address is judged later."""
    assert plain(host)


@pytest.mark.parametrize("host", CROOKED)
def test_crooked_hosts(host):
    """No short, odd, encoded or decorated spelling of a host is read at all."""
    assert not plain(host)


@pytest.mark.anyio
@pytest.mark.parametrize("host", [*NUMBERS, *SHUT, "localhost", "localhost."])
async def test_no_connection_to_what_this_machine_makes_of_a_host(host):
    """Even unread, a host is judged by the addresses the C library makes of it, and no connection is opened."""
    network = Detour()
    with pytest.raises((Denied, wire_level.ConnectError)):
        await Connector(lookup, network=network).connect_tcp(host, 443)
    assert network.asked == []


@pytest.mark.anyio
async def test_a_listener_on_loopback_sees_no_connection():
    """Over the real network nothing arrives by any spelling, although the port is open."""
    async with faulty(answering) as server:
        for host in (
            "127.0.0.1",
            "localhost",
            "::ffff:127.0.0.1",
            "127.1",
            "0",
            "2130706433",
            "0x7f.1",
            "017700000001",
        ):
            with pytest.raises((Denied, wire_level.ConnectError)):
                await Connector().connect_tcp(host, server.port)
        assert server.connections == 0
        stream = await Connector(judge=anywhere).connect_tcp("127.1", server.port)
        await stream.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await stream.read(100)).startswith(b"HTTP/1.1 200")
        await stream.aclose()
        assert server.connections == 1


@pytest.mark.anyio
@pytest.mark.parametrize("answer", [["8.8.8.8", "127.0.0.1"], ["fe80::1%eth0", "8.8.8.8"], ["8.8.8.8", "?"], []])
async def test_one_bad_address_rules_the_host_out(answer):
    """A name with public and inner addresses is refused whole, and so is one with none."""
    network = Detour()
    with pytest.raises(Denied):
        await Connector(names(mixed=[answer]), network=network).connect_tcp("mixed", 443)
    assert network.asked == []


@pytest.mark.anyio
async def test_the_judged_address_is_connected_to():
    """A name is looked up once, so a second answer cannot lead elsewhere."""
    resolve = names(**{"rebinding.test": [["8.8.8.8"], ["127.0.0.1"]]})
    network = Detour()
    with pytest.raises(wire_level.ConnectError):
        await Connector(resolve, network=network).connect_tcp("rebinding.test", 443)
    assert network.asked == [("8.8.8.8", 443)]
    assert resolve.asked == ["rebinding.test"]


@pytest.mark.anyio
async def test_the_next_address_is_tried():
    """An address that does not answer gives way to the next of the same host, in the resolver's order."""
    network = Detour()
    with pytest.raises(wire_level.ConnectError):
        await Connector(names(two=[["2606:4700::1111", "1.1.1.1"]]), network=network).connect_tcp("two", 443)
    assert network.asked == [("2606:4700::1111", 443), ("1.1.1.1", 443)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (socket.gaierror(socket.EAI_NONAME, "unknown"), Denied),
        (socket.gaierror(socket.EAI_AGAIN, "busy"), wire_level.ConnectError),
        (OSError("no sockets left"), wire_level.ConnectError),
        (UnicodeError("label too long"), Denied),
    ],
)
async def test_a_name_that_cannot_be_looked_up(fault, raised):
    """A name that does not exist looks like one that is denied; a fault of the look-up may pass."""

    async def resolve(host, port):
        raise fault

    with pytest.raises(raised):
        await Connector(resolve, network=Detour()).connect_tcp("gone.test", 443)


@pytest.mark.anyio
async def test_the_configurations_own_host_may_be_anywhere():
    """A host that ops named is not judged."""
    network = Detour()
    with pytest.raises(wire_level.ConnectError):
        await Connector(names(comfy=[["127.0.0.1"]]), anywhere, network).connect_tcp("comfy", 8188)
    assert network.asked == [("127.0.0.1", 8188)]
    assert anywhere(IPv4Address("127.0.0.1"))
