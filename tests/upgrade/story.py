"""What happens at the node: ``fill`` leaves something of every form in tables and queues, ``go_on`` works it off."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from chalicelib.node.partners.store import OperatorKey
from tests import make
from tests.upgrade.town import HOST, KEY, Neighbour, Node, Town, said

Json = Any

MSP, GONE, LATE, PAUSED, TURNED, DOWN, CPO, SLOW = (
    "msp.example",
    "gone.example",
    "late.example",
    "paused.example",
    "turned.example",
    "down.example",
    "cpo.example",
    "slow.example",
)
_NEIGHBOURS: Final = (
    (MSP, "emsp", "NL/MSP"),
    (GONE, "emsp", "PL/GON"),
    (PAUSED, "emsp", "AT/PAU"),
    (TURNED, "emsp", "IT/TUR"),
    (DOWN, "emsp", "SE/DWN"),
    (CPO, "cpo", "FR/CHG"),
    (SLOW, "cpo", "ES/SLO"),
)
OUR_QUEUES: Final = ("changes", "deliveries.fifo", "command-results", "command-answers.fifo", "pulls", "events")
_START: Final = "2026-03-01T11:00:00Z"
_LATER: Final = "2026-03-01T12:30:00Z"


def neighbours(town: Town) -> dict[str, Neighbour]:
    """The partners, by their hosts."""
    return {host: Neighbour(town, host, role, party) for host, role, party in _NEIGHBOURS}


class Fill:
    """A day at the node; ``ids`` are the partners' ids, ``tokens`` what they reach us with."""

    def __init__(self, node: Node, around: dict[str, Neighbour]) -> None:
        self.node = node
        self.around = around
        self.ids: dict[str, str] = {}

    def run(self) -> None:
        """All of it."""
        ports = self.node.built.ports
        ports.partners.record_public_url(f"https://{HOST}")
        digest = hashlib.sha256(KEY.encode()).hexdigest()
        ports.partners.save_operator_key(digest, OperatorKey("recorded", frozenset({"help-desk"})))
        self.partners()
        self.own_objects()
        self.received_objects()
        self.pulls()
        self.commands()
        self.failures()
        self.waiting()

    def token(self, host: str) -> str:
        """What this partner reaches us with."""
        return self.around[host].given

    def partners(self) -> None:
        """Registered by either side, invited, pending, suspended, rotated and within the overlap, unregistered."""
        node = self.node
        for host in (MSP, GONE, PAUSED, TURNED, DOWN):
            invited = node.does("POST", "/partners", {"role": "emsp", "name": f"At {host}"})
            self.ids[host] = invited["id"]
            partner = self.around[host]
            given = node.takes(invited["token"], "POST", "/cpo/2.1.1/credentials", partner.credentials())
            partner.given = given["token"]
        for host in (CPO, SLOW):
            body = {"versions_url": self.around[host].url, "token": "invited-by-them", "role": "cpo"}
            self.ids[host] = node.does("POST", "/partners/register", body)["id"]
        node.does("POST", "/partners", {"role": "cpo", "name": "Never came"})
        failed = node.operator(
            "POST",
            "/partners/register",
            {"versions_url": "https://nobody.example/versions", "token": "invited", "role": "emsp"},
        )
        assert failed.status == 502
        node.does("DELETE", f"/partners/{self.ids[GONE]}")
        node.does("PATCH", f"/partners/{self.ids[SLOW]}", {"profile": "strict", "accept_incomplete_locations": True})
        node.does("PATCH", f"/partners/{self.ids[PAUSED]}", {"takes_patches": False})
        node.does("POST", f"/partners/{self.ids[PAUSED]}/suspend")
        turned = self.around[TURNED]
        turned.given = node.takes(turned.given, "PUT", "/cpo/2.1.1/credentials", turned.credentials())["token"]
        node.work("events", "changes", "deliveries.fifo")

    def own_objects(self) -> None:
        """Every module, with depth, a deletion, a part that went, a ruling, a posted CDR, a paced session."""
        node, msp = self.node, self.ids[MSP]
        node.does("PUT", "/locations/LOC1", make.location("LOC1", evses=[make.evse("E1"), make.evse("E2")]))
        node.does("PUT", "/locations/LOC1/E3", make.evse("E3"))
        node.does("PUT", "/locations/LOC1/E1/2", make.connector("2"))
        node.does("PATCH", "/locations/LOC1/E2", {"status": "REMOVED"})
        node.does("PUT", "/locations/LOC2", make.location("LOC2", name="Überlingen 🚗"))
        node.does("PUT", "/locations/LOC2", make.location("LOC2", evses=[]))
        many = [make.evse(f"E{number:03}") for number in range(8)]
        node.does("PUT", "/locations", [make.location("LARGE", evses=many), make.location("LOC3")], push="no")
        for tariff in ("T1", "T2", "T3"):
            node.does("PUT", f"/tariffs/{tariff}", make.tariff(tariff))
        node.does("PATCH", "/tariffs/T1", {"currency": "CHF"})
        node.work("changes", "deliveries.fifo")
        node.does("DELETE", "/tariffs/T2")
        for uid in ("04:A1", "04:A2"):
            node.does("PUT", f"/tokens/{uid}", make.token(uid, auth_id=f"DE-ABC-{uid}"))
        node.does("PUT", "/tokens/04:A1/authorization", {"allowed": "NO_CREDIT"})
        node.does("PUT", "/sessions/S1", make.session("S1"), partner=msp)
        node.does("PUT", "/sessions/S2", make.session("S2"), partner=msp)
        node.does("PUT", "/cdrs", [make.cdr("C1")], partner=msp)
        node.work("changes", "deliveries.fifo")
        node.does("PATCH", "/sessions/S2", {"kwh": 2.5})
        node.does("PATCH", "/sessions/S2", {"kwh": 3.5})
        node.work("changes", "deliveries.fifo")

    def received_objects(self) -> None:
        """What partners pushed: every module, parts that went, a refused object, CDRs that contradict each other."""
        node, token = self.node, self.token(CPO)
        ours = "/emsp/2.1.1"
        place = f"{ours}/locations/FR/CHG/P1"
        node.takes(token, "PUT", place, make.location("P1", evses=[make.evse("E1"), make.evse("E2")]))
        node.takes(token, "PUT", f"{place}/E3", make.evse("E3"))
        node.takes(token, "PATCH", f"{place}/E1/1", {"amperage": 16, "last_updated": _START})
        node.takes(token, "PUT", place, make.location("P1", evses=[make.evse("E1")], last_updated=_START))
        node.takes(token, "PUT", f"{ours}/tariffs/FR/CHG/PT1", make.tariff("PT1"))
        node.takes(token, "PUT", f"{ours}/tariffs/FR/CHG/PT2", make.tariff("PT2"))
        node.takes(token, "DELETE", f"{ours}/tariffs/FR/CHG/PT2")
        node.takes(token, "PUT", f"{ours}/sessions/FR/CHG/PS1", make.session("PS1"))
        node.takes(token, "PATCH", f"{ours}/sessions/FR/CHG/PS1", {"kwh": 4, "last_updated": _START})
        node.takes(token, "POST", f"{ours}/cdrs", make.cdr("PC1"))
        for cost in (4, 5):
            node.partner(token, "POST", f"{ours}/cdrs", make.cdr("PC1", total_cost=cost))
        node.takes(token, "PUT", f"{ours}/sessions/FR/CHG/PC1", make.session("PC1", auth_id="DE-ABC-1"))
        node.partner(token, "PUT", f"{ours}/locations/FR/CHG/BAD", make.location("BAD", type="MOON"))
        msp = self.token(MSP)
        for uid in ("04:B1", "04:B2"):
            card = make.token(uid, whitelist="ALWAYS", auth_id="NL-MSP-7")
            node.takes(msp, "PUT", f"/cpo/2.1.1/tokens/NL/MSP/{uid}", card)
        node.takes(self.token(TURNED), "PUT", "/cpo/2.1.1/tokens/IT/TUR/04:C1", make.token("04:C1", valid=False))
        node.does("PUT", "/sessions/S3", make.session("S3", auth_id="NL-MSP-7"))
        node.work("events", "changes", "deliveries.fifo")

    def pulls(self) -> None:
        """A crawl that is done, with something that it did not list; one that failed; one between two pages."""
        node, cpo = self.node, self.around[CPO]
        here = f"/partners/{self.ids[CPO]}/pull"
        listed = [make.location(f"L{number}") for number in range(6)]
        cpo.lists["locations"] = [*listed, make.location("P1", last_updated=_START), make.location("WRONG", type=1)]
        cpo.lists["locations"].append(make.location("BAD"))
        for unlisted in (None, 2, None, 2):
            # What two crawls in turn do not list is gone, what one does not list is marked.
            if unlisted is not None:
                del cpo.lists["locations"][unlisted]
            node.does("POST", f"{here}/locations", full="yes")
            node.work("pulls")
            node.town.clock.pass_(minutes=1)
        cpo.lists["sessions"] = [make.session(f"LS{number}") for number in range(3)]
        cpo.dictated["GET", "cdrs"] = said(None, status=404, code=2003)
        for module in ("sessions", "cdrs"):
            node.does("POST", f"{here}/{module}")
        node.work("pulls", "events")

    def commands(self) -> None:
        """To us and from us, in several stages, a reservation among them."""
        node, msp = self.node, self.token(MSP)
        until = "2026-03-01T14:00:00Z"
        where = {"location_id": "LOC1", "evse_uid": "E1"}
        for number, name, fields in (
            (1, "RESERVE_NOW", where | {"token": make.token("04:B1"), "reservation_id": 7, "expiry_date": until}),
            (2, "START_SESSION", where | {"token": make.token("04:B1")}),
            (3, "START_SESSION", where | {"token": make.token("04:B2")}),
            (4, "UNLOCK_CONNECTOR", where | {"connector_id": "1"}),
            (5, "STOP_SESSION", {"session_id": "S1"}),
            (6, "START_SESSION", where | {"token": make.token("04:B2")}),
        ):
            back = f"https://{MSP}/back/{number}"
            node.takes(msp, "POST", f"/cpo/2.1.1/commands/{name}", fields | {"response_url": back})
        asked = [json.loads(each.body)["command_id"] for each in node.waiting if each.queue == "commands"]
        self.around[MSP].dictated["POST", "back/2"] = said(None, status=500, code=3000)
        for command, result in zip(asked[:3], ("ACCEPTED", "REJECTED", "ACCEPTED"), strict=True):
            node.tell("command-results", {"version": 1, "command_id": command, "result": result})
            if command != asked[2]:
                node.work("command-results", "command-answers.fifo")
        node.does("POST", f"/commands/{asked[3]}/result", {"result": "NOT_SUPPORTED"})
        there = f"/partners/{self.ids[CPO]}/commands"
        driver = {"token_uid": "04:A1", "location_id": "P1", "evse_uid": "E1"}
        sent = [
            node.does("POST", f"{there}/START_SESSION", driver),
            node.does(
                "POST", f"{there}/UNLOCK_CONNECTOR", {"location_id": "P1", "evse_uid": "E1", "connector_id": "1"}
            ),
            node.does("POST", f"{there}/STOP_SESSION", {"session_id": "PS1"}),
        ]
        node.does("POST", f"{there}/RESERVE_NOW", driver | {"expiry_date": until, "reservation_id": 9})
        urls = [
            json.loads(json.dumps(each["body"]))["response_url"] for each in self.around[CPO].log if _commands(each)
        ]
        for url, result in zip(urls[:2], ("ACCEPTED", "REJECTED"), strict=True):
            node.takes(self.token(CPO), "POST", url, {"result": result})
        assert len(sent) == 3
        node.work("events")

    def failures(self) -> None:
        """Entries of the outbox: waiting, given up, unsure; and a breaker that is open."""
        node, msp = self.node, self.around[MSP]
        msp.dictated["PUT", "locations/DE/ABC/BUSY"] = said(None, status=500, code=3000)
        msp.dictated["PUT", "locations/DE/ABC/NEVER"] = said(None, status=400, code=2001)
        msp.dictated["PATCH", "tariffs/DE/ABC/T3"] = None
        msp.dictated["PUT", "tariffs/DE/ABC/T3"] = None
        node.town.down.add(DOWN)
        msp.dictated["PUT", "locations/DE/ABC/LOST"] = said(None, status=400, code=2001)
        for name in ("BUSY", "NEVER", "LOST"):
            node.does("PUT", f"/locations/{name}", make.location(name))
        node.does("PATCH", "/tariffs/T3", {"currency": "GBP"})
        for name, answer in (("GIVEN-UP", said(None, status=400, code=2001)), ("UNSURE", None)):
            msp.dictated["POST", "2.1.1/cdrs"] = answer
            node.does("POST", "/cdrs", make.cdr(name), partner=self.ids[MSP])
            node.work("changes", "deliveries.fifo")
        refused = node.operator("PUT", f"/partners/{self.ids[DOWN]}/credentials")
        assert refused.status == 502
        for number in range(6):
            node.does("PUT", f"/tariffs/D{number}", make.tariff(f"D{number}"))
        node.work("changes", "deliveries.fifo")

    def waiting(self) -> None:
        """Something in each queue: a page to pull, an event, a change, deliveries, retries, a result, an answer."""
        node, cpo = self.node, self.around[CPO]
        cpo.lists["tariffs"] = [make.tariff(f"LT{number}") for number in range(5)]
        node.does("POST", f"/partners/{self.ids[CPO]}/pull/tariffs", full="yes")
        node.work_on(next(each for each in node.waiting if each.queue == "pulls"))
        node.takes(self.token(CPO), "PUT", "/emsp/2.1.1/sessions/FR/CHG/PS2", make.session("PS2"))
        node.does("PUT", f"/partners/{self.ids[SLOW]}/credentials")
        for energy in (7, 8):
            # The second has to wait until a minute has passed.
            node.does("PATCH", "/sessions/S1", {"kwh": energy})
            node.work("changes", "deliveries.fifo")
        node.does("PATCH", "/locations/LOC1/E1", {"status": "CHARGING"})
        node.does("PATCH", "/tariffs/T1", {"currency": "USD"})
        node.work_on(next(each for each in node.waiting if each.queue == "changes"))
        node.town.clock.pass_(minutes=2)
        node.does("POST", f"/partners/{self.ids[MSP]}/outbox/locations/NEVER/retry")
        retry = next(each for each in node.waiting if each.body.startswith('{"v":1,"tend"'))
        node.work_on(retry)
        node.schedule("tend_partners")


def go_on(node: Node, around: dict[str, Neighbour]) -> None:
    """The partners are well again: work off what waits, then what falls due within some hours."""
    for neighbour in around.values():
        neighbour.dictated.clear()
    node.town.down.clear()
    for minutes in (0, 2, 20, 200):
        node.town.clock.pass_(minutes=minutes)
        node.schedule("tend_partners")
        node.work(*OUR_QUEUES)
        node.schedule("pull_partners")
        node.work(*OUR_QUEUES)
    node.schedule("refresh_endpoints")
    node.town.clock.pass_(minutes=20)
    node.work(*OUR_QUEUES)


def answers(node: Node, ids: dict[str, str], tokens: dict[str, str]) -> list[Json]:
    """What partners and the host are answered that read everything, partners last."""
    modules = ("locations", "tariffs", "sessions", "cdrs", "tokens")
    talking = [f"/partners/{ids[host]}" for host in (MSP, DOWN, CPO)]
    paths = ["", "/partners", *talking, f"/partners/{ids[TURNED]}/tokens"]
    paths += [f"{each}/{name}" for each in talking for name in ("commands", "pulls", "outbox", "quarantine")]
    paths += [f"{talking[0]}/tokens", *(f"{talking[2]}/{module}" for module in modules[:4])]
    paths += ["/cdrs/C1/posting", "/tokens/04:A1/authorization", "/locations/LOC1/E1/2", "/sessions/S2"]
    asked: list[tuple[str, str, dict[str, str]]] = [("", path, {}) for path in paths]
    asked.append(("", "/events", {"limit": "6", "latest": "yes"}))
    asked += [("", f"/{module}", {"partner": ids[MSP], "limit": "3", "offset": "1"}) for module in modules]
    for module in modules:
        for host, tree in ((MSP, "/cpo/2.1.1"), (CPO, "/emsp/2.1.1")):
            queries = ({"limit": "1", "offset": "1"}, {"date_from": _LATER})
            asked += [(tokens[host], f"{tree}/{module}", query) for query in queries]
    for host, tree in ((MSP, "/cpo"), (TURNED, "/cpo"), (PAUSED, "/cpo"), (GONE, "/cpo"), (CPO, "/emsp")):
        asked += [(tokens[host], f"{tree}/{path}", {}) for path in ("versions", "2.1.1", "2.1.1/credentials")]
    ours = [f"locations/{each}" for each in ("LOC1", "LOC2", "LOC1/E3", "LOC1/E1/2")]
    asked += [(tokens[MSP], f"/cpo/2.1.1/{path}", {}) for path in (*ours, "tokens/NL/MSP/04:B1")]
    theirs = ("locations/@/P1", "locations/@/P1/E1/1", "locations/@/L2", "tariffs/@/PT1", "tariffs/@/PT2", "cdrs/PC1")
    asked += [(tokens[CPO], f"/emsp/2.1.1/{path.replace('@', 'FR/CHG')}", {}) for path in theirs]
    return [_answer(node, *question) for question in asked]


def _answer(node: Node, token: str, path: str, query: dict[str, str]) -> Json:
    response = node.partner(token, "GET", path, **query) if token else node.operator("GET", path, **query)
    return {
        "of": "partner" if token else "host",
        "asked": f"{path} {json.dumps(query)} {token}".strip(),
        "status": response.status,
        "headers": dict(response.headers),
        "body": response.body.decode(),
    }


def _commands(asked: Json) -> bool:
    return "/2.1.1/commands/" in asked["asked"]
