"""The Wireshark dissector, on captures made of the vectors by hand."""

import json
import re
import shutil
import subprocess

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from tests.arch.sources import TOP

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="there is no tshark")

SCRIPT = TOP / "configs/wireshark/pyprov.lua"
FLAGS = ["req", "pend", "acc", "rej", "resend", "qos", "disc", "more"]
TCP_FLAGS = {"SYN": "S", "SYN_ACK": "SA", "ACK": "A", "RST": "RA", "FIN": "FA"}


def rows(name, macro):
    """The rows of a file of vectors, as lists of strings; adjacent strings are one."""
    text = (TOP / "tests/vectors" / name).read_text().partition("*/\n/*")[2].partition("*/")[2]
    for row in re.findall(rf"{macro}\((.*?)\)$", text, re.MULTILINE | re.DOTALL):
        joined = re.sub(r'"\s*"', "", row)
        yield [a or b for a, b in re.findall(r'"([^"]*)"|([^,"\s][^,"]*)', joined)]


OPTIONS = list(rows("hs_option.def", "OPTION"))
BLOCKS = {symbol: bytes.fromhex(text) for symbol, _, text in rows("hs_block.def", "BLOCK")}
HELLO = BLOCKS["CALLER_DATA"]


def option(flags, reason=0, length=0, *, more=b""):
    return (253, b"PVSP" + bytes([flags, reason]) + length.to_bytes(2, "big") + more)


def segment(given, payload=b"", flags="S", seq=1, network=None):
    network = network or IP(src="10.9.0.1", dst="10.9.0.2")
    tcp = TCP(sport=5000, dport=80, flags=flags, seq=seq, options=[("MSS", 1460), given])
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / network / tcp / payload


def layers(tmp_path, frames, *passes):
    """What the dissector shows of each frame: {field: [values]}."""
    capture = tmp_path / "made.pcap"
    wrpcap(str(capture), frames)
    command = ["tshark", "-X", f"lua_script:{SCRIPT}", "-r", str(capture), *passes, "-T", "ek"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "Lua" not in done.stderr, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    shown = [line["layers"].get("pyprov") for line in lines if "layers" in line]
    assert len(shown) == len(frames)
    return [flat(layer) for layer in shown]


def flat(layer):
    found = {}
    for name, value in (layer or {}).items():
        field = name.removeprefix("pyprov_pyprov_").removeprefix("_ws_expert__ws_expert_")
        found[field] = value if isinstance(value, list) else [value]
    return found


def test_every_vector_of_the_option_is_read(tmp_path):
    assert len(OPTIONS) == 15
    frames = []
    for i, (_, text, _, _, _, tcp, size) in enumerate(OPTIONS):
        made = (253, bytes.fromhex(text)[2:])
        frames.append(segment(made, bytes(int(size)), TCP_FLAGS[tcp], seq=i * 5000))
    for row, shown in zip(OPTIONS, layers(tmp_path, frames), strict=True):
        name, _, flags, reason, length, _, _ = row
        wanted = {word.strip().lower() for word in flags.split("|")}
        told = {flag for flag in FLAGS if shown[f"flags_{flag}"] == [True]}
        assert told == wanted, name
        assert shown["reason"] == [reason], name
        assert shown["block_length"] == [length], name


def test_every_block_is_taken_apart(tmp_path):
    frames = [
        segment(option(1, length=len(block)), block, seq=i * 5000)
        for i, block in enumerate(BLOCKS.values())
    ]
    shown = dict(zip(BLOCKS, layers(tmp_path, frames), strict=True))
    assert shown["CALLER_DATA"]["data"] == ["68:65:6c:6c:6f"]
    assert shown["NO_DATA"]["type"] == ["1"]
    assert "data" not in shown["NO_DATA"]
    flows = shown["BOTH_DIRECTIONS"]
    assert flows["sending_token_rate"] == ["125000"]
    assert flows["sending_service_type"] == ["2"]
    assert flows["sending_minimum_policed_size"] == ["64"]
    assert flows["receiving_token_rate"] == ["4294967295"]
    assert flows["receiving_service_type"] == ["0"]
    assert shown["GROUP"] | {"group": ["7"], "priority": ["2147483649"]} == shown["GROUP"]
    assert shown["STATUS"]["status"] == ["11013"]
    everything = shown["EVERYTHING"]
    assert everything["type"] == ["1", "2", "3", "4", "5", "6"]
    assert everything["provider"] == ["de:ad:be:ef"]
    assert all("malformed" not in layer for layer in shown.values())


@pytest.mark.parametrize("passes", [[], ["-2"]], ids=["one pass", "two passes"])
def test_a_block_of_several_segments_is_shown_with_the_last(tmp_path, passes):
    block = BLOCKS["EVERYTHING"]
    parts = [block[:50], block[50:51], block[51:]]
    frames, seq = [], 1
    for i, part in enumerate(parts):
        flags = 1 | (0x80 if i < 2 else 0)
        network = IPv6(src="fd09::1", dst="fd09::2")
        frames.append(segment(option(flags, length=len(part)), part, "A", seq, network))
        seq += len(part)
    first, second, last = layers(tmp_path, frames, *passes)
    assert "type" not in first
    assert "type" not in second
    assert last["type"] == ["1", "2", "3", "4", "5", "6"]
    assert last["status"] == ["11013"]


WRONG = {
    "past the payload": (option(1, length=14), HELLO + b"12345"[: 13 - len(HELLO)]),
    "of 9 bytes": ((253, b"PVSP\1\0\0"), b""),
    "of 11 bytes": (option(1, more=b"x"), b""),
    "a type without its length": (option(1, length=2), b"\1\0"),
    "a value past the end": (option(1, length=7), HELLO[:7]),
    "flow of 31 bytes": (option(1, length=34), b"\2\0\x1f" + bytes(31)),
    "status of 8 bytes": (option(1, length=11), b"\6\0\x08" + bytes(8)),
    "data twice": (option(1, length=16), HELLO + HELLO),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_malformed_is_marked(tmp_path, name):
    given, payload = WRONG[name]
    (shown,) = layers(tmp_path, [segment(given, payload)])
    assert any("malformed" in field for field in shown), shown


def test_other_segments_are_left_alone(tmp_path):
    frames = [
        segment((253, b"\x12\x34\x56\x78more")),
        segment(("Timestamp", (1, 2)), b"GET /", "PA"),
        segment((253, b"")),
    ]
    assert layers(tmp_path, frames) == [{}, {}, {}]
