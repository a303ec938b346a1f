"""What became of a received object, and the functions that receive objects from a list or from quarantine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from chalicelib.node.partners.partner import Partner
from chalicelib.ocpi.errors import ClientError

Outcome = bool | ClientError
"""What became of an object that was pulled: whether it was new or newer than ours, or why it cannot be kept."""

ReceiveAll = Callable[[Partner, Sequence[Any], datetime], list[Outcome]]
"""Keeps the objects of a list, as they came out of its JSON, and says what became of each of them."""


ReceiveOne = Callable[[Partner, bytes, datetime], bool]
"""Keeps an object; whether it was new or newer. Raises ClientError where it cannot be kept."""
