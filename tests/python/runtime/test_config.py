"""Configuration files: what they give, and how exactly they are refused."""

import re
import tomllib
from dataclasses import FrozenInstanceError
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyprov.runtime import config, config_port
from pyprov.runtime.config import Config, ConfigError, Port, shipped
from pyprov.runtime.config_port import Neighbour, Route
from pyprov.runtime.config_wire import WireEnd
from pyprov.runtime.rules import keys_of
from pyprov.winsock import service
from pyprov.winsock.errors import WSAError
from pyprov.winsock.templates import WELL_KNOWN, well_known

TOP = Path(__file__).parents[3]
CONFIGS = TOP / "configs"
SHIPPED = [
    *("af_packet", "af_xdp", "defaults", "generate", "memif", "nic", "pcap", "ring", "tap"),
    "virtio_user",
]
SECTIONS = ("provider", "workers", "tcp", "qos", "observe")


def port(**keys):
    return {"port": [{"device": "ring", **keys}]}


def error_of(tables):
    with pytest.raises(ConfigError) as caught:
        Config.from_dict(tables, source="x.toml")
    return str(caught.value)


# What comes with the package


def test_all_shipped_configurations_are_there():
    assert shipped() == sorted(path.stem for path in CONFIGS.glob("*.toml")) == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_configuration_is_found_by_name_and_by_path(name):
    by_name, by_path = Config.load(name), Config.load(CONFIGS / f"{name}.toml")
    assert by_name.source == f"{name}.toml"
    assert by_name.ports == by_path.ports
    assert (by_name.provider, by_name.tcp) == (by_path.provider, by_path.tcp)
    assert len(by_name.ports) == (0 if name == "defaults" else 1)
    assert Config.load(str(CONFIGS / f"{name}.toml")) == by_path


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_configuration_begins_with_words_for_a_newcomer(name):
    lines = (CONFIGS / f"{name}.toml").read_text().splitlines()
    assert lines[0].startswith("# ")
    assert all(len(line) <= 100 for line in lines)


def test_defaults_toml_names_every_key_with_its_default():
    text = (CONFIGS / "defaults.toml").read_text()
    tables = tomllib.loads(text)
    assert Config.from_dict(tables) == Config.from_dict({})
    for section in SECTIONS:
        assert set(tables[section]) == set(keys_of(type(getattr(Config(), section)))), section
    block = text[text.index("#[[port]]") :]
    (table,) = tomllib.loads(re.sub(r"^#(?=\S)", "", block, flags=re.MULTILINE))["port"]
    assert set(table["wire"]) == set(keys_of(WireEnd))
    assert set(table) == set(keys_of(Port)) - {"mac"}, "mac has no value that means none"
    assert Config.from_dict({"port": [table]}).ports == (
        Port(device="ring", wire=WireEnd(name="wan")),
    )


def test_a_file_in_the_way_comes_before_the_shipped_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Config.load("ring").source == "ring.toml"
    Path("ring").write_text("[tcp]\nttl = 7\n")
    assert Config.load("ring").tcp.ttl == 7


# Defaults


def test_defaults_follow_the_standards():
    tcp = Config().tcp
    assert (tcp.rto_initial, tcp.rto_min, tcp.initial_window) == (1.0, 0.2, 10)
    assert (tcp.delayed_ack, tcp.delayed_ack_time, tcp.nagle) == (True, 0.04, True)
    assert (tcp.syn_ack_retries, tcp.time_wait, tcp.fin_wait_2) == (5, 60.0, 60.0)
    keepalive = (tcp.keepalive_idle, tcp.keepalive_interval, tcp.keepalive_count)
    assert keepalive == (7200.0, 1.0, 10)
    provider = Config().provider
    assert (provider.max_connections, provider.half_open_max) == (65536, 65536)
    assert (provider.backlog_max, provider.huge) == (65535, "auto")
    assert (provider.backlog_overflow, provider.half_open_overflow) == ("reset", "drop")
    assert Config().qos.reservable == 0.8


def test_nothing_can_be_changed_afterwards():
    with pytest.raises(FrozenInstanceError):
        Config().tcp.ttl = 1
    with pytest.raises(TypeError):
        Config().qos.templates["x"] = None


# Values


@pytest.mark.parametrize(
    ("tables", "path", "value"),
    [
        ({"tcp": {"rto_min": 1}}, "tcp.rto_min", 1.0),
        ({"tcp": {"user_timeout": 0}}, "tcp.user_timeout", 0.0),
        ({"tcp": {"mss_clamp": 0}}, "tcp.mss_clamp", 0),
        ({"tcp": {"mss_clamp": 48}}, "tcp.mss_clamp", 48),
        ({"tcp": {"secret": "00" * 15 + "Ff"}}, "tcp.secret", bytes(15) + b"\xff"),
        ({"tcp": {"secret": ""}}, "tcp.secret", b""),
        ({"tcp": {"syn_cookies": "never"}}, "tcp.syn_cookies", "never"),
        ({"workers": {"lcores": "2-5"}}, "workers.lcores", (2, 3, 4, 5)),
        ({"workers": {"lcores": "7,0-1"}}, "workers.lcores", (7, 0, 1)),
        ({"workers": {"lcores": "7,0-1"}}, "workers.cpus", (7, 0, 1)),
        ({"workers": {"lcores": "3-3", "count": 1}}, "workers.cpus", (3,)),
        ({"workers": {"lcores": ""}}, "workers.cpus", (-1,)),
        ({"workers": {"count": 3}}, "workers.cpus", (-1, -1, -1)),
        ({"provider": {"eal": ["-n", "4"]}}, "provider.eal", ("-n", "4")),
        ({"observe": {"metrics": "[::1]:80"}}, "observe.metrics", "[::1]:80"),
        ({"qos": {"reservable": 1}}, "qos.reservable", 1.0),
    ],
)
def test_values(tables, path, value):
    found = Config.from_dict(tables)
    for name in path.split("."):
        found = getattr(found, name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("keys", "name", "value"),
    [
        ({"address": ["10.9.0.2/24"]}, "address", (ip_interface("10.9.0.2/24"),)),
        (
            {"address": ["10.9.0.0/31", "10.9.1.1/32"]},
            "address",
            (ip_interface("10.9.0.0/31"), ip_interface("10.9.1.1/32")),
        ),
        ({"gateway": "fe80::1"}, "gateway", (ip_address("fe80::1"),)),
        ({"mac": "02:00:00:00:00:Aa"}, "mac", b"\x02\0\0\0\0\xaa"),
        ({"mac": "00:1b:21:00:00:01"}, "mac", b"\x00\x1b\x21\0\0\x01"),
        ({"rate": "10G"}, "rate", 10**10),
        ({"rate": "2.5G"}, "rate", 2_500_000_000),
        ({"rate": "100k"}, "rate", 100_000),
        ({"rate": 1_000_000}, "rate", 1_000_000),
        ({"vlan": [1, 4094]}, "vlan", (1, 4094)),
        ({"mtu": 9000, "queues": 4}, "mtu", 9000),
        ({"mtu": 1280, "address": ["fd09::2/64"]}, "mtu", 1280),
        ({"checksum_offload": False}, "checksum_offload", False),
        (
            {"neighbour": [{"address": "10.9.0.1", "mac": "02:00:00:00:00:01"}]},
            "neighbour",
            (Neighbour(ip_address("10.9.0.1"), b"\x02\0\0\0\0\x01"),),
        ),
        (
            {"address": ["10.9.0.2/24"], "route": [{"to": "10.0.0.0/8", "via": "10.9.0.9"}]},
            "route",
            (Route(ip_network("10.0.0.0/8"), ip_address("10.9.0.9")),),
        ),
    ],
)
def test_values_of_a_port(keys, name, value):
    (made,) = Config.from_dict(port(**keys)).ports
    assert getattr(made, name) == value


@pytest.mark.parametrize(
    "device",
    [
        *("ring", "step", "0000:3b:00.0", "3b:00.1", "10000:e1:00.0,max_vfs=2", "net_null0"),
        *("net_tap0,iface=pv0", "net_af_packet0,iface=pv0,blocksz=4096", "eth_af_xdp12"),
        "net_memif0,role=server,id=0,socket=/run/x.sock,socket-abstract=no",
    ],
)
def test_devices(device):
    assert Config.from_dict({"port": [{"device": device}]}).ports[0].device == device


def test_gateways_and_addresses_of_both_families():
    keys = {"address": ["10.9.0.2/24", "fd09::2/64"], "gateway": ["10.9.0.1", "fd09::1"]}
    (made,) = Config.from_dict(port(**keys)).ports
    assert [gateway.version for gateway in made.gateway] == [4, 6]


# What is refused, word for word


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"tcp": {"rto_mim": 1}}, "tcp.rto_mim: unknown key; did you mean rto_min?"),
        (
            {"observe": {"zzz": 1}},
            "observe.zzz: unknown key; known here are capture, log, metrics, telemetry",
        ),
        ({"rto_min": 1}, "rto_min: belongs into [tcp]"),
        ({"tpc": {}}, "tpc: unknown table; did you mean tcp?"),
        ({"tcp": {"rto_min": -1}}, "tcp.rto_min = -1: expected seconds from 0.001 to 60"),
        (
            {"tcp": {"user_timeout": -1}},
            "tcp.user_timeout = -1: expected seconds from 0.001 to 4e+06, or 0 for none",
        ),
        ({"tcp": {"ttl": 256}}, "tcp.ttl = 256: expected a whole number from 1 to 255"),
        (
            {"tcp": {"mss_clamp": 47}},
            "tcp.mss_clamp = 47: expected a whole number from 48 to 65495, or 0 for none",
        ),
        ({"tcp": {"sack": 1}}, "tcp.sack = 1: expected true or false"),
        (
            {"tcp": {"congestion": "reno"}},
            'tcp.congestion = "reno": expected "cubic", "newreno" or "dctcp"',
        ),
        (
            {"provider": {"half_open_overflow": "accept"}},
            'provider.half_open_overflow = "accept": expected "drop" or "reset"',
        ),
        (
            {"tcp": {"secret": "5ecre7" * 6}},
            'tcp.secret = "...": expected 32 hexadecimal digits',
        ),
        ({"tcp": []}, "tcp = []: expected a table"),
        (
            {"port": {"device": "ring"}},
            'port = {"device": "ring"}: expected tables headed [[port]]',
        ),
        ({"port": [{}]}, "port[0].device: is missing"),
        (
            {"port": [{"device": "net_tap0 iface=pv0"}]},
            (
                'port[0].device = "net_tap0 iface=pv0": expected a device: a PCI address like '
                '"0000:3b:00.0", a virtual device like "net_tap0,iface=pv0", "ring" or "step"'
            ),
        ),
        (port(mtu=67), "port[0].mtu = 67: expected a whole number from 68 to 9000"),
        (
            port(address=["10.9.0.2"]),
            (
                'port[0].address[0] = "10.9.0.2": expected an address with its prefix length '
                'like "10.9.0.2/24" or "fd09::2/64"'
            ),
        ),
        (
            port(address=["10.9.0.0/24"]),
            'port[0].address[0] = "10.9.0.0/24": this is not a host of 10.9.0.0/24 but all of it',
        ),
        (port(neighbour=[{"address": "10.9.0.1"}]), "port[0].neighbour[0].mac: is missing"),
        (
            port(neighbour=[{"address": "10.9.0.1", "mac": "01:00:5e:00:00:01"}]),
            (
                'port[0].neighbour[0].mac = "01:00:5e:00:00:01": '
                'expected a station\'s MAC address like "02:00:00:00:00:01"'
            ),
        ),
        (
            port(vlan=[1, 4095]),
            "port[0].vlan[1] = 4095: expected a whole number from 1 to 4094",
        ),
        (port(address=["fd09::2/64"], mtu=1279), "port[0].mtu = 1279: IPv6 needs at least 1280"),
        (
            {"port": [{"device": "net_tap0,iface=pv0", "mtu": 9000}]},
            "port[0].mtu = 9000: a tap carries at most 1500; a veth with net_af_packet takes 9000",
        ),
        (
            port(address=["10.9.0.2/24"], gateway="10.8.0.1"),
            "port[0].gateway: 10.8.0.1 is not another host on a network of this port",
        ),
        (
            {"port": [{"device": "net_tap0,iface=a"}, {"device": "net_tap0,iface=b"}]},
            'port[1].device = "net_tap0,iface=b": port[0] has the same device',
        ),
        (
            {"port": [{"device": "ring", "address": ["10.9.0.2/24"]}] * 2},
            'port[1].address = "10.9.0.2/24": port[0] has the same address',
        ),
        (
            {"tcp": {"rto_min": 2.5, "rto_max": 2}},
            "tcp.rto_min = 2.5: must not exceed rto_max = 2.0",
        ),
        (
            {"workers": {"lcores": "2-5", "count": 3}},
            "workers.count = 3: lcores names 4 CPUs; leave one of the two out",
        ),
        (
            {"provider": {"memory": 16, "packet_buffers": 8000}},
            "provider.packet_buffers = 8000: the packet buffers leave nothing of memory = 16",
        ),
        (
            {"qos": {"dscp": {"guaranted": 46}}},
            "qos.dscp.guaranted: unknown key; did you mean guaranteed?",
        ),
        (
            {"qos": {"templates": {"gold": {"ServiceType": "guaranteed"}}}},
            (
                "qos.templates.gold: cannot be asked for: "
                "WSA_QOS_EFLOWSPEC (11017): this service needs a TokenRate"
            ),
        ),
        (
            {"qos": {"templates": {"gold": {"sending": {"TokenRte": 1}}}}},
            "qos.templates.gold.sending.TokenRte: unknown key; did you mean TokenRate?",
        ),
    ],
)
def test_refusals_name_the_key_the_value_and_what_is_allowed(tables, message):
    assert error_of(tables) == f"x.toml: {message}"


def test_an_odd_key_is_put_in_quotes():
    assert r'tcp."a\nb": unknown key' in error_of({"tcp": {"a\nb": {}}})


@pytest.mark.parametrize(
    "tables",
    [
        {"tcp": {"rto_min": True}},
        {"tcp": {"rto_min": "1"}},
        {"tcp": {"rto_min": float("nan")}},
        {"tcp": {"rto_max": float("inf")}},
        {"tcp": {"delayed_ack_time": 0.5}},
        {"tcp": {"ttl": 64.0}},
        {"tcp": {"ttl": True}},
        {"tcp": {"mss_clamp": False}},
        {"tcp": {"mss_clamp": 0.0}},
        {"tcp": {"mss_clamp": ""}},
        {"tcp": {"congestion": ["cubic"]}},
        {"tcp": {"secret": 7}},
        {"tcp": {"secret": "0g" * 16}},
        {"tcp": {"recv_buffer": 8_000_000}},
        {"tcp": {"rto_initial": 2.5, "rto_max": 2}},
        {"workers": {"lcores": 2}},
        {"workers": {"lcores": "2-"}},
        {"workers": {"lcores": "5-2"}},
        {"workers": {"lcores": "1,1"}},
        {"workers": {"lcores": "0-16"}},
        {"workers": {"lcores": "1024"}},
        {"workers": {"lcores": "2 - 5"}},
        {"workers": {"lcores": "0-99999999999"}},
        {"workers": {"count": 17}},
        {"provider": {"eal": "-n 4"}},
        {"provider": {"eal": [4]}},
        {"observe": {"metrics": "9464"}},
        {"observe": {"metrics": ":9464"}},
        {"observe": {"metrics": "h:65536"}},
        {"qos": {"reservable": 1.1}},
        {"qos": {"dscp": {"guaranteed": 64}}},
        {"qos": {"templates": []}},
        {"qos": {"templates": {"x": {"ServiceType": "best"}}}},
        {"qos": {"templates": {"x": {"TokenRate": -1}}}},
        {"qos": {"templates": {"x": {"TokenRate": 1, "sending": {}}}}},
        {"port": ["ring"]},
        {"port": [{"device": "ring"}] * 9},
        port(device="net_tap0,"),
        port(device=""),
        port(device="net_x0," + "a=b," * 60 + "a=b"),
        port(address="10.9.0.2/24"),
        port(address=["10.9.0.2/24", "10.9.0.2/16"]),
        port(address=["224.0.0.1/4"]),
        port(address=["127.0.0.1/8"]),
        port(address=["0.0.0.0/0"]),
        port(address=["10.9.0.255/24"]),
        port(address=["fe80::1%1/64"]),
        port(address=["::ffff:10.9.0.2/120"]),
        port(address=["10.9.0.2/33"]),
        port(address=[f"10.9.{n}.2/24" for n in range(17)]),
        port(gateway="10.9.0.2", address=["10.9.0.2/24"]),
        port(gateway=["10.9.0.1", "10.9.0.3"], address=["10.9.0.2/24"]),
        port(neighbour=[{"address": "::", "mac": "02:00:00:00:00:01"}]),
        port(
            address=["10.9.0.2/24"],
            neighbour=[{"address": "10.9.0.2", "mac": "02:00:00:00:00:01"}],
        ),
        port(route=[{"to": "10.0.0.1/8", "via": "fe80::1"}]),
        port(route=[{"to": "10.0.0.0/8", "via": "fe80::1"}]),
        port(route=[{"to": "fd00::/8", "via": "fd09::1"}]),
        port(mac="02-00-00-00-00-01"),
        port(mac="00:00:00:00:00:00"),
        port(rate="10 Gbit"),
        port(rate=-1),
        port(rate="99999T"),
        port(queues=65),
        port(vlan=[0]),
        port(vlan=list(range(1, 10))),
    ],
)
def test_more_that_is_refused(tables):
    assert error_of(tables).startswith("x.toml: ")


def test_a_missing_file_a_folder_and_broken_toml(tmp_path):
    broken = tmp_path / "broken.toml"
    broken.write_text("[tcp]\nttl = \n")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    for name, problem in (
        (tmp_path / "none.toml", "cannot be read: No such file or directory"),
        (tmp_path, "cannot be read: Is a directory"),
        (broken, r"is no TOML: Invalid value \(at line 2, column 7\)"),
        (binary, "is no TOML: 'utf-8' codec can't decode"),
    ):
        with pytest.raises(ConfigError, match=f"^{re.escape(str(name))}: {problem}"):
            Config.load(name)


def test_an_unknown_name_is_told_what_is_shipped():
    with pytest.raises(ConfigError, match=r"^rign: no such file .*; did you mean ring\?$"):
        Config.load("rign")
    with pytest.raises(ConfigError, match=r"^zzz: no such file .*; shipped are af_packet, .*tap"):
        Config.load("zzz")


def test_an_error_in_a_file_names_the_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[tcp]\nttl = 0\n")
    with pytest.raises(ConfigError) as caught:
        Config.load(path)
    assert (caught.value.file, caught.value.key, caught.value.value) == (str(path), "tcp.ttl", 0)


# Changing a configuration


def test_updated_replaces_only_what_is_given():
    before = Config.from_dict({"tcp": {"ttl": 7, "sack": False}, **port(mtu=2000)})
    after = before.updated({"tcp": {"ttl": 9}})
    assert (after.tcp.ttl, after.tcp.sack, after.ports) == (9, False, before.ports)
    assert before.tcp.ttl == 7
    assert before.updated({"port": []}).ports == ()


def test_updated_checks_against_what_was_there_before():
    before = Config.from_dict({"tcp": {"rto_max": 2.0}}, source="x.toml")
    with pytest.raises(ConfigError, match=r"^x\.toml: tcp\.rto_min = 3\.0: must not exceed"):
        before.updated({"tcp": {"rto_min": 3}})


# Memory


@pytest.mark.parametrize(
    ("provider", "workers", "buffers", "chunks"),
    [
        ({}, 1, 27_594, 193),
        ({}, 2, 13_797, 193),
        ({"packet_buffers": 4096}, 2, 4096, 237),
        ({"memory": 16}, 12, 512, 2),
    ],
)
def test_memory_is_shared_between_packets_and_streams(provider, workers, buffers, chunks):
    made = Config.from_dict({"provider": provider, "workers": {"count": workers}})
    assert (made.packet_buffers, made.chunk_memory) == (buffers, chunks)


# Quality of service


def test_templates_stand_beside_and_before_the_well_known_ones():
    flowspec = {"ServiceType": "guaranteed", "TokenRate": 1000}
    qos = Config.from_dict({"qos": {"templates": {"gold": flowspec, "g711": flowspec}}}).qos
    gold = qos.template("GOLD")
    assert gold.SendingFlowspec.TokenRate == gold.ReceivingFlowspec.TokenRate == 1000
    assert gold.SendingFlowspec.ServiceType == service.SERVICETYPE_GUARANTEED
    assert qos.template("G711") == gold
    assert qos.template("G729") == well_known("G729")
    assert qos.names() == ["gold", "g711", *(name for name in WELL_KNOWN if name != "G711")]
    gold.SendingFlowspec.TokenRate = 1
    assert qos.template("gold").SendingFlowspec.TokenRate == 1000
    with pytest.raises(WSAError, match="WSAEINVAL"):
        qos.template("nosuch")


def test_a_template_can_differ_by_direction():
    spec = {"sending": {"ServiceType": 1, "TokenRate": 5}}
    made = Config.from_dict({"qos": {"templates": {"up": spec}}}).qos.template("up")
    assert made.SendingFlowspec.ServiceType == service.SERVICETYPE_BESTEFFORT
    assert made.ReceivingFlowspec.ServiceType == service.SERVICETYPE_NOCHANGE


def test_a_code_point_replaces_one_and_leaves_the_others():
    dscp = Config.from_dict({"qos": {"dscp": {"guaranteed": 46}}}).qos.dscp
    assert dscp[service.SERVICETYPE_GUARANTEED] == 46
    assert dscp[service.SERVICETYPE_CONTROLLEDLOAD] == 24


# Anything at all

VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = sorted(
    {key for section in SECTIONS for key in keys_of(type(getattr(Config(), section)))}
    | set(keys_of(Port))
)
TABLES = st.dictionaries(
    st.sampled_from([*SECTIONS, "port"]),
    st.one_of(VALUES, st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3)),
    max_size=3,
)


@given(TABLES)
def test_whatever_a_file_says_it_is_a_configuration_or_one_line(tables):
    problem = "x.toml: none"
    try:
        Config.from_dict(tables, source="x.toml")
    except ConfigError as error:
        problem = str(error)
    assert problem.startswith("x.toml: ")
    assert len(problem.splitlines()) == 1


def test_limits_are_those_of_the_dataplane():
    header = (TOP / "dataplane/api/pv_api.h").read_text()
    limits = {
        name: int(value) for name, value in re.findall(r"#define PV_MAX_(\w+)\s+(\d+)", header)
    }
    assert limits["PORTS"] == config.PORTS_MAX
    assert limits["WORKERS"] == config.WORKERS_MAX
    assert limits["ADDRESSES"] == config_port.ADDRESSES_MAX
    assert limits["NEIGHBOURS"] == config_port.NEIGHBOURS_MAX
    assert limits["ROUTES"] == config_port.ROUTES_MAX
    assert limits["VLANS"] == config_port.VLANS_MAX
    (size,) = re.findall(r"char device\[(\d+)\]", header)
    assert int(size) == config_port.DEVICE_MAX + 1
