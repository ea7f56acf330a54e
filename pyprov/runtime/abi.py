"""Does Python's view of the border fit the library it runs with?

The cdef is compiled against pv_api.h, so a mismatch means that an old build of one half meets a new
one of the other. It is found when the extension is imported, before any record is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyprov.core.port import REQUEST_DTYPE

if TYPE_CHECKING:
    from pyprov._dataplane import FFI, Lib

# In the order of pv_api_record_size.
RECORDS: Final = (
    "addr",
    "tcp_config",
    "port_config",
    "config",
    "request",
    "status",
    "ready",
    "info",
    "listen_params",
    "connect_params",
    "generator_params",
    "generator_stats",
    "worker_load",
    "wire_params",
    "wire_stats",
    "wire_join",
    "service_stats",
    "flowspec",
    "offer",
    "request_facts",
)

_CURE: Final = "rebuild both with ./dev build (or: pip install --no-build-isolation -e .)"


def check(ffi: FFI, lib: Lib) -> None:
    """Compare version and record sizes, and numpy's view of a request.

    Raises:
        ImportError: they differ; names what does and the cure.
    """
    if lib.pv_api_version() != lib.PV_API_VERSION:
        raise ImportError(
            f"the dataplane library speaks version {lib.pv_api_version()} of its interface, "
            f"Python version {lib.PV_API_VERSION}: {_CURE}"
        )
    for number, name in enumerate(RECORDS):
        theirs, ours = lib.pv_api_record_size(number), ffi.sizeof(f"struct pv_{name}")
        if theirs != ours:
            raise ImportError(
                f"struct pv_{name} has {theirs} bytes in the dataplane library "
                f"and {ours} in Python: {_CURE}"
            )
    for field in REQUEST_DTYPE.names or ():
        offset: int = REQUEST_DTYPE.fields[field][1] if REQUEST_DTYPE.fields else -1
        if ffi.offsetof("struct pv_request", field) != offset:
            raise ImportError(
                f"pv_request.{field} is not at byte {offset} where numpy looks for it: {_CURE}"
            )
