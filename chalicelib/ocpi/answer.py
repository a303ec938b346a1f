"""A partner's answer as a value: its HTTP status and headers, and what the envelope in its body says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a partner answered, read once, where it arrives; made by ``envelope.read_answer``.

    The bytes of the body are not kept, so that a large page of a list is held in memory once.
    """

    http_status: int
    """0 when there was no answer at all."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By names in lower case."""
    status_code: int | None = None
    """The OCPI status code; None if the body is no envelope, or its code is no integer."""
    status_message: str = ""
    """Empty if there is none."""
    data: Any = None
    """The envelope's ``data``, a JSON value, whether or not the answer is a success; None if there is none."""
    is_json: bool = True
    """Whether the body is JSON that we read, or empty: what answers with anything else is no OCPI node."""

    @property
    def is_success(self) -> bool:
        """Whether it is an HTTP 2xx with an OCPI status of 1xxx (TRA-14)."""
        return self.status_code is not None and self.is_accepted

    @property
    def is_accepted(self) -> bool:
        """Whether a push was taken: an HTTP 2xx whose OCPI status is 1xxx or left out (TRA-14, Q-14).

        A body that is not JSON comes from something in front of the partner's node, which has taken nothing.
        """
        code = self.status_code
        return self.is_json and 200 <= self.http_status < 300 and (code is None or 1000 <= code < 2000)


NO_ANSWER: Final = Answer(http_status=0)
"""Stands where an answer would be."""
