"""Sessions: the CPO owns them, and sends each to the eMSP whose driver charges. Spec: mod_sessions.md 2."""

from __future__ import annotations

from chalicelib.modules.sessions.lifecycle import expand_patch, is_final, reconcile
from chalicelib.modules.sessions.objects import Session
from chalicelib.ocpi.module import Level, Module, ModuleID, ReceivingRules, SendingRules
from chalicelib.ocpi.parties import Role

SESSIONS = Module(
    identifier=ModuleID.SESSIONS,
    owner=Role.CPO,
    levels=(Level(Session, id_field="id", url_parameter="session_id"),),
    lookups={"by_auth_id": lambda session: str(session["auth_id"])},
    sending=SendingRules(
        private=True,
        date_from_required=True,
        enforced_rules=frozenset({"SES-08"}),
        is_final=is_final,
        never_patched=frozenset({"charging_periods"}),
        min_pause_s=60,
        urgent_fields=frozenset({"status"}),
    ),
    receiving=ReceivingRules(expand_patch=expand_patch, reconcile=reconcile),
)
