"""Tokens: the eMSP owns them, and CPOs ask it in real time whether one may charge. Spec: mod_tokens.md 2."""

from __future__ import annotations

import re

from chalicelib.modules.tokens.objects import Token
from chalicelib.ocpi.module import Level, Module, ModuleID, ReceivingRules
from chalicelib.ocpi.parties import Role
from chalicelib.ocpi.parts import Json
from chalicelib.ocpi.reading import Deviation


def normal_form(uid: str) -> str:
    """The uid for comparison: upper case, without separators, because card readers differ in both (Q-52)."""
    return re.sub(r"[^0-9A-Z]", "", uid.upper()) or uid


def _reconcile(known: Json, whole: Json) -> tuple[Json, tuple[Deviation, ...]]:
    if known["type"] == whole["type"]:
        return whole, ()
    return whole, (Deviation(path="type", rule="Q-51", what="is not what it was: one uid stands for two tokens"),)


TOKENS = Module(
    identifier=ModuleID.TOKENS,
    owner=Role.EMSP,
    levels=(Level(Token, id_field="uid", url_parameter="token_uid"),),
    lookups={"by_uid": lambda token: normal_form(token["uid"]), "by_auth_id": lambda token: str(token["auth_id"])},
    receiving=ReceivingRules(reconcile=_reconcile, qualifier="type"),
)
