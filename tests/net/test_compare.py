"""The wire of `bench compare`: both sides accept from the kernel's client on it."""

import pytest

from pyprov.tools.bench import compare, veth

pytestmark = [pytest.mark.net, pytest.mark.slow]


def test_both_sides_accept_over_the_same_veth(monkeypatch):
    monkeypatch.setattr(compare, "_ROUNDS", 1)
    kernel = compare._on_veth("kernel", compare._kernel_c, 0.3, kernel=True)
    ours = compare._on_veth("ours", compare._pyprov("af_packet"), 0.3, kernel=False)
    for system in (kernel, ours):
        assert system["accepts_per_s"] > 100
        assert system["cpu_us_per_accept"] > 0


def test_a_driver_that_does_not_work_here_has_no_row(monkeypatch):
    def on_veth(name, start, seconds, *, kernel):
        if name.endswith("af_xdp"):
            raise RuntimeError("ended")
        return compare.System(name=name, wire="veth", accepts_per_s=1, cpu_us_per_accept=1.0)

    monkeypatch.setattr(compare, "_on_veth", on_veth)
    assert [row["name"] for row in compare._pyprov_on_veth(0.1)] == [
        "pyprov, accept_many, af_packet"
    ]


def test_the_wire_carries_frames_both_ways():
    with veth.VethPair() as wire:
        wire.address_server()
        ping = ("ping", "-c", "1", "-W", "5", veth.SERVER_ADDRESS)
        program = wire.start(wire.client, 0, *ping)
        assert program.end() == 0
