"""Tariffs: the CPO owns them, and may delete them. Spec: mod_tariffs.md 2."""

from __future__ import annotations

from chalicelib.modules.tariffs.objects import Tariff
from chalicelib.ocpi.module import Level, Module, ModuleID
from chalicelib.ocpi.parties import Role

TARIFFS = Module(
    identifier=ModuleID.TARIFFS,
    owner=Role.CPO,
    levels=(Level(Tariff, id_field="id", url_parameter="tariff_id"),),
    deletable=True,
)
