"""A capture into our TCP, what it sends into another."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.utils import RawPcapNgWriter, RawPcapWriter

from pyprov import cli
from pyprov.lab import Lab
from pyprov.runtime.config import Config
from pyprov.tools.arguments import Where
from pyprov.tools.errors import Failed, Unusable
from pyprov.tools.replay import capture
from pyprov.tools.replay.capture import Frame
from pyprov.tools.replay.numbers import Numbers
from pyprov.tools.replay.packet import dissect
from pyprov.tools.replay.survey import place, survey
from pyprov.tools.serve import listen, plain
from pyprov.tools.serve.acceptor import Acceptor

CLIENT, SERVER = "02:00:00:00:09:01", "02:00:00:00:09:02"
BEGIN = 1_700_000_000
WORDS = bytes(range(256)) * 20


def converse():
    """The frames of an echo: [(seconds, bytes)], client's and server's."""
    with Lab.pair(seed=5) as two:
        spi = two.a.spi
        listener = listen(two.b.spi, Where(two.b.address, 7), 5)
        Acceptor(two.b.dataplane, two.b.spi, listener, plain.echo)
        s = spi.WSPSocket(spi.AF_INET, spi.SOCK_STREAM, spi.IPPROTO_TCP)
        spi.WSPConnect(s, (two.b.address, 7))
        spi.WSPSend(s, WORDS)
        spi.WSPShutdown(s, spi.SD_SEND)
        memory, received = bytearray(65536), 0
        while count := spi.WSPRecv(s, memory)[0]:
            received += count
        spi.WSPCloseSocket(s)
        two.advance(0.5)
        assert received == len(WORDS)
        return two.a.collect(), two.b.collect()


@pytest.fixture(scope="module")
def frames():
    return converse()


def write(path, frames):
    writer = capture.Writer(path)
    for when, frame in sorted(frames):
        writer.write(BEGIN * 10**9 + round(when * 1e9), frame)
    writer.close()
    return path


@pytest.fixture
def both(frames, tmp_path):
    return write(tmp_path / "in.pcap", frames[0] + frames[1])


def replay(path, capsys, *words, out="out.pcap"):
    """Run the command; its document and the frames that were sent."""
    target = path.with_name(out)
    words = ["replay", str(path), "--out", str(target), "--service", "echo", "--json", *words]
    assert cli.main(words) == 0
    return json.loads(capsys.readouterr().out), list(capture.read(target))


def echoed(frames):
    """What a server sent to its client, put together."""
    pieces = {}
    for frame in frames:
        packet = Ether(frame.data)
        if TCP in packet and packet[TCP].payload:
            length = packet[IP].len - 20 - 4 * packet[TCP].dataofs
            pieces[packet[TCP].seq] = bytes(packet[TCP].payload)[:length]
    return b"".join(pieces[seq] for seq in sorted(pieces))


def segments(frames):
    return [Ether(frame.data)[TCP] for frame in frames if TCP in Ether(frame.data)]


def flags(frames):
    return [str(segment.flags) for segment in segments(frames)]


# --- the command ----------------------------------------------------------------------------------


def test_a_capture_of_another_server_is_answered_by_ours(both, capsys):
    document, sent = replay(both, capsys)
    assert echoed(sent) == WORDS
    assert flags(sent)[0] == "SA"
    assert "F" in flags(sent)[-1]
    assert "R" not in "".join(flags(sent))
    assert document["counters"]["TCP_ACK_ACCEPTED"] == 1
    assert document["frames"] == document["frames_in"] + document["for_others"]
    assert document["frames_out"] == len(sent)


def test_the_same_again_gives_the_same_bytes(both, capsys):
    _, first = replay(both, capsys)
    _, second = replay(both, capsys, out="again.pcap")
    assert first == second
    assert both.with_name("out.pcap").read_bytes() == both.with_name("again.pcap").read_bytes()


def test_another_seed_gives_other_numbers_and_the_same_stream(both, capsys):
    _, first = replay(both, capsys)
    _, second = replay(both, capsys, "--seed", "2")
    assert segments(first)[0].seq != segments(second)[0].seq
    assert echoed(first) == echoed(second) == WORDS


def test_the_clients_side_alone_is_enough(frames, tmp_path, capsys):
    document, sent = replay(write(tmp_path / "in.pcap", frames[0]), capsys)
    assert echoed(sent) == WORDS
    assert document["for_others"] == 0


def test_numbers_as_they_were_captured_fit_nobody(both, capsys):
    _, sent = replay(both, capsys, "--as-is")
    assert echoed(sent) == b""
    assert "R" in flags(sent)


def test_time_is_the_captures(both, capsys):
    document, sent = replay(both, capsys, "--after", "0")
    syn = next(frame for frame in capture.read(both) if flags([frame]) == ["S"])
    answer = next(frame for frame in sent if flags([frame]) == ["SA"])
    assert answer.when == syn.when
    arrivals = [frame.when for frame in capture.read(both)]
    assert document["seconds"] == (arrivals[-1] - arrivals[0]) / 1e9


def test_what_is_unanswered_is_repeated_after_the_end(frames, tmp_path, capsys):
    syn = [row for row in frames[0] if "S" in flags([Frame(0, row[1], False)])][:1]
    path = write(tmp_path / "in.pcap", syn)
    assert len(flags(replay(path, capsys, "--after", "0")[1])) == 1
    assert len(flags(replay(path, capsys, "--after", "4")[1])) == 3


def test_only_what_is_for_the_server_goes_in(both, frames, tmp_path, capsys):
    other = Ether(dst="02:00:00:00:00:99", src=CLIENT) / IP(src="10.9.0.1", dst="10.9.0.9") / TCP()
    arp = Ether(dst="ff:ff:ff:ff:ff:ff", src=CLIENT) / ARP(psrc="10.9.0.1", pdst="10.9.0.2")
    more = [(0.0, bytes(other)), (0.0, bytes(arp))]
    path = write(tmp_path / "more.pcap", more + frames[0] + frames[1])
    document, sent = replay(path, capsys, "--listen", "10.9.0.2:7", out="more-out.pcap")
    plain_document, _ = replay(both, capsys)
    assert document["frames_in"] == plain_document["frames_in"] + 1
    assert Ether(sent[0].data)[ARP].op == 2


def test_a_client_that_was_not_asked_for_is_refused(both, capsys):
    _, sent = replay(both, capsys, "--listen", "10.9.0.2:80")
    assert flags(sent)[0] == "RA"


def test_a_cut_frame_is_counted_and_no_fault(frames, tmp_path, capsys):
    path = tmp_path / "in.pcap"
    writer = RawPcapWriter(str(path), linktype=1, nano=True)
    writer.write_header(None)
    for when, frame in frames[0]:
        writer.write_packet(frame[:100], sec=BEGIN, usec=round(when * 1e9), wirelen=len(frame))
    writer.close()
    document, _ = replay(path, capsys)
    assert document["cut"] > 0
    assert document["counters"]["IP4_TRUNCATED"] > 0


def test_pcapng_is_read_too(frames, tmp_path, capsys):
    path = tmp_path / "in.pcapng"
    writer = RawPcapNgWriter(str(path))
    writer.linktype = 1
    writer.write_header(None)
    for when, frame in sorted(frames[0] + frames[1]):
        writer.write_packet(frame, sec=BEGIN + when)
    writer.close()
    assert echoed(replay(path, capsys)[1]) == WORDS


def test_a_summary_in_words(both, capsys):
    out = both.with_name("out.pcap")
    assert cli.main(["replay", str(both), "--out", str(out), "--service", "echo"]) == 0
    said = capsys.readouterr().out
    assert "sent in" in said
    assert "TCP_ACK_ACCEPTED" in said


@pytest.mark.parametrize("content", [b"", b"no capture", b"\xd4\xc3\xb2\xa1"])
def test_what_is_no_capture_is_one_line(tmp_path, capsys, content):
    path = tmp_path / "in.pcap"
    path.write_bytes(content)
    assert cli.main(["replay", str(path), "--out", str(tmp_path / "out.pcap")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert str(path) in err


def test_what_is_not_there_is_one_line(tmp_path, capsys):
    path = tmp_path / "in.pcap"
    assert cli.main(["replay", str(path), "--out", str(tmp_path / "out.pcap")]) == 2
    assert "No such file" in capsys.readouterr().err


def test_a_capture_is_not_written_over_itself(tmp_path, capsys):
    path, link = tmp_path / "in.pcap", tmp_path / "link.pcap"
    path.write_bytes(b"precious")
    link.symlink_to(path)
    assert cli.main(["replay", str(path), "--out", str(link)]) == 2
    assert "--out" in capsys.readouterr().err
    assert path.read_bytes() == b"precious"


def test_other_links_than_ethernet_are_refused(tmp_path, capsys):
    path = tmp_path / "in.pcap"
    writer = RawPcapWriter(str(path), linktype=101)
    writer.write_header(None)
    writer.write_packet(b"\x45" + bytes(39), sec=1, usec=1)
    writer.close()
    assert cli.main(["replay", str(path), "--out", str(tmp_path / "out.pcap")]) == 2
    assert "link type 101" in capsys.readouterr().err


def test_nothing_for_us_is_said(both, capsys):
    words = ["replay", str(both), "--out", str(both.with_name("out.pcap"))]
    assert cli.main([*words, "--listen", "192.0.2.1:80"]) == 1
    assert "192.0.2.1" in capsys.readouterr().err


# --- where the server stands ----------------------------------------------------------------------


def packet(source, target, flags="S", sender=CLIENT, to=SERVER, **tcp):
    network = IPv6 if ":" in source else IP
    segment = TCP(sport=1000, dport=80, flags=flags, **tcp)
    return bytes(Ether(src=sender, dst=to) / network(src=source, dst=target) / segment)


def placed(*packets, where=(), config=None):
    found = survey(Frame(0, data, False) for data in packets)
    return place(found, [Where(*one) for one in where], config).ports[0]


def test_addresses_and_station_are_those_of_the_capture():
    port = placed(packet("10.0.0.1", "10.0.0.2"), packet("fd00::1", "fd00::2"))
    assert [str(one) for one in port.address] == ["10.0.0.2/24", "fd00::2/64"]
    assert (port.device, port.mac.hex(":"), port.dad) == ("step", SERVER, False)


def test_clients_on_the_link_need_no_arp():
    port = placed(packet("10.0.0.1", "10.0.0.2"))
    assert [(str(n.address), n.mac.hex(":")) for n in port.neighbour] == [("10.0.0.1", CLIENT)]
    assert port.gateway == ()


def test_clients_elsewhere_are_behind_a_gateway():
    port = placed(
        packet("10.0.0.1", "10.0.0.2"), packet("192.0.2.7", "10.0.0.2", sender=SERVER[:-1] + "8")
    )
    (gateway,) = port.gateway
    assert str(gateway) == "10.0.0.3"
    macs = {str(n.address): n.mac.hex(":") for n in port.neighbour}
    assert macs == {"10.0.0.1": CLIENT, "10.0.0.3": SERVER[:-1] + "8"}


def test_a_configuration_keeps_its_address_and_gateway():
    given = {"device": "net_tap0", "address": ["10.0.0.2/30"], "gateway": "10.0.0.1"}
    config = Config.from_dict({"port": [given], "tcp": {"sack": False}})
    port = placed(packet("192.0.2.7", "10.0.0.2"), config=config)
    assert str(port.address[0]) == "10.0.0.2/30"
    assert [str(gateway) for gateway in port.gateway] == ["10.0.0.1"]
    assert [(str(n.address), n.mac.hex(":")) for n in port.neighbour] == [("10.0.0.1", CLIENT)]


def test_the_loopback_device_has_no_stations():
    nobody = "00:00:00:00:00:00"
    with pytest.raises(Failed, match="loopback"):
        placed(packet("127.0.0.1", "127.0.0.9", sender=nobody, to=nobody))


def test_an_address_that_is_all_of_a_network_wants_a_configuration():
    with pytest.raises(Unusable, match="--config"):
        placed(packet("10.0.0.1", "10.0.0.255"))


def test_an_empty_capture_is_for_nobody():
    with pytest.raises(Failed, match="no frame"):
        placed()


# --- numbers --------------------------------------------------------------------------------------


def synchronise(numbers, ours, theirs, *, clocks=(0, 0)):
    """A handshake that `numbers` sees: SYN, the capture's SYN-ACK, ours."""
    numbers.translate(syn := packet("10.0.0.1", "10.0.0.2"), dissect(syn))
    for see, seq, clock in (
        (numbers.see_theirs, theirs, clocks[1]),
        (numbers.see_ours, ours, clocks[0]),
    ):
        options = [("Timestamp", (clock, 1))] if clock else []
        segment = TCP(sport=80, dport=1000, flags="SA", seq=seq, options=options)
        frame = bytes(Ether() / IP(src="10.0.0.2", dst="10.0.0.1") / segment)
        see(frame, dissect(frame))


def translated(numbers, **tcp):
    frame = packet("10.0.0.1", "10.0.0.2", **tcp)
    return Ether(numbers.translate(frame, dissect(frame)))[TCP]


def is_right(segment):
    """Whether the checksum is what scapy would make it."""
    again = IP(src="10.0.0.1", dst="10.0.0.2") / segment.copy()
    del again[TCP].chksum
    return IP(bytes(again))[TCP].chksum == segment.chksum


number = st.integers(0, 2**32 - 1)


@given(ours=number, theirs=number, far=st.integers(0, 2**20), edge=number)
def test_acknowledgments_and_sack_move_alike(ours, theirs, far, edge):
    numbers = Numbers()
    synchronise(numbers, ours, theirs)
    options = [("NOP", None), ("NOP", None), ("SAck", (edge, (edge + 9) % 2**32))]
    segment = translated(numbers, flags="A", ack=(theirs + far) % 2**32, options=options)
    distance = ours - theirs
    assert segment.ack == (ours + far) % 2**32
    assert dict(segment.options)["SAck"] == (
        (edge + distance) % 2**32,
        (edge + 9 + distance) % 2**32,
    )
    assert is_right(segment)


@given(ours=st.integers(1, 2**32 - 1), theirs=st.integers(1, 2**32 - 1), later=st.integers(0, 9))
def test_the_clock_that_is_echoed_is_ours(ours, theirs, later):
    numbers = Numbers()
    synchronise(numbers, 1, 1, clocks=(ours, theirs))
    echo = (theirs + later) % 2**32
    segment = translated(numbers, flags="A", ack=2, options=[("Timestamp", (5, echo))])
    assert dict(segment.options)["Timestamp"] == (5, (ours + later) % 2**32)
    assert is_right(segment)


def test_a_wrong_checksum_stays_wrong():
    numbers = Numbers()
    synchronise(numbers, 1000, 5000)
    good = translated(numbers, flags="A", ack=5001)
    bad = translated(numbers, flags="A", ack=5001, chksum=good.chksum ^ 0x0101)
    assert is_right(good)
    assert not is_right(bad)


def test_without_the_servers_synack_the_first_ack_tells():
    numbers = Numbers()
    numbers.translate(syn := packet("10.0.0.1", "10.0.0.2"), dissect(syn))
    frame = packet("10.0.0.2", "10.0.0.1")
    ours = (
        Ether() / IP(src="10.0.0.2", dst="10.0.0.1") / TCP(sport=80, dport=1000, flags="SA", seq=77)
    )
    numbers.see_ours(bytes(ours), dissect(bytes(ours)))
    del frame
    assert translated(numbers, flags="R", ack=0).ack == 0
    assert translated(numbers, flags="A", ack=5001).ack == 78
    assert translated(numbers, flags="PA", ack=5101).ack == 178


def test_a_connection_that_begins_anew_has_new_numbers():
    numbers = Numbers()
    synchronise(numbers, 1000, 5000)
    synchronise(numbers, 2000, 9000)
    assert translated(numbers, flags="A", ack=9001).ack == 2001


def test_what_belongs_to_no_connection_is_left_alone():
    assert translated(Numbers(), flags="A", ack=5001).ack == 5001


@given(st.binary(max_size=120))
def test_no_frame_is_too_odd(data):
    numbers = Numbers()
    found = dissect(data)
    assert numbers.translate(data, found) == data
    numbers.see_ours(data, found)
    survey([Frame(0, data, False)])


@given(st.data())
def test_no_segment_is_too_odd(data):
    numbers = Numbers()
    synchronise(numbers, 10, 20)
    frame = bytearray(packet("10.0.0.1", "10.0.0.2", flags="A", ack=5) + bytes(40))
    frame[46] = data.draw(st.integers(0, 255))
    frame[54:94] = data.draw(st.binary(min_size=40, max_size=40))
    changed = numbers.translate(bytes(frame), dissect(bytes(frame)))
    assert len(changed) == len(frame)


def test_a_tag_is_no_obstacle():
    tagged = Ether(src=CLIENT, dst=SERVER) / Dot1Q(vlan=5) / IP(src="10.0.0.1", dst="10.0.0.2")
    found = dissect(bytes(tagged / TCP(dport=80)))
    assert (found.target, found.tcp) == (bytes([10, 0, 0, 2]), 38)


@pytest.mark.parametrize("nano", [False, True])
def test_times_are_read_as_they_were_written(tmp_path, nano):
    path = tmp_path / "in.pcap"
    order = ("<IHHiIII", (0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    record = struct.pack("<IIII", 5, 123_456, 3, 3) + b"abc"
    path.write_bytes(struct.pack(order[0], *order[1]) + record)
    (frame,) = capture.read(path)
    assert frame == (5 * 10**9 + (123_456 if nano else 123_456_000), b"abc", False)
