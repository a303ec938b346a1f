"""The memory of admissions: it spares reads, and never lets in who would not be let in by the store for long."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.node.partners.authentication import CachedAuthenticator
from chalicelib.node.partners.partner import Grant, GrantKind, Partner, State
from chalicelib.node.partners.store import Authentication
from chalicelib.ocpi.parties import Party, Role
from tests.stores.conftest import Clock

PARTNER = Partner(id="p1", our_role=Role.CPO, state=State.REGISTERED, party=Party.of("NL", "TNM"))


class Store:
    """Admits who it is told to, and counts how often it is asked."""

    def __init__(self) -> None:
        self.admits: dict[tuple[Role, str], Authentication] = {}
        self.asked = 0

    def admit(self, kind: GrantKind = GrantKind.CURRENT, partner: Partner = PARTNER, **facts: Any) -> Authentication:
        self.admits[Role.CPO, "hash"] = Authentication(
            Grant(token_hash="hash", partner_id="p1", our_role=Role.CPO, kind=kind, **facts), partner
        )
        return self.admits[Role.CPO, "hash"]

    def authenticate(self, our_role: Role, token_hash: str) -> Authentication | None:
        self.asked += 1
        return self.admits.get((our_role, token_hash))


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def cache(store: Store, clock: Clock) -> CachedAuthenticator:
    return CachedAuthenticator(store, clock, ttl_s=3)


def test_a_registered_partner_is_read_once_in_three_seconds(
    store: Store, cache: CachedAuthenticator, clock: Clock
) -> None:
    authentication = store.admit()

    assert [cache.authenticate(Role.CPO, "hash") for _ in range(5)] == [authentication] * 5
    assert store.asked == 1

    clock.pass_(seconds=3)
    cache.authenticate(Role.CPO, "hash")
    assert store.asked == 2


def test_an_unknown_token_is_looked_up_each_time(store: Store, cache: CachedAuthenticator) -> None:
    assert cache.authenticate(Role.CPO, "hash") is None

    authentication = store.admit()

    assert cache.authenticate(Role.CPO, "hash") == authentication
    assert cache.authenticate(Role.EMSP, "hash") is None


@pytest.mark.parametrize("kind", [kind for kind in GrantKind if kind is not GrantKind.CURRENT])
def test_only_current_tokens_are_remembered(store: Store, cache: CachedAuthenticator, kind: GrantKind) -> None:
    store.admit(kind)

    cache.authenticate(Role.CPO, "hash")
    store.admits.clear()

    assert cache.authenticate(Role.CPO, "hash") is None


@pytest.mark.parametrize("state", [state for state in State if state is not State.REGISTERED])
def test_only_registered_partners_are_remembered(store: Store, cache: CachedAuthenticator, state: State) -> None:
    store.admit(partner=PARTNER.with_changes(state=state))

    cache.authenticate(Role.CPO, "hash")
    store.admits.clear()

    assert cache.authenticate(Role.CPO, "hash") is None


def test_a_partner_whose_former_token_fades_is_not_remembered(store: Store, cache: CachedAuthenticator) -> None:
    store.admit(partner=PARTNER.with_changes(fading=("former",)))

    cache.authenticate(Role.CPO, "hash")
    store.admits.clear()

    assert cache.authenticate(Role.CPO, "hash") is None


def test_a_token_that_expires_is_not_remembered(store: Store, cache: CachedAuthenticator, clock: Clock) -> None:
    store.admit(expires_at=clock() + timedelta(seconds=1))

    cache.authenticate(Role.CPO, "hash")
    store.admits.clear()

    assert cache.authenticate(Role.CPO, "hash") is None


def test_after_a_save_everything_is_read_afresh(store: Store, cache: CachedAuthenticator) -> None:
    store.admit()
    cache.authenticate(Role.CPO, "hash")
    store.admits.clear()

    cache.clear()

    assert cache.authenticate(Role.CPO, "hash") is None


def test_a_read_that_began_before_a_save_is_not_remembered(clock: Clock) -> None:
    class SavedMeanwhile(Store):
        """A store in which a save comes in between."""

        def authenticate(self, our_role: Role, token_hash: str) -> Authentication | None:
            found = super().authenticate(our_role, token_hash)
            self.admits.clear()
            memory.clear()
            return found

    store = SavedMeanwhile()
    memory = CachedAuthenticator(store, clock)
    store.admit()

    assert memory.authenticate(Role.CPO, "hash")
    assert memory.authenticate(Role.CPO, "hash") is None
