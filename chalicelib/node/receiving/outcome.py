"""What became of a received object, and the types of the functions that receive pulled and retried objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from chalicelib.node.partners.partner import Partner
from chalicelib.ocpi.errors import ClientError

Outcome = bool | ClientError
"""What became of an object that was pulled: True if it was stored, False if we hold it or a newer one; or the error for
which it cannot be stored."""

ReceiveAll = Callable[[Partner, Sequence[Any], datetime], list[Outcome]]
"""Stores the objects of a list, given as JSON values, that came at this time; one outcome each, in the same order."""

ReceiveOne = Callable[[Partner, bytes, datetime], bool]
"""Stores an object, given as JSON bytes, that came at this time; True if it was new or newer than what we hold.

Raises ClientError where it cannot be stored.
"""
