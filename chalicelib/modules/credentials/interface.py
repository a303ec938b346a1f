"""The credentials endpoint, in both URL trees. Spec: credentials.md 1; rules CRD-01 to CRD-10, CRD-17 to CRD-20."""

from __future__ import annotations

import json
from collections.abc import Iterable

from chalicelib.modules.credentials.objects import Credentials
from chalicelib.modules.credentials.registration import Registrations, fingerprint
from chalicelib.node.partners.partner import GrantKind
from chalicelib.node.serving.router import Call, Endpoint, version_root
from chalicelib.ocpi.auth import presented_tokens
from chalicelib.ocpi.envelope import success
from chalicelib.ocpi.errors import MethodNotAllowed, NotAuthenticated
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from chalicelib.ocpi.reading import Profile, read


class CredentialsEndpoint:
    """GET, POST, PUT and DELETE of credentials; which of them a caller may use depends on its registration."""

    def __init__(self, registrations: Registrations) -> None:
        self._registrations = registrations

    def get(self, call: Call) -> Response:
        """Our credentials, with the token that the request presented, for we keep only its hash (CRD-01, Q-37).

        Raises:
            NotAuthenticated: the token was used up by a registration (CRD-05).
        """
        if call.grant.kind is GrantKind.SPENT:
            raise NotAuthenticated("this token was used up by a registration (CRD-05)")
        token = next(token for token in presented_tokens(call.request.headers) if token.hash == call.grant.token_hash)
        ours = self._registrations.our_credentials(call.partner, token)
        return success(call.now, json.dumps(ours).encode())

    def post(self, call: Call) -> Response:
        """Register the caller: its versions and details are fetched before the answer (CRD-02).

        Raises:
            MethodNotAllowed: the partner is registered already (CRD-08).
            NotAuthenticated: the token was used up by another registration (CRD-05).
            InvalidJson, InvalidParameters: no credentials object; the invitation stays valid (CRD-19, CRD-20).
            PartnerError: their API cannot be used (CRD-11 to CRD-13).
        """
        if call.grant.kind not in (GrantKind.INVITATION, GrantKind.SPENT):
            raise MethodNotAllowed(f"you are {call.partner.state}, not invited to register (CRD-08)", _allowed(call))
        theirs = self._theirs(call)
        if call.grant.kind is GrantKind.SPENT and call.grant.repeat_of != fingerprint(theirs):
            raise NotAuthenticated("this token was used up by another registration (CRD-05)")
        ours = self._registrations.accept(call.partner, call.grant, theirs)
        return success(call.now, json.dumps(ours).encode())

    def put(self, call: Call) -> Response:
        """Replace the credentials; their endpoints are fetched again (CRD-14, CRD-15).

        Raises:
            MethodNotAllowed: the partner is not registered yet (CRD-09).
            InvalidJson, InvalidParameters: no credentials object.
            PartnerError: their API cannot be used.
        """
        self._only_registered(call)
        ours = self._registrations.replace(call.partner, call.grant, self._theirs(call))
        return success(call.now, json.dumps(ours).encode())

    def delete(self, call: Call) -> Response:
        """End the registration (CRD-17).

        Raises:
            MethodNotAllowed: the partner is not registered (CRD-10).
        """
        self._only_registered(call)
        self._registrations.end_by_partner(call.partner)
        return success(call.now)

    @staticmethod
    def _only_registered(call: Call) -> None:
        if call.grant.kind is GrantKind.SPENT:
            raise NotAuthenticated("this token was used up by a registration (CRD-05)")
        if not call.partner.is_registered:
            raise MethodNotAllowed("you are not registered (CRD-09, CRD-10)", _allowed(call))

    @staticmethod
    def _theirs(call: Call) -> Credentials:
        # Strict for every partner: we cannot guess at a token or a URL.
        return read(Credentials, call.request.body, Profile.STRICT, call.now).value


def _allowed(call: Call) -> tuple[str, ...]:
    """The methods for this caller now: to register, or to change a registration, or GET while we register with it."""
    if call.grant.kind is GrantKind.INVITATION:
        return ("GET", "POST", "OPTIONS")
    return ("GET", "PUT", "DELETE", "OPTIONS") if call.partner.is_registered else ("GET", "OPTIONS")


def endpoints(role: Role) -> Iterable[Endpoint[CredentialsEndpoint]]:
    """The credentials endpoint in the URL tree of this role of ours."""
    here = CredentialsEndpoint
    methods = {"GET": here.get, "POST": here.post, "PUT": here.put, "DELETE": here.delete}
    path = f"{version_root(role)}/{ModuleID.CREDENTIALS}"
    yield Endpoint(role, module=ModuleID.CREDENTIALS, path=path, methods=methods, before_registration=True)
