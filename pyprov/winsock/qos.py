"""Quality of service: flowspecs, their two directions, and what makes them acceptable.

Rates are bytes a second, delays microseconds, sizes bytes. `QOS_NOT_SPECIFIED` in a field leaves it
to the provider. A `QOS` is always in the perspective of the side that holds it: what the peer calls
sending, we call receiving (`QOS.swapped`).
"""

import struct
from dataclasses import astuple, dataclass, field, fields, replace
from typing import Self

from pyprov.winsock import service
from pyprov.winsock.codes import WSA_QOS_EFLOWSPEC, WSA_QOS_EPROVSPECBUF, WSA_QOS_ESERVICETYPE
from pyprov.winsock.errors import WSAError
from pyprov.winsock.provider_specific import parse_objects
from pyprov.winsock.service import QOS_NOT_SPECIFIED, SERVICETYPE_NOCHANGE
from pyprov.winsock.structs import read

_FLOWSPEC = struct.Struct("<8L")
_PROVIDER_SPECIFIC = struct.Struct("<L4xQ")
QOS_SIZE = 2 * _FLOWSPEC.size + _PROVIDER_SPECIFIC.size

# Service types as an application may ask for them; NETWORK_UNAVAILABLE only a provider reports.
_REQUESTABLE = {
    service.SERVICETYPE_NOTRAFFIC,
    service.SERVICETYPE_BESTEFFORT,
    service.SERVICETYPE_CONTROLLEDLOAD,
    service.SERVICETYPE_GUARANTEED,
    service.SERVICETYPE_GENERAL_INFORMATION,
    service.SERVICETYPE_NOCHANGE,
    service.SERVICETYPE_NONCONFORMING,
    service.SERVICETYPE_NETWORK_CONTROL,
    service.SERVICETYPE_QUALITATIVE,
}

_COMBINED = {
    service.SERVICE_BESTEFFORT: service.SERVICETYPE_BESTEFFORT,
    service.SERVICE_CONTROLLEDLOAD: service.SERVICETYPE_CONTROLLEDLOAD,
    service.SERVICE_GUARANTEED: service.SERVICETYPE_GUARANTEED,
    service.SERVICE_QUALITATIVE: service.SERVICETYPE_QUALITATIVE,
}

_WITH_TOKEN_BUCKET = {service.SERVICETYPE_CONTROLLEDLOAD, service.SERVICETYPE_GUARANTEED}

# Differentiated services code point and 802.1p priority by service type; other types travel as
# best effort does. Packets beyond their flowspec, where they are sent at all, go as NONCONFORMING.
DSCP = {
    service.SERVICETYPE_BESTEFFORT: 0,
    service.SERVICETYPE_CONTROLLEDLOAD: 24,
    service.SERVICETYPE_GUARANTEED: 40,
    service.SERVICETYPE_NONCONFORMING: 0,
    service.SERVICETYPE_NETWORK_CONTROL: 48,
    service.SERVICETYPE_QUALITATIVE: 0,
}
PRIORITY_8021P = {
    service.SERVICETYPE_BESTEFFORT: 0,
    service.SERVICETYPE_CONTROLLEDLOAD: 4,
    service.SERVICETYPE_GUARANTEED: 5,
    service.SERVICETYPE_NONCONFORMING: 1,
    service.SERVICETYPE_NETWORK_CONTROL: 7,
    service.SERVICETYPE_QUALITATIVE: 0,
}


@dataclass(slots=True)
class FLOWSPEC:
    """What one direction of a connection asks for, or has.

    Attributes:
        TokenRate: Sustained rate of the token bucket, bytes a second.
        TokenBucketSize: Depth of the bucket, bytes.
        PeakBandwidth: Upper limit of the rate, bytes a second.
        Latency: Greatest acceptable delay, microseconds.
        DelayVariation: Difference between greatest and least delay, microseconds.
        ServiceType: SERVICETYPE_*, possibly with SERVICE_NO_* flags, or a combined SERVICE_* form.
        MaxSduSize: Largest packet, bytes.
        MinimumPolicedSize: Smallest size that is accounted, bytes.
    """

    TokenRate: int = QOS_NOT_SPECIFIED
    TokenBucketSize: int = QOS_NOT_SPECIFIED
    PeakBandwidth: int = QOS_NOT_SPECIFIED
    Latency: int = QOS_NOT_SPECIFIED
    DelayVariation: int = QOS_NOT_SPECIFIED
    ServiceType: int = SERVICETYPE_NOCHANGE
    MaxSduSize: int = QOS_NOT_SPECIFIED
    MinimumPolicedSize: int = QOS_NOT_SPECIFIED

    def pack(self) -> bytes:
        """Return the 32 bytes of Windows' layout; WSA_QOS_EFLOWSPEC if a field is no ULONG."""
        try:
            return _FLOWSPEC.pack(*astuple(self))
        except struct.error:
            raise WSAError(WSA_QOS_EFLOWSPEC, f"{self} has a field that is no ULONG") from None

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read Windows' layout; WSAEFAULT if too short."""
        return cls(*read(_FLOWSPEC, data))

    def kind(self) -> int:
        """Return the plain SERVICETYPE_* without flags; WSA_QOS_ESERVICETYPE if there is none."""
        return service_type(self.ServiceType)

    def check(self, *, sending: bool) -> None:
        """Raise what is wrong with it as a request for this direction.

        Raises:
            WSAError: WSA_QOS_ESERVICETYPE or WSA_QOS_EFLOWSPEC.
        """
        self.pack()
        kind = self.kind()
        if kind not in _REQUESTABLE:
            raise WSAError(WSA_QOS_ESERVICETYPE, "only a provider says NETWORK_UNAVAILABLE")
        no_rate = self.TokenRate in {0, QOS_NOT_SPECIFIED}
        bucket_needed = kind in _WITH_TOKEN_BUCKET and sending
        if no_rate and (bucket_needed or kind == service.SERVICETYPE_GUARANTEED):
            raise WSAError(WSA_QOS_EFLOWSPEC, "this service needs a TokenRate")
        if not no_rate and self.PeakBandwidth < self.TokenRate:
            raise WSAError(WSA_QOS_EFLOWSPEC, "PeakBandwidth is below TokenRate")
        if kind in _WITH_TOKEN_BUCKET and self.MinimumPolicedSize == 0:
            raise WSAError(WSA_QOS_EFLOWSPEC, "this service needs a MinimumPolicedSize above 0")


@dataclass(slots=True)
class QOS:
    """Both directions, and bytes for the provider (`provider_specific`)."""

    SendingFlowspec: FLOWSPEC = field(default_factory=FLOWSPEC)
    ReceivingFlowspec: FLOWSPEC = field(default_factory=FLOWSPEC)
    ProviderSpecific: bytes = b""

    def pack(self) -> bytes:
        """Return 80 bytes of 64-bit Windows' layout and the provider-specific bytes after them.

        The pointer of the layout is the offset of those bytes, or 0 if there are none.
        """
        where = QOS_SIZE if self.ProviderSpecific else 0
        return (
            self.SendingFlowspec.pack()
            + self.ReceivingFlowspec.pack()
            + _PROVIDER_SPECIFIC.pack(len(self.ProviderSpecific), where)
            + self.ProviderSpecific
        )

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read what `pack` made. The pointer is not looked at: what it means follows directly.

        Raises:
            WSAError: WSAEFAULT if too short, WSA_QOS_EPROVSPECBUF if that is only so for the
                provider-specific bytes.
        """
        sending = FLOWSPEC.unpack(data)
        receiving = FLOWSPEC.unpack(data[_FLOWSPEC.size :])
        length, _ = read(_PROVIDER_SPECIFIC, data[2 * _FLOWSPEC.size :])
        rest = bytes(data[QOS_SIZE : QOS_SIZE + length])
        if len(rest) < length:
            message = f"{length} provider-specific bytes announced, {len(rest)} there"
            raise WSAError(WSA_QOS_EPROVSPECBUF, message)
        return cls(sending, receiving, rest)

    def copy(self) -> Self:
        """Return a copy that shares nothing."""
        return replace(
            self,
            SendingFlowspec=replace(self.SendingFlowspec),
            ReceivingFlowspec=replace(self.ReceivingFlowspec),
        )

    def check(self) -> None:
        """Raise what is wrong with it as a request.

        Raises:
            WSAError: One of WSA_QOS_ESERVICETYPE, _EFLOWSPEC, _EPROVSPECBUF, _EOBJLENGTH,
                _EUNKOWNPSOBJ, _ESDMODEOBJ, _ESHAPERATEOBJ.
        """
        for flowspec in (self.SendingFlowspec, self.ReceivingFlowspec):
            if not isinstance(flowspec, FLOWSPEC):
                raise WSAError(WSA_QOS_EFLOWSPEC, f"{flowspec!r} is no FLOWSPEC")
        if not isinstance(self.ProviderSpecific, bytes):
            raise WSAError(WSA_QOS_EPROVSPECBUF, f"{self.ProviderSpecific!r} is not bytes")
        self.SendingFlowspec.check(sending=True)
        self.ReceivingFlowspec.check(sending=False)
        parse_objects(self.ProviderSpecific)


def service_type(value: int) -> int:
    """Take flags and combined forms off a ServiceType and return the plain SERVICETYPE_*.

    Raises:
        WSAError: WSA_QOS_ESERVICETYPE if it is none.
    """
    plain = value & ~service.SERVICE_NO_QOS_SIGNALING
    if plain & service.SERVICE_NO_TRAFFIC_CONTROL == service.SERVICE_NO_TRAFFIC_CONTROL:
        plain &= ~service.SERVICE_NO_TRAFFIC_CONTROL
        plain = _COMBINED.get(plain | 0x8000_0000, plain)
    plain = _COMBINED.get(plain, plain)
    if plain not in _REQUESTABLE | {service.SERVICETYPE_NETWORK_UNAVAILABLE}:
        raise WSAError(WSA_QOS_ESERVICETYPE, f"{value:#x} is no service type")
    return plain


FLOWSPEC_FIELDS = tuple(part.name for part in fields(FLOWSPEC))
