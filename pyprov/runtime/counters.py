"""What the dataplane counts, in words."""

from __future__ import annotations

from pyprov._dataplane import ffi, lib


def counter_texts() -> dict[str, str]:
    """Return what each counter counts, by its name."""
    return {
        ffi.string(lib.pv_counter_name(i)).decode(): ffi.string(lib.pv_counter_text(i)).decode()
        for i in range(lib.pv_counter_count())
    }
