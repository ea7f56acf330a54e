"""WSPAsyncSelect: network events as messages in a queue."""

from echo import run, would_block

from pyprov import spi

WM_SOCKET = 0x0401


def server(listener, clients):
    window = spi.MessageQueue()
    spi.WSPAsyncSelect(listener, window, WM_SOCKET, spi.FD_ACCEPT | spi.FD_READ | spi.FD_CLOSE)
    served = 0
    while served < clients:
        message = window.get()
        event = spi.WSAGETSELECTEVENT(message.lParam)
        if event == spi.FD_ACCEPT:
            with would_block():
                spi.WSPAccept(listener)  # which posts to the same window
        elif echo(message.wParam):
            spi.WSPCloseSocket(message.wParam)
            served += 1
    window.close()


def echo(s):
    """Send back what is there; True at the peer's end, False also of a socket that is closed."""
    buffer = bytearray(4096)
    try:
        count, _ = spi.WSPRecv(s, buffer)
    except spi.WSAError as error:
        if error.code not in {spi.WSAEWOULDBLOCK, spi.WSAENOTSOCK}:
            raise
        return False
    if count == 0:
        return True
    spi.WSPSend(s, memoryview(buffer)[:count])
    return False


def client(address, text):
    s = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    window = spi.MessageQueue()
    spi.WSPAsyncSelect(s, window, WM_SOCKET, spi.FD_CONNECT | spi.FD_READ)
    with would_block():
        spi.WSPConnect(s, address)
    answer = bytearray()
    while len(answer) < len(text):
        message = window.get()
        if spi.WSAGETSELECTEVENT(message.lParam) == spi.FD_CONNECT:
            assert spi.WSAGETSELECTERROR(message.lParam) == 0
            spi.WSPSend(s, text)
            continue
        buffer = bytearray(4096)
        with would_block():
            count, _ = spi.WSPRecv(s, buffer)
            answer += buffer[:count]
    spi.WSPCloseSocket(s)
    window.close()
    return bytes(answer)


if __name__ == "__main__":
    run(server, client)
