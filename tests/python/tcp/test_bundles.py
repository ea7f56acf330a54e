"""Large segments for a device that cuts them: what is on the wire must be as if we had cut them."""

import pytest

from pyprov.core import port
from pyprov.core.port import ConnectParams, ListenParams
from pyprov.lab import Lab

SIZE = 700_000


def carry(*, bundles, family=4, tcp=None, **wire):
    """A transfer from a to b; the frames that a sent and its counters."""
    config = {"port": [{"segmentation_offload": bundles}], "tcp": tcp or {}}
    with Lab.pair(seed=5, config=config, **wire) as two:
        a, b = two.a.dataplane, two.b.dataplane
        far = two.b.address if family == 4 else two.b.address6
        data = bytes(i * 7 % 251 for i in range(SIZE))

        def receive():
            listener = b.listen(ListenParams(port=80, family=46))
            b.thread_waiter().wait_for(listener, port.READY_ACCEPT)
            handle = b.accept(listener).handle
            got, buffer = bytearray(), bytearray(65536)
            while (n := b.recv(handle, buffer)) != 0:
                if n is None:
                    b.thread_waiter().wait_for(handle, port.READY_READ | port.READY_CLOSE)
                else:
                    got += buffer[:n]
            return bytes(got)

        def send():
            handle = a.connect(ConnectParams(peer=port.pack_address(far), peer_port=80))
            a.thread_waiter().wait_for(handle, port.READY_CONNECT)
            left = memoryview(data)
            while left:
                n = a.send(handle, left)
                if n is None:
                    a.thread_waiter().wait_for(handle, port.READY_WRITE)
                else:
                    left = left[n:]
            a.shutdown_send(handle)

        reader, writer = two.spawn(receive), two.spawn(send)
        assert reader.result() == data
        writer.result()
        two.advance(1)
        return two.a.collect(), a.counters(), b.counters()


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("tcp", [{}, {"timestamps": False, "sack": False}, {"ecn": True}])
def test_bundles_are_on_the_wire_what_single_segments_are(family, tcp):
    plain, before, _ = carry(bundles=False, family=family, tcp=tcp)
    cut, counters, far = carry(bundles=True, family=family, tcp=tcp)
    assert cut == plain
    assert before["TCP_SEGMENTS_BUNDLED"] == 0
    assert counters["TCP_SEGMENTS_BUNDLED"] > 300
    assert counters["TCP_SEGMENTS_SENT"] == before["TCP_SEGMENTS_SENT"]
    assert far["TCP_CHECKSUM"] == 0


def test_what_is_lost_of_a_bundle_is_sent_again_by_itself():
    vices = {"loss": 0.03, "reorder": 0.02, "duplicate": 0.02, "corrupt": 0.01, "delay": 0.01}
    _, counters, _ = carry(bundles=True, **vices)
    assert counters["TCP_SEGMENTS_BUNDLED"] > 20
    assert counters["TCP_RETRANSMITTED"] > 5
