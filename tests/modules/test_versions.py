"""Versions and version details: what partners find there is what is served, to them and in their tree alone."""

from __future__ import annotations

import base64
from urllib.parse import urlsplit

import pytest

from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests.modules.scripted import Meeting, frame, meeting
from tests.world import Caller, World, pair, register

each_role = pytest.mark.parametrize("their_role", list(Role))
SPEC_MODULES = {"cdrs", "commands", "credentials", "locations", "sessions", "tariffs", "tokens"}


def details(met: Meeting, caller: Caller) -> dict[str, str]:
    """The endpoints that our version details list for this caller, found as a partner finds them."""
    (only,) = caller("GET", met.versions_path).data
    return {each["identifier"]: each["url"] for each in caller("GET", only["url"]).data["endpoints"]}


@each_role
def test_the_versions_are_a_list_with_the_one_that_we_speak(their_role: Role) -> None:
    """VER-01, VER-02, VER-04, VER-07: as a string, with an absolute URL; what we do not serve is not named."""
    met = meeting(their_role)
    reply = met.registered()("GET", met.versions_path)

    assert reply.outcome == (200, 1000)
    assert reply.data == [{"version": "2.1.1", "url": f"https://ours.example{met.root}"}]


@each_role
def test_the_details_are_of_the_version_that_was_listed(their_role: Role) -> None:
    """VER-03."""
    met = meeting(their_role)
    caller = met.registered()

    for listed in caller("GET", met.versions_path).data:
        reply = caller("GET", listed["url"])
        assert reply.outcome == (200, 1000)
        assert reply.data["version"] == listed["version"]
        assert reply.data["endpoints"] != []


@each_role
def test_every_listed_endpoint_exists_and_lets_the_partner_in(their_role: Role) -> None:
    """VER-04, VER-05, VER-06: absolute URLs on our host, credentials among them, and modules of the spec only."""
    met = meeting(their_role)
    caller = met.registered()
    listed = details(met, caller)

    assert "credentials" in listed
    assert set(listed) <= SPEC_MODULES
    for url in listed.values():
        assert urlsplit(url)[:2] == ("https", "ours.example")
        # A receiver's published URL addresses no object: it exists, but has no method.
        assert caller("GET", url).status in (200, 405)


@each_role
def test_what_is_served_is_listed(their_role: Role) -> None:
    """VER-03: no module answers that the details do not name."""
    met = meeting(their_role)
    caller = met.registered()

    answering = {module for module in ModuleID if caller("GET", f"{met.root}/{module}").status != 404}

    assert answering == set(details(met, caller))


@each_role
def test_versions_and_details_need_a_token(their_role: Role) -> None:
    """VER-01."""
    met = meeting(their_role)
    met.registered()

    for path in (met.versions_path, met.root):
        assert met.caller("never-issued")("GET", path).outcome == (401, 2000)


@each_role
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_versions_and_details_can_only_be_read(their_role: Role, method: str) -> None:
    """VER-01, VER-03."""
    met = meeting(their_role)
    caller = met.registered()

    for path in (met.versions_path, met.root):
        reply = caller(method, path)
        assert reply.outcome == (405, 2000)
        assert reply.headers["allow"] == "GET, OPTIONS"


@each_role
def test_an_invitation_opens_versions_and_details(their_role: Role) -> None:
    """VER-12."""
    met = meeting(their_role)
    caller = met.invited()

    assert "credentials" in details(met, caller)


@each_role
def test_a_token_may_come_in_base64(their_role: Role) -> None:
    """VER-12, Q-03: as later versions of OCPI want it; credentials name the token as it is."""
    met = meeting(their_role)
    plain = met.invited()
    for encoded in (base64.b64encode(plain.token.encode()), base64.b64encode(f"{plain.token}\n".encode())):
        caller = met.caller(encoded.decode())

        assert "credentials" in details(met, caller)
        assert caller("GET", met.credentials_path).data["token"] == plain.token


def test_each_role_has_a_tree_of_its_own() -> None:
    """VER-10: CPO details list CPO URLs, eMSP details eMSP URLs, and a token opens one of the trees."""
    as_cpo, as_emsp = meeting(Role.EMSP), meeting(Role.CPO)

    for met, ours, other in ((as_cpo, "cpo", "emsp"), (as_emsp, "emsp", "cpo")):
        caller = met.registered()
        assert all(url.startswith(f"https://ours.example/ocpi/{ours}/2.1.1/") for url in details(met, caller).values())
        for path in (f"/ocpi/{other}/versions", f"/ocpi/{other}/2.1.1", f"/ocpi/{other}/2.1.1/credentials"):
            assert caller("GET", path).outcome == (401, 2000)


def test_a_role_that_we_do_not_play_has_no_tree() -> None:
    """VER-10, VER-07."""
    both = pair()

    for path in ("/ocpi/emsp/versions", "/ocpi/emsp/2.1.1", "/ocpi/emsp/2.1.1/credentials"):
        assert both.to_cpo("GET", path).outcome == (404, 2000)


def test_two_companies_in_both_roles_have_two_connections() -> None:
    """VER-10, Q-35: one registration each way, and each is used for what it is for."""
    world = World()
    red, blue = (
        world.company("red.example", Party.of("DE", "RED")),
        world.company("blue.example", Party.of("NL", "BLU")),
    )
    register(red, blue, Role.CPO)
    register(red, blue, Role.EMSP)

    assert [(partner.our_role, partner.party) for partner in red.partners()] == [
        (Role.EMSP, Party.of("NL", "BLU")),
        (Role.CPO, Party.of("NL", "BLU")),
    ]
    as_cpo, as_emsp = blue.partners()
    assert as_cpo.endpoints["locations"] == "https://red.example/ocpi/emsp/2.1.1/locations"
    assert as_emsp.endpoints["locations"] == "https://red.example/ocpi/cpo/2.1.1/locations"
    assert as_cpo.token_we_send != as_emsp.token_we_send


# --- their versions, when we look at them ----------------------------------------------------------------------------


@each_role
def test_the_newest_version_that_both_speak_is_used(their_role: Role) -> None:
    """VER-08, CRD-03: the details are fetched where the list says, whatever else it offers."""
    met = meeting(their_role)
    offered = {"2.0": "/2.0", "2.1.1": "/our/2.1.1", "2.2.1": "/2.2.1", "9.9": "/9.9"}
    listed = [{"version": version, "url": met.partner.url(path)} for version, path in offered.items()]
    met.partner.answers("GET", "/versions", frame(listed))
    met.partner.answers("GET", "/our/2.1.1", frame(met.partner.details()))

    met.registered()

    assert met.partner.asked == [("GET", "/versions"), ("GET", "/our/2.1.1")]


@each_role
def test_modules_that_we_do_not_know_are_not_kept(their_role: Role) -> None:
    """VER-09: whether we look as responder or as initiator; and the first of two endpoints counts."""
    met = meeting(their_role)
    more = [
        {"identifier": "hubclientinfo", "url": met.partner.url("/hub")},
        {"identifier": "nlabc-tokens", "url": "custom"},
        {"identifier": "locations", "url": met.partner.url("/second")},
    ]
    met.partner.answers("GET", "/2.1.1", frame(met.partner.details(*more)))
    expected = {module: met.partner.url(f"/2.1.1/{module}") for module in ("credentials", "locations", "tariffs")}

    met.registered()
    assert met.known.endpoints == expected

    met.ours.company.registrations.unregister(met.known)
    assert met.register().endpoints == expected
