"""Proves that we push to exactly the URL that a partner published, ours below it, whatever our ids are made of."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.node.outbound import object_url
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.world import CLIENT_OWNED, Pair, pair

LOCATIONS = ModuleID.LOCATIONS


@pytest.mark.parametrize(
    ("steps", "path"),
    [
        (("DE", "CPO", "LOC1", "E1", "1"), "/DE/CPO/LOC1/E1/1"),
        (("FRNIS*EFR13100*22RGAL1CE*0",), "/FRNIS*EFR13100*22RGAL1CE*0"),
        (("a/b", "c d"), "/a%2Fb/c%20d"),
        (("50%", "%2F", "a+b:c"), "/50%25/%252F/a%2Bb%3Ac"),
        (("ä€🚗", "?x=1#y&z"), "/%C3%A4%E2%82%AC%F0%9F%9A%97/%3Fx%3D1%23y%26z"),
        (("a-b_c.d~e",), "/a-b_c.d~e"),
    ],
)
@pytest.mark.parametrize("endpoint", ["https://p.example/x/y", "https://p.example/x/y/"])
def test_each_id_is_one_percent_encoded_segment(endpoint: str, steps: tuple[str, ...], path: str) -> None:
    """Q-27, TRA-28, Q-05: unreserved characters and the star stay as they are."""
    assert object_url(endpoint, *steps) == f"https://p.example/x/y{path}"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=5))
def test_every_id_comes_out_of_the_url_as_it_went_in(steps: list[str]) -> None:
    """Q-27."""
    url = urlsplit(object_url("https://p.example/x", *steps))

    assert [unquote(step) for step in url.path.split("/")[2:]] == steps
    assert (url.query, url.fragment) == ("", "")


@pytest.mark.parametrize("odd", ["a/b", "a b", "A*1*2", "50%", "%2F", "ä€🚗", "?x=1#y"])
def test_objects_with_odd_ids_reach_the_other_node_at_every_depth(odd: str) -> None:
    """Q-27, TRA-28."""
    there = pair()
    own = there.cpo.company.own_objects[LOCATIONS]
    own.put(odd, (), make.location(odd, evses=[make.evse(odd, connectors=[make.connector(odd)])]))
    there.pump()

    own.patch(odd, (odd, odd), {"amperage": 16})
    own.patch(odd, (odd,), {"status": "CHARGING"})
    there.pump()

    assert there.emsp.received(LOCATIONS, there.cpo.party, odd) == own.get(odd)
    assert there.emsp.ports.partners.counters(there.emsp.partners()[0].id).keys() <= {"call-backs"}


def elsewhere(there: Pair, module: ModuleID, url: str) -> list[str]:
    """Lets the module's receiver publish this URL; answers with the list of all that will be asked there."""
    asked: list[str] = []

    def serve(request: Request) -> Response:
        asked.append(request.url)
        return Response(200, {}, b'{"status_code":1000,"timestamp":"2026-03-01T12:00:00Z"}')

    there.world.hosts["push.example"] = serve
    owner = there.owner(module)
    known = owner.partners()[0]
    owner.ports.partners.save(known.with_changes(endpoints={**known.endpoints, module: url}))
    return asked


@pytest.mark.parametrize("module", CLIENT_OWNED)
@pytest.mark.parametrize("tail", ["", "/"])
def test_a_push_goes_to_the_published_url_and_names_us_as_the_owner(module: ModuleID, tail: str) -> None:
    """TRA-28, TRA-33: no part of it is guessed."""
    there = pair()
    asked = elsewhere(there, module, f"https://push.example/a/b-2.1.1{tail}")

    there.put_in(module, make.object_of(module, "X1"))
    there.pump()

    assert asked == [f"/a/b-2.1.1/{there.owner(module).party}/X1"]


@pytest.mark.parametrize("tail", ["", "/"])
def test_a_cdr_is_posted_to_exactly_the_published_url(tail: str) -> None:
    """CDR-04, TRA-33: it has no URL of its own before it is there."""
    there = pair()
    asked = elsewhere(there, ModuleID.CDRS, f"https://push.example/a/cdrs{tail}")

    there.put_in(ModuleID.CDRS, make.cdr("C1"))
    there.pump()

    assert asked == [f"/a/cdrs{tail}"]
