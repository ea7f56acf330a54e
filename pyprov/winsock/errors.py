"""Winsock's error numbers, the exception that carries them, and the dataplane's numbers in them.

`WSA` is the single list that everything else is made from: one row each for name, number, the
nearest POSIX number and a message. `FROM_ERRNO` is the single place where a negative return of the
dataplane turns into Winsock's words.
"""

import errno
from enum import IntEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pyprov.winsock.address import SockAddr


class WSA(IntEnum):
    """A Winsock error number.

    Attributes:
        posix: The nearest POSIX number, for code that looks at `OSError.errno`.
        message: What went wrong, in one line.
    """

    posix: int
    message: str

    def __new__(cls, value: int, posix: int, message: str) -> Self:
        """Make the member of one row."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.posix = posix
        member.message = message
        return member

    # System codes that Winsock borrows
    WSA_INVALID_HANDLE = 6, errno.EBADF, "an event or overlapped handle is not valid"
    WSA_NOT_ENOUGH_MEMORY = 8, errno.ENOMEM, "there is not enough memory"
    ERROR_NETNAME_DELETED = 64, errno.ECONNRESET, "the peer reset the connection"
    WSA_INVALID_PARAMETER = 87, errno.EINVAL, "a parameter of an extension function is not valid"
    ERROR_INSUFFICIENT_BUFFER = 122, errno.ENOBUFS, "an address slot of the buffer is too small"
    WSA_OPERATION_ABORTED = 995, errno.ECANCELED, "the request was cancelled or its socket closed"
    WSA_IO_INCOMPLETE = 996, errno.EINPROGRESS, "the request has not completed yet"
    WSA_IO_PENDING = 997, errno.EINPROGRESS, "the request has begun and completes later"

    # Sockets
    WSAEINTR = 10004, errno.EINTR, "the blocking call was cancelled"
    WSAEBADF = 10009, errno.EBADF, "the file handle is not valid"
    WSAEACCES = 10013, errno.EACCES, "access denied, or the connection request was withdrawn"
    WSAEFAULT = 10014, errno.EFAULT, "an argument is missing, misshapen or too small"
    WSAEINVAL = 10022, errno.EINVAL, "an argument is not valid, or the socket is in the wrong state"
    WSAEMFILE = 10024, errno.EMFILE, "no more sockets are available"
    WSAEWOULDBLOCK = 10035, errno.EAGAIN, "the call cannot finish at once on a non-blocking socket"
    WSAEINPROGRESS = 10036, errno.EINPROGRESS, "a blocking call or a callback is in progress"
    WSAEALREADY = 10037, errno.EALREADY, "an operation of this kind is already under way"
    WSAENOTSOCK = 10038, errno.ENOTSOCK, "the handle is not a socket"
    WSAEDESTADDRREQ = 10039, errno.EDESTADDRREQ, "a destination address is required"
    WSAEMSGSIZE = 10040, errno.EMSGSIZE, "the message is larger than the buffer or than the limit"
    WSAEPROTOTYPE = 10041, errno.EPROTOTYPE, "the protocol is of the wrong type for the socket"
    WSAENOPROTOOPT = 10042, errno.ENOPROTOOPT, "the option is not supported on this socket"
    WSAEPROTONOSUPPORT = 10043, errno.EPROTONOSUPPORT, "the protocol does not support this"
    WSAESOCKTNOSUPPORT = 10044, errno.ESOCKTNOSUPPORT, "the socket type is not supported"
    WSAEOPNOTSUPP = 10045, errno.EOPNOTSUPP, "the operation or service is not supported"
    WSAEPFNOSUPPORT = 10046, errno.EPFNOSUPPORT, "the protocol family is not supported"
    WSAEAFNOSUPPORT = 10047, errno.EAFNOSUPPORT, "the address family is not supported here"
    WSAEADDRINUSE = 10048, errno.EADDRINUSE, "the local address is already in use"
    WSAEADDRNOTAVAIL = 10049, errno.EADDRNOTAVAIL, "the address is not one of ours, or not usable"
    WSAENETDOWN = 10050, errno.ENETDOWN, "the network has failed"
    WSAENETUNREACH = 10051, errno.ENETUNREACH, "there is no route to the network"
    WSAENETRESET = 10052, errno.ENETRESET, "keep-alive found the connection broken"
    WSAECONNABORTED = 10053, errno.ECONNABORTED, "this side gave the connection up"
    WSAECONNRESET = 10054, errno.ECONNRESET, "the peer reset the connection"
    WSAENOBUFS = 10055, errno.ENOBUFS, "there is no buffer space or no free port"
    WSAEISCONN = 10056, errno.EISCONN, "the socket is already connected"
    WSAENOTCONN = 10057, errno.ENOTCONN, "the socket is not connected"
    WSAESHUTDOWN = 10058, errno.ESHUTDOWN, "the socket is shut down in this direction"
    WSAETOOMANYREFS = 10059, errno.ETOOMANYREFS, "there are too many references to the object"
    WSAETIMEDOUT = 10060, errno.ETIMEDOUT, "the peer did not answer in time"
    WSAECONNREFUSED = 10061, errno.ECONNREFUSED, "the connection request was refused"
    WSAELOOP = 10062, errno.ELOOP, "the name cannot be translated"
    WSAENAMETOOLONG = 10063, errno.ENAMETOOLONG, "the name is too long"
    WSAEHOSTDOWN = 10064, errno.EHOSTDOWN, "the host is down"
    WSAEHOSTUNREACH = 10065, errno.EHOSTUNREACH, "there is no route to the host"
    WSAENOTEMPTY = 10066, errno.ENOTEMPTY, "the directory is not empty"
    WSAEPROCLIM = 10067, errno.EUSERS, "too many tasks use the provider"
    WSAEUSERS = 10068, errno.EUSERS, "the user quota is used up"
    WSAEDQUOT = 10069, errno.EDQUOT, "the disk quota is used up"
    WSAESTALE = 10070, errno.ESTALE, "the file handle is no longer available"
    WSAEREMOTE = 10071, errno.EREMOTE, "the item is not local"

    # Provider and name service
    WSASYSNOTREADY = 10091, errno.ENETDOWN, "the network is not ready"
    WSAVERNOTSUPPORTED = 10092, errno.EPROTONOSUPPORT, "this Winsock version is not supported"
    WSANOTINITIALISED = 10093, errno.ENXIO, "WSPStartup has not been called"
    WSAEDISCON = 10101, errno.ESHUTDOWN, "the peer has begun an orderly shutdown"
    WSAENOMORE = 10102, errno.ENODATA, "there are no more results"
    WSAECANCELLED = 10103, errno.ECANCELED, "the look-up was cancelled"
    WSAEINVALIDPROCTABLE = 10104, errno.ENOEXEC, "the provider's procedure table is not valid"
    WSAEINVALIDPROVIDER = 10105, errno.ENOEXEC, "the provider is not valid"
    WSAEPROVIDERFAILEDINIT = 10106, errno.ENOEXEC, "the provider could not be started"
    WSASYSCALLFAILURE = 10107, errno.EIO, "a call that should never fail has failed"
    WSASERVICE_NOT_FOUND = 10108, errno.ENOENT, "the service is not known"
    WSATYPE_NOT_FOUND = 10109, errno.ENOENT, "the class type is not known"
    WSA_E_NO_MORE = 10110, errno.ENODATA, "there are no more results"
    WSA_E_CANCELLED = 10111, errno.ECANCELED, "the look-up was cancelled"
    WSAEREFUSED = 10112, errno.ECONNREFUSED, "the query was refused"
    WSAHOST_NOT_FOUND = 11001, errno.ENOENT, "the host is not known"
    WSATRY_AGAIN = 11002, errno.EAGAIN, "the condition function deferred the connection request"
    WSANO_RECOVERY = 11003, errno.EIO, "the query failed for good"
    WSANO_DATA = 11004, errno.ENODATA, "the name has no data of the requested kind"

    # Quality of service
    WSA_QOS_RECEIVERS = 11005, errno.EPROTO, "at least one reservation has arrived"
    WSA_QOS_SENDERS = 11006, errno.EPROTO, "at least one path has arrived"
    WSA_QOS_NO_SENDERS = 11007, errno.EPROTO, "there are no senders"
    WSA_QOS_NO_RECEIVERS = 11008, errno.EPROTO, "there are no receivers"
    WSA_QOS_REQUEST_CONFIRMED = 11009, errno.EPROTO, "the reservation is confirmed"
    WSA_QOS_ADMISSION_FAILURE = 11010, errno.EDQUOT, "not enough is left to reserve"
    WSA_QOS_POLICY_FAILURE = 11011, errno.EPERM, "the reservation was refused by policy"
    WSA_QOS_BAD_STYLE = 11012, errno.EPROTO, "the reservation style is unknown or in conflict"
    WSA_QOS_BAD_OBJECT = 11013, errno.EPROTO, "a provider-specific object is faulty"
    WSA_QOS_TRAFFIC_CTRL_ERROR = 11014, errno.EPROTO, "traffic control failed"
    WSA_QOS_GENERIC_ERROR = 11015, errno.EPROTO, "the quality of service request failed"
    WSA_QOS_ESERVICETYPE = 11016, errno.EINVAL, "the service type of a flowspec is not valid"
    WSA_QOS_EFLOWSPEC = 11017, errno.EINVAL, "the numbers of a flowspec are not valid"
    WSA_QOS_EPROVSPECBUF = 11018, errno.EINVAL, "the provider-specific buffer is not valid"
    WSA_QOS_EFILTERSTYLE = 11019, errno.EINVAL, "the filter style is not valid"
    WSA_QOS_EFILTERTYPE = 11020, errno.EINVAL, "the filter type is not valid"
    WSA_QOS_EFILTERCOUNT = 11021, errno.EINVAL, "the number of filters is not valid"
    WSA_QOS_EOBJLENGTH = 11022, errno.EINVAL, "a provider-specific object has a bad length"
    WSA_QOS_EFLOWCOUNT = 11023, errno.EINVAL, "the number of flow descriptors is not valid"
    WSA_QOS_EUNKOWNPSOBJ = 11024, errno.EINVAL, "a provider-specific object has an unknown type"
    WSA_QOS_EPOLICYOBJ = 11025, errno.EINVAL, "a policy object is not valid"
    WSA_QOS_EFLOWDESC = 11026, errno.EINVAL, "a flow descriptor is not valid"
    WSA_QOS_EPSFLOWSPEC = 11027, errno.EINVAL, "a provider-specific flowspec is not valid"
    WSA_QOS_EPSFILTERSPEC = 11028, errno.EINVAL, "a provider-specific filter is not valid"
    WSA_QOS_ESDMODEOBJ = 11029, errno.EINVAL, "the shape and discard mode object is not valid"
    WSA_QOS_ESHAPERATEOBJ = 11030, errno.EINVAL, "the shaping rate object is not valid"
    WSA_QOS_RESERVED_PETYPE = 11031, errno.EINVAL, "a reserved policy element was given"


_BY_NUMBER: dict[int, WSA] = {int(member): member for member in WSA}


class WSAError(OSError):
    """A Winsock call failed.

    An error that also yields an output carries it: the peer's address where WSPAccept failed after
    a request was seen, the size that would have been enough where a buffer was too small.

    Attributes:
        code: The Winsock error number (10035). A `WSA` member unless the number is not Winsock's.
        name: Its name in winsock2.h ("WSAEWOULDBLOCK").
        errno: The nearest POSIX number.
        addr: The address that the failed call still filled in, or None.
        needed: The size, in bytes or characters, that the output would have taken, or None.
    """

    code: int
    name: str

    def __init__(
        self,
        code: int,
        detail: str | None = None,
        *,
        addr: "SockAddr | None" = None,
        needed: int | None = None,
    ) -> None:
        known = _BY_NUMBER.get(code)
        if known is None:
            super().__init__(errno.EIO, detail or "an error that Winsock has no name for")
            self.code, self.name = code, f"ERROR_{code}"
        else:
            super().__init__(known.posix, detail or known.message)
            self.code, self.name = known, known.name
        self.addr = addr
        self.needed = needed

    def __str__(self) -> str:
        return f"{self.name} ({int(self.code)}): {self.strerror}"

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (int(self.code), self.strerror), {**self.__dict__}


# What the dataplane's negative returns mean in Winsock's words. Anything else that it may answer is
# a bug of ours and becomes WSASYSCALLFAILURE.
FROM_ERRNO = {
    errno.EPERM: WSA.WSAEACCES,
    errno.ENOENT: WSA.WSAENETDOWN,
    errno.EINTR: WSA.WSAEINTR,
    errno.EBADF: WSA.WSAENOTSOCK,
    errno.EAGAIN: WSA.WSAEWOULDBLOCK,
    errno.ENOMEM: WSA.WSAENOBUFS,
    errno.EACCES: WSA.WSAEACCES,
    errno.EFAULT: WSA.WSAEFAULT,
    errno.EBUSY: WSA.WSAEINPROGRESS,
    errno.EEXIST: WSA.WSAEADDRINUSE,
    errno.ENODEV: WSA.WSAENETDOWN,
    errno.EINVAL: WSA.WSAEINVAL,
    errno.ENFILE: WSA.WSAEMFILE,
    errno.EMFILE: WSA.WSAEMFILE,
    errno.ENOSPC: WSA.WSAENOBUFS,
    errno.EPIPE: WSA.WSAESHUTDOWN,
    errno.ERANGE: WSA.WSAEINVAL,
    errno.ENOSYS: WSA.WSAEOPNOTSUPP,
    errno.ENOTSOCK: WSA.WSAENOTSOCK,
    errno.EDESTADDRREQ: WSA.WSAEDESTADDRREQ,
    errno.EMSGSIZE: WSA.WSAEMSGSIZE,
    errno.EPROTOTYPE: WSA.WSAEPROTOTYPE,
    errno.ENOPROTOOPT: WSA.WSAENOPROTOOPT,
    errno.EPROTONOSUPPORT: WSA.WSAEPROTONOSUPPORT,
    errno.ESOCKTNOSUPPORT: WSA.WSAESOCKTNOSUPPORT,
    errno.EOPNOTSUPP: WSA.WSAEOPNOTSUPP,
    errno.EPFNOSUPPORT: WSA.WSAEPFNOSUPPORT,
    errno.EAFNOSUPPORT: WSA.WSAEAFNOSUPPORT,
    errno.EADDRINUSE: WSA.WSAEADDRINUSE,
    errno.EADDRNOTAVAIL: WSA.WSAEADDRNOTAVAIL,
    errno.ENETDOWN: WSA.WSAENETDOWN,
    errno.ENETUNREACH: WSA.WSAENETUNREACH,
    errno.ENETRESET: WSA.WSAENETRESET,
    errno.ECONNABORTED: WSA.WSAECONNABORTED,
    errno.ECONNRESET: WSA.WSAECONNRESET,
    errno.ENOBUFS: WSA.WSAENOBUFS,
    errno.EISCONN: WSA.WSAEISCONN,
    errno.ENOTCONN: WSA.WSAENOTCONN,
    errno.ESHUTDOWN: WSA.WSAESHUTDOWN,
    errno.ETIMEDOUT: WSA.WSAETIMEDOUT,
    errno.ECONNREFUSED: WSA.WSAECONNREFUSED,
    errno.EHOSTDOWN: WSA.WSAEHOSTDOWN,
    errno.EHOSTUNREACH: WSA.WSAEHOSTUNREACH,
    errno.EALREADY: WSA.WSAEALREADY,
    errno.EINPROGRESS: WSA.WSAEWOULDBLOCK,  # a connect that has begun
    errno.ESTALE: WSA.WSAENOTSOCK,  # a handle whose generation is over
    errno.ECANCELED: WSA.WSA_OPERATION_ABORTED,
}


def code_from_errno(result: int) -> WSA:
    """Translate a negative return of the dataplane (-ECONNRESET) into a Winsock code."""
    return FROM_ERRNO.get(-result, WSA.WSASYSCALLFAILURE)


def check(result: int) -> int:
    """Hand a count or 0 through, and raise a negative return of the dataplane as `WSAError`."""
    if result < 0:
        code = code_from_errno(result)
        if code is WSA.WSASYSCALLFAILURE:
            raise WSAError(code, f"the dataplane answered {result}")
        raise WSAError(code)
    return result
