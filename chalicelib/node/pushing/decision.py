"""What becomes of one delivery: the policy on one page, as pure functions.

Nothing here reads a clock, calls a store or sends a request. ``Deliverer`` reads what a question needs, asks it here
and carries out the answer. The questions, in the order in which they are asked:

decide_on_partner   can this partner be told of this module at all?                   Skip, or the Partner
decide_on_state     is the change told already, and may they be called now?           Skip, Wait or Attempt
decide_on_object    which requests bring them up to date, and what is remembered?     Skip, Remove, Post or Push
entry_after         what stands in the outbox once a request of the attempt failed?   OutboxEntry

How a PATCH that is refused becomes a GET and a PUT (TRA-25) stands in ``requests``.

Rules TRA-14, TRA-25, OFF-03, OFF-04, SES-10, SES-14, CDR-21, CRD-17; Q-23, Q-57.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from chalicelib.node.objects import StoredObject
from chalicelib.node.partners.breaker import CircuitBreaker, for_current_token, is_partner_failure
from chalicelib.node.partners.partner import Partner
from chalicelib.node.partners.visibility import may_see
from chalicelib.node.pushing.coalescing import MOST_PARTS, coalesce, coalesce_to_one
from chalicelib.node.pushing.messages import Announcement, Delivery
from chalicelib.node.pushing.outbox import DeliveryState, OutboxEntry, SentVersion, next_retry_at, sent_after
from chalicelib.node.pushing.pacing import PacedPush
from chalicelib.node.pushing.requests import is_permanent_rejection, may_have_arrived
from chalicelib.ocpi.errors import OcpiError
from chalicelib.ocpi.module import Module, ModuleID
from chalicelib.ocpi.parts import Json


class SkipReason(StrEnum):
    """Why a delivery needs no request."""

    NOT_REGISTERED = "we do not know the partner, or it is not registered (any more)"
    NO_ENDPOINT = "the partner has no endpoint for the module"
    RETRIED_ALREADY = "the retry was made already: the entry is gone, or has failed once more since"
    RETRY_SCHEDULED = "a posted object does not change, and its entry has its own time to be retried"
    SENT_ALREADY = "an earlier request was ahead of this change and told all of it"
    GONE = "the object does not exist any more, and the module knows no DELETE"
    NOT_VISIBLE = "the object is not for this partner"
    POSTED_ALREADY = "the partner has taken the object by POST"
    OUTDATED = "a later push, sent or announced, tells all that the announcement does"


@dataclass(frozen=True, slots=True)
class Skip:
    """No request is sent."""

    reason: SkipReason


@dataclass(frozen=True, slots=True)
class Wait:
    """The partner is not called now: the entry goes into the outbox instead of a request."""

    entry: OutboxEntry
    forgets_sent: bool = False
    """As in ``Attempt``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The partner may be called: read the object, then ask ``decide_on_object``."""

    partner: Partner
    module: Module
    delivery: Delivery
    entry: OutboxEntry | None
    """What the partner missed before; settled once the attempt goes well, even where it needs no request."""
    announcements: tuple[Announcement, ...]
    """What is to be told, the missed changes included, coalesced; at least one."""
    sent: tuple[SentVersion, ...]
    """What was sent ahead of its announcements and still counts."""
    forgets_sent: bool
    """Whether what was sent before is about an earlier object of this id, and is forgotten before anything else."""
    is_unsure: bool
    """Whether the partner may have a posted object already: an earlier try got no answer, or its worker died (Q-57)."""
    breaker: CircuitBreaker
    """Closed to be called; what it has counted of earlier failures is reset once the attempt goes well."""

    @property
    def announcement(self) -> Announcement:
        """The change that this delivery is about."""
        return self.delivery.announcement


@dataclass(frozen=True, slots=True)
class Remove:
    """DELETE the object at the partner."""


@dataclass(frozen=True, slots=True)
class Post:
    """POST the object, and mark it as posted; it is never posted again (CDR-21)."""

    stored: StoredObject
    looks_first: bool
    """Whether to look for it at the partner before (Q-57)."""


@dataclass(frozen=True, slots=True)
class Push:
    """PUT and PATCH the object as it is now, as far as the announcements are about it."""

    whole: Json
    announcements: tuple[Announcement, ...]
    sent: tuple[SentVersion, ...] = ()
    """What to remember as sent, afterwards; empty: nothing, what was remembered before stays."""


def decide_on_partner(partner: Partner | None, module: ModuleID) -> Skip | Partner:
    """The partner, if it can be told of objects of this module at all (CRD-17).

    Suspended partners are among them: what they miss is written down.
    """
    if partner is None or not partner.is_registered:
        return Skip(SkipReason.NOT_REGISTERED)
    return partner if module in partner.endpoints else Skip(SkipReason.NO_ENDPOINT)


def decide_on_state(
    partner: Partner, module: Module, delivery: Delivery, state: DeliveryState, now: datetime, *, is_repeated: bool
) -> Skip | Wait | Attempt:
    """Whether there is anything to tell, as far as that can be known without the object, and whether now.

    Args:
        partner: as ``decide_on_partner`` let it pass.
        module: of the delivery's object.
        delivery: the message: a change, or the retry of an entry.
        state: what is recorded about this partner and object.
        now: the time, with its zone.
        is_repeated: an earlier worker had this message, and may have died after its request (Q-57).
    """
    announcement, entry = delivery.announcement, state.entry
    forgets_sent = bool(state.sent) and _starts_versions_anew(module, announcement)
    sent = () if forgets_sent else state.sent
    if reason := _reason_to_skip(module, delivery, entry, sent):
        return Skip(reason)
    attempt = Attempt(
        partner=partner,
        module=module,
        delivery=delivery,
        entry=entry,
        announcements=tuple(coalesce([entry.announcement, announcement] if entry else [announcement])),
        sent=sent,
        forgets_sent=forgets_sent,
        is_unsure=module.sending.sent_by_post and (is_repeated or bool(entry and entry.is_unsure)),
        breaker=for_current_token(state.breaker, partner),
    )
    if partner.is_active and not attempt.breaker.blocks(now):
        return attempt
    return Wait(_waiting_entry(attempt, now), forgets_sent)


def decide_on_object(attempt: Attempt, stored: StoredObject | None) -> Skip | Remove | Post | Push:
    """Which requests bring the partner up to date with the object as it is now; ``stored`` is None where it is gone."""
    module, announcement = attempt.module, attempt.announcement
    if stored is None:
        return Remove() if module.deletable else Skip(SkipReason.GONE)
    if not may_see(attempt.partner, module, stored):
        return Skip(SkipReason.NOT_VISIBLE)
    if module.sending.sent_by_post:
        is_taken = "posted" in stored.metadata
        return Skip(SkipReason.POSTED_ALREADY) if is_taken else Post(stored, looks_first=attempt.is_unsure)
    if not attempt.entry and _is_outdated(stored, announcement, attempt.sent):
        return Skip(SkipReason.OUTDATED)
    whole, announcements = json.loads(stored.body), attempt.announcements
    is_ahead = stored.version > announcement.version and not announcement.removed
    if is_ahead and len(attempt.sent) >= MOST_PARTS:
        # Many parts have run ahead: the whole object once, and all that is still queued is covered.
        announcements = (replace(announcement, path=(), fields=None),)
    # Of a final object nothing is told twice (SES-10), however late its earlier changes are announced.
    is_remembered = is_ahead or module.sending.is_final(whole)
    sent = sent_after(attempt.sent, stored.version, announcements) if is_remembered else ()
    return Push(whole, announcements, sent)


def entry_after(attempt: Attempt, failure: OcpiError, now: datetime) -> OutboxEntry:
    """What is recorded when a request of the attempt failed, and when that is retried (OFF-03, Q-57).

    ``attempts`` is what the outbox adds to those that it has counted. ``due_at`` is None when it is given up: at the
    end of the schedule, or at once where a posted object was understood and called wrong, since it cannot change.
    """
    entry, is_posted = attempt.entry, attempt.module.sending.sent_by_post
    # A change is no try of the schedule, or many quick ones would use it up.
    keeps_schedule = entry is not None and entry.due_at is not None and attempt.delivery.attempt is None
    attempts, since = (entry.attempts, entry.first_failed_at or now) if entry else (0, now)
    due_at = entry.due_at if entry and keeps_schedule else next_retry_at(attempts + 1, now, since)
    no_answer = is_partner_failure(failure)
    return OutboxEntry(
        partner_id=attempt.partner.id,
        announcement=coalesce_to_one(attempt.announcements),
        reason=str(failure),
        attempts=0 if keeps_schedule else 1,
        failed_at=now,
        due_at=None if is_posted and is_permanent_rejection(failure) else due_at,
        no_answer=no_answer,
        # An attempt that could not find out leaves it as unsure as it was.
        is_unsure=is_posted and (may_have_arrived(failure) or (attempt.is_unsure and no_answer)),
    )


def _reason_to_skip(
    module: Module, delivery: Delivery, entry: OutboxEntry | None, sent: Sequence[SentVersion]
) -> SkipReason | None:
    """Why there is nothing to tell, as far as that is recorded; None: there may be something."""
    announcement, is_change = delivery.announcement, delivery.attempt is None
    if not is_change and (entry is None or entry.attempts != delivery.attempt):
        return SkipReason.RETRIED_ALREADY
    if is_change and entry and module.sending.sent_by_post:
        return SkipReason.RETRY_SCHEDULED
    if not entry and not _is_paced(module) and any(each.covers(announcement) for each in sent):
        return SkipReason.SENT_ALREADY
    return None


def _waiting_entry(attempt: Attempt, now: datetime) -> OutboxEntry:
    """Due when the partner is called again; no try of ours has failed, so none is counted (OFF-04)."""
    return OutboxEntry(
        partner_id=attempt.partner.id,
        announcement=coalesce_to_one(attempt.announcements),
        reason=attempt.breaker.problem if attempt.partner.is_active else "suspended",
        attempts=0,
        failed_at=now,
        due_at=attempt.breaker.until or now,
        no_answer=True,
        is_unsure=attempt.is_unsure,
    )


def _starts_versions_anew(module: Module, announcement: Announcement) -> bool:
    """Whether another object may take over the id, so that versions sent before say nothing about it."""
    return module.deletable and (announcement.removed or announcement.version == 1)


def _is_paced(module: Module) -> bool:
    """Whether an announcement tells all that changes until it leaves, not only what its version changed (Q-48)."""
    return module.sending.min_pause_s > 0


def _is_outdated(stored: StoredObject, announcement: Announcement, sent: Sequence[SentVersion]) -> bool:
    """Whether all of it is told by a later paced push, or was sent as of the version that the object still has."""
    paced = PacedPush.of(stored.metadata)
    if paced and paced.replaces(announcement.version):
        return True
    return any(each.covers(announcement) and each.version >= stored.version for each in sent)
