"""An operator API in memory: enough of it for every command, and everything that it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

MODULES = ("locations", "tariffs", "sessions", "cdrs", "tokens")
KEY = "ocpi_the-right-key"


def partner(partner_id: str = "b1", **facts: Any) -> dict[str, Any]:
    return {
        "id": partner_id,
        "name": "Blue Mobility",
        "state": "registered",
        "is_suspended": False,
        "our_role": "cpo",
        "their_role": "emsp",
        "party": "NL/BLU",
        "versions_url": "https://blue.example/ocpi/versions",
        "endpoints": {"locations": "https://blue.example/ocpi/locations"},
        "business_details": {"name": "Blue Mobility"},
        "profile": "lenient",
        "accept_incomplete_locations": False,
        "problem": None,
        "called_back": True,
        "updated_at": "2026-05-05T12:00:00Z",
        "backlog": 0,
        "breaker": {"state": "closed"},
        "tallies": {"lenient FMT-12 locations evses[].connectors[].id is a number": 3, "stale_ignored": 2},
        **facts,
    }


@dataclass
class Asked:
    method: str
    path: list[str]
    query: dict[str, str]
    body: Any
    size: int


@dataclass
class OperatorServer:
    """What the API holds, and what it was asked, oldest first."""

    url: str = ""
    partners: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    own: dict[str, dict[str, Any]] = field(default_factory=lambda: {module: {} for module in MODULES})
    received: dict[str, dict[str, Any]] = field(default_factory=lambda: {module: {} for module in MODULES})
    says: dict[str, Any] = field(default_factory=dict)
    """What it answers to a method and a path, such as ``POST authorize``, before anything else; or who says it then."""
    refuses: tuple[int, Any] | None = None
    """A status and a body, bytes or JSON, that it answers whatever it is asked from ``patience`` requests on."""
    patience: int = 0
    asked: list[Asked] = field(default_factory=list)

    def answer(self, asked: Asked) -> tuple[int, Any]:  # noqa: PLR0911 - a table of calls
        self.asked.append(asked)
        if self.refuses and len(self.asked) > self.patience:
            return self.refuses
        call = " ".join([asked.method, "/".join(asked.path)])
        if call in self.says:
            said = self.says[call]
            return 200, said() if callable(said) else said
        match asked.method, asked.path:
            case _, ["partners", *rest]:
                return self._partners(asked, rest)
            case "PUT", [module]:
                return 200, self._imported(module, asked.body)
            case "GET", [module] if "offset" not in asked.query:
                return 200, {"items": list(self.own[module].values()), "next": {"after": "S9"}}
            case "GET", [module]:
                first, limit = int(asked.query["offset"]), int(asked.query["limit"])
                objects = list(self.own[module].values())
                return 200, {"total": len(objects), "items": objects[first : first + limit]}
            case "GET", [module, object_id, *_] if object_id in self.own[module]:
                return 200, self.own[module][object_id]
        return 404, {"error": f"no such object: {'/'.join(asked.path)}", "details": []}

    def _partners(self, asked: Asked, rest: list[str]) -> tuple[int, Any]:  # noqa: PLR0911 - a table of calls
        match asked.method, rest:
            case "GET", []:
                return 200, {"partners": self.partners}
            case "POST", []:
                url = "https://us.example/ocpi/cpo/versions"
                return 201, {"id": "c2", "token": "tok-1", "expires_at": "2026-06-01T00:00:00Z", "versions_url": url}
            case "POST", ["register"]:
                return 201, partner(versions_url=asked.body["versions_url"])
            case "GET", [_, "outbox"]:
                return 200, {"failures": self.failures}
            case "POST", [partner_id, "suspend" | "resume" as what]:
                return 200, partner(partner_id, is_suspended=what == "suspend")
            case "GET", [_, module]:
                return 200, {"items": list(self.received[module].values()), "next": "L9"}
            case "GET", [_, module, object_id] if object_id in self.received[module]:
                return 200, self.received[module][object_id]
            case "GET" | "PUT" | "PATCH", [partner_id, *_]:
                return 200, partner(partner_id, **(asked.body or {}))
            case "DELETE", _:
                return 204, None
        return 404, {"error": "no such partner", "details": []}

    def _imported(self, module: str, objects: list[dict[str, Any]]) -> dict[str, Any]:
        outcome: dict[str, Any] = {"created": 0, "updated": 0, "unchanged": 0, "failed": [], "warnings": []}
        for index, each in enumerate(objects):
            if "wrong" in each:
                outcome["failed"].append({"index": index, "id": each["id"], "error": each["wrong"]})
                continue
            object_id = each.get("id") or each["uid"]
            before = self.own[module].get(object_id)
            outcome["created" if before is None else "unchanged" if before == each else "updated"] += 1
            self.own[module][object_id] = each
        return outcome


@contextmanager
def serving(server: OperatorServer) -> Iterator[OperatorServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            path = [unquote(part) for part in parts.path.removeprefix("/operator").strip("/").split("/")]
            if self.headers["authorization"] == f"Bearer {KEY}":
                status, answer = server.answer(Asked(self.command, path, query, body, size))
            else:
                status, answer = 401, {"error": "unknown operator key", "details": []}
            data = answer if isinstance(answer, bytes) else b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_port}/operator"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
