"""How far each pull is: stored first, then the message for its next page is queued."""

from __future__ import annotations

from chalicelib.node.conflicts import Conflict
from chalicelib.node.pulling.decision import Advance
from chalicelib.node.pulling.state import Pull, PullQueue, PullState, PullStore
from chalicelib.ocpi.module import ModuleID


class PullProgress:
    """The pulls as they are stored, and the queue that drives them.

    A worker that dies between the two leaves a page that is done and no message for the next one. Its own message is
    delivered again then, and ``resend`` makes up for the other.
    """

    def __init__(self, store: PullStore, queue: PullQueue) -> None:
        self._store = store
        self._queue = queue

    def current(self, partner_id: str, module: ModuleID) -> Pull | None:
        """The last pull of this list, running or not; None if there was none. One call."""
        return self._store.get(partner_id, module)

    def record(self, advance: Advance) -> bool:
        """Store the next state and, while the pull is running, queue the message for its page; one call, one message.

        Returns:
            False if another worker was faster (optimistic lock): its state counts, and nothing is queued.
        """
        try:
            self._store.save(advance.pull)
        except Conflict:
            return False
        if advance.pull.state is PullState.RUNNING:
            self._queue.enqueue(advance.pull.step, delay_s=advance.delay_s)
        return True

    def resend(self, pull: Pull) -> None:
        """Queue the message for the page that the pull stands at, once more."""
        self._queue.enqueue(pull.step)
