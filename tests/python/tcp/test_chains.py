"""Frames that lie in several buffers, as devices with scattered receive hand them in."""

import pytest

from tests.python.tcp.frames import ACK, frame4, frame6
from tests.python.tcp.host import Host


@pytest.mark.parametrize("size", [4000, 5001, 30_001])
@pytest.mark.parametrize("make", [frame4, frame6])
@pytest.mark.parametrize("broken", [False, True])
def test_a_frame_in_several_buffers_is_taken_as_it_lies(size, make, broken):
    with Host(tcp={"recv_buffer_max": 1 << 20}, port={"mtu": 1500}) as host:
        end, app = host.connection(v6=make is frame6, options=[("MSS", 1460)])
        payload = bytes(i * 13 % 251 for i in range(size))
        ports = (end.sport, end.port)
        frame = make(ports, ACK, end.seq, end.ack, data=payload)
        if broken:
            frame = frame[:-1] + bytes([frame[-1] ^ 1])
        host.dataplane.inject(0, frame)
        host.turn()
        assert app.recv() == (None if broken else payload)
        assert host.counter("TCP_CHECKSUM") == broken
