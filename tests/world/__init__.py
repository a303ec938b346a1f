"""A small world for conversations: companies with real nodes on memory stores, joined by function calls."""

from tests.world.caller import Caller, Reply, crawl, next_link
from tests.world.company import CompanyInWorld, Recorder
from tests.world.network import Clock, Json, Server, Traffic, World
from tests.world.pair import CLIENT_OWNED, PUBLIC, Pair, pair, register

__all__ = [
    "CLIENT_OWNED",
    "PUBLIC",
    "Caller",
    "Clock",
    "CompanyInWorld",
    "Json",
    "Pair",
    "Recorder",
    "Reply",
    "Server",
    "Traffic",
    "World",
    "crawl",
    "next_link",
    "pair",
    "register",
]
