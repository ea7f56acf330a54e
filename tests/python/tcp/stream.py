"""A stream from one end of Lab.pair to the other."""

from pyprov.core import port
from pyprov.core.port import ConnectParams, ListenParams


def receive(dataplane):
    """Accept one connection at port 80 and read it to its end."""
    listener = dataplane.listen(ListenParams(port=80, family=46))
    dataplane.thread_waiter().wait_for(listener, port.READY_ACCEPT)
    handle = dataplane.accept(listener).handle
    got, buffer = bytearray(), bytearray(65536)
    while (n := dataplane.recv(handle, buffer)) != 0:
        if n is None:
            dataplane.thread_waiter().wait_for(handle, port.READY_READ | port.READY_CLOSE)
        else:
            got += buffer[:n]
    return bytes(got)


def send(dataplane, far, data):
    """Connect to it, send all and a FIN; the handle."""
    handle = dataplane.connect(ConnectParams(peer=port.pack_address(far), peer_port=80))
    dataplane.thread_waiter().wait_for(handle, port.READY_CONNECT)
    left = memoryview(data)
    while left:
        n = dataplane.send(handle, left)
        if n is None:
            dataplane.thread_waiter().wait_for(handle, port.READY_WRITE)
        else:
            left = left[n:]
    dataplane.shutdown_send(handle)
    return handle


def carry(two, far, data):
    """Send the data from a to b, where it must arrive whole; a's handle."""
    reader, writer = (
        two.spawn(receive, two.b.dataplane),
        two.spawn(send, two.a.dataplane, far, data),
    )
    assert reader.result() == data
    return writer.result()
