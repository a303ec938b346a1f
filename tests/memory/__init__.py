"""The outside in memory: the ports as small classes that keep their promises, safe to share between threads."""

from tests.memory.commands import MemoryCommandQueues, MemoryCommands
from tests.memory.events import MemoryBus, MemoryEventFeed, MemoryEvents
from tests.memory.objects import MemoryObjects
from tests.memory.outbox import MemoryBreakers, MemoryOutbox
from tests.memory.partners import MemoryPartners, MemoryQuarantine
from tests.memory.pulls import MemoryPullQueue, MemoryPulls
from tests.memory.queues import DelayingQueues, MemoryQueues

__all__ = [
    "DelayingQueues",
    "MemoryBreakers",
    "MemoryBus",
    "MemoryCommandQueues",
    "MemoryCommands",
    "MemoryEventFeed",
    "MemoryEvents",
    "MemoryObjects",
    "MemoryOutbox",
    "MemoryPartners",
    "MemoryPullQueue",
    "MemoryPulls",
    "MemoryQuarantine",
    "MemoryQueues",
]
