"""Proves that the host sees how it stands with a partner, and decides what becomes of what did not arrive."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.entrypoints.desk import Desks, desks
from tests.node.partner import said

Json = dict[str, Any]
CDRS, TARIFFS = ModuleID.CDRS, ModuleID.TARIFFS


def away(there: Desks, *names: str) -> None:
    """The eMSP does not answer while the CPO's host puts these tariffs in."""
    there.pair.world.down.add("emsp.example")
    for name in names:
        there.cpo("PUT", f"/tariffs/{name}", make.tariff(name))
        there.pair.pump()
    there.pair.world.down.clear()


def refusing(there: Desks, answer: Response) -> None:
    """The eMSP answers every POST so."""
    real = there.pair.world.hosts["emsp.example"]

    def refuse(request: Request) -> Response:
        return answer if request.method == "POST" else real(request)

    there.pair.world.hosts["emsp.example"] = refuse


def outbox(there: Desks, **query: str) -> list[Json]:
    found: list[Json] = there.cpo("GET", f"/partners/{there.emsp_id}/outbox", query=query).json["failures"]
    return found


def shown(there: Desks) -> Json:
    found: Json = there.cpo("GET", f"/partners/{there.emsp_id}").json
    return found


def has(there: Desks, name: str) -> bool:
    return there.pair.emsp.received(TARIFFS, there.pair.cpo.party, name) is not None


def test_what_waits_is_listed_with_its_reason_and_its_next_try() -> None:
    """Q-57."""
    there = desks()
    away(there, "T1")

    (failure,) = outbox(there)

    assert "connection refused" in failure.pop("reason")
    assert failure == {
        "module": "tariffs",
        "id": "T1",
        "path": [],
        "attempts": 1,
        "since": "2026-03-01T12:00:00Z",
        "failed_at": "2026-03-01T12:00:00Z",
        "next_try": "2026-03-01T12:01:00Z",
    }


def test_a_partner_is_shown_with_what_waits_by_module_and_since_when() -> None:
    """N-41, N-42."""
    there = desks()
    away(there, "T1", "T2")

    partner = shown(there)

    assert partner["backlog"] == 2
    assert partner["backlogs"] == [{"module": "tariffs", "objects": 2, "given_up": 0, "oldest": "2026-03-01T12:00:00Z"}]
    assert partner["breaker"] == {
        "state": "closed",
        "failures": 2,
        "problem": partner["breaker"]["problem"],
        "broken_since": None,
        "until": None,
    }
    assert "connection refused" in partner["breaker"]["problem"]


@pytest.mark.parametrize(
    ("answer", "state"), [(said(503, 3000), "waiting"), (said(401, 2000), "credentials_broken"), (None, "open")]
)
def test_a_partner_that_is_not_called_is_shown_as_such_in_the_list_too(answer: Response | None, state: str) -> None:
    """Q-02, Q-23, N-42."""
    there = desks()
    if answer is None:
        away(there, *(f"T{n}" for n in range(6)))
    else:
        there.pair.world.hosts["emsp.example"] = lambda _request: answer
        there.cpo("PUT", "/tariffs/T1", make.tariff("T1"))
        there.pair.pump()

    (listed,) = there.cpo("GET", "/partners").json["partners"]

    assert shown(there)["breaker"]["state"] == listed["breaker"]["state"] == state
    assert listed["breaker"]["until"] > "2026-03-01T12:00"
    assert listed["backlog"] == (1 if answer else 6)


def test_a_pull_is_shown_with_the_partner() -> None:
    """N-41."""
    there = desks()
    there.emsp("POST", f"/partners/{there.cpo_id}/pull/tariffs")

    (pull,) = there.emsp("GET", f"/partners/{there.cpo_id}").json["pulls"]

    assert (pull["module"], pull["state"]) == ("tariffs", "running")


def test_the_host_has_an_object_tried_again_at_once() -> None:
    """Q-57: without waiting for its next try."""
    there = desks()
    away(there, "T1", "T2")

    answer = there.cpo("POST", f"/partners/{there.emsp_id}/outbox/tariffs/T1/retry")
    there.pair.pump()

    assert (answer.status, answer.json) == (202, {"retried": 1})
    assert has(there, "T1")


def test_the_host_has_everything_tried_again() -> None:
    """Q-57."""
    there = desks()
    away(there, "T1", "T2", "T3")

    answer = there.cpo("POST", f"/partners/{there.emsp_id}/outbox/retry")
    there.pair.pump()

    assert answer.json == {"retried": 3, "after": None}
    assert all(has(there, name) for name in ("T1", "T2", "T3"))
    assert outbox(there) == []


def test_a_cdr_that_was_given_up_is_tried_again_when_the_host_says_so() -> None:
    """Q-57: they said that it is wrong, and were wrong themselves."""
    there = desks()
    real = there.pair.world.hosts["emsp.example"]
    refusing(there, said(200, 2001))
    there.cpo("POST", "/cdrs", make.cdr("C1"), query={"partner": there.emsp_id})
    there.pair.pump()
    assert [(each["attempts"], each["next_try"]) for each in outbox(there)] == [(1, None)]
    assert shown(there)["backlogs"][0]["given_up"] == 1
    there.pair.world.hosts["emsp.example"] = real

    there.cpo("POST", f"/partners/{there.emsp_id}/outbox/cdrs/C1/retry")
    there.pair.pump()

    assert there.pair.emsp.received(CDRS, there.pair.cpo.party, "c1") is not None
    assert outbox(there) == []


def test_what_is_dropped_is_not_told_before_it_changes() -> None:
    """Q-57."""
    there = desks()
    away(there, "T1")

    assert there.cpo("DELETE", f"/partners/{there.emsp_id}/outbox/tariffs/T1").json == {"dropped": 1}
    there.pair.world.clock.pass_(days=1)
    there.pair.cpo.look()
    assert (outbox(there), has(there, "T1")) == ([], False)

    there.cpo("PATCH", "/tariffs/T1", {"currency": "CHF"})
    there.pair.pump()
    assert has(there, "T1")


@pytest.mark.parametrize(("method", "tail"), [("POST", "/retry"), ("DELETE", "")])
def test_what_does_not_wait_cannot_be_retried_or_dropped(method: str, tail: str) -> None:
    there = desks()

    answer = there.cpo(method, f"/partners/{there.emsp_id}/outbox/tariffs/T1{tail}")

    assert (answer.status, answer.error) == (404, "nothing of tariffs/T1 waits for this partner")


@pytest.mark.parametrize("tail", ["/retry", "/tariffs/T1/retry"])
def test_a_suspended_partner_is_told_nothing_again(tail: str) -> None:
    there = desks()
    away(there, "T1")
    there.cpo("POST", f"/partners/{there.emsp_id}/suspend")

    answer = there.cpo("POST", f"/partners/{there.emsp_id}/outbox{tail}")

    assert (answer.status, answer.error) == (409, "this partner is suspended: resume it first")


def test_a_long_outbox_is_listed_and_retried_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is answered without a bound."""
    monkeypatch.setattr("chalicelib.entrypoints.operator.outbox._AT_A_TIME", 2)
    there = desks()
    away(there, "T1", "T2", "T3")
    path = f"/partners/{there.emsp_id}/outbox"

    first = there.cpo("GET", path).json
    assert ([each["id"] for each in first["failures"]], first["after"]) == (["T1", "T2"], "tariffs/T2")
    assert [each["id"] for each in outbox(there, after=first["after"])] == ["T3"]
    again = there.cpo("POST", f"{path}/retry").json
    assert again == {"retried": 2, "after": "tariffs/T2"}
    assert there.cpo("POST", f"{path}/retry", query={"after": again["after"]}).json == {"retried": 1, "after": None}


def test_a_partner_that_takes_no_patches_is_told_by_put_alone() -> None:
    """TRA-19: the changed part as a whole."""
    there = desks()
    there.cpo("PUT", "/locations/LOC1", make.location("LOC1"))
    there.pair.pump()
    assert there.cpo("PATCH", f"/partners/{there.emsp_id}", {"takes_patches": False}).json["takes_patches"] is False
    mark = len(there.pair.world.traffic)

    there.cpo("PATCH", "/locations/LOC1/E1", {"status": "CHARGING"})
    there.pair.pump()

    (sent,) = there.pair.world.since(mark)
    assert (sent.request.method, sent.path.rsplit("/", 2)[1:]) == ("PUT", ["LOC1", "E1"])
    assert sent.json["status"] == "CHARGING"
