"""``PullQueue`` on SQS: the queue ``pulls``. Its messages: ``{"v": 1, "step": [partner, module, crawl, page]}``."""

from __future__ import annotations

import json
from typing import Final

from chalicelib.adapters.aws import LazyClient
from chalicelib.adapters.sqs.queue import Queue, decode_message
from chalicelib.node.pulling.state import PullStep
from chalicelib.ocpi.module import ModuleID

_VERSION: Final = 1


class SqsPullQueue:
    """The pull queue of one stage."""

    def __init__(self, name: str, client: LazyClient) -> None:
        """``name`` is the queue's full name."""
        self._queue = Queue(name, client)

    def enqueue(self, step: PullStep, *, delay_s: int = 0) -> None:
        """Send one message, to be read after ``delay_s`` seconds; one call."""
        body = json.dumps({"v": _VERSION, "step": [step.partner_id, step.module, step.crawl, step.page]})
        self._queue.send(body, delay_s=delay_s)


def step_in(body: str) -> PullStep:
    """The step in a message.

    Raises:
        ValueError: the message was written by a later release.
    """
    partner_id, module, crawl, page = decode_message(body, _VERSION)["step"]
    return PullStep(partner_id=partner_id, module=ModuleID(module), crawl=crawl, page=page)
