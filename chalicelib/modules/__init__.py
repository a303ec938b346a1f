"""The modules of OCPI 2.1.1, a folder each: objects.py, interface.py (how they are reached), and what is special."""

from __future__ import annotations

from chalicelib.modules.locations.interface import LOCATIONS
from chalicelib.modules.tariffs.interface import TARIFFS
from chalicelib.ocpi.module import Module, ModuleID

MODULES: dict[ModuleID, Module] = {module.identifier: module for module in (LOCATIONS, TARIFFS)}
"""Every client-owned module that this node serves."""
