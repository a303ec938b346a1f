"""Suspensions for tests: what the operator says, and what crosses the network meanwhile."""

from __future__ import annotations

from chalicelib.node.partners.partner import Partner
from tests.entrypoints.desk import Answer, Desk, Desks
from tests.world import Caller, CompanyInWorld, Traffic


def tell(desk: Desk, what: str) -> Answer:
    """What the operator is answered that tells its node to suspend or to resume its only partner."""
    return desk("POST", f"/partners/{desk.company.partners()[0].id}/{what}")


def suspended(desk: Desk) -> Partner:
    """The partner of this node, suspended."""
    answer = tell(desk, "suspend")
    assert (answer.status, answer.json["state"], answer.json["is_suspended"]) == (200, "registered", True)
    return desk.company.partners()[0]


def resumed(desk: Desk) -> Partner:
    """The partner of this node, with everything flowing again and whatever was missed."""
    answer = tell(desk, "resume")
    assert (answer.status, answer.json["is_suspended"]) == (200, False)
    return desk.company.partners()[0]


def from_(there: Desks, company: CompanyInWorld, mark: int) -> list[Traffic]:
    """What this company sent since then."""
    other = there.pair.emsp if company is there.pair.cpo else there.pair.cpo
    return [each for each in there.pair.world.since(mark) if f"https://{each.host}" == other.base_url]


def calls(there: Desks, company: CompanyInWorld) -> Caller:
    """The partner that calls this company."""
    return there.pair.to_cpo if company is there.pair.cpo else there.pair.to_emsp
