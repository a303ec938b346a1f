"""The queue ``pulls`` in SQS, as ``PullQueue`` promises it: ``{"v": 1, "step": [partner, module, crawl, page]}``."""

from __future__ import annotations

import json
from typing import Final

from chalicelib.adapters.aws import Client
from chalicelib.node.pulls import Step
from chalicelib.ocpi.module import ModuleID

_VERSION: Final = 1
_LONGEST_DELAY_S: Final = 900


class SqsPulls:
    """The queue of one stage."""

    def __init__(self, name: str, client: Client) -> None:
        """A queue by its full name."""
        self._name = name
        self._client = client
        self._url = ""

    def step(self, step: Step, *, delay_s: int = 0) -> None:
        """Send one message, to be read now or later; one call."""
        self._url = self._url or self._client().get_queue_url(QueueName=self._name)["QueueUrl"]
        body = json.dumps({"v": _VERSION, "step": [step.partner_id, step.module, step.crawl, step.page]})
        self._client().send_message(QueueUrl=self._url, MessageBody=body, DelaySeconds=min(delay_s, _LONGEST_DELAY_S))


def step_in(body: str) -> Step:
    """The step of a message.

    Raises:
        ValueError: a later release wrote it.
    """
    message = json.loads(body)
    if message["v"] != _VERSION:
        raise ValueError(f"a message in version {message['v']}: written by a later release")
    partner_id, module, crawl, page = message["step"]
    return Step(partner_id, ModuleID(module), crawl, page)
