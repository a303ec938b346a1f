"""The modules of OCPI 2.1.1, a folder each: objects.py, interface.py (how they are reached), and what is special."""

from __future__ import annotations

from chalicelib.modules.cdrs.interface import CDRS
from chalicelib.modules.locations.interface import LOCATIONS
from chalicelib.modules.sessions.interface import SESSIONS
from chalicelib.modules.tariffs.interface import TARIFFS
from chalicelib.modules.tokens.interface import TOKENS
from chalicelib.ocpi.module import Module, ModuleID

MODULES: dict[ModuleID, Module] = {module.identifier: module for module in (LOCATIONS, SESSIONS, CDRS, TARIFFS, TOKENS)}
"""Every module that this node serves whose objects somebody owns."""
