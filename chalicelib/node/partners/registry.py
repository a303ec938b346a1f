"""The registry: the only writer of partners and of the tokens that we issued to them.

Partners, the host and schedules change a partner concurrently. So a change is a function of the stored partner, and is
applied again after a conflict. Each save also revokes the tokens that the changed partner does not list any more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from chalicelib.node.clock import Clock
from chalicelib.node.conflicts import retry_on_conflict
from chalicelib.node.partners.partner import Grant, Partner
from chalicelib.node.partners.store import PartnerStore, PartyTaken
from chalicelib.ocpi.errors import ClientError

PartnerChange = Callable[[Partner], Partner]
"""The changed partner, given the stored one; raises if that one must not be changed so. May be called repeatedly."""


OnRegistrationChange = Callable[[Partner, int], None]
"""Called before a save that makes a partner registered or unregistered, with the version that it will have."""


class PartnerRegistry:
    """Saves partners and their tokens."""

    def __init__(
        self,
        partners: PartnerStore,
        clock: Clock,
        on_registration_change: OnRegistrationChange,
        on_saved: Callable[[], None],
    ) -> None:
        """``on_saved`` is called after each save, even a failed one."""
        self._partners = partners
        self._clock = clock
        self._on_registration_change = on_registration_change
        self._on_saved = on_saved

    def save(
        self, partner: Partner, change: PartnerChange = lambda stored: stored, issue: Collection[Grant] = ()
    ) -> Partner:
        """The partner, saved with this change applied. Retries on a conflict.

        In the same transaction, grants to ``issue`` that the changed partner lists in ``issued`` are written, tokens
        that it does not list any more are revoked, and a party that it had before can be registered by others.

        Args:
            partner: whom to save; itself only if it is new, else what is stored under its id.
            change: applied to the stored partner.
            issue: grants of the tokens to issue.

        Raises:
            ClientError: another partner is registered as this party (Q-34).
            ServerError: every attempt met a conflict.
        """

        def attempt() -> Partner:
            before = self._partners.get(partner.id) or partner
            after = change(before)
            issued = [grant for grant in issue if grant.token_hash in after.issued]
            if after == before and before.version and not issued:
                return before
            after = after.with_changes(updated_at=self._clock())
            revoked = {*before.issued} - {*after.issued}
            released = before.party if before.party != after.party else None
            if after.is_registered != before.is_registered:
                self._on_registration_change(after, before.version + 1)
            return self._partners.save(after, issue=issued, revoke=revoked, release=released)

        try:
            return retry_on_conflict(attempt, self._clock.sleep)
        except PartyTaken as taken:
            raise ClientError(f"{taken}: unregister that first (Q-34)") from None
        finally:
            # Even if the store failed: it may have written before.
            self._on_saved()

    def grants(self, partner: Partner) -> list[Grant]:
        """The grants of the tokens that we issued to the partner and that are valid now; two calls per token."""
        found = (self._partners.authenticate(partner.our_role, token_hash) for token_hash in partner.issued)
        return [authentication.grant for authentication in found if authentication is not None]

    def counter(self, partner: Partner, counter: str) -> int:
        """The value of one of the partner's counters; 0 if it was never counted."""
        return self._partners.counters(partner.id).get(counter, 0)
