"""What a condition says about a connection request."""

from enum import IntEnum
from typing import Final


class Verdict(IntEnum):
    """What the worker does with a connection request.

    Attributes:
        ACCEPT: The handshake goes on, and no Python condition function is called.
        REJECT: RST.
        DROP: Silence.
        ASK: As if there were no program: the Python condition function decides.
    """

    ACCEPT = 0
    REJECT = 1
    DROP = 2
    ASK = 3


ACCEPT: Final = Verdict.ACCEPT
REJECT: Final = Verdict.REJECT
DROP: Final = Verdict.DROP
ASK: Final = Verdict.ASK
