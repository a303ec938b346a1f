"""Proves that an address which a partner names in a request leads nowhere inside, and that our token stays here."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from chalicelib.adapters.http.web import HttpWeb
from chalicelib.node.outbound import Outbound
from chalicelib.node.partners.partner import Partner, State
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.errors import AddressNotAllowed
from chalicelib.ocpi.http import Request
from chalicelib.ocpi.parties import Role
from tests.adapters.servers import Answer, Authority, partner
from tests.world import Recorder

either_network = pytest.mark.parametrize("open_network", [False, True], ids=["closed", "open"])

LITERALS = (
    "127.0.0.1",
    "127.255.255.254",
    "127.0.0.1.",
    "2130706433",
    "0x7f000001",
    "0x7f.0x0.0x0.0x1",
    "017700000001",
    "0177.0.0.1",
    "127.1",
    "127.0.1",
    "0",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "[fd00::1]",
    "169.254.1.1",
    "[fe80::1]",
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "169.16689662",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[fd00:ec2::254]",
    "169.254.170.2",
    "100.100.100.200",
)
"""Loopback, this machine, private networks, link-local and the metadata services, in every spelling."""
INSIDE = ("127.0.0.1", "::1", "0.0.0.0", "10.0.0.1", "169.254.169.254", "fe80::1", "::ffff:127.0.0.1", "64:ff9b::a00:1")
NAMES = ("localhost", "inside.example", "inside.example.")


@dataclass
class Ear:
    """Listens on every address of this machine, IPv4 and IPv6; whoever connects is noticed without an answer."""

    listener: socket.socket

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def heard(self) -> bool:
        """Whether anybody has connected."""
        return bool(select.select([self.listener], [], [], 0.02)[0])


@pytest.fixture
def ear() -> Iterator[Ear]:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        yield Ear(listener)


def numeric(host: str) -> list[str]:
    """The system's reading of a literal, in which every old spelling has a meaning."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)]


def outbound(web: HttpWeb) -> Outbound:
    return Outbound(web, Recorder(), lambda: datetime.now(UTC))


def registered_at(url: str) -> Partner:
    """A partner that has registered an endpoint there."""
    return Partner(
        id="p1",
        our_role=Role.CPO,
        state=State.REGISTERED,
        endpoints={"credentials": url},
        token_we_send=AuthToken("our-secret-token"),
    )


ELSEWHERE = registered_at("https://partner.example/credentials")


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_the_ear_hears_what_does_connect(ear: Ear, host: str) -> None:
    """Guards the tests below."""
    with suppress(OSError):
        socket.create_connection((host.strip("[]"), ear.port), timeout=1).close()

    assert ear.heard


@either_network
@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("host", LITERALS)
def test_an_address_inside_is_refused_before_a_byte_is_sent(
    ear: Ear, host: str, scheme: str, *, open_network: bool
) -> None:
    """Q-59, CMD-13: at once when the command comes, and again when it is to be answered."""
    web, url = HttpWeb(open_network=open_network, resolve=numeric), f"{scheme}://{host}:{ear.port}/results"

    with pytest.raises(AddressNotAllowed):
        web.check(url, public=True)
    with pytest.raises(AddressNotAllowed):
        outbound(web).answer(ELSEWHERE, "commands", url, b"{}")

    assert not ear.heard


@either_network
@pytest.mark.parametrize("address", INSIDE)
@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leads_inside_is_refused_before_a_byte_is_sent(
    ear: Ear, name: str, address: str, *, open_network: bool
) -> None:
    """Q-59: also where only one of its addresses is inside."""
    for addresses in ([address], ["8.8.8.8", address]):
        web = HttpWeb(open_network=open_network, resolve=lambda _name, found=addresses: found)  # type: ignore[misc]
        with pytest.raises(AddressNotAllowed):
            outbound(web).answer(ELSEWHERE, "commands", f"https://{name}:{ear.port}/results", b"{}")

    assert not ear.heard


@either_network
def test_a_name_that_was_public_when_it_was_checked_is_looked_up_again_when_it_is_called(
    ear: Ear, *, open_network: bool
) -> None:
    """Q-59: DNS rebinding; what is looked up then is what is connected to, so no third answer can differ."""
    answers = [["8.8.8.8"], ["127.0.0.1"], ["8.8.8.8"]]
    web, url = (
        HttpWeb(open_network=open_network, resolve=lambda _: answers.pop(0)),
        f"https://rebinding.example:{ear.port}/",
    )
    assert web.resolve("rebinding.example") == ["8.8.8.8"]
    web.check(url, public=True)

    with pytest.raises(AddressNotAllowed):
        outbound(web).answer(ELSEWHERE, "commands", url, b"{}")

    assert answers == [["8.8.8.8"]]
    assert not ear.heard


def test_an_open_network_opens_the_registered_port_of_this_machine_and_no_other(ear: Ear) -> None:
    """Q-59: as in a local run, where every node is on loopback."""
    with partner(Answer(body=b"{}")) as server:
        web, them = HttpWeb(open_network=True), registered_at(f"{server.url}/credentials")
        web.check(f"{server.url}/results")
        outbound(web).answer(them, "commands", f"{server.url}/results", b"{}")

        for url in (f"http://127.0.0.1:{ear.port}/", f"http://localhost:{server.port}/", f"http://[::1]:{ear.port}/"):
            assert not them.hosts(url)
            with pytest.raises(AddressNotAllowed):
                outbound(web).answer(them, "commands", url, b"{}")

        assert [(seen.path, seen.headers["authorization"]) for seen in server.seen] == [
            ("/results", "Token our-secret-token")
        ]
    assert not ear.heard


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_the_answer_and_leads_nowhere(ear: Ear, status: int) -> None:
    """Q-59: not even to the partner itself."""
    for to in (f"http://127.0.0.1:{ear.port}/", "http://169.254.169.254/latest/meta-data/", "/elsewhere"):
        with partner(Answer(status, [("Location", to)])) as server:
            them = registered_at(f"{server.url}/credentials")
            answer = outbound(HttpWeb(open_network=True)).answer(them, "commands", f"{server.url}/results", b"{}")

            assert (answer.http_status, len(server.seen)) == (status, 1)
    assert not ear.heard


# --- one machine, two doors ----------------------------------------------------------------------------------------


def test_a_kept_connection_of_the_open_door_is_not_used_by_the_public_one(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Q-59: a connection is not checked again when it is used again."""
    authority = Authority.make(tmp_path_factory.mktemp("authority"))
    with partner(Answer(body=b"{}"), authority.server("partner.example")) as server:
        web = HttpWeb(open_network=True, ssl_context=authority.trusted, resolve=lambda _: ["127.0.0.1"])
        request = Request(method="POST", url=f"https://partner.example:{server.port}/results", body=b"{}")
        web.send(request)
        with pytest.raises(AddressNotAllowed):
            web.send(request, public=True)
        web.send(request)

        assert (len(server.seen), server.connections) == (2, 1)
        web.close()


# --- whose token ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://partner.example/results",
        "https://partner.example:8443/results",
        "https://api.partner.example/results",
        "https://partner.example.evil.example/results",
        "https://evil.example/partner.example",
        "https://evil.example/?https://partner.example",
        "https://evil.example#@partner.example",
        "https://evil.example\\@partner.example/",
        "https://partner.example@evil.example/",
        "https://partner.example:443@evil.example/",
        "https://partner.example\\@evil.example/",
        "//partner.example/results",
    ],
)
def test_our_token_is_shown_to_no_host_but_those_that_the_partner_registered(url: str) -> None:
    """Q-59, CMD-05: however alike it looks."""
    sent: list[Request] = []

    class Watched(HttpWeb):
        def send(self, request: Request, *, timeout_s: float | None = None, public: bool = False) -> object:  # type: ignore[override]
            sent.append(request)
            assert public
            raise AddressNotAllowed("far enough")

    with pytest.raises(AddressNotAllowed):
        outbound(Watched()).answer(ELSEWHERE, "commands", url, b'{"result":"ACCEPTED"}')

    assert [(request.url, "authorization" in request.headers) for request in sent] == [(url, False)]
    assert "our-secret-token" not in repr(sent)


@pytest.mark.parametrize(
    "url", ["https://partner.exa\tmple/results", "https://partner.example/\r\nX: y", " https://partner.example/"]
)
def test_a_url_that_two_parsers_read_in_two_ways_is_called_by_none(url: str) -> None:
    """Q-59: Python's own drops tabs and line ends, so the host looks registered."""
    with pytest.raises(AddressNotAllowed):
        outbound(HttpWeb(resolve=lambda _: ["127.0.0.1"])).answer(ELSEWHERE, "commands", url, b"{}")
