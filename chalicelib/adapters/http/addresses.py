"""Which URLs and network addresses our calls may reach: protection against server-side request forgery (SSRF)."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from queue import Empty, SimpleQueue
from threading import Thread
from urllib.parse import quote, unquote_plus, urlencode

from chalicelib.ocpi.errors import AddressNotAllowed
from chalicelib.ocpi.http import Request

Address = IPv4Address | IPv6Address

# A common limit of proxies and servers; the spec limits a field of type URL to 255 characters.
MAX_URL_LENGTH = 2048
_DEFAULT_PORTS = {"https": 443, "http": 80}
# Ports below 1024 belong to other protocols (mail, ssh, DNS), which a partner must not make us call.
_FIRST_FREE_PORT, _LAST_PORT = 1024, 65535

# Stricter than RFC 3986 on purpose: what two parsers could read in two ways (user names, backslashes, letters beyond
# ASCII) is refused. Internationalised names have to be written in punycode.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>[/?#][!-~]*)?",
    re.ASCII | re.IGNORECASE,
)
_NAME = re.compile(r"(?=.{1,254}\Z)(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?", re.ASCII)
# A host that ends like this is an IPv4 address in some notation: 127.1, 0x7f.1, 0177.0.0.1, 2130706433.
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?", re.ASCII)

# IANA's special-purpose registries. Written out because ``is_global`` differs between Python releases, and accepts
# multicast and IPv6 addresses that contain an IPv4 address.
_CLOSED_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_UNICAST_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
# An IPv6-only subnet reaches IPv4 partners through this prefix, so the IPv4 address inside is checked.
_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The parsed URL of a request. ``host`` is lower case, with brackets around IPv6; ``path`` includes the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: redirects are followed within it."""
        return self.scheme, self.host.rstrip("."), self.port

    @property
    def authority(self) -> str:
        """Host and port, without the scheme's default port."""
        return self.host if self.port == _DEFAULT_PORTS[self.scheme] else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL."""
        return f"{self.scheme}://{self.authority}{self.path}"


def addresses_of(host: str) -> Sequence[str]:
    """Every address of a host name, from the system's resolver.

    Raises:
        OSError: the name does not resolve.
    """
    return [str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True)
class AddressGuard:
    """Allows https calls to public addresses, and nothing else."""

    open_network: bool = False
    """Whether plain http and loopback addresses are allowed, too."""
    resolve: Callable[[str], Sequence[str]] = addresses_of
    """Returns the addresses of a host name."""

    def target(self, request: Request) -> Target:
        """The parsed URL of the request, with ``request.query`` merged into it.

        A name in ``request.query`` replaces the same name in the URL; the rest of the URL's query stays as written.

        Raises:
            AddressNotAllowed: the URL has a form that is not allowed, whatever its host's addresses are.
        """
        parts = _URL.fullmatch(request.url)
        if parts is None or (parts["scheme"].lower() == "http" and not self.open_network):
            raise AddressNotAllowed(f"{request.method}: the URL must be absolute, https, ASCII and without a user name")
        scheme = parts["scheme"].lower()
        target = Target(
            scheme=scheme,
            host=_host(parts["host"].lower()),
            port=int(parts["port"] or _DEFAULT_PORTS[scheme]),
            path=_path(parts["path"] or "/", request.query),
        )
        if target.port != _DEFAULT_PORTS[scheme] and not _FIRST_FREE_PORT <= target.port <= _LAST_PORT:
            raise AddressNotAllowed(f"{request.method} {target.authority}: we call port 443 and those from 1024 up")
        if len(target.url) > MAX_URL_LENGTH:
            raise AddressNotAllowed(f"{request.method} {target.authority}: the URL is over {MAX_URL_LENGTH} characters")
        return target

    def check(self, target: Target) -> None:
        """Check a host that is an address, not a name.

        Raises:
            AddressNotAllowed: it is an address that is not allowed.
        """
        try:
            address = ip_address(target.host.strip("[]"))
        except ValueError:
            # The addresses of a name are checked when it is called, because they can change.
            return
        if not self.allows(address):
            raise AddressNotAllowed("we call public addresses only, and this is not one")

    def addresses(self, host: str, *, within_s: float, call: str) -> Sequence[Address]:
        """Every address of ``host``, all of them allowed.

        Args:
            host: a name or an address.
            within_s: seconds that the lookup may take.
            call: names the call in the error.

        Raises:
            AddressNotAllowed: at least one of them is not allowed.
            TimeoutError: the resolver did not answer in time.
            OSError: the name does not resolve.
        """
        addresses = [ip_address(address) for address in _resolve_in_time(self.resolve, host, within_s)]
        if not all(self.allows(address) for address in addresses):
            # Without the address: the text may reach a partner, which must not learn about our network.
            raise AddressNotAllowed(f"{call}: we call public addresses only, and this is not one")
        return addresses

    def allows(self, address: Address) -> bool:
        """Whether our calls may reach this address."""
        return is_public(address) or (self.open_network and address.is_loopback)


def is_public(address: Address) -> bool:
    """Whether this is a public unicast address; of a NAT64 address, whether the IPv4 address inside is."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _CLOSED_V4)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if address.scope_id is not None or address not in _UNICAST_V6:
        return False
    return address.is_global and not any(address in network for network in _CLOSED_V6)


def _host(text: str) -> str:
    """The normalized host.

    Raises:
        AddressNotAllowed: it is not a valid name, or an address in an unusual notation.
    """
    try:
        if text.startswith("["):
            return f"[{IPv6Address(text[1:-1])}]"
        if _ENDS_IN_A_NUMBER.fullmatch(text):
            return str(IPv4Address(text))
    except ValueError:
        raise AddressNotAllowed(f"{text}: the address is not in its usual form") from None
    if not _NAME.fullmatch(text):
        raise AddressNotAllowed(f"{text[:80]}: this is not a host name")
    return text


def _path(text: str, query: Mapping[str, str]) -> str:
    """The path and query of a URL with ``query`` merged in, without the fragment."""
    path, _, url_query = text.partition("#")[0].partition("?")
    pairs = [pair for pair in url_query.split("&") if pair and unquote_plus(pair.partition("=")[0]) not in query]
    pairs += [urlencode(query, quote_via=quote)] if query else []
    return (path or "/") + ("?" + "&".join(pairs) if pairs else "")


def _resolve_in_time(resolve: Callable[[str], Sequence[str]], host: str, within_s: float) -> Sequence[str]:
    # In a thread of its own: getaddrinfo can block for half a minute, and cannot be interrupted.
    answers: SimpleQueue[Sequence[str] | OSError | UnicodeError] = SimpleQueue()

    def lookup() -> None:
        try:
            answers.put(resolve(host))
        except (OSError, UnicodeError) as unknown:
            answers.put(unknown)

    Thread(target=lookup, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=within_s)
    except Empty:
        raise TimeoutError("the resolver did not answer in time") from None
    if isinstance(answer, Exception):
        raise socket.gaierror("the name does not resolve") from answer
    return answer
