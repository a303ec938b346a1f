"""Operations about partners: invite, register, show, change, suspend, rotate tokens, unregister."""

from __future__ import annotations

from typing import Any, Final

from chalicelib.bootstrap.company import Company
from chalicelib.entrypoints.operator.operation import ROOT, Operation, OperatorCall, OperatorReply, shown_time
from chalicelib.entrypoints.operator.outbox import delivery_status
from chalicelib.entrypoints.operator.pulls import pull_json
from chalicelib.modules.credentials.objects import is_callable_url
from chalicelib.node.partners.breaker import for_current_token
from chalicelib.node.partners.contacts import Contact
from chalicelib.node.partners.partner import Partner
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.errors import ClientError, InvalidParameters
from chalicelib.ocpi.parties import Party, Role
from chalicelib.ocpi.reading import Profile
from chalicelib.ocpi.types import format_date_time


def _self(call: OperatorCall) -> OperatorReply:
    company = call.company
    return OperatorReply(
        {
            "name": company.settings.name,
            "party": str(company.settings.party),
            "roles": sorted(company.settings.roles),
            "stage": company.settings.stage,
            "versions_urls": {role.value: company.versions_url(role) for role in sorted(company.settings.roles)},
        }
    )


def _invite(call: OperatorCall) -> OperatorReply:
    asked = call.texts(required={"role"}, optional={"name"})
    role = _their_role(call.company, asked["role"])
    invitation = call.company.registrations.invite(role, asked.get("name", ""))
    return OperatorReply(
        {
            "id": invitation.partner.id,
            "token": invitation.token.secret,
            "expires_at": format_date_time(invitation.expires_at),
            "versions_url": call.company.versions_url(role.other),
        },
        201,
    )


def _register(call: OperatorCall) -> OperatorReply:
    asked = call.texts(required={"versions_url", "token", "role"}, optional={"name"})
    role = _their_role(call.company, asked["role"])
    if not is_callable_url(asked["versions_url"]):
        raise InvalidParameters("versions_url is no absolute http(s) URL")
    try:
        token = AuthToken.of(asked["token"])
    except ValueError as broken:
        raise InvalidParameters(f"token: {broken}") from None
    partner = call.company.registrations.register(asked["versions_url"], token, role, asked.get("name", ""))
    return OperatorReply(_partner_json(call.company, partner), 201)


def _partners(call: OperatorCall) -> OperatorReply:
    company, breakers = call.company, call.company.breakers.all()
    return OperatorReply(
        {
            "partners": [
                _partner_json(company, each)
                | delivery_status(company, each, for_current_token(breakers.get(each.id), each))
                for each in company.ports.partners.all()
            ]
        }
    )


def _partner(call: OperatorCall) -> OperatorReply:
    partner, company = call.partner, call.company
    facts = {
        "contacts": list(map(_contact_json, company.ports.partners.contacts(partner.id))),
        "pulls": list(map(pull_json, company.ports.pulls.of(partner.id))),
    }
    return OperatorReply(
        _partner_json(company, partner)
        | delivery_status(company, partner, company.breakers.for_partner(partner))
        | facts
    )


def _change(call: OperatorCall) -> OperatorReply:
    changes = call.fields(optional={"name", "party", "profile"}, flags={"accept_incomplete_locations", "takes_patches"})
    if "profile" in changes:
        changes = changes | {"profile": _profile(changes["profile"])}
    if "party" in changes:
        changes = changes | {"party": _their_party(changes["party"])}
    return OperatorReply(_partner_json(call.company, call.company.registrations.update(call.partner, **changes)))


def _rotate(call: OperatorCall) -> OperatorReply:
    return OperatorReply(_partner_json(call.company, call.company.registrations.rotate(call.active_partner)))


def _unregister(call: OperatorCall) -> OperatorReply:
    return OperatorReply(_partner_json(call.company, call.company.registrations.unregister(call.partner)))


def _suspend(call: OperatorCall) -> OperatorReply:
    return OperatorReply(_partner_json(call.company, _set_suspended(call, is_suspended=True)))


def _resume(call: OperatorCall) -> OperatorReply:
    """Resume the exchange: pull all their lists, push what they missed; also if an earlier attempt failed half-way."""
    partner, company = _set_suspended(call, is_suspended=False), call.company
    for module in company.pull_schedule.pullable(partner):
        company.pull_schedule.start(partner, module, full=True)
    company.on_reachable(partner)
    return OperatorReply(_partner_json(company, partner))


def _set_suspended(call: OperatorCall, *, is_suspended: bool) -> Partner:
    """The partner, suspended or not.

    Raises:
        ClientError: it is not registered.
    """
    partner = call.partner
    if not partner.is_registered:
        raise ClientError(f"this partner is {partner.state}, not registered: there is nothing to suspend or to resume")
    return call.company.registrations.update(partner, is_suspended=is_suspended)


def _partner_json(company: Company, partner: Partner) -> dict[str, Any]:
    return {
        "id": partner.id,
        "name": partner.name,
        "state": partner.state,
        "is_suspended": partner.is_suspended,
        "our_role": partner.our_role,
        "their_role": partner.our_role.other,
        "party": str(partner.party) if partner.party else None,
        "versions_url": partner.versions_url,
        "endpoints": dict(partner.endpoints),
        "business_details": dict(partner.business_details),
        "profile": partner.profile,
        "accept_incomplete_locations": partner.accept_incomplete_locations,
        "takes_patches": partner.takes_patches,
        "problem": partner.problem,
        "updated_at": shown_time(partner.updated_at),
        "tallies": company.ports.partners.counters(partner.id),
    }


def _contact_json(contact: Contact) -> dict[str, Any]:
    return {
        "module": contact.module,
        "direction": contact.direction,
        "last_success": shown_time(contact.last_success),
        "last_failure": shown_time(contact.last_failure),
        "problem": contact.problem,
    }


def _their_role(company: Company, text: str) -> Role:
    """The role that a partner plays towards us.

    Raises:
        InvalidParameters: it is none, or we do not play its counterpart.
    """
    try:
        role = Role(text)
    except ValueError:
        raise InvalidParameters("role is the role that they play: cpo or emsp") from None
    if role.other not in company.settings.roles:
        raise InvalidParameters(f"this node does not act as {role.other}, so it cannot roam with a {role}")
    return role


def _their_party(text: str) -> Party:
    """The party that the operator sets for a partner, which may not change it itself (Q-34, Q-36).

    Raises:
        InvalidParameters: it is no party.
    """
    try:
        return Party.of(*text.split("/"))
    except (TypeError, ValueError):
        raise InvalidParameters("party is a country and a party id, such as NL/ABC") from None


def _profile(text: str) -> Profile:
    try:
        return Profile(text)
    except ValueError:
        raise InvalidParameters("profile is strict or lenient") from None


_PARTNER: Final = f"{ROOT}/partners/{{partner}}"

OPERATIONS: Final = (
    Operation(method="GET", path=ROOT, summary="Who this node is", handler=_self),
    Operation(method="GET", path=f"{ROOT}/partners", summary="Every partner", handler=_partners),
    Operation(
        method="POST",
        path=f"{ROOT}/partners",
        summary="Invite a partner; the token is shown once",
        handler=_invite,
        body_schema="Invitation",
    ),
    Operation(
        method="POST",
        path=f"{ROOT}/partners/register",
        summary="Register with a partner",
        handler=_register,
        body_schema="Registration",
    ),
    Operation(method="GET", path=_PARTNER, summary="One partner", handler=_partner),
    Operation(
        method="PATCH",
        path=_PARTNER,
        summary="Set a partner's name, party, profile or other options",
        handler=_change,
        body_schema="PartnerChange",
    ),
    Operation(method="DELETE", path=_PARTNER, summary="Unregister", handler=_unregister),
    Operation(method="PUT", path=f"{_PARTNER}/credentials", summary="Rotate the tokens of both sides", handler=_rotate),
    Operation(
        method="POST",
        path=f"{_PARTNER}/suspend",
        summary="Suspend the exchange in both directions; the registration stays",
        handler=_suspend,
    ),
    Operation(
        method="POST",
        path=f"{_PARTNER}/resume",
        summary="Resume the exchange; pull and push what was missed",
        handler=_resume,
    ),
)
