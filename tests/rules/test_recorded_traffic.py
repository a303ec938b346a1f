"""Everything that two nodes send each other keeps the spec: our own schemas say so, and so do the hand-made tables."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from chalicelib.modules import MODULES
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from tests import oracle, specimens
from tests.rules import envelopes
from tests.rules.every import SPEC_NAME, id_field
from tests.rules.judges import MODELS, badly_written, by_schema, by_table
from tests.rules.recorded import Message, Record, recorded, steps_of

Json = Any


@pytest.fixture(scope="module")
def record() -> Record:
    """The whole conversation; for tests that only look."""
    return recorded()


def sent(record: Record) -> Iterator[bytes]:
    """Every body of a node, asked or answered."""
    yield from (request.body for request in record.requests if request.body)
    yield from (response.body for _, response, _ in record.answers)


# --- what was sent -----------------------------------------------------------------------------------------------


def test_the_record_has_every_kind_of_message(record: Record) -> None:
    """TRA-19, CDR-04: else what follows would prove less than it says."""
    asked = Counter((request.method, steps_of(request)[0]) for request in record.requests)
    told = {(message.name, message.is_patch) for message in record.messages()}
    outcomes = {response.status for _, response, _ in record.answers}

    client_owned = {module.value for module in MODULES} - {"cdrs"}
    assert asked.keys() >= {(method, module) for method in ("PUT", "PATCH") for module in client_owned}
    assert asked.keys() >= {("POST", "cdrs"), ("POST", "tokens"), ("DELETE", "tariffs"), ("GET", "locations")}
    assert asked.keys() >= {(method, "credentials") for method in ("POST", "PUT", "DELETE")}
    assert {name for name, _ in told} == MODELS.keys() - {"Endpoint"}
    assert {name for name, is_patch in told if is_patch} == {*SPEC_NAME.values(), "EVSE", "Connector"} - {"CDR"}
    assert outcomes == {200, 201, 401, 404, 405}


def test_every_object_keeps_the_schema_of_its_model(record: Record) -> None:
    """TRA-19, TRA-23, PAG-26, LOC-07, SES-07, CDR-10, CDR-11, TAR-06, TOK-05, FMT-10, FMT-11, Q-22.

    Bodies, data of answers, each item of each list, each field of a PATCH; without nulls and unknown fields.
    """
    assert [objection for message in record.messages() for objection in by_schema(message)] == []


def test_every_object_keeps_the_tables(record: Record) -> None:
    """TRA-19, TRA-23, PAG-26, FMT-01, FMT-03, FMT-05, FMT-08, FMT-10, FMT-11, FMT-12, FMT-13, FMT-15, FMT-16, FMT-17.

    FMT-19, LOC-07, LOC-09, SES-07, CDR-10, CDR-11, TAR-06, TOK-05, VER-02, VER-03: the same by a second opinion.
    """
    assert [objection for message in record.messages() for objection in by_table(message)] == []


def test_every_number_is_written_plainly(record: Record) -> None:
    """FMT-05: as the bytes have it, in requests and answers."""
    assert [body for body in sent(record) if badly_written(body)] == []
    assert {b'"kwh":0.0001', b'"total_energy":100000000000.5'} <= {
        found for body in sent(record) for found in re.findall(rb'"(?:kwh|total_energy)":[0-9.e+-]+', body)
    }


def test_every_request_carries_one_token_and_says_what_its_body_is(record: Record) -> None:
    """TRA-02, TRA-07, TRA-08, TRA-09: and nothing else."""
    for request in record.requests:
        expected = {"authorization", "content-type"} if request.body else {"authorization"}
        assert request.headers.keys() == expected, request
        assert re.fullmatch(r"Token [\x21-\x7E]{1,64}", request.headers["authorization"])
        assert request.headers.get("content-type", "application/json") == "application/json"
        # Whether a driver may charge can be asked without saying where (TOK-12).
        wants_body = (
            request.method in ("POST", "PUT", "PATCH") and steps_of(request)[-1].partition("?")[0] != "authorize"
        )
        assert bool(request.body) >= wants_body, request
        assert not (request.body and request.method in ("GET", "DELETE"))


def test_every_answer_is_an_envelope(record: Record) -> None:
    """TRA-10, TRA-11, TRA-27, FMT-01: with a 1000 or a reason."""
    for request, response, moment in record.answers:
        assert envelopes.objections(response, moment) == [], request
        frame = json.loads(response.body)
        if response.status in (200, 201) and frame["status_code"] < 2000:
            assert frame["status_code"] == 1000
            assert "status_message" not in frame
        else:
            assert frame["status_message"]


def test_data_is_there_where_the_module_has_some_and_nowhere_else(record: Record) -> None:
    """TRA-12, TRA-13, Q-14: arrays for lists, objects for one; nothing after writing, and nothing in a refusal."""
    for request, response, _ in record.answers:
        frame = json.loads(response.body)
        if frame["status_code"] != 1000:
            assert "data" not in frame, request
        else:
            assert type(frame.get("data")) is expected_data(request, response), request


def expected_data(request: Request, response: Response) -> type:
    steps = steps_of(request)
    writes_objects = steps[0] in set(MODULES) and not request.url.partition("?")[0].endswith("/authorize")
    if request.method != "GET" and (writes_objects or request.method == "DELETE"):
        return type(None)
    return list if steps == ["versions"] or "x-total-count" in response.headers else dict


def test_a_patch_tells_what_is_news_alone(record: Record) -> None:
    """TRA-22, TRA-23: neither the id nor a value that was sent to this URL before."""
    known: dict[str, Json] = {}
    for request in record.requests:
        value: Json = json.loads(request.body or b"{}")
        if request.method == "PUT":
            known |= {request.url: value} | parts_of(request.url, value)
        if request.method == "PATCH":
            news = {name: told for name, told in value.items() if name != "last_updated"}
            before = known[request.url]
            assert news, request
            assert not news.keys() & {"id", "uid"}, request
            assert [name for name, told in news.items() if before.get(name) == told] == [], request
            known[request.url] = before | value


def parts_of(url: str, value: Json) -> dict[str, Json]:
    """The EVSEs and connectors that came with a location, by their own URLs."""
    found = {f"{url}/{evse['uid']}": evse for evse in value.get("evses", ())}
    found |= {f"{url}/{connector['id']}": connector for connector in value.get("connectors", ())}
    return found | {deeper: part for at, inner in found.items() for deeper, part in parts_of(at, inner).items()}


def test_objects_are_pushed_to_their_owners_place(record: Record) -> None:
    """TRA-28, TRA-31, TRA-33: country and party of the owner, then the ids, the last of which the body repeats."""
    for request in record.requests:
        module, *steps = steps_of(request)
        if request.method in ("PUT", "PATCH", "DELETE") and module in set(MODULES):
            assert tuple(steps[:2]) == (("NL", "MSP") if module == "tokens" else ("DE", "CPO"))
            field = "uid" if len(steps) == 4 else id_field(ModuleID(module))
            body = json.loads(request.body) if request.method == "PUT" else {field: unquote(steps[-1])}
            assert body[field] == unquote(steps[-1])


def test_our_urls_are_absolute_and_fit(record: Record) -> None:
    """FMT-08, VER-04, CDR-04, PAG-10: those that we publish, where a CDR is, and the way to the next page."""
    found = [message.value["url"] for message in record.messages() if message.name in ("Version", "Credentials")]
    found += [each["url"] for m in record.messages() if m.name == "VersionDetails" for each in m.value["endpoints"]]
    found += [response.headers["location"] for _, response, _ in record.answers if "location" in response.headers]
    links = [response.headers["link"] for _, response, _ in record.answers if "link" in response.headers]
    found += [re.fullmatch(r'<(.+)>; rel="next"', link)[1] for link in links]  # type: ignore[index]

    assert {urlsplit(url).netloc for url in found} == {"cpo.example", "emsp.example"}
    assert [url for url in found if not url.startswith("https://") or len(url) > 255] == []
    assert len(links) > 5


def test_every_page_says_how_much_there_is(record: Record) -> None:
    """PAG-06, PAG-07, PAG-09: and only pages do."""
    pages = [response for _, response, _ in record.answers if "x-total-count" in response.headers]

    assert {page.headers["x-limit"] for page in pages} == {"2"}
    assert [page for page in pages if not page.headers["x-total-count"].isdigit()] == []
    assert [page for page in pages if len(json.loads(page.body)["data"]) < 2 and "link" in page.headers] == []
    others = [response.headers.keys() for _, response, _ in record.answers if response not in pages]
    assert [headers for headers in others if headers & {"x-limit", "link"}] == []


def test_sessions_and_cdrs_keep_what_the_tables_cannot_say(record: Record) -> None:
    """SES-08, CDR-15, SES-10, SES-12, CDR-09, CDR-12: one connector; nothing after the end; each CDR once."""
    whole = [message.value for message in record.messages() if message.name in ("Session", "CDR")]
    places = [value["location"]["evses"] for value in whole if "location" in value]
    rides = [json.loads(request.body) for request in record.requests if request.url.endswith("/RIDE")]
    bills = [json.loads(request.body)["id"] for request in record.requests if request.url.endswith("/cdrs")]
    periods = [(cdr["start_date_time"], cdr["charging_periods"]) for cdr in whole if "start_date_time" in cdr]

    assert {(len(evses), len(evses[0]["connectors"])) for evses in places} == {(1, 1)}
    assert [ride.get("status") for ride in rides] == ["PENDING", "ACTIVE", None, "ACTIVE", "COMPLETED"]
    assert sorted(bills) == sorted(set(bills))
    assert [start for start, each in periods if each[0]["start_date_time"] != start] == []


# --- whether the judges would have seen it -----------------------------------------------------------------------

LONG: Any = "x" * 40
BREACHES = [
    ("Location", ("id",), LONG),
    ("Location", ("coordinates", "latitude"), "52.09"),
    ("Location", ("evses", 0, "connectors"), []),
    ("Location", ("evses", 0, "connectors", 0, "standard"), "GBT_AC"),
    ("Location", ("country",), "NL"),
    ("Location", ("name",), None),
    ("Session", ("kwh",), "1.5"),
    ("Session", ("status",), "FINISHED"),
    ("Session", ("location", "evses", 0, "status"), "available"),
    ("Session", ("authorization_id",), "beside"),
    ("CDR", ("charging_periods", 0, "dimensions", 0, "volume"), None),
    ("CDR", ("total_cost",), "3.13"),
    ("CDR", ("charging_periods",), []),
    ("Tariff", ("elements", 0, "price_components", 0, "step_size"), 1.5),
    ("Tariff", ("currency",), "euro"),
    ("Token", ("valid",), "true"),
    ("Token", ("whitelist",), "SOMETIMES"),
    ("Token", ("issuer",), LONG * 2),
    ("LocationReferences", ("evse_uids",), "E1"),
    ("AuthorizationInfo", ("allowed",), "MAYBE"),
    ("Credentials", ("token",), "with space"),
]
FORMS = [
    # What a schema of ours leaves to the model, the tables know.
    ("Location", ("last_updated",), "2026-01-01T00:00:00.123Z"),
    ("Session", ("start_datetime",), "2026-01-01T00:00:00"),
    ("CDR", ("stop_date_time",), "2026-01-01T02:00:00+00:00"),
    ("CDR", ("total_cost",), 0.00001),
    ("Tariff", ("elements", 0, "price_components", 0, "price"), 0.12345),
]


def required_of(name: str) -> set[str]:
    return {field.name for field in oracle.fields(name).values() if field.is_required}


def broken(record: Record, name: str, path: specimens.Path, value: Json) -> Message:
    """A message of the record that would be right but for this value."""
    whole = [each for each in record.messages() if each.name == name and not each.is_patch]
    found = next(each for each in whole if len(path) == 1 or specimens.at(each.value, path) is not None)
    return replace(found, value=specimens.put(found.value, path, value))


@pytest.mark.parametrize(("name", "path", "value"), BREACHES, ids=str)
def test_a_message_that_breaks_the_schema_is_seen(record: Record, name: str, path: specimens.Path, value: Json) -> None:
    """TRA-19, FMT-05, FMT-10, FMT-11, FMT-12."""
    assert len(by_schema(broken(record, name, path, value))) == 1


@pytest.mark.parametrize(("name", "path", "value"), BREACHES + FORMS, ids=str)
def test_a_message_that_breaks_the_tables_is_seen(record: Record, name: str, path: specimens.Path, value: Json) -> None:
    """TRA-19, FMT-01, FMT-03, FMT-05, FMT-10, FMT-11, FMT-12."""
    assert len(by_table(broken(record, name, path, value))) == 1


@pytest.mark.parametrize("judge", [by_schema, by_table])
def test_each_required_field_that_is_left_out_is_seen(record: Record, judge: Any) -> None:
    """TRA-19, LOC-07, SES-07, CDR-10, TOK-05, PAG-26; in a PATCH, the stamp alone (Q-30)."""
    for message in record.messages():
        required = {"last_updated"} if message.is_patch else required_of(message.name)
        for field in required:
            assert len(judge(replace(message, value=specimens.without(message.value, (field,))))) == 1, (message, field)


@pytest.mark.parametrize("judge", [by_schema, by_table])
def test_a_wrong_field_in_a_patch_is_seen(record: Record, judge: Any) -> None:
    """TRA-23: whatever else it does not have to hold."""
    for message in record.messages():
        if message.is_patch:
            assert len(judge(replace(message, value=message.value | {"last_updated": 7}))) == 1
            assert len(judge(replace(message, value=message.value | {"foo": 7}))) == 1


@pytest.mark.parametrize("written", ["1e-05", "0.00001", "1E3", "12.34567", "1.5e0"])
def test_a_badly_written_number_is_seen(written: str) -> None:
    """FMT-05."""
    assert badly_written(f'{{"kwh":[{written},1.5,-0.0001,7]}}'.encode()) == [written]


@pytest.mark.parametrize(
    "change",
    [{"status_code": "1000"}, {"status_code": 100}, {"timestamp": "2026-03-01T12:00:00"}, {"type": "Success"}],
    ids=str,
)
def test_a_frame_that_is_none_is_seen(record: Record, change: Json) -> None:
    """TRA-11, FMT-01."""
    _, response, moment = record.answers[0]
    frame = json.dumps(json.loads(response.body) | change).encode()

    assert len(envelopes.objections(replace(response, body=frame), moment)) == 1
