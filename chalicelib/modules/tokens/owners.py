"""The eMSP of a driver: the party that has sent us a token with this ``auth_id``. Rules SES-13, SES-14, CDR-02."""

from __future__ import annotations

from chalicelib.node.objects import ObjectStore, owner_of
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.parts import Json


class TokenOwners:
    """Finds the party of a driver among the tokens that partners have sent us, by ``auth_id``."""

    def __init__(self, tokens: ObjectStore) -> None:
        self._tokens = tokens

    def party_of(self, whole: Json) -> Party:
        """The party whose token a session or CDR names by its ``auth_id``; two store calls.

        Raises:
            InvalidParameters: no partner has such a token, or several have.
        """
        found = self._tokens.find("by_auth_id", str(whole["auth_id"]))
        # A token that came with a command only, or was deleted, counts if there is no other.
        pushed = [each for each in found if not each.stored.metadata.get("deleted_at")]
        parties = sorted({party for each in pushed or found if (party := owner_of(each.owner)) is not None})
        if len(parties) == 1:
            return parties[0]
        known = f"{', '.join(map(str, parties))} all have" if parties else "no partner has sent us"
        raise InvalidParameters(f"auth_id: {known} a token of this contract; say whom it is for (?partner=, or --for)")
