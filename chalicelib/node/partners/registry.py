"""Our partners as they are written down: each change of one passes here, so that none is lost and no dead token lives.

Partners, hosts and schedules change a connection at the same time, and what a partner has done already cannot be
undone. So a change is a function of the partner as it is now, and is made again on whatever somebody else wrote first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from chalicelib.node.clock import Clock
from chalicelib.node.conflicts import retry_on_conflict
from chalicelib.node.partners.partner import Grant, Partner
from chalicelib.node.partners.store import PartnerStore, PartyTaken
from chalicelib.ocpi.errors import ClientError

Change = Callable[[Partner], Partner]
"""Makes a partner as it is what it becomes; raises where it must not become that any more."""


OnRegistrationChange = Callable[[Partner, int], None]
"""Is told, before it is saved, that a partner becomes registered or stops being so, with the version it will have."""


class PartnerRegistry:
    """The only writer of partners and of the tokens that they send."""

    def __init__(
        self,
        partners: PartnerStore,
        clock: Clock,
        registration_changed: OnRegistrationChange,
        saved: Callable[[], None],
    ) -> None:
        self._partners = partners
        self._clock = clock
        self._registration_changed = registration_changed
        self._saved = saved

    def save(self, partner: Partner, change: Change = lambda now: now, issue: Collection[Grant] = ()) -> Partner:
        """The partner, changed and saved. Tokens that it does not list are dead, a party that it was is free.

        Raises:
            ClientError: another connection is registered as this party (Q-34).
            ServerError: others kept changing it.
        """

        def attempt() -> Partner:
            before = self._partners.get(partner.id) or partner
            after = change(before)
            listed = [grant for grant in issue if grant.token_hash in after.issued]
            if after == before and before.version and not listed:
                return before
            after = after.with_(updated_at=self._clock())
            dropped = {*before.issued} - {*after.issued}
            left = before.party if before.party != after.party else None
            if after.is_registered != before.is_registered:
                self._registration_changed(after, before.version + 1)
            return self._partners.save(after, issue=listed, revoke=dropped, release=left)

        try:
            return retry_on_conflict(attempt, self._clock.sleep)
        except PartyTaken as taken:
            raise ClientError(f"{taken}: unregister that first (Q-34)") from None
        finally:
            # Even where the store failed: it may have written before it did.
            self._saved()

    def grants(self, partner: Partner) -> list[Grant]:
        """Those of the tokens that we issued to the partner which are good now."""
        found = (self._partners.authenticate(partner.our_role, token_hash) for token_hash in partner.issued)
        return [authentication.grant for authentication in found if authentication is not None]

    def counter(self, partner: Partner, counter: str) -> int:
        """What we counted about the partner."""
        return self._partners.counters(partner.id).get(counter, 0)
