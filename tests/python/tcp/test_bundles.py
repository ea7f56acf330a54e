"""Large segments for a device that cuts them: what is on the wire must be as if we had cut them."""

import pytest

from pyprov.lab import Lab
from tests.python.tcp.stream import carry

SIZE = 700_000


def bundled(*, bundles, family=4, tcp=None, **wire):
    """A transfer from a to b; the frames that a sent and its counters."""
    config = {"port": [{"segmentation_offload": bundles}], "tcp": tcp or {}}
    with Lab.pair(seed=5, config=config, **wire) as two:
        far = two.b.address if family == 4 else two.b.address6
        carry(two, far, bytes(i * 7 % 251 for i in range(SIZE)))
        two.advance(1)
        return two.a.collect(), two.a.dataplane.counters(), two.b.dataplane.counters()


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("tcp", [{}, {"timestamps": False, "sack": False}, {"ecn": True}])
def test_bundles_are_on_the_wire_what_single_segments_are(family, tcp):
    plain, before, _ = bundled(bundles=False, family=family, tcp=tcp)
    cut, counters, far = bundled(bundles=True, family=family, tcp=tcp)
    assert cut == plain
    assert before["TCP_SEGMENTS_BUNDLED"] == 0
    assert counters["TCP_SEGMENTS_BUNDLED"] > 300
    assert counters["TCP_SEGMENTS_SENT"] == before["TCP_SEGMENTS_SENT"]
    assert far["TCP_CHECKSUM"] == 0


def test_what_is_lost_of_a_bundle_is_sent_again_by_itself():
    vices = {"loss": 0.03, "reorder": 0.02, "duplicate": 0.02, "corrupt": 0.01, "delay": 0.01}
    _, counters, _ = bundled(bundles=True, **vices)
    assert counters["TCP_SEGMENTS_BUNDLED"] > 20
    assert counters["TCP_RETRANSMITTED"] > 5
