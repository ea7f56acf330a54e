"""Who may be in C with an engine: what the stacks of Python's threads tell."""

from __future__ import annotations

import gc
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import CodeType, FrameType

_HERE: Final = str(Path(__file__).parent)


def others_inside(leaving: CodeType) -> bool:
    """Is another thread in a method of runtime/, and so perhaps in C with an engine's pointer?

    Args:
        leaving: of the method that waits until nobody is; who is in it as well does not count.
    """
    me = threading.get_ident()
    return any(_inside(top, leaving) for thread, top in _tops().items() if thread != me)


def _tops() -> dict[int, FrameType]:
    # Meanwhile Python holds a lock that finalizers need, that of threading.local for one: it must
    # not begin to collect garbage in there, or it waits for itself for ever.
    collects = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()  # noqa: SLF001 - documented
    finally:
        if collects:
            gc.enable()


def _inside(frame: FrameType | None, leaving: CodeType) -> bool:
    inside = False
    while frame is not None:
        if frame.f_code is leaving:
            return False
        inside = inside or frame.f_code.co_filename.startswith(_HERE)
        frame = frame.f_back
    return inside
