"""CDRs: the CPO owns them, and posts each once to the eMSP whose driver it was. Spec: mod_cdrs.md 2."""

from __future__ import annotations

import hashlib
from typing import Final
from urllib.parse import quote

from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.ocpi.module import Level, Module, ModuleID, SendingRules
from chalicelib.ocpi.parties import Role

_LONGEST_SEGMENT: Final = 108
"""Characters of the last segment of a CDR's URL: those of an id of 36 characters, each percent-encoded (FMT-08)."""


def url_segment_of(cdr_id: str) -> str:
    """The last segment of a CDR's URL, not percent-encoded: its id, or a hash of that if it is too long (FMT-08)."""
    # Clients resolve segments of dots.
    if cdr_id in (".", "..") or len(quote(cdr_id.lower(), safe="*")) > _LONGEST_SEGMENT:
        return f"sha256-{hashlib.sha256(cdr_id.lower().encode()).hexdigest()[:40]}"
    return cdr_id


CDRS = Module(
    identifier=ModuleID.CDRS,
    owner=Role.CPO,
    levels=(Level(Cdr, id_field="id", url_parameter="cdr_id"),),
    # The only ids whose case does not matter (FMT-07). A CDR is also found by the last segment of its URL.
    key_of=lambda cdr_id: url_segment_of(cdr_id).lower(),
    sending=SendingRules(
        private=True,
        sent_by_post=True,
        enforced_rules=frozenset({"CDR-12", "CDR-13", "CDR-15"}),
        is_final=lambda _cdr: True,
    ),
)
