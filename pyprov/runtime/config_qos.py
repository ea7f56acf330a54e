"""The [qos] table of a configuration: what can be reserved, templates, and code points."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pyprov.runtime.rules import ConfigError, as_integer, as_table, number, parsed_by, take
from pyprov.winsock import service
from pyprov.winsock.errors import WSAError
from pyprov.winsock.qos import DSCP, FLOWSPEC, FLOWSPEC_FIELDS, QOS
from pyprov.winsock.templates import WELL_KNOWN, well_known

SERVICES = {
    "best_effort": service.SERVICETYPE_BESTEFFORT,
    "controlled_load": service.SERVICETYPE_CONTROLLEDLOAD,
    "guaranteed": service.SERVICETYPE_GUARANTEED,
    "network_control": service.SERVICETYPE_NETWORK_CONTROL,
    "nonconforming": service.SERVICETYPE_NONCONFORMING,
    "qualitative": service.SERVICETYPE_QUALITATIVE,
}
_DIRECTIONS = ("sending", "receiving")


def _read_number(value: object) -> int:
    return as_integer(value, 0, 0xFFFF_FFFF)


def _read_service(value: object) -> int:
    if isinstance(value, str) and value in SERVICES:
        return SERVICES[value]
    return as_integer(value, 0, 0xFFFF_FFFF, f"a SERVICETYPE number, or {', '.join(SERVICES)}")


def _read_flowspec(value: object) -> FLOWSPEC:
    table = as_table(value, FLOWSPEC_FIELDS)
    readers = dict.fromkeys(FLOWSPEC_FIELDS, _read_number) | {"ServiceType": _read_service}
    return FLOWSPEC(**{name: take(table, name, readers[name]) for name in table})


def _read_template(value: object) -> QOS:
    """Read a template: the fields of a flowspec for both directions, or one table for each."""
    table = as_table(value, (*FLOWSPEC_FIELDS, *_DIRECTIONS))
    if any(name in table for name in _DIRECTIONS):
        as_table(value, _DIRECTIONS)
        given = {name: take(table, name, _read_flowspec) for name in table}
        qos = QOS(given.get("sending", FLOWSPEC()), given.get("receiving", FLOWSPEC()))
    else:
        flowspec = _read_flowspec(value)
        qos = QOS(flowspec, flowspec).copy()
    try:
        qos.check()
    except WSAError as error:
        raise ConfigError("", f"cannot be asked for: {error}") from None
    return qos


def _read_templates(value: object) -> Mapping[str, QOS]:
    table = as_table(value, ())
    return MappingProxyType({name: take(table, name, _read_template) for name in table})


def _read_dscp(value: object) -> Mapping[int, int]:
    table = as_table(value, SERVICES)
    given = {
        SERVICES[name]: take(table, name, lambda point: as_integer(point, 0, 63)) for name in table
    }
    return MappingProxyType(DSCP | given)


@dataclass(frozen=True, slots=True)
class Qos:
    """Quality of service.

    Attributes:
        reservable: Share of a port's rate that flows may reserve together, 0 to 1.
        templates: QoS templates by name, beside the well-known ones or in place of them.
        dscp: Code point, 0 to 63, by SERVICETYPE_*; best effort for what is not in it.
    """

    reservable: float = number(0.8, 0, 1, "a share from 0 to 1")
    templates: Mapping[str, QOS] = parsed_by(lambda: MappingProxyType({}), _read_templates)
    dscp: Mapping[int, int] = parsed_by(lambda: MappingProxyType(DSCP), _read_dscp)

    def names(self) -> list[str]:
        """Return the names of all templates."""
        own = {name.casefold() for name in self.templates}
        return [*self.templates, *(name for name in WELL_KNOWN if name.casefold() not in own)]

    def template(self, name: str) -> QOS:
        """Return a copy of a template; case does not matter.

        Raises:
            WSAError: WSAEINVAL if there is no such name.
        """
        for own, qos in self.templates.items():
            if own.casefold() == name.casefold():
                return qos.copy()
        return well_known(name)
