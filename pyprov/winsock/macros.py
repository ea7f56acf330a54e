"""The function-like macros of winsock2.h, and the cast that C does by itself."""

# ruff: noqa: N802, N803 - the names are winsock2.h's


def DWORD(value: int) -> int:
    """Take an integer modulo 2^32, as C does with a negative level or option."""
    return value & 0xFFFF_FFFF


def MAKEWORD(low: int, high: int) -> int:
    """Join two bytes, the lower first: (2, 2) is version 2.2, 0x0202."""
    return (low & 0xFF) | (high & 0xFF) << 8


def LOBYTE(word: int) -> int:
    """Return the low byte of a word: the major number of a version."""
    return word & 0xFF


def HIBYTE(word: int) -> int:
    """Return the high byte of a word: the minor number of a version."""
    return word >> 8 & 0xFF


def MAKELONG(low: int, high: int) -> int:
    """Join two words."""
    return (low & 0xFFFF) | (high & 0xFFFF) << 16


def LOWORD(long: int) -> int:
    """Return the low word of a double word."""
    return long & 0xFFFF


def HIWORD(long: int) -> int:
    """Return the high word of a double word."""
    return long >> 16 & 0xFFFF


def WSAMAKESELECTREPLY(event: int, error: int) -> int:
    """Make the lParam of a network event message."""
    return MAKELONG(event, error)


def WSAGETSELECTEVENT(lParam: int) -> int:
    """Return the event (FD_READ, ...) of a network event message."""
    return LOWORD(lParam)


def WSAGETSELECTERROR(lParam: int) -> int:
    """Return the error code, or 0, of a network event message."""
    return HIWORD(lParam)


def SOMAXCONN_HINT(backlog: int) -> int:
    """Ask WSPListen for a backlog that may go past what SOMAXCONN gives."""
    return -backlog
