"""Proves that a result which cannot be posted is tried no further than it may be, and that the operator sees why."""

from __future__ import annotations

import pytest

from chalicelib.node.commands import Posting
from chalicelib.ocpi.errors import AddressNotAllowed, OcpiError, Unreachable
from chalicelib.ocpi.http import Request, Response
from tests.modules.relaying import RESPONSE_URL
from tests.modules.test_command_results import seen, waiting
from tests.rules.scripted import frame


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (frame(code=2001, status_message="no such command"), "HTTP 200, OCPI status 2001: no such command"),
        (frame(status=404, code=2000), "HTTP 404"),
        (Response(500, {}, b"<html>"), "HTTP 500"),
        (Response(302, {"location": "https://elsewhere.example/"}), "HTTP 302"),
    ],
)
def test_a_result_that_they_refuse_is_not_posted_again_and_the_operator_sees_why(response: Response, said: str) -> None:
    """CMD-04, Q-57, Q-58."""
    there, inbox, command = waiting()
    inbox.answer = lambda _request: response

    there.answers(command.id, "ACCEPTED")
    there.wait(minutes=5)
    there.answers(command.id, "ACCEPTED")

    assert len(inbox.requests) == 1
    assert said in (there.command(command.id).problem or "")
    assert seen(there, command) == ("not answered", True)


@pytest.mark.parametrize("body", [b"", b"null", b"{}"])
def test_any_2xx_without_an_objection_is_a_success(body: bytes) -> None:
    """CMD-05, Q-14: not every eMSP answers with an envelope."""
    there, inbox, command = waiting()
    inbox.answer = lambda _request: Response(204 if not body else 200, {}, body)

    there.answers(command.id, "ACCEPTED")

    assert there.command(command.id).posting is Posting.DONE


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (Unreachable("connection refused", unsent=True), 2),
        (Unreachable("timed out"), 1),
        (AddressNotAllowed("not an address that we call"), 1),
    ],
)
def test_only_what_has_surely_not_been_sent_is_sent_once_more(error: OcpiError, asked: int) -> None:
    """CMD-04, Q-58: at once, and then never again."""
    there, inbox, command = waiting()

    def failing(_request: Request) -> Response:
        raise error

    inbox.answer = failing
    there.answers(command.id, "ACCEPTED")
    there.wait(minutes=5)

    assert len(inbox.requests) == asked
    assert str(error) in (there.command(command.id).problem or "")
    assert seen(there, command) == ("not answered", True)


def test_a_second_attempt_that_succeeds_is_a_success() -> None:
    """CMD-04."""
    there, inbox, command = waiting()

    def once(_request: Request) -> Response:
        if len(inbox.requests) == 1:
            raise Unreachable("connection refused", unsent=True)
        return frame()

    inbox.answer = once
    there.answers(command.id, "ACCEPTED")

    assert (there.command(command.id).posting, there.command(command.id).problem) == (Posting.DONE, None)


def test_who_is_no_partner_any_more_is_told_nothing() -> None:
    """CMD-05, CMD-04: there is no token to tell it with; the operator sees that."""
    there, inbox, command = waiting()
    mark = len(there.world.traffic)
    there.cpo.company.registrations.unregister(there.cpo.partners()[0])
    inbox.requests.clear()

    there.answers(command.id, "ACCEPTED")

    assert inbox.results == []
    assert [each for each in there.world.since(mark) if each.request.url == RESPONSE_URL] == []
    assert there.command(command.id).problem == "they are no longer a partner"
    assert seen(there, command) == ("not answered", True)


def test_a_result_that_waits_is_posted_with_the_token_that_is_good_now() -> None:
    """CMD-05: after a rotation meanwhile."""
    there, inbox, command = waiting()
    partner = there.cpo.partners()[0]
    there.cpo.ports.partners.save(partner.with_changes(token_we_send=there.world.fresh_token()))
    fresh = there.cpo.partners()[0].token_we_send

    there.answers(command.id, "ACCEPTED")

    assert fresh
    assert inbox.requests[0].headers["authorization"] == f"Token {fresh.secret}"
    assert fresh.secret != there.pair.to_emsp.token
