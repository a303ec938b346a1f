"""``PartnerStore`` on DynamoDB: partners, grants, counters, contacts and operator keys in one table.

| pk | sk | what |
|---|---|---|
| ``partners`` | partner's id | the partner (JSON), ``version``, ``since`` |
| ``token/{role}/{hash}`` | ``token`` | a grant (JSON), ``expires_at`` |
| ``party/{role}/{COUNTRY}/{PARTY}`` | ``claim`` | the id of the partner that is registered as this party |
| ``tally`` | partner's id | a number per counter |
| ``contact`` | partner's id | per direction, module and outcome, the last time, and the problem |
| ``operator`` | hash | the name and roles of an operator key |
| ``node`` | ``public_url`` | our public base URL |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from itertools import islice
from typing import Any, Final

from chalicelib.adapters.dynamodb.table import Action, Item, Table, TransactionCancelled, epoch
from chalicelib.node.conflicts import Conflict
from chalicelib.node.partners.contacts import Contact
from chalicelib.node.partners.partner import Grant, GrantKind, Partner, State
from chalicelib.node.partners.store import Authentication, OperatorKey, PartyTaken
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.parties import Party, Role
from chalicelib.ocpi.reading import Profile

_MOST_COUNTERS: Final = 100
"""Of one update, whose expression is limited to 4 KB."""


class DynamoPartnerStore:
    """The partners of one stage."""

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    def get(self, partner_id: str) -> Partner | None:
        """The partner, or None; strongly consistent; one call."""
        item = self._table.get(_key("partners", partner_id))
        return _partner_of(item) if item else None

    def all(self) -> list[Partner]:
        """Every partner, oldest first, registered or not."""
        items = sorted(self._table.query_partition("partners"), key=lambda item: (item["since"]["S"], item["sk"]["S"]))
        return list(map(_partner_of, items))

    def save(
        self, partner: Partner, *, issue: Iterable[Grant] = (), revoke: Iterable[str] = (), release: Party | None = None
    ) -> Partner:
        """The saved partner, with the next version; one transaction, and one call per claim that may be given up.

        Raises:
            Conflict: the partner has changed since it was read.
            PartyTaken: another partner has claimed the party (Q-34).
        """
        saved = partner.with_changes(version=partner.version + 1)
        claimed, released = _claims(partner, release)
        issued = {grant.token_hash: grant for grant in issue}
        revoked = set(revoke) - issued.keys()
        tokens: list[Action] = [("Put", {"Item": _grant_item(grant)}) for grant in issued.values()]
        tokens += [("Delete", {"Key": _token_key(partner.our_role, token_hash)}) for token_hash in revoked]
        claim = [_claim(partner, party) for party in claimed]
        # Only claims of this partner: releasing another partner's claim would fail the transaction.
        release_actions = [
            _release(partner, party) for party in released if self._claimant(partner.our_role, party) == partner.id
        ]
        try:
            self._table.transact([_write(saved, self._clock()), *claim, *release_actions, *tokens])
        except TransactionCancelled as cancelled:
            if not cancelled.condition_failed(0) and claim and cancelled.condition_failed(1):
                raise PartyTaken(f"{partner.party} is registered by another connection") from cancelled
            raise Conflict(f"partner {partner.id} changed meanwhile") from cancelled
        return saved

    def _claimant(self, our_role: Role, party: Party) -> str | None:
        item = self._table.get(_claim_key(our_role, party))
        return item["partner_id"]["S"] if item else None

    def authenticate(self, our_role: Role, token_hash: str) -> Authentication | None:
        """The grant and partner of a token for our endpoints of this role; None if it is unknown or expired.

        Strongly consistent; two calls.
        """
        item = self._table.get(_token_key(our_role, token_hash))
        grant = _grant_of(item) if item else None
        # DynamoDB can take days to delete expired items.
        if grant is None or (grant.expires_at is not None and grant.expires_at <= self._clock()):
            return None
        partner = self.get(grant.partner_id)
        return Authentication(grant, partner) if partner else None

    def count(self, partner_id: str, counts: Mapping[str, int]) -> None:
        """Add to the partner's counters; one call per hundred of them."""
        remaining = iter(counts.items())
        while batch := list(islice(remaining, _MOST_COUNTERS)):
            numbers = range(len(batch))
            self._table.write(
                "update_item",
                Key=_key("tally", partner_id),
                UpdateExpression="ADD " + ", ".join(f"#n{number} :n{number}" for number in numbers),
                ExpressionAttributeNames={f"#n{number}": batch[number][0] for number in numbers},
                ExpressionAttributeValues={f":n{number}": {"N": str(batch[number][1])} for number in numbers},
            )

    def counters(self, partner_id: str) -> dict[str, int]:
        """All of the partner's counters by name; one call."""
        item = self._table.get(_key("tally", partner_id)) or {}
        return {name: int(value["N"]) for name, value in item.items() if "N" in value}

    def record_contact(self, partner_id: str, module: str, direction: str, at: datetime, problem: str | None) -> None:
        """Record that a request failed with this problem then, or succeeded if it is None; one call."""
        entry: Item = {"at": {"S": at.isoformat()}} | ({"problem": {"S": problem}} if problem is not None else {})
        outcome = "success" if problem is None else "failure"
        self._table.write(
            "update_item",
            Key=_key("contact", partner_id),
            UpdateExpression="SET #entry = :entry",
            ExpressionAttributeNames={"#entry": f"{direction}/{module}/{outcome}"},
            ExpressionAttributeValues={":entry": {"M": entry}},
        )

    def contacts(self, partner_id: str) -> list[Contact]:
        """The partner's contacts, ordered by module and direction; one call."""
        item = self._table.get(_key("contact", partner_id)) or {}
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for name, value in item.items():
            if "M" in value:
                direction, module, outcome = name.split("/")
                facts = found.setdefault((module, direction), {})
                facts[f"last_{outcome}"] = datetime.fromisoformat(value["M"]["at"]["S"])
                if "problem" in value["M"]:
                    facts["problem"] = value["M"]["problem"]["S"]
        return [
            Contact(module=module, direction=direction, **found[module, direction])
            for module, direction in sorted(found)
        ]

    def operator_key(self, key_hash: str) -> OperatorKey | None:
        """The operator key with this hash, or None."""
        item = self._table.get(_key("operator", key_hash))
        return _operator_key(item) if item else None

    def save_operator_key(self, key_hash: str, key: OperatorKey) -> None:
        """Accept this key from now on."""
        roles: Item = {"roles": {"SS": sorted(key.roles)}} if key.roles else {}
        self._table.write("put_item", Item=_key("operator", key_hash) | {"name": {"S": key.name}} | roles)

    def operator_keys(self) -> dict[str, OperatorKey]:
        """All operator keys by their hash."""
        return {item["sk"]["S"]: _operator_key(item) for item in self._table.query_partition("operator")}

    def remove_operator_key(self, key_hash: str) -> None:
        """Accept this key no longer."""
        self._table.write("delete_item", Key=_key("operator", key_hash))

    def public_url(self) -> str | None:
        """Our public base URL as it was recorded at the last deployment, or None."""
        item = self._table.get(_key("node", "public_url"))
        return item["url"]["S"] if item else None

    def record_public_url(self, url: str) -> None:
        """Record our public base URL."""
        self._table.write("put_item", Item=_key("node", "public_url") | {"url": {"S": url}})


def _key(pk: str, sk: str) -> Item:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _token_key(our_role: Role, token_hash: str) -> Item:
    return _key(f"token/{our_role}/{token_hash}", "token")


def _claim_key(our_role: Role, party: Party) -> Item:
    return _key(f"party/{our_role}/{party}", "claim")


# --- the actions of save -----------------------------------------------------------------------------------------


def _claims(partner: Partner, release: Party | None) -> tuple[set[Party], set[Party]]:
    """The parties that the partner claims, and those whose claims it gives up."""
    claimed = {partner.party} if partner.party and partner.is_registered else set()
    released = {partner.party} if partner.party and partner.state is State.UNREGISTERED else set()
    return claimed, (released | ({release} if release else set())) - claimed


def _write(saved: Partner, now: datetime) -> Action:
    before = saved.version - 1
    values = {
        ":body": {"S": _json(saved)},
        ":version": {"N": str(saved.version)},
        ":since": {"S": now.isoformat(timespec="microseconds")},
    }
    request = {
        "Key": _key("partners", saved.id),
        "UpdateExpression": "SET #body = :body, #version = :version, #since = if_not_exists(#since, :since)",
        "ConditionExpression": "#version = :before" if before else "attribute_not_exists(pk)",
        "ExpressionAttributeNames": {"#body": "body", "#version": "version", "#since": "since"},
        "ExpressionAttributeValues": values | ({":before": {"N": str(before)}} if before else {}),
    }
    return "Update", request


def _claim(partner: Partner, party: Party) -> Action:
    request = {
        "Item": _claim_key(partner.our_role, party) | {"partner_id": {"S": partner.id}},
        "ConditionExpression": "attribute_not_exists(pk) OR partner_id = :id",
        "ExpressionAttributeValues": {":id": {"S": partner.id}},
    }
    return "Put", request


def _release(partner: Partner, party: Party) -> Action:
    request = {
        "Key": _claim_key(partner.our_role, party),
        "ConditionExpression": "partner_id = :id",
        "ExpressionAttributeValues": {":id": {"S": partner.id}},
    }
    return "Delete", request


# --- partners and grants as items --------------------------------------------------------------------------------

_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "our_role": Role,
    "state": State,
    "party": lambda party: Party(**party),
    "token_we_send": lambda token: AuthToken(**token),
    "former_token_we_send": lambda token: AuthToken(**token),
    "overlap_until": datetime.fromisoformat,
    "issued": tuple,
    "fading": tuple,
    "profile": Profile,
    "updated_at": datetime.fromisoformat,
    "kind": GrantKind,
    "expires_at": datetime.fromisoformat,
}


def _json(value: Any) -> str:
    facts = {name: fact for name, fact in asdict(value).items() if fact is not None and name != "version"}
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"), default=datetime.isoformat)


def _facts(text: str, of: type) -> dict[str, Any]:
    """The fields of class ``of`` that are in this JSON; fields of a later release are left out."""
    known = {field.name for field in fields(of)}
    facts = json.loads(text).items()
    return {name: _READERS.get(name, lambda fact: fact)(fact) for name, fact in facts if name in known}


def _partner_of(item: Item) -> Partner:
    return Partner(**_facts(item["body"]["S"], Partner), version=int(item["version"]["N"]))


def _grant_item(grant: Grant) -> Item:
    item = _token_key(grant.our_role, grant.token_hash) | {"body": {"S": _json(grant)}}
    if grant.expires_at is not None:
        item["expires_at"] = {"N": str(epoch(grant.expires_at))}
    return item


def _grant_of(item: Item) -> Grant:
    return Grant(**_facts(item["body"]["S"], Grant))


def _operator_key(item: Item) -> OperatorKey:
    return OperatorKey(item["name"]["S"], frozenset(item.get("roles", {}).get("SS", ())))
