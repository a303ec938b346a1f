"""The door to the web: which URLs and which network addresses our calls may reach."""

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

# What proxies and servers in front of partners commonly take; the spec's own limit for a URL field is 255.
MAX_URL_LENGTH = 2048
_DEFAULT_PORTS = {"https": 443, "http": 80}
# Below 1024 live the services that are not HTTP (mail, ssh, DNS) and that a call must not be made to poke.
_FIRST_FREE_PORT, _LAST_PORT = 1024, 65535

# Stricter than RFC 3986 on purpose: what two parsers could read in two ways (user names, backslashes, letters beyond
# ASCII) is refused, so this reading is the only one there is. Internationalised names are written in punycode.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>[/?#][!-~]*)?",
    re.ASCII | re.IGNORECASE,
)
_NAME = re.compile(r"(?=.{1,254}\Z)(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?", re.ASCII)
# A host that ends like this is a number in some spelling: 127.1, 0x7f.1, 0177.0.0.1, 2130706433.
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?", re.ASCII)

# IANA's special-purpose registries. Written out because ``is_global`` differs between Python releases and lets
# multicast and the ways to wrap an IPv4 address in an IPv6 one through.
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
# An IPv6-only subnet reaches every IPv4 partner through this prefix, so what it leads to decides.
_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where one request goes. ``host`` is lower case, with brackets around IPv6; ``path`` includes the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """What a redirect may not leave."""
        return self.scheme, self.host.rstrip("."), self.port

    @property
    def authority(self) -> str:
        """Host and port, the port only where it is not the scheme's own."""
        return self.host if self.port == _DEFAULT_PORTS[self.scheme] else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL."""
        return f"{self.scheme}://{self.authority}{self.path}"


def addresses_of(host: str) -> Sequence[str]:
    """Every address that a name leads to, as the system's resolver says.

    Raises:
        OSError: the name does not resolve.
    """
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True)
class AddressGuard:
    """Lets https calls to public addresses out. ``open_network`` adds plain http and loopback, and nothing else."""

    open_network: bool = False
    resolve: Callable[[str], Sequence[str]] = addresses_of

    def target(self, request: Request) -> Target:
        """Where this request goes, its query merged into the URL.

        A name in ``request.query`` replaces the same name in the URL; the rest of the URL's query stays as written.

        Raises:
            AddressNotAllowed: the URL is none that we call.
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
        """Nothing, unless the host is an address, and one that is not open to us.

        Raises:
            AddressNotAllowed: it is.
        """
        try:
            address = ip_address(target.host.strip("[]"))
        except ValueError:
            # A name: where it leads is looked up, and checked, with each call.
            return
        if not self.is_open_to(address):
            raise AddressNotAllowed("we call public addresses only, and this is not one")

    def addresses(self, host: str, *, within_s: float, call: str) -> Sequence[Address]:
        """Every address of ``host``, all of them open to us. ``call`` says in the error whose call it was.

        Raises:
            AddressNotAllowed: at least one of them is not public.
            TimeoutError: the resolver did not answer in time.
            OSError: the name does not resolve.
        """
        found = [ip_address(address) for address in _in_time(self.resolve, host, within_s)]
        if not all(self.is_open_to(address) for address in found):
            # The address itself is not named: this text may reach a partner, who is not to learn our network from it.
            raise AddressNotAllowed(f"{call}: we call public addresses only, and this is not one")
        return found

    def is_open_to(self, address: Address) -> bool:
        """Whether our calls may reach this address."""
        return is_public(address) or (self.open_network and address.is_loopback)


def is_public(address: Address) -> bool:
    """Whether this is one machine on the public internet, whatever the address is wrapped in."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _CLOSED_V4)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if address.scope_id is not None or address not in _UNICAST_V6:
        return False
    return address.is_global and not any(address in network for network in _CLOSED_V6)


def _host(text: str) -> str:
    """A host in its one usual form.

    Raises:
        AddressNotAllowed: it is no name, or a number that is not spelled as an address usually is.
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
    path, _, asked = text.partition("#")[0].partition("?")
    pairs = [pair for pair in asked.split("&") if pair and unquote_plus(pair.partition("=")[0]) not in query]
    pairs += [urlencode(query, quote_via=quote)] if query else []
    return (path or "/") + ("?" + "&".join(pairs) if pairs else "")


def _in_time(resolve: Callable[[str], Sequence[str]], host: str, within_s: float) -> Sequence[str]:
    # A name server can keep getaddrinfo waiting for half a minute and nothing can interrupt it, so it waits aside.
    answers: SimpleQueue[Sequence[str] | OSError | UnicodeError] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolve(host))
        except (OSError, UnicodeError) as unknown:
            answers.put(unknown)

    Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=within_s)
    except Empty:
        raise TimeoutError("the resolver did not answer in time") from None
    if isinstance(answer, Exception):
        raise socket.gaierror("the name does not resolve") from answer
    return answer
