"""A host that changes everything it may change, and repeats what we failed to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from chalicelib.node.owning.own_objects import OwnObjects
from chalicelib.ocpi.errors import ClientError
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party
from tests import make
from tests.chaos.weather import Weather
from tests.modules.crashing import Died
from tests.node.faults import Broken

Json = dict[str, Any]

LOCATIONS, TARIFFS, SESSIONS = ModuleID.LOCATIONS, ModuleID.TARIFFS, ModuleID.SESSIONS
CDRS, TOKENS = ModuleID.CDRS, ModuleID.TOKENS
_STATUS = ("AVAILABLE", "CHARGING", "BLOCKED", "OUTOFORDER")
_TRIES = 60


class Host:
    """The back ends behind a CPO's node and an eMSP's, which may be one."""

    def __init__(self, weather: Weather, cpo: Own, emsp: Own, to: Party) -> None:
        """Whose objects are changed, and to which party sessions and CDRs go."""
        self._weather = weather
        self._cpo = cpo
        self._emsp = emsp
        self._to = to
        self._number = 0
        self._session = 0
        self.changes = 0

    def change(self) -> None:
        """Change something."""
        self.changes += 1
        kinds = (self._location, self._part, self._part, self._part, self._tariff, self._tariff)
        _insist(self._weather.one_of((*kinds, *[self._charging] * 4, self._cdr, self._token))())

    def change_everything(self) -> None:
        """Change an object of each module."""
        own = self._cpo()
        whole = partial(own[LOCATIONS].put, "L1", (), make.location("L1", name=self._word()))
        token = partial(self._emsp()[TOKENS].put, "K1", (), make.token("K1", issuer=self._word()))
        for change in (whole, self._new_tariff(), self._charging(), self._cdr(), token):
            _insist(change)

    def _location(self) -> Callable[[], object]:
        own, object_id = self._cpo()[LOCATIONS], self._one_of("L", 6)
        if self._weather.flips(0.5):
            return partial(own.patch, object_id, (), {self._weather.one_of(("name", "city")): self._word()})
        uids = ("E1", "E2", "E3")[: self._weather.number(1, 3)]
        evses = [make.evse(uid, connectors=[make.connector("1"), make.connector("2")]) for uid in uids]
        return partial(own.put, object_id, (), make.location(object_id, name=self._word(), evses=evses))

    def _part(self) -> Callable[[], object]:
        own, object_id = self._cpo()[LOCATIONS], self._one_of("L", 6)
        uid, status = self._weather.one_of(("E1", "E2")), self._weather.one_of(_STATUS)
        connector = self._weather.one_of(("1", "2"))
        match self._weather.number(0, 4):
            case 0:
                return partial(own.put, object_id, (uid,), make.evse(uid, status=status, floor_level=self._word()[:4]))
            case 1:
                changed = make.connector(connector, tariff_id=self._word())
                return partial(own.put, object_id, (uid, connector), changed)
            case 2:
                return partial(own.patch, object_id, (uid, connector), {"amperage": self._weather.number(6, 63)})
        return partial(own.patch, object_id, (uid,), {"status": status})

    def _tariff(self) -> Callable[[], object]:
        own, object_id = self._cpo()[TARIFFS], self._one_of("T", 4)
        match self._weather.number(0, 3):
            case 0:
                return partial(own.delete, object_id)
            case 1:
                return partial(own.patch, object_id, (), {"currency": self._weather.one_of(("EUR", "CHF", "SEK"))})
        return self._new_tariff(object_id)

    def _new_tariff(self, object_id: str = "T0") -> Callable[[], object]:
        changed = make.tariff(object_id, tariff_alt_url=f"https://cpo.example/{self._word()}")
        return partial(self._cpo()[TARIFFS].put, object_id, (), changed)

    def _charging(self) -> Callable[[], object]:
        own = self._cpo()[SESSIONS]
        if self._session == 0 or self._weather.flips(0.3):
            self._session += 1
            new = make.session(f"S{self._session}", kwh=0)
            return partial(own.put, new["id"], (), new, self._to)
        object_id = f"S{max(1, self._session - self._weather.number(0, 2))}"
        changed: Json = {"kwh": self._number}
        if self._weather.flips(0.25):
            changed |= {"status": "COMPLETED", "end_datetime": "2026-01-01T01:00:00Z", "total_cost": 1.5}
        elif self._weather.flips(0.2):
            period = {"start_date_time": make.STAMP, "dimensions": [{"type": "ENERGY", "volume": self._number}]}
            changed |= {"charging_periods": [period]}
        self._number += 1
        return partial(own.patch, object_id, (), changed)

    def _cdr(self) -> Callable[[], object]:
        self._number += 1
        cdr = make.cdr(f"C{self._number}", total_cost=self._number)
        return partial(self._cpo()[CDRS].put, cdr["id"], (), cdr, self._to)

    def _token(self) -> Callable[[], object]:
        own, uid = self._emsp()[TOKENS], self._one_of("K", 6)
        if self._weather.flips(0.4):
            return partial(own.put, uid, (), make.token(uid, issuer=self._word()))
        return partial(own.patch, uid, (), {"visual_number": self._word()})

    def _one_of(self, kind: str, number: int) -> str:
        return f"{kind}{self._weather.number(1, number)}"

    def _word(self) -> str:
        self._number += 1
        return f"n{self._number}"


Own = Callable[[], Mapping[ModuleID, OwnObjects]]
"""The own objects of a company as it is at the moment."""


def _insist(change: Callable[[], object]) -> None:
    """Repeat the call until it is answered; what is not valid or not there the host is told."""
    for _ in range(_TRIES):
        try:
            change()
        except ClientError:
            return
        except (Broken, Died):
            continue
        else:
            return
    raise AssertionError("the node fails all the time")
