"""In-memory fakes of the ports: ``MemoryX`` implements port ``X``. Threads can share them."""

from tests.memory.commands import MemoryCommandQueues, MemoryCommandStore
from tests.memory.events import MemoryEventBus, MemoryEventFeed, MemoryEventQueue
from tests.memory.objects import MemoryObjectStore
from tests.memory.outbox import MemoryCircuitBreakerStore, MemoryOutbox
from tests.memory.partners import MemoryPartnerStore, MemoryQuarantine
from tests.memory.pulls import MemoryPullQueue, MemoryPullStore
from tests.memory.queues import DelayingPushQueues, MemoryPushQueues

__all__ = [
    "DelayingPushQueues",
    "MemoryCircuitBreakerStore",
    "MemoryCommandQueues",
    "MemoryCommandStore",
    "MemoryEventBus",
    "MemoryEventFeed",
    "MemoryEventQueue",
    "MemoryObjectStore",
    "MemoryOutbox",
    "MemoryPartnerStore",
    "MemoryPullQueue",
    "MemoryPullStore",
    "MemoryPushQueues",
    "MemoryQuarantine",
]
