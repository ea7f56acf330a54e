"""AcceptEx, ConnectEx, DisconnectEx, TransmitFile, WSARecvMsg, GetAcceptExSockaddrs.

Applications get them from WSPIoctl with SIO_GET_EXTENSION_FUNCTION_POINTER and a GUID.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from pyprov.core import acceptex, connectex, transmit
from pyprov.spi.base import Calls
from pyprov.winsock import constants
from pyprov.winsock.codes import WSAEFAULT, WSAEINVAL
from pyprov.winsock.errors import WSAError

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from pyprov.core.ioctl import IoctlCall
    from pyprov.core.port import Buffers
    from pyprov.winsock.address import SockAddr
    from pyprov.winsock.structs import WSAMSG, WSAOVERLAPPED

FUNCTIONS: Final = {
    constants.WSAID_ACCEPTEX: "AcceptEx",
    constants.WSAID_CONNECTEX: "ConnectEx",
    constants.WSAID_DISCONNECTEX: "DisconnectEx",
    constants.WSAID_GETACCEPTEXSOCKADDRS: "GetAcceptExSockaddrs",
    constants.WSAID_TRANSMITFILE: "TransmitFile",
    constants.WSAID_WSARECVMSG: "WSARecvMsg",
}
_GUID_SIZE: Final = 16


class ExtensionCalls(Calls):
    """What Winsock has beside the thirty functions.

    Where they take an `overlapped`, they raise WSA_IO_PENDING if they are not done at once.
    """

    def AcceptEx(
        self,
        listener: int,
        acceptor: int,
        buffer: Buffer,
        receive_len: int,
        local_len: int,
        remote_len: int,
        overlapped: WSAOVERLAPPED | None,
    ) -> int:
        """Accept the next connection into a socket made beforehand.

        Args:
            listener: where it comes from; its completion port is told.
            acceptor: an unbound socket, of no use for anything else until the end. Then it is
                connected, but has the listener's properties, and a name, only after
                SO_UPDATE_ACCEPT_CONTEXT.
            buffer: gets the first data, the local and the peer's address.
            receive_len: room for data; with 0 none is waited for.
            local_len: room for the local address: 16 bytes more than a sockaddr.
            remote_len: the same for the peer's.
            overlapped: the request; needed.

        Returns:
            Bytes received.

        Raises:
            WSAError: WSAENOTSOCK; WSA_INVALID_PARAMETER without a structure; WSAEINVAL for a socket
                that does not listen, or an acceptor in use; WSAEFAULT. It may end with
                WSA_OPERATION_ABORTED, WSAECONNRESET, or 122 if an address has too little room.
        """
        control, listening = self._follow(listener)
        _, accepting = self._follow(acceptor)
        acceptex.check_accept(listening, accepting, overlapped, remote_len)
        slots = acceptex.cut(buffer, receive_len, local_len, remote_len)
        if slots.data.readonly:
            raise WSAError(WSAEFAULT, "the buffer is read-only")
        return acceptex.accept_ex(control, listening, accepting, slots, overlapped)

    def GetAcceptExSockaddrs(
        self, buffer: Buffer, receive_len: int, local_len: int, remote_len: int
    ) -> tuple[SockAddr, SockAddr]:
        """Return the local and the peer's address that AcceptEx has put into its buffer.

        Raises:
            WSAError: WSAEFAULT if there are none.
        """
        return acceptex.names_in(acceptex.cut(buffer, receive_len, local_len, remote_len))

    def ConnectEx(
        self,
        s: int,
        name: SockAddr,
        data: Buffers | None = None,
        overlapped: WSAOVERLAPPED | None = None,
    ) -> int:
        """Connect a bound socket, and send the first data.

        Afterwards it has no peer's name, and is not shut down or connected again, before
        SO_UPDATE_CONNECT_CONTEXT.

        Returns:
            Bytes sent.

        Raises:
            WSAError: WSAENOTSOCK; WSAEINVAL on a socket that is unbound, listens or connects;
                WSAEISCONN; WSA_INVALID_PARAMETER without a structure; WSAEFAULT; those of
                WSPConnect for the name.
        """
        control, socket = self._follow(s)
        return connectex.connect_ex(control, socket, name, data, overlapped)

    def DisconnectEx(self, s: int, overlapped: WSAOVERLAPPED | None = None, flags: int = 0) -> None:
        """End a connection in good order, and wait until the peer has acknowledged it.

        Args:
            s: a connected socket.
            overlapped: the request; without one a blocking socket waits.
            flags: TF_REUSE_SOCKET: it can be used for AcceptEx or ConnectEx again.

        Raises:
            WSAError: WSAENOTSOCK, WSAENOTCONN, WSAEINVAL for other flags, WSAEINTR. Requests that
                wait on the socket end with WSAECONNABORTED.
        """
        control, socket = self._follow(s)
        connectex.disconnect_ex(control, socket, overlapped, flags)

    def TransmitFile(
        self,
        s: int,
        file: object,
        count: int = 0,
        per_send: int = 0,
        overlapped: WSAOVERLAPPED | None = None,
        head: Buffers | None = None,
        tail: Buffers | None = None,
        flags: int = 0,
    ) -> int:
        """Send a file, between a head and a tail.

        Args:
            s: a connected socket.
            file: an open file or its descriptor; None for none.
            count: bytes of it; 0: all that there are.
            per_send: bytes read at a time; 0: what is best.
            overlapped: the request; its Offset and OffsetHigh say where the file is read from.
                Without one the file is read from where it stands, and a blocking socket waits.
            head: sent before.
            tail: sent after.
            flags: TF_DISCONNECT, with TF_REUSE_SOCKET, as DisconnectEx afterwards. TF_WRITE_BEHIND,
                TF_USE_SYSTEM_THREAD and TF_USE_KERNEL_APC change nothing.

        Returns:
            Bytes taken over.

        Raises:
            WSAError: those of WSPSend; WSA_INVALID_HANDLE for what is no open file;
                WSA_INVALID_PARAMETER for numbers that are none; WSAEINVAL for other flags;
                WSASYSCALLFAILURE if the file cannot be read.
        """
        control, socket = self._follow(s)
        source = (file, count, per_send)
        return transmit.transmit_file(control, socket, source, (head, tail), overlapped, flags)

    def WSARecvMsg(self, s: int, msg: WSAMSG, overlapped: WSAOVERLAPPED | None = None) -> int:
        """Receive into the buffers of a message; on a connection like WSPRecv.

        Returns:
            Bytes received.

        Raises:
            WSAError: those of WSPRecv; WSAEFAULT for what is no WSAMSG.
        """
        control, socket = self._follow(s)
        return transmit.receive_message(control, socket, msg, overlapped)

    def _extension(self, call: IoctlCall) -> object:
        """SIO_GET_EXTENSION_FUNCTION_POINTER: return the function of a GUID.

        Raises:
            WSAError: WSAEINVAL if there is none.
        """
        name = FUNCTIONS.get(call.value) if isinstance(call.value, UUID) else None
        if name is None:
            raise WSAError(WSAEINVAL, f"no extension function has the GUID {call.value}")
        return getattr(self, name)


def unpack_guid(data: bytes) -> UUID:
    """Read a GUID; WSAEFAULT if too short."""
    if len(data) < _GUID_SIZE:
        raise WSAError(WSAEFAULT, f"{len(data)} bytes given, {_GUID_SIZE} needed")
    return UUID(bytes_le=data[:_GUID_SIZE])


def pack_pointer(function: object) -> bytes:
    """Return something of a pointer's size that is different for each function."""
    return id(getattr(function, "__func__", function)).to_bytes(8, "little")
