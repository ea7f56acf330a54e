"""Blocking calls: a thread for each connection."""

import threading

from echo import run

from pyprov import spi


def serve_one(s):
    buffer = bytearray(4096)
    while True:
        count, _ = spi.WSPRecv(s, buffer)
        if count == 0:
            break
        spi.WSPSend(s, memoryview(buffer)[:count])
    spi.WSPCloseSocket(s)


def server(listener, clients):
    threads = []
    for _ in range(clients):
        s, _peer = spi.WSPAccept(listener)
        threads.append(threading.Thread(target=serve_one, args=(s,)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def client(address, text):
    s = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
    spi.WSPConnect(s, address)
    spi.WSPSend(s, text)
    spi.WSPShutdown(s, spi.SD_SEND)
    answer = bytearray(len(text))
    spi.WSPRecv(s, answer, spi.MSG_WAITALL)
    spi.WSPCloseSocket(s)
    return bytes(answer)


if __name__ == "__main__":
    run(server, client)
