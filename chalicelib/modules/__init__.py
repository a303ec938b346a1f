"""The modules of OCPI 2.1.1, a folder each: its objects, how they are reached, and what is special.

versions      which versions we speak, and where their endpoints are
credentials   registration
locations     places to charge
sessions      charging, while it lasts
cdrs          what is billed
tariffs       what charging costs
tokens        who may charge
commands      asking a charge point to do something
"""

from __future__ import annotations

from chalicelib.modules.cdrs.interface import CDRS
from chalicelib.modules.locations.interface import LOCATIONS
from chalicelib.modules.sessions.interface import SESSIONS
from chalicelib.modules.tariffs.interface import TARIFFS
from chalicelib.modules.tokens.interface import TOKENS
from chalicelib.ocpi.module import Module, ModuleID

MODULES: dict[ModuleID, Module] = {module.identifier: module for module in (LOCATIONS, SESSIONS, CDRS, TARIFFS, TOKENS)}
"""Every module that this node serves whose objects somebody owns."""
