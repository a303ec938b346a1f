"""Sessions: the CPO owns them, and each is for the eMSP whose driver it is. Spec: mod_sessions.md 2."""

from __future__ import annotations

from chalicelib.modules.sessions.lifecycle import is_final, patched, succeeding
from chalicelib.modules.sessions.objects import Session
from chalicelib.ocpi.module import Level, Module, ModuleID, Receiving, Sending
from chalicelib.ocpi.parties import Role

SESSIONS = Module(
    identifier=ModuleID.SESSIONS,
    owner=Role.CPO,
    levels=(Level(Session, id_field="id", url_parameter="session_id"),),
    lookups={"by_auth_id": lambda session: str(session["auth_id"])},
    sending=Sending(
        private=True,
        date_from_required=True,
        refused=frozenset({"SES-08"}),
        is_final=is_final,
        replaced_whole=frozenset({"charging_periods"}),
        least_pause_s=60,
        urgent=frozenset({"status"}),
    ),
    receiving=Receiving(patched=patched, succeeding=succeeding),
)
