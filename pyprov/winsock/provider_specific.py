"""The objects in QOS.ProviderSpecific: a chain of headers and bodies, closed by END_OF_LIST.

Every object begins with its type and its length, header included, as two little-endian words.
Understood are the shape and discard mode, the shaping rate and the status; the other published
types are passed on as they are.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from pyprov.winsock.codes import (
    WSA_QOS_EOBJLENGTH,
    WSA_QOS_EPROVSPECBUF,
    WSA_QOS_ESDMODEOBJ,
    WSA_QOS_ESHAPERATEOBJ,
    WSA_QOS_EUNKOWNPSOBJ,
)
from pyprov.winsock.errors import WSAError
from pyprov.winsock.service import (
    QOS_OBJECT_DESTADDR,
    QOS_OBJECT_END_OF_LIST,
    QOS_OBJECT_SD_MODE,
    QOS_OBJECT_SHAPING_RATE,
    RSVP_OBJECT_ADSPEC,
    RSVP_OBJECT_FILTERSPEC_LIST,
    RSVP_OBJECT_POLICY_INFO,
    RSVP_OBJECT_RESERVE_INFO,
    RSVP_OBJECT_STATUS_INFO,
    TC_NONCONF_BORROW_PLUS,
)

# ruff: noqa: N801 - the names are the headers'

_HEADER = struct.Struct("<LL")
_OPAQUE = {
    QOS_OBJECT_DESTADDR,
    RSVP_OBJECT_RESERVE_INFO,
    RSVP_OBJECT_ADSPEC,
    RSVP_OBJECT_POLICY_INFO,
    RSVP_OBJECT_FILTERSPEC_LIST,
}


@dataclass(frozen=True, slots=True)
class QOS_SD_MODE:
    """What becomes of packets beyond the flowspec: a TC_NONCONF_* value."""

    ShapeDiscardMode: int

    def __post_init__(self) -> None:
        if not 0 <= self.ShapeDiscardMode <= TC_NONCONF_BORROW_PLUS:
            raise WSAError(WSA_QOS_ESDMODEOBJ, f"{self.ShapeDiscardMode} is no TC_NONCONF_* value")


@dataclass(frozen=True, slots=True)
class QOS_SHAPING_RATE:
    """The rate to shape to instead of TokenRate, bytes a second."""

    ShapingRate: int

    def __post_init__(self) -> None:
        if not 0 < self.ShapingRate <= 0xFFFF_FFFF:
            raise WSAError(WSA_QOS_ESHAPERATEOBJ, f"{self.ShapingRate} is no shaping rate")


@dataclass(frozen=True, slots=True)
class RSVP_STATUS_INFO:
    """How a request ended: a WSA_QOS_* code and two words of detail."""

    StatusCode: int
    ExtendedStatus1: int = 0
    ExtendedStatus2: int = 0


@dataclass(frozen=True, slots=True)
class QOS_OBJECT:
    """A published object that is passed on as it is."""

    ObjectType: int
    body: bytes


ProviderObject: TypeAlias = QOS_SD_MODE | QOS_SHAPING_RATE | RSVP_STATUS_INFO | QOS_OBJECT


def parse_objects(data: bytes) -> list[ProviderObject]:
    """Take ProviderSpecific apart.

    Nothing at all is an empty list. END_OF_LIST may be missing where the bytes end with an object;
    what follows it is ignored.

    Raises:
        WSAError: WSA_QOS_EPROVSPECBUF for a broken header, WSA_QOS_EOBJLENGTH for an impossible
            length, WSA_QOS_EUNKOWNPSOBJ for an unknown type, WSA_QOS_ESDMODEOBJ and
            WSA_QOS_ESHAPERATEOBJ for impossible values.
    """
    objects: list[ProviderObject] = []
    at = 0
    while at < len(data):
        if len(data) - at < _HEADER.size:
            raise WSAError(WSA_QOS_EPROVSPECBUF, f"{len(data) - at} bytes are no object header")
        kind, length = _HEADER.unpack_from(data, at)
        if not _HEADER.size <= length <= len(data) - at:
            message = f"object {kind} is {length} bytes long, of {len(data) - at}"
            raise WSAError(WSA_QOS_EOBJLENGTH, message)
        if kind == QOS_OBJECT_END_OF_LIST:
            break
        objects.append(_parse(kind, bytes(data[at + _HEADER.size : at + length])))
        at += length
    return objects


def build_objects(objects: Iterable[ProviderObject]) -> bytes:
    """Make ProviderSpecific of objects; no objects make no bytes."""
    data = b""
    for item in objects:
        match item:
            case QOS_SD_MODE(mode):
                data += _object(QOS_OBJECT_SD_MODE, mode)
            case QOS_SHAPING_RATE(rate):
                data += _object(QOS_OBJECT_SHAPING_RATE, rate)
            case RSVP_STATUS_INFO(code, first, second):
                data += _object(RSVP_OBJECT_STATUS_INFO, int(code), first, second)
            case QOS_OBJECT(kind, body):
                data += _HEADER.pack(kind, _HEADER.size + len(body)) + body
    return data + _object(QOS_OBJECT_END_OF_LIST) if data else b""


def _parse(kind: int, body: bytes) -> ProviderObject:
    if kind in _OPAQUE:
        return QOS_OBJECT(kind, body)
    words = {QOS_OBJECT_SD_MODE: 1, QOS_OBJECT_SHAPING_RATE: 1, RSVP_OBJECT_STATUS_INFO: 3}.get(
        kind
    )
    if words is None:
        raise WSAError(WSA_QOS_EUNKOWNPSOBJ, f"object type {kind} is unknown")
    if len(body) != 4 * words:
        raise WSAError(WSA_QOS_EOBJLENGTH, f"object {kind} has a body of {len(body)} bytes")
    values = struct.unpack(f"<{words}L", body)
    if kind == QOS_OBJECT_SD_MODE:
        return QOS_SD_MODE(*values)
    if kind == QOS_OBJECT_SHAPING_RATE:
        return QOS_SHAPING_RATE(*values)
    return RSVP_STATUS_INFO(*values)


def _object(kind: int, *words: int) -> bytes:
    return struct.pack(f"<LL{len(words)}L", kind, _HEADER.size + 4 * len(words), *words)
