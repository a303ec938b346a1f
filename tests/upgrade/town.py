"""A node with both roles on a stage, partners that say what a script dictates, and a clock that stands still."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

from chalice.app import SQSEvent

from chalicelib.entrypoints import workers
from chalicelib.entrypoints.operator import api
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.errors import Unreachable
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.parties import Party, Role
from tests.conversations.on_aws import CompanyOnAws
from tests.resources import Stage
from tests.world import Clock, World

Json = Any

HOST: Final = "node.example"
KEY: Final = "ocpi_recorded-operator-key"
WORKERS: Final = {
    "changes": "changes",
    "deliveries.fifo": "deliveries",
    "command-results": "command_results",
    "command-answers.fifo": "command_answers",
    "pulls": "pulls",
    "events": "events",
}
"""The worker of each queue that the node itself reads."""
_OWNED: Final = {"cpo": ("locations", "tariffs", "sessions", "cdrs"), "emsp": ("tokens",)}
_SEEN_FOR: Final = timedelta(minutes=5)
_PAGE: Final = 2


class StillClock(Clock):
    """Time passes when it is told to, never by a look, for a release may look more often than another."""

    def __call__(self) -> datetime:
        return self.now


class Town(World):
    """A network with such a clock, and ids and tokens that go on where a recording ended."""

    def __init__(self, *, now: datetime | None = None, next_id: int = 1) -> None:
        super().__init__()
        self.clock = StillClock() if now is None else StillClock(now)
        self.next_id = next_id

    def tick(self) -> None:
        """Another second, and chance begins anew."""
        self.clock.pass_(seconds=1)
        random.seed(1)

    def fresh_id(self) -> str:
        self.next_id += 1
        return f"p{self.next_id}"

    def fresh_token(self) -> AuthToken:
        return AuthToken(f"secret-token-{self.fresh_id()}")


@dataclass
class Neighbour:
    """A partner: it knows its role, and says yes unless a script dictates otherwise."""

    town: Town
    host: str
    role: str
    party: str
    tokens: int = 0
    """How many tokens it has given us."""
    lists: dict[str, list[Json]] = field(default_factory=dict)
    dictated: dict[tuple[str, str], Response | None] = field(default_factory=dict)
    """By method and a part of the path; None: it hangs."""
    log: list[Json] = field(default_factory=list)
    """What it was asked."""
    given: str = ""
    """The token that it reaches us with."""

    def __post_init__(self) -> None:
        self.town.hosts[self.host] = self

    @property
    def url(self) -> str:
        return f"https://{self.host}/versions"

    def credentials(self) -> Json:
        """Its credentials, with a token that it never gave before."""
        self.tokens += 1
        country, party = self.party.split("/")
        return {
            "token": f"{self.host}-gave-{self.tokens}",
            "url": self.url,
            "business_details": {"name": f"Company {party}"},
            "party_id": party,
            "country_code": country,
        }

    def __call__(self, request: Request) -> Response:
        asked = f"{request.method} {request.url}"
        who = request.headers.get("authorization", "")
        body = json.loads(request.body) if request.body else None
        self.log.append({"asked": asked, "query": dict(request.query), "token": who, "body": body})
        for (method, part), answer in self.dictated.items():
            if method == request.method and part in request.url:
                if answer is None:
                    raise Unreachable(f"{request.method} {self.host}: timed out")
                return answer
        return self._answer(request, body)

    def _answer(self, request: Request, body: Json) -> Response:
        here = f"https://{self.host}"
        path = request.url.strip("/").split("/")
        if path[-1] == "2.1.1":
            modules = ("credentials", "commands", *_OWNED["cpo"], *_OWNED["emsp"])
            return said(
                {
                    "version": "2.1.1",
                    "endpoints": [{"identifier": each, "url": f"{here}/2.1.1/{each}"} for each in modules],
                }
            )
        if path[-1] == "credentials" and request.method in ("POST", "PUT"):
            self.given = body["token"]
            return said(self.credentials())
        if request.method == "GET" and path[-1] in self.lists:
            return self._page(path[-1], int(request.query.get("offset", "0")))
        if path[-1] == "cdrs" and request.method == "POST":
            return said(None, {"location": f"{here}/2.1.1/cdrs/{body['id']}"}, 201)
        plain = {"versions": [{"version": "2.1.1", "url": f"{here}/2.1.1"}], "commands": {"result": "ACCEPTED"}}
        return said(plain.get(path[-2] if len(path) == 3 else path[-1]))

    def _page(self, module: str, offset: int) -> Response:
        items = self.lists[module]
        following = f'<https://{self.host}/2.1.1/{module}?offset={offset + _PAGE}>; rel="next"'
        more = {"link": following} if offset + _PAGE < len(items) else {}
        headers = {"x-total-count": str(len(items)), "x-limit": str(_PAGE)} | more
        return said(items[offset : offset + _PAGE], headers)


def said(data: Json, headers: Mapping[str, str] | None = None, status: int = 200, code: int = 1000) -> Response:
    """An answer in an envelope."""
    frame = {"status_code": code, "timestamp": "2026-03-01T12:00:00Z"} | ({} if data is None else {"data": data})
    return Response(status, dict(headers or {}), json.dumps(frame).encode())


@dataclass(frozen=True)
class Message:
    """A message as it went to SQS."""

    id: str
    queue: str
    body: str
    group: str | None
    repeat: str | None
    """What SQS knows a repeat by."""
    delay_s: int
    due: str

    def as_json(self) -> Json:
        return asdict(self)

    def form(self) -> Json:
        """All of it but when it is due, which the delay says."""
        return {name: fact for name, fact in asdict(self).items() if name != "due"}


class Node:
    """The node on a stage: called as partners, the host and Lambda call it; ``waiting`` is what its queues hold."""

    def __init__(self, stage: Stage, town: Town, waiting: list[Json] | None = None, *, sent: int = 0) -> None:
        self.stage = stage
        self.town = town
        self.waiting = [Message(**message) for message in waiting or []]
        self.sent: list[Message] = []
        """Everything that went to the queues since it was made."""
        self.published: list[Json] = []
        self._numbers = itertools.count(sent + 1)
        self._seen: dict[tuple[str, str], datetime] = {}
        self.built = CompanyOnAws(
            stage, town, HOST, Party.of("DE", "ABC"), frozenset(Role), {"public_url": None, "page_limit": 2}
        )
        town.serve(HOST, self.built)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Take what is sent out of the client's hands, and have the workers find this node."""
        sqs, bus = self.stage.clients.sqs(), self.stage.clients.events()
        hooks: list[tuple[Any, str, Callable[..., Any]]]
        hooks = [(bus, "provide-client-params.eventbridge.PutEvents", self._publish)]
        for call in ("SendMessage", "SendMessageBatch"):
            hooks += [(sqs, f"provide-client-params.sqs.{call}", self._note), (sqs, f"before-call.sqs.{call}", _taken)]
        for client, name, hook in hooks:
            client.meta.events.register(name, hook)
        telemetry = SimpleNamespace(event=lambda *_: nullcontext())
        try:
            with (
                patch.object(workers, "company", lambda: self.built.company),
                patch.object(workers, "telemetry", lambda: telemetry),
            ):
                yield
        finally:
            for client, name, hook in hooks:
                client.meta.events.unregister(name, hook)

    # --- called ----------------------------------------------------------------------------------------------------

    def operator(self, method: str, path: str, body: Json = None, **query: str) -> Response:
        """The host calls."""
        self.town.tick()
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {KEY}"}
        return api.answer(
            self.built.company,
            Request(method=method, url=f"/operator{path}", headers=headers, query=query, body=content),
        )

    def does(self, method: str, path: str, body: Json = None, **query: str) -> Json:
        """The host calls, and it works."""
        response = self.operator(method, path, body, **query)
        assert response.status < 300, f"{method} {path}: {response.body.decode()}"
        return json.loads(response.body)

    def partner(self, token: str, method: str, path: str, body: Json = None, **query: str) -> Response:
        """A partner calls."""
        self.town.tick()
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Token {token}"}
        url = path if path.startswith("https:") else f"https://{HOST}/ocpi{path}"
        return self.town.send(Request(method=method, url=url, headers=headers, query=query, body=content))

    def takes(self, token: str, method: str, path: str, body: Json = None) -> Json:
        """A partner calls, and it works."""
        response = self.partner(token, method, path, body)
        frame = json.loads(response.body)
        assert frame["status_code"] == 1000, f"{method} {path}: {frame}"
        return frame.get("data")

    def schedule(self, name: str) -> None:
        """A schedule's time has come."""
        self.town.tick()
        getattr(workers, name)(None)

    def work(self, *queues: str) -> None:
        """Work these queues off, as Lambda would; what is delayed waits for its time."""
        while due := [each for each in self.waiting if each.queue in queues and self._is_due(each)]:
            self.work_on(due[0])

    def work_on(self, message: Message) -> None:
        """Have the worker do what this message asks for."""
        self.town.tick()
        self.waiting.remove(message)
        record = {"messageId": message.id, "receiptHandle": "", "body": message.body}
        getattr(workers, WORKERS[message.queue])(SQSEvent({"Records": [record]}, None))

    def tell(self, queue: str, body: Json) -> None:
        """The host sends a message to one of our queues."""
        self._put(queue, {"MessageBody": json.dumps(body)})

    def _is_due(self, message: Message) -> bool:
        return datetime.fromisoformat(message.due) <= self.town.clock.now

    # --- sending ---------------------------------------------------------------------------------------------------

    def _note(self, params: dict[str, Any], **_: Any) -> None:
        queue = params["QueueUrl"].rsplit("/", 1)[-1].removeprefix(self.stage.queue(""))
        for entry in params.get("Entries", [params]):
            self._put(queue, entry)

    def _put(self, queue: str, entry: Mapping[str, Any]) -> None:
        repeat = entry.get("MessageDeduplicationId")
        now, delay = self.town.clock.now, entry.get("DelaySeconds", 0)
        seen = self._seen.get((queue, repeat)) if repeat else None
        if repeat and seen is None:
            self._seen[queue, repeat] = now
        if seen is not None and now - seen < _SEEN_FOR:
            return
        due = (now + timedelta(seconds=delay)).isoformat()
        text, group = entry["MessageBody"], entry.get("MessageGroupId")
        message = Message(f"m{next(self._numbers)}", queue, text, group, repeat, delay, due)
        self.sent.append(message)
        self.waiting.append(message)

    def _publish(self, params: dict[str, Any], **_: Any) -> None:
        self.published += [
            {"source": entry["Source"], "type": entry["DetailType"], "detail": json.loads(entry["Detail"])}
            for entry in params["Entries"]
        ]


def _taken(**_: Any) -> tuple[Any, dict[str, Any]]:
    """An answer of SQS, without a call: what waits is known better here, and so does not wait twice."""
    return SimpleNamespace(status_code=200), {"ResponseMetadata": {"HTTPStatusCode": 200}}
