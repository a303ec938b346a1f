"""What is known about partners beside themselves: counters, contacts; operator keys, and where partners reach us."""

from __future__ import annotations

from datetime import datetime, timedelta

from chalicelib.node.partners.contacts import Contact
from chalicelib.node.partners.store import OperatorKey, PartnerStore
from tests.stores.conftest import Clock


def test_counts_add_up_per_partner(partners: PartnerStore) -> None:
    partners.count("p1", {"lenient FMT-10 locations evses[].uid is too long": 2, "list": 1})
    partners.count("p1", {"list": 2, "size": 1})
    partners.count("p2", {f"counter {number}": number for number in range(1, 251)})

    assert partners.counters("p1") == {"lenient FMT-10 locations evses[].uid is too long": 2, "list": 3, "size": 1}
    assert len(partners.counters("p2")) == 250
    assert partners.counters("p3") == {}


def test_a_contact_keeps_its_last_success_and_its_last_failure(partners: PartnerStore, clock: Clock) -> None:
    def after(minutes: int) -> datetime:
        return clock() + timedelta(minutes=minutes, microseconds=1)

    assert partners.contacts("p1") == []

    partners.record_contact("p1", "locations", "out", after(1), None)
    partners.record_contact("p1", "locations", "out", after(2), "HTTP 500")
    partners.record_contact("p1", "locations", "out", after(3), "no answer: 日本")
    partners.record_contact("p1", "locations", "out", after(4), None)
    partners.record_contact("p1", "versions", "in", after(5), None)
    partners.record_contact("p1", "locations", "in", after(6), "HTTP 200, OCPI status 2001")
    partners.record_contact("p2", "locations", "in", after(7), "")

    assert partners.contacts("p1") == [
        Contact(
            module="locations",
            direction="in",
            last_success=None,
            last_failure=after(6),
            problem="HTTP 200, OCPI status 2001",
        ),
        Contact(
            module="locations", direction="out", last_success=after(4), last_failure=after(3), problem="no answer: 日本"
        ),
        Contact(module="versions", direction="in", last_success=after(5)),
    ]
    assert partners.contacts("p2") == [
        Contact(module="locations", direction="in", last_success=None, last_failure=after(7), problem="")
    ]


def test_operator_keys_are_known_by_their_hash(partners: PartnerStore) -> None:
    back_end, desk = OperatorKey("back end"), OperatorKey("desk", frozenset({"help-desk"}))
    partners.save_operator_key("hash-1", back_end)
    partners.save_operator_key("hash-2", desk)

    assert partners.operator_key("hash-1") == back_end
    assert partners.operator_key("hash-3") is None
    assert partners.operator_keys() == {"hash-1": back_end, "hash-2": desk}

    partners.remove_operator_key("hash-1")
    partners.remove_operator_key("hash-1")

    assert partners.operator_keys() == {"hash-2": desk}


def test_the_public_url_is_the_last_one_recorded(partners: PartnerStore) -> None:
    assert partners.public_url() is None

    partners.record_public_url("https://a.example")
    partners.record_public_url("https://b.example")

    assert partners.public_url() == "https://b.example"
