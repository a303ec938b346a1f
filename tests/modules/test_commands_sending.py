"""Proves how an eMSP asks for a command, and what it makes of the answer at once."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.node.commands import Side
from chalicelib.node.objects import OURS as OUR_OWN
from chalicelib.ocpi.errors import InvalidParameters, NotFound, Unreachable
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.modules.commanding import ENDPOINT, FIELDS, OURS, answered, body_of, commanding
from tests.rules.scripted import TOKEN, frame

Json = Any

every_command = pytest.mark.parametrize("name", list(FIELDS))


# --- what is asked -------------------------------------------------------------------------------------------------


@every_command
def test_a_command_is_posted_below_the_endpoint_with_our_token_and_its_own_fields(name: str) -> None:
    """CMD-01, CMD-11: and nothing else of the host's words, such as ``token_uid``, is in it."""
    there = commanding()

    command = there.send(name)

    (request,) = there.cpo.asked
    assert (request.method, request.url) == ("POST", f"{ENDPOINT}/{name}")
    assert request.headers["authorization"] == f"Token {TOKEN}"
    expected = {field: value for field, value in FIELDS[name].items() if field != "token_uid"}
    token = {"token": make.token("K1", last_updated="2026-03-01T12:00:00Z")} if "token_uid" in FIELDS[name] else {}
    assert body_of(request) == expected | token | {"response_url": command.response_url}


def test_the_whole_token_is_sent_as_the_token_list_has_it() -> None:
    """Q-55: our own, with every field, whether it is valid or not."""
    there = commanding()
    card = make.token("K2", visual_number="NL-1", language="nl", valid=False, whitelist="NEVER", type="OTHER")
    there.emsp.company.own_objects[ModuleID.TOKENS].put("K2", (), card)

    there.send(token_uid="K2")

    token = body_of(there.cpo.asked[0])["token"]
    kept = there.emsp.ports.stores[ModuleID.TOKENS].get(OUR_OWN, "K2")
    assert kept
    assert token == card | {"last_updated": token["last_updated"]}
    assert token == body_of(Request(method="", url="", body=kept.body))


@every_command
def test_each_command_has_a_response_url_of_its_own_that_fits_the_field(name: str) -> None:
    """CMD-07: at our own host, even for the same command again."""
    there = commanding()

    urls = [there.send(name).response_url for _ in range(3)]

    assert len({*urls}) == 3
    assert all(url.startswith(f"https://emsp.example{OURS}/{name}/") for url in urls)
    assert all(len(url) <= 255 for url in urls)
    assert [body_of(request)["response_url"] for request in there.cpo.asked] == urls


def test_a_response_url_that_would_not_fit_is_never_sent() -> None:
    """CMD-07: of a node whose own address is too long."""
    there = commanding(public_url="https://emsp.example/" + "a" * 200)

    with pytest.raises(InvalidParameters, match="response_url"):
        there.send()

    assert there.cpo.asked == []


def test_the_host_does_not_choose_the_response_url() -> None:
    """CMD-07."""
    there = commanding()

    command = there.send(response_url="https://elsewhere.example/")

    assert command.response_url.startswith("https://emsp.example/")
    assert body_of(there.cpo.asked[0])["response_url"] == command.response_url


@pytest.mark.parametrize(
    ("name", "fields", "error", "said"),
    [
        ("START_SESSION", {"token_uid": "K9"}, NotFound, "token_uid: we have no such Token"),
        ("START_SESSION", {"token_uid": ""}, NotFound, "token_uid: we have no such Token"),
        ("START_SESSION", {"token_uid": "K" * 300}, NotFound, "token_uid: we have no such Token"),
        ("START_SESSION", {"token_uid": 5}, InvalidParameters, "token_uid is not a string"),
        ("START_SESSION", {"token_uid": None}, InvalidParameters, "token_uid is not a string"),
        ("START_SESSION", {"token": make.token("X")}, InvalidParameters, "Q-55"),
        ("START_SESSION", {"location_id": None}, InvalidParameters, "location_id"),
        ("START_SESSION", {"location_id": "L" * 40}, InvalidParameters, "location_id"),
        ("START_SESSION", {"connector_id": "1"}, InvalidParameters, "START_SESSION has no field connector_id"),
        ("RESERVE_NOW", {"expiry_date": "soon"}, InvalidParameters, "expiry_date"),
        ("RESERVE_NOW", {"reservation_id": "7"}, InvalidParameters, "reservation_id"),
        ("STOP_SESSION", {"session_id": ""}, InvalidParameters, "session_id"),
        ("STOP_SESSION", {"token_uid": "K1"}, InvalidParameters, "STOP_SESSION has no field token"),
        ("UNLOCK_CONNECTOR", {"evse_uid": None}, InvalidParameters, "evse_uid"),
        ("UNLOCK_CONNECTOR", {"connector_id": None}, InvalidParameters, "connector_id"),
    ],
)
def test_what_is_no_proper_command_is_never_sent(
    name: str, fields: dict[str, Json], error: type[Exception], said: str
) -> None:
    """CMD-11, CMD-13, Q-55: nor written down."""
    there = commanding()

    with pytest.raises(error, match=said):
        there.send(name, **fields)

    assert there.cpo.asked == []
    assert there.emsp.ports.commands.for_partner(there.emsp.partners()[0].id, None, 10) == []


@pytest.mark.parametrize("name", ["CANCEL_RESERVATION", "start_session", ""])
def test_a_command_of_another_version_is_not_sent(name: str) -> None:
    """CMD-01, CMD-16."""
    there = commanding()

    with pytest.raises(NotFound, match="there are RESERVE_NOW, START_SESSION, STOP_SESSION, UNLOCK_CONNECTOR"):
        there.emsp.company.sent_commands.send(there.emsp.partners()[0], name, FIELDS["START_SESSION"])

    assert there.cpo.asked == []


def test_a_partner_without_a_commands_endpoint_is_asked_nothing() -> None:
    """CMD-20."""
    there = commanding()
    partner = there.emsp.partners()[0]
    without = partner.with_changes(endpoints={k: v for k, v in partner.endpoints.items() if k != ModuleID.COMMANDS})

    with pytest.raises(InvalidParameters, match="no commands endpoint"):
        there.emsp.company.sent_commands.send(without, "START_SESSION", FIELDS["START_SESSION"])

    assert there.cpo.asked == []


def test_the_command_is_written_down_before_it_is_sent() -> None:
    """CMD-06: a result that is faster than the answer finds its command, and neither is lost."""
    there = commanding()

    def hasty(request: Request) -> Response:
        assert there.calls("POST", body_of(request)["response_url"], {"result": "TIMEOUT"}).outcome == (200, 1000)
        return answered()

    there.answer = hasty

    command = there.send()

    assert (command.answer, command.result) == ("ACCEPTED", "TIMEOUT")
    assert there.told(command) == ["result TIMEOUT", "answered ACCEPTED"]


# --- what is answered at once --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize(
    ("data", "answer", "raw"),
    [
        *[({"result": one}, one, one) for one in ("ACCEPTED", "REJECTED", "NOT_SUPPORTED", "TIMEOUT")],
        ({"result": "UNKNOWN_SESSION"}, "UNKNOWN_SESSION", "UNKNOWN_SESSION"),
        ("ACCEPTED", "ACCEPTED", "ACCEPTED"),
        ("REJECTED", "REJECTED", "REJECTED"),
        ({"result": "ACCEPTED", "timeout": 30, "message": [{"language": "en", "text": "x"}]}, "ACCEPTED", "ACCEPTED"),
        ({"CommandResponse": "ACCEPTED"}, "ACCEPTED", "ACCEPTED"),
        ({"CommandResponse": {"result": "ACCEPTED"}}, "ACCEPTED", "ACCEPTED"),
        *[({"result": one}, "REJECTED", one) for one in ("FAILED", "EVSE_OCCUPIED", "EVSE_INOPERATIVE", "Accepted")],
    ],
)
def test_the_answer_counts_in_every_form_in_use_and_is_kept_as_it_was_said(
    data: Json, answer: str, raw: str, status: int
) -> None:
    """CMD-02, CMD-03, Q-56."""
    there = commanding()
    there.answer = lambda _request: frame(data, status=status)

    command = there.send()

    assert (command.answer, command.problem, command.side) == (answer, None, Side.SENT)
    assert there.told(command) == [f"answered {raw}"]
    assert there.emsp.ports.commands.get(command.id) == command


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (frame(code=2003, status_message="no such EVSE"), "OCPI status 2003: no such EVSE"),
        (frame({"result": "ACCEPTED"}, code=3000), "OCPI status 3000"),
        (frame({"result": "ACCEPTED"}, status=500), "HTTP 500"),
        (frame({"result": "ACCEPTED"}, status=404), "HTTP 404"),
        (Response(200, {}, b"<html>"), "no OCPI envelope"),
        (Response(200, {}, b""), "no OCPI envelope"),
        (Response(200, {}, b'"ACCEPTED"'), "no OCPI envelope"),
        (frame(None), "there is no result"),
        (frame(""), "there is no result"),
        (frame([]), "there is no result"),
        (frame({"result": None}), "there is no result"),
        (frame({"result": True}), "there is no result"),
        (frame({"result": ["ACCEPTED"]}), "there is no result"),
    ],
)
def test_an_answer_without_a_result_is_a_failure_and_says_why(response: Response, said: str) -> None:
    """CMD-02, Q-56: sent once, for a command may not be repeated (Q-57, Q-58)."""
    there = commanding()
    there.answer = lambda _request: response

    command = there.send()

    assert command.answer is None
    assert said in (command.problem or "")
    assert len(there.cpo.asked) == 1


def test_no_answer_in_time_is_a_failure_and_nothing_is_repeated() -> None:
    """CMD-19, Q-57: we wait ten seconds for what says only whether the request is passed on."""
    there = commanding()

    def silent(_request: Request) -> Response:
        raise Unreachable("POST partner.example: timed out after 10.0 s")

    there.answer = silent

    command = there.send()

    assert (command.answer, command.problem) == (None, "POST partner.example: timed out after 10.0 s")
    assert len(there.cpo.asked) == 1


def test_we_wait_no_longer_than_ten_seconds_for_the_answer_at_once() -> None:
    """CMD-19."""
    there = commanding()

    there.send()

    assert there.world.traffic[-1].timeout_s == 10
