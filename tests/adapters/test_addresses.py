"""Which URLs and addresses our calls may reach, in every spelling an attacker may choose."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.http.addresses import AddressGuard, is_public
from chalicelib.ocpi.errors import AddressNotAllowed
from chalicelib.ocpi.http import Request


def _numeric(host: str) -> list[str]:
    """The system's reading of a literal, which knows all the old spellings; never a question to a name server."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)]


def _leading_to(*addresses: str, open_network: bool = False) -> AddressGuard:
    return AddressGuard(open_network=open_network, resolve=lambda _: addresses)


def _reach(guard: AddressGuard, url: str) -> None:
    """Pass the door with this URL as a call does."""
    target = guard.target(Request(method="GET", url=url))
    guard.addresses(target.host.strip("[]"), within_s=5, call="GET it")


CLOSED = (
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
)
LOOPBACK = ("127.0.0.1", "127.255.255.254", "::1")

OTHER_FACES_OF_LOOPBACK = (
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7f.1",
    "0X7F.0.0.1",
    "127.1",
    "127.0.1",
    "0177.0.0.1",
    "0177.0x0.0.1",
    "127.0.0.1.",
    "127.000.000.001",
    "[::ffff:127.0.0.1]",
    "[::FFFF:7F00:1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "[::1%25lo]",
    "[fe80::1%eth0]",
    "\uff11\uff12\uff17.0.0.1",  # fullwidth digits
    "127\u30020\u30020\u30021",  # ideographic full stops
    "\u2460\u2461\u2466.0.0.1",  # circled digits
    "\uff4c\uff4fcalhost",
    "loc\u00adalhost",  # soft hyphen, dropped by IDNA
    "%6c%6f%63alhost",
    "127.0.0.1%00.partner.example",
)


@pytest.mark.parametrize("address", [*CLOSED, "fe80::1%eth0", "2606:4700::1111%eth0"])
def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    with pytest.raises(AddressNotAllowed):
        _reach(_leading_to(address), "https://partner.example/ocpi")


@pytest.mark.parametrize("address", CLOSED)
def test_a_closed_address_is_refused_when_written_in_the_url(address: str) -> None:
    host = f"[{address}]" if ":" in address else address

    with pytest.raises(AddressNotAllowed):
        _reach(AddressGuard(resolve=_numeric), f"https://{host}/ocpi")


@pytest.mark.parametrize("host", OTHER_FACES_OF_LOOPBACK)
def test_loopback_is_refused_whatever_its_face(host: str) -> None:
    with pytest.raises(AddressNotAllowed):
        _reach(AddressGuard(resolve=_numeric), f"https://{host}/ocpi")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "ip6-localhost.localdomain"])
def test_a_name_for_loopback_is_refused_by_where_it_leads(host: str) -> None:
    with pytest.raises(AddressNotAllowed):
        _reach(_leading_to("127.0.0.1", "::1"), f"https://{host}/ocpi")


@pytest.mark.parametrize("address", [address for address in CLOSED if address not in LOOPBACK])
def test_an_open_network_opens_loopback_and_no_other_address(address: str) -> None:
    for loopback in LOOPBACK:
        _reach(_leading_to(loopback, open_network=True), "http://localhost/ocpi")

    with pytest.raises(AddressNotAllowed):
        _reach(_leading_to(address, open_network=True), "http://localhost/ocpi")


@pytest.mark.parametrize("inside", ["10.0.0.1", "::1", "fd00:ec2::254"])
def test_one_inside_address_among_public_ones_closes_the_name(inside: str) -> None:
    with pytest.raises(AddressNotAllowed):
        _reach(_leading_to("8.8.8.8", "2606:4700::1111", inside), "https://partner.example/ocpi")


@pytest.mark.parametrize("address", ["8.8.8.8", "52.95.110.1", "2606:4700::1111", "2a05:d018::1", "64:ff9b::808:808"])
def test_a_public_address_is_open(address: str) -> None:
    _reach(_leading_to(address), "https://partner.example/ocpi")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/ocpi",
        "//partner.example/ocpi",
        "partner.example/ocpi",
        "http://partner.example/ocpi",
        "ftp://partner.example/",
        "file:///etc/passwd",
        "gopher://partner.example:70/_x",
        "https:partner.example",
        "https:///partner.example",
        "https://",
        "https://user@partner.example/",
        "https://user:secret@partner.example/",
        "https://@partner.example/",
        "https://8.8.8.8\\@127.0.0.1/",
        "https://partner.example\\.evil.example/",
        "https://partner.example /",
        "https://partner.example\t/",
        "https://partner.example/a b",
        "https://partner.example/a\r\nX: y",
        "https://partner.example/caf\u00e9",
        "https://p\u0430rtner.example/",  # a Cyrillic letter
        "https://\u212aelvin.example/",  # the sign for degrees Kelvin, whose lower case is k
        "http\u017f://partner.example/",  # a long s
        "https://partner.example:/",
        "https://partner.example:0/",
        "https://partner.example:22/",
        "https://partner.example:80/",
        "https://partner.example:1023/",
        "https://partner.example:65536/",
        "https://partner.example:443:443/",
        "https://[::1/",
        "https://[]/",
        "https://[8.8.8.8]/",
        "https://partner..example/",
        "https://.partner.example/",
        f"https://{'a' * 64}.example/",
        f"https://{'a.' * 127}example/",
        f"https://partner.example/{'a' * 2048}",
    ],
)
def test_a_url_that_is_not_plain_https_is_refused(url: str) -> None:
    with pytest.raises(AddressNotAllowed):
        _reach(_leading_to("8.8.8.8"), url)


@pytest.mark.parametrize(
    ("url", "query", "expected"),
    [
        ("https://Partner.Example", {}, "https://partner.example/"),
        ("https://partner.example:443/ocpi/", {}, "https://partner.example/ocpi/"),
        ("https://partner.example:8443/a%2Fb*c", {}, "https://partner.example:8443/a%2Fb*c"),
        ("https://partner.example?x=1", {}, "https://partner.example/?x=1"),
        ("https://partner.example/a#part", {}, "https://partner.example/a"),
        ("https://partner.example/a?t=a%20b&x", {"limit": "10"}, "https://partner.example/a?t=a%20b&x&limit=10"),
        ("https://partner.example/a?limit=5&o=1", {"limit": "10"}, "https://partner.example/a?o=1&limit=10"),
        ("https://partner.example/a", {"q": "a b+c&d=\u00e9"}, "https://partner.example/a?q=a%20b%2Bc%26d%3D%C3%A9"),
        ("https://[2606:4700:0:0::1111]/", {}, "https://[2606:4700::1111]/"),
    ],
)
def test_the_query_is_merged_into_the_url_and_the_rest_stays_as_written(
    url: str, query: dict[str, str], expected: str
) -> None:
    assert AddressGuard().target(Request(method="GET", url=url, query=query)).url == expected


def test_a_query_counts_towards_the_length_of_the_url() -> None:
    with pytest.raises(AddressNotAllowed, match="2048"):
        AddressGuard().target(Request(method="GET", url="https://partner.example/", query={"a": "b" * 2048}))


def test_a_refusal_names_the_call_but_not_where_the_name_leads() -> None:
    with pytest.raises(AddressNotAllowed) as refused:
        _leading_to("10.1.2.3").addresses("partner.example", within_s=5, call="GET partner.example")

    assert "GET partner.example" in str(refused.value)
    assert "10.1.2.3" not in str(refused.value)


# From IANA's special-purpose registries, each with what it is for there.
RESERVED_V4 = {
    "this network": "0.0.0.0/8",
    "private use": "10.0.0.0/8",
    "shared address space": "100.64.0.0/10",
    "loopback": "127.0.0.0/8",
    "link local": "169.254.0.0/16",
    "private use, 172": "172.16.0.0/12",
    "IETF protocol assignments": "192.0.0.0/24",
    "documentation": "192.0.2.0/24",
    "6to4 relays": "192.88.99.0/24",
    "private use, 192": "192.168.0.0/16",
    "benchmarking": "198.18.0.0/15",
    "documentation, 198": "198.51.100.0/24",
    "documentation, 203": "203.0.113.0/24",
    "multicast": "224.0.0.0/4",
    "reserved": "240.0.0.0/4",
}
RESERVED_V6 = {
    "unspecified, loopback, IPv4-compatible": "::/96",
    "IPv4-mapped": "::ffff:0:0/96",
    "local NAT64": "64:ff9b:1::/48",
    "discard": "100::/64",
    "Teredo": "2001::/32",
    "IETF protocol assignments": "2001::/23",
    "documentation": "2001:db8::/32",
    "6to4": "2002::/16",
    "documentation, 3fff": "3fff::/20",
    "segment routing": "5f00::/16",
    "unique local": "fc00::/7",
    "link local": "fe80::/10",
    "site local": "fec0::/10",
    "multicast": "ff00::/8",
}

reserved_v4 = st.sampled_from([*RESERVED_V4.values()]).flatmap(lambda n: st.ip_addresses(v=4, network=IPv4Network(n)))
reserved_v6 = st.sampled_from([*RESERVED_V6.values()]).flatmap(lambda n: st.ip_addresses(v=6, network=IPv6Network(n)))


def _spellings(address: IPv4Address) -> list[str]:
    a, b, c, d = address.packed
    number = int(address)
    return [
        f"{a}.{b}.{c}.{d}",
        f"{a}.{b}.{c}.{d}.",
        f"{a}.{b}.{c << 8 | d}",
        f"{a}.{b << 16 | c << 8 | d}",
        f"{number}",
        f"{number:#x}",
        f"0{number:o}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"{a:#x}.{b:#X}.{c}.0{d:o}",
        f"[::ffff:{address}]",
        f"[{IPv6Address(0xFFFF << 32 | number).exploded.upper()}]",
        f"[::{address}]",
        f"[64:ff9b::{address}]",
        f"[{IPv6Address(0x2002 << 112 | number << 80)}]",
        f"[{IPv6Address(0x2001 << 112 | number << 64)}]",
        f"[{IPv6Address(0x2001 << 112 | (number ^ 0xFFFFFFFF))}]",
    ]


@given(reserved_v4)
def test_no_reserved_ipv4_address_is_reached_in_any_spelling(address: IPv4Address) -> None:
    for host in _spellings(address):
        with pytest.raises(AddressNotAllowed):
            _reach(AddressGuard(resolve=_numeric), f"https://{host}/")


@given(reserved_v6)
def test_no_reserved_ipv6_address_is_reached_in_any_spelling(address: IPv6Address) -> None:
    for spelling in (address.compressed, address.exploded, address.exploded.upper()):
        with pytest.raises(AddressNotAllowed):
            _reach(AddressGuard(resolve=_numeric), f"https://[{spelling}]/")


@given(st.ip_addresses())
def test_what_is_open_is_one_global_machine_that_no_wrapping_leads_elsewhere(
    address: IPv4Address | IPv6Address,
) -> None:
    nat64 = IPv6Network("64:ff9b::/96")
    if is_public(address) and address not in nat64:
        assert address.is_global
        assert not any((address.is_multicast, address.is_reserved, address.is_private, address.is_loopback))
        assert getattr(address, "sixtofour", None) is None
        assert getattr(address, "teredo", None) is None


@given(st.ip_addresses(v=4))
def test_behind_nat64_the_address_inside_decides(address: IPv4Address) -> None:
    wrapped = IPv6Address(0x64FF9B << 96 | int(address))

    assert is_public(wrapped) == is_public(address)


@given(st.text(max_size=60) | st.text(alphabet="abc.-_:/?#[]@%\\0x17f ", max_size=60))
def test_whatever_the_text_a_url_is_either_refused_or_read_as_one_plain_target(text: str) -> None:
    try:
        target = AddressGuard().target(Request(method="GET", url=f"https://{text}"))
    except AddressNotAllowed:
        return

    assert AddressGuard().target(Request(method="GET", url=target.url)) == target
    assert "@" not in target.authority
    assert not target.host.rsplit(".", 1)[-1].isdigit() or IPv4Address(target.host)
