"""Where a condition's program finds what it asks for: struct pv_condition_context of pv_api.h."""

from dataclasses import dataclass
from typing import Final

FLOW_FIELDS: Final = (
    "token_rate",
    "token_bucket_size",
    "peak_bandwidth",
    "latency",
    "delay_variation",
    "service_type",
    "max_sdu_size",
    "minimum_policed_size",
)

DATA_BYTES: Final = 64  # of the caller data that a condition sees
MAX_COUNTERS: Final = 16

# For struct.pack: time, addresses, ports, mss, window, scale, sack, timestamps, family, ttl, dscp,
# length of caller data, backlog, half-open, load, whether there is QoS, two flowspecs, data.
FORMAT: Final = f"=Q4Q4H6BH4I8I8I{DATA_BYTES}s"


@dataclass(frozen=True, slots=True)
class Field:
    """An unsigned number of the context.

    Attributes:
        offset: In bytes.
        size: 1, 2, 4 or 8 bytes.
        top: The greatest value it has.
        is_bool: It is 0 or 1 and means False or True.
    """

    offset: int
    size: int
    top: int
    is_bool: bool = False


TIME: Final = Field(0, 8, 2**63 - 1)
FAMILY: Final = Field(51, 1, 6)
ADDRESSES: Final = {"caller.address": 8, "callee.address": 24}
DATA_OFFSET: Final = 136

FIELDS: Final[dict[str, Field]] = {
    "time": TIME,
    "caller.port": Field(40, 2, 0xFFFF),
    "callee.port": Field(42, 2, 0xFFFF),
    "syn.mss": Field(44, 2, 0xFFFF),
    "syn.window": Field(46, 2, 0xFFFF),
    "syn.scale": Field(48, 1, 14),
    "syn.sack": Field(49, 1, 1, is_bool=True),
    "syn.timestamps": Field(50, 1, 1, is_bool=True),
    "ttl": Field(52, 1, 0xFF),
    "dscp": Field(53, 1, 63),
    "data.length": Field(54, 2, 0xFFFF),
    "backlog": Field(56, 4, 0xFFFF_FFFF),
    "half_open": Field(60, 4, 0xFFFF_FFFF),
    "load": Field(64, 4, 100),
    "qos.given": Field(68, 4, 1, is_bool=True),
    **{
        f"qos.{way}.{name}": Field(start + 4 * i, 4, 0xFFFF_FFFF)
        for way, start in (("sending", 72), ("receiving", 104))
        for i, name in enumerate(FLOW_FIELDS)
    },
}

# What leads to fields and is none itself.
PARTS: Final = frozenset(
    path.rpartition(".")[0] for path in (*FIELDS, *ADDRESSES) if "." in path
) | {"qos"}
METHODS: Final = frozenset({"per_source", "counter"})
