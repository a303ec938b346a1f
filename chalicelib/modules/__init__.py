"""The modules of OCPI 2.1.1, a folder each: its objects, how they are sent and received, and what is special.

versions      which versions we speak, and where their endpoints are
credentials   registration with partners, and the tokens that authenticate them
locations     places to charge
sessions      charging in progress
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
"""The declarations of the modules whose objects a CPO or an eMSP owns; versions, credentials and commands have none."""
