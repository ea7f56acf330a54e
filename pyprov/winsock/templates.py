"""The QoS templates behind the eight well-known names of qosname.h.

The headers give the names only; the numbers are the provider's to choose. Ours follow from what the
codecs put on a TCP connection:

- A voice packet is one codec interval: 20 ms, 30 ms for G.723.1 whose frames are that long. It
  travels with 12 bytes of RTP, 2 of RFC 4571 framing, and 52 of IPv4 and TCP with timestamps, so
  the token rate is what the wire carries, not what the codec makes.
- Voice is GUARANTEED: its rate is constant, and a late packet is a lost one. One packet of bucket
  would do; three allow for two that were held up. The peak lets those two catch up.
- Video is CONTROLLEDLOAD: its coders follow the rate they get. QCIF and CIF run at the usual one
  and six ISDN channels with H.261, and at half of that with H.263, which needs about half the bits
  for the same picture. The bucket holds half a second, about one whole intra picture.
- Delay: ITU-T G.114 asks for 150 ms one way for speech and calls 400 ms the limit, which serves
  for pictures. A jitter buffer of 30 ms, 100 ms for pictures, bounds the variation.
"""

from pyprov.winsock.codes import WSAEINVAL
from pyprov.winsock.errors import WSAError
from pyprov.winsock.qos import FLOWSPEC, QOS
from pyprov.winsock.service import (
    QT_1,
    QT_2,
    QT_3,
    QT_4,
    QT_5,
    QT_6,
    QT_7,
    QT_8,
    SERVICETYPE_CONTROLLEDLOAD,
    SERVICETYPE_GUARANTEED,
)

_HEADERS = 12 + 2 + 52
_SEGMENT = 1460  # largest payload of a segment on Ethernet


def _voice(frame: int, interval_ms: int) -> FLOWSPEC:
    """Describe a codec that makes one packet of so many bytes every interval."""
    packet = frame + _HEADERS
    rate = -(-packet * 1000 // interval_ms)
    return FLOWSPEC(
        TokenRate=rate,
        TokenBucketSize=3 * packet,
        PeakBandwidth=3 * rate,
        Latency=150_000,
        DelayVariation=30_000,
        ServiceType=SERVICETYPE_GUARANTEED,
        MaxSduSize=packet,
        MinimumPolicedSize=packet,
    )


def _video(kilobits: int) -> FLOWSPEC:
    """Describe a video coder that is given so many kilobits a second."""
    payload = kilobits * 125
    rate = payload + -(-payload // _SEGMENT) * _HEADERS
    return FLOWSPEC(
        TokenRate=rate,
        TokenBucketSize=max(rate // 2, _SEGMENT + _HEADERS),
        PeakBandwidth=2 * rate,
        Latency=400_000,
        DelayVariation=100_000,
        ServiceType=SERVICETYPE_CONTROLLEDLOAD,
        MaxSduSize=_SEGMENT + _HEADERS,
        MinimumPolicedSize=128,
    )


_FLOWSPECS = {
    QT_1: _voice(frame=160, interval_ms=20),  # 64 kb/s
    QT_2: _voice(frame=24, interval_ms=30),  # 6.3 kb/s
    QT_3: _voice(frame=20, interval_ms=20),  # 8 kb/s, two frames of 10 ms
    QT_4: _video(kilobits=32),
    QT_5: _video(kilobits=192),
    QT_6: _video(kilobits=64),
    QT_7: _video(kilobits=384),
    QT_8: _voice(frame=33, interval_ms=20),  # 13.2 kb/s
}

WELL_KNOWN = tuple(_FLOWSPECS)


def well_known(name: str) -> QOS:
    """Return the template of a well-known name, the same in both directions; case does not matter.

    Raises:
        WSAError: WSAEINVAL if there is no such name.
    """
    for known, flowspec in _FLOWSPECS.items():
        if known.casefold() == name.casefold():
            return QOS(flowspec, flowspec).copy()
    raise WSAError(WSAEINVAL, f"no QoS template is named {name!r}")
