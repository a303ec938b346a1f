"""CDRs: the CPO owns them, and posts each once to the eMSP whose driver it was. Spec: mod_cdrs.md 2."""

from __future__ import annotations

import hashlib
from typing import Final
from urllib.parse import quote

from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.ocpi.module import Level, Module, ModuleID, Sending
from chalicelib.ocpi.parties import Role

_LONGEST_STEP: Final = 108
"""Characters of a CDR's id in its URL, which may have 255 in all: what 36 characters take when each is encoded."""


def step_of(cdr_id: str) -> str:
    """The id as it stands in the CDR's URL, not encoded yet; shortened where that would be too long (FMT-08)."""
    # Dots alone are no step of their own: clients resolve them away.
    if cdr_id in (".", "..") or len(quote(cdr_id.lower(), safe="*")) > _LONGEST_STEP:
        return f"sha256-{hashlib.sha256(cdr_id.lower().encode()).hexdigest()[:40]}"
    return cdr_id


CDRS = Module(
    identifier=ModuleID.CDRS,
    owner=Role.CPO,
    levels=(Level(Cdr, id_field="id", url_parameter="cdr_id"),),
    # The only id whose case does not matter (FMT-07). It is found by what its URL says, too.
    key_of=lambda cdr_id: step_of(cdr_id).lower(),
    sending=Sending(
        private=True,
        posted=True,
        refused=frozenset({"CDR-12", "CDR-13", "CDR-15"}),
        is_final=lambda _cdr: True,
    ),
)
