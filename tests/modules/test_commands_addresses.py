"""Proves which addresses a CPO takes for a ``response_url``, and what it sends there."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.adapters.http.web import HttpWeb
from chalicelib.node.commands import Command, CommandResult, Posting
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.adapters.test_response_urls import LITERALS
from tests.world import Caller, CompanyInWorld, Reply, World, register

Json = Any


class Guarded(World):
    """A world whose URLs are judged as those of the real one."""

    def __init__(self, *, open_network: bool) -> None:
        super().__init__()
        self._web = HttpWeb(open_network=open_network)

    def check(self, url: str, *, public: bool = False) -> None:
        self._web.check(url, public=public)


class Asked:
    """A CPO with a location, asked by the eMSP at ``host``."""

    def __init__(self, host: str = "emsp.example", *, open_network: bool = False) -> None:
        self.world = Guarded(open_network=open_network)
        self.cpo: CompanyInWorld = self.world.company("cpo.example", Party.of("DE", "CPO"), frozenset({Role.CPO}))
        emsp = self.world.company(host, Party.of("NL", "MSP"), frozenset({Role.EMSP}))
        register(emsp, self.cpo, Role.CPO)
        token = emsp.partners()[0].token_we_send
        assert token
        self._call = Caller(self.world, "cpo.example", token.secret)
        self.cpo.company.own_objects[ModuleID.LOCATIONS].put("LOC1", (), make.location("LOC1"))

    def start(self, response_url: str) -> Reply:
        """START_SESSION, to be answered there."""
        body = {"response_url": response_url, "token": make.token(), "location_id": "LOC1"}
        return self._call("POST", "/ocpi/cpo/2.1.1/commands/START_SESSION", body)

    def commands(self) -> list[Command]:
        return self.cpo.ports.commands.for_partner(self.cpo.partners()[0].id, None, 10)

    def posted(self) -> list[Request]:
        """What goes out once the charge point has answered the last command."""
        mark = len(self.world.traffic)
        self.cpo.command_queues.enqueue_result(
            CommandResult(command_id=self.commands()[0].id, result="ACCEPTED", source="charge point")
        )
        self.cpo.pump_commands()
        return [each.request for each in self.world.since(mark)]


@pytest.mark.parametrize("open_network", [False, True], ids=["closed", "open"])
@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("host", LITERALS)
def test_an_address_inside_is_refused_at_once_and_no_charge_point_hears_of_it(
    host: str, scheme: str, *, open_network: bool
) -> None:
    """CMD-13, Q-59: 2001, and the message does not repeat the address."""
    there = Asked(open_network=open_network)

    reply = there.start(f"{scheme}://{host}:8443/results")

    assert (reply.outcome, reply.message) == ((200, 2001), "response_url is not an address that we call (Q-59)")
    assert (there.commands(), there.cpo.command_queues.asked) == ([], [])


@pytest.mark.parametrize(
    ("response_url", "outcome"),
    [
        ("https://127.0.0.1:9001/results", (200, 1000)),
        ("https://127.0.0.1:9002/results", (200, 2001)),
        ("http://127.0.0.1:9001/results", (200, 2001)),
        ("https://127.0.0.1/results", (200, 2001)),
        ("https://[::1]:9001/results", (200, 2001)),
        ("https://127.1:9001/results", (200, 2001)),
        ("https://elsewhere.example/results", (200, 1000)),
        ("http://elsewhere.example/results", (200, 2001)),
    ],
)
def test_an_open_network_opens_this_machine_only_where_the_partner_is_registered(
    response_url: str, outcome: tuple[int, int]
) -> None:
    """CMD-13, Q-59: as in a local run, where the eMSP is on loopback itself."""
    there = Asked("127.0.0.1:9001", open_network=True)

    reply = there.start(response_url)

    assert reply.outcome == outcome
    assert len(there.cpo.command_queues.asked) == (outcome[1] == 1000)


def test_where_the_network_is_closed_even_a_registered_host_has_to_be_public() -> None:
    """CMD-13, Q-59."""
    there = Asked("127.0.0.1:9001", open_network=False)

    assert there.start("https://127.0.0.1:9001/results").outcome == (200, 2001)
    assert there.commands() == []


def test_a_host_that_the_partner_did_not_register_is_answered_without_our_token() -> None:
    """CMD-04, CMD-05, Q-59: the same POST, and nothing else in it."""
    there = Asked()
    there.world.hosts["elsewhere.example"] = lambda _request: Response(200)
    there.start("https://elsewhere.example/results?id=1")

    (request,) = there.posted()

    assert (request.method, request.url) == ("POST", "https://elsewhere.example/results?id=1")
    assert (request.body, request.headers) == (b'{"result":"ACCEPTED"}', {"content-type": "application/json"})
    assert there.commands()[0].posting is Posting.DONE


def test_a_registered_host_is_shown_our_token_at_whatever_path() -> None:
    """CMD-05, Q-59: if it refuses the token, that is its answer, and no other host is asked."""
    there = Asked()
    there.start("https://emsp.example/somewhere/else")

    (request,) = there.posted()

    token = there.cpo.partners()[0].token_we_send
    assert token
    assert (request.url, request.headers["authorization"]) == (
        "https://emsp.example/somewhere/else",
        f"Token {token.secret}",
    )
    assert there.commands()[0].posting is Posting.FAILED
