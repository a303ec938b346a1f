"""A partner registers with us and something is wrong: it is told what, nothing has changed, and it can try again."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.node.partners.partner import State
from chalicelib.ocpi.parties import Role
from tests.modules.scripted import FAILURES, Answer, Meeting, frame, meeting
from tests.world import Caller


@pytest.fixture(params=list(Role), ids=lambda role: f"partner is {role}")
def met(request: pytest.FixtureRequest) -> Meeting:
    return meeting(request.param)


def assert_nothing_happened(met: Meeting, caller: Caller) -> None:
    """The invitation is as good as before, and proves it."""
    assert (met.known.state, met.known.party, dict(met.known.endpoints)) == (State.INVITED, None, {})
    met.partner.script.clear()
    assert met.post(caller).outcome == (200, 1000)


# --- their API -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/versions", "/2.1.1"])
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_failed_call_back_is_3001(failure: Answer, path: str) -> None:
    """CRD-11: and the answer names the request that failed."""
    met = meeting()
    caller = met.invited()
    met.partner.answers("GET", path, failure)

    reply = met.post(caller)

    assert reply.outcome == (200, 3001)
    assert "GET" in reply.message
    assert "data" not in reply.frame
    assert_nothing_happened(met, caller)


def test_a_partner_without_our_version_is_3002(met: Meeting) -> None:
    """CRD-12."""
    caller = met.invited()
    met.partner.answers("GET", "/versions", frame([{"version": "2.2.1", "url": met.partner.url("/2.2.1")}]))

    reply = met.post(caller)

    assert reply.outcome == (200, 3002)
    assert "2.2.1" in reply.message
    assert met.partner.asked == [("GET", "/versions")]
    assert_nothing_happened(met, caller)


def test_a_partner_without_credentials_is_3003(met: Meeting) -> None:
    """CRD-13, VER-05."""
    caller = met.invited()
    listed = [{"identifier": "locations", "url": met.partner.url("/2.1.1/locations")}]
    met.partner.answers("GET", "/2.1.1", frame({"version": "2.1.1", "endpoints": listed}))

    reply = met.post(caller)

    assert reply.outcome == (200, 3003)
    assert "credentials" in reply.message
    assert_nothing_happened(met, caller)


def test_a_partner_without_a_module_that_we_require_is_3003() -> None:
    """CRD-13."""
    met = meeting(required_modules=frozenset({"cdrs"}))
    caller = met.invited()

    reply = met.post(caller)

    assert reply.outcome == (200, 3003)
    assert "cdrs" in reply.message
    met.partner.modules.append("cdrs")
    assert_nothing_happened(met, caller)


def test_our_own_node_is_no_partner_of_ours(met: Meeting) -> None:
    """CRD-11: a url that leads back to us is answered 401 there, and so 3001 here."""
    caller = met.invited()

    reply = met.post(caller, url=f"https://ours.example{met.versions_path}")

    assert reply.outcome == (200, 3001)
    assert "GET versions was answered with HTTP 401" in reply.message
    assert_nothing_happened(met, caller)


# --- their body ------------------------------------------------------------------------------------------------------

BROKEN: dict[str, tuple[str, Any]] = {
    "token missing": ("token", None),
    "token empty": ("token", ""),
    "token with a space": ("token", "B token"),
    "token of 65 characters": ("token", "B" * 65),
    "token not ASCII": ("token", "Bé"),
    "token a number": ("token", 7),
    "url missing": ("url", None),
    "url relative": ("url", "/versions"),
    "url of another scheme": ("url", "ftp://partner.example/versions"),
    "url without a host": ("url", "https:///versions"),
    "url too long": ("url", "https://partner.example/" + "v" * 255),
    "business_details missing": ("business_details", None),
    "business_details without a name": ("business_details", {}),
    "business_details a string": ("business_details", "Blue"),
    "name of 101 characters": ("business_details", {"name": "B" * 101}),
    "party_id missing": ("party_id", None),
    "party_id of 2": ("party_id", "AB"),
    "party_id of 4": ("party_id", "ABCD"),
    "party_id with a sign": ("party_id", "A-C"),
    "country_code missing": ("country_code", None),
    "country_code alpha-3": ("country_code", "NLD"),
    "country_code with a digit": ("country_code", "N1"),
}


@pytest.mark.parametrize(("name", "value"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_field_is_2001_and_named(name: str, value: Any) -> None:
    """CRD-19, FMT-17, TRA-07: nobody is called back, and the value stays unsaid."""
    met = meeting()
    caller = met.invited()
    body = met.partner.credentials(**{name: value})
    if value is None:
        del body[name]

    reply = caller("POST", met.credentials_path, body)

    assert reply.outcome == (200, 2001)
    assert f"Credentials: {name}" in reply.message
    assert len(str(value)) < 4 or str(value) not in reply.message
    assert met.partner.requests == []
    assert_nothing_happened(met, caller)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"A"', b"7"])
def test_json_that_is_no_object_is_2001(met: Meeting, body: bytes) -> None:
    """CRD-19."""
    caller = met.invited()

    assert caller("POST", met.credentials_path, raw=body).outcome == (200, 2001)
    assert_nothing_happened(met, caller)


@pytest.mark.parametrize("body", [b"", b"{", b"token=B", b"<xml/>", b"\xff"])
def test_what_is_not_json_is_400(met: Meeting, body: bytes) -> None:
    """CRD-20."""
    caller = met.invited()

    assert caller("POST", met.credentials_path, raw=body).outcome == (400, 2000)
    assert met.partner.requests == []
    assert_nothing_happened(met, caller)
