"""The doctor, on machines made of files."""

import errno
import json
import os
import subprocess
import sys

import pytest

from pyprov import cli
from pyprov.runtime import eal
from pyprov.runtime.config import Config
from pyprov.tools import doctor
from pyprov.tools.doctor import checks, drivers, fit
from pyprov.tools.doctor.finding import Level
from pyprov.tools.doctor.machine import HugePool, Machine, Nic

IXGBE = drivers.Driver(
    "net_ixgbe", "ixgbe.so", "", "* igb_uio | vfio-pci", ((0x8086, 0x10FB, 0xFFFF, 0xFFFF),)
)
MLX5 = drivers.Driver("mlx5_pci", "mlx5.so", "", "* ib_uverbs & mlx5_core", ((0x15B3, 0x1019),))
TAP = drivers.Driver("net_tap", "tap.so", "iface=<string>", "", ())
PACKET = drivers.Driver("net_af_packet", "af_packet.so", "", "", ())
DRIVERS = [IXGBE, MLX5, TAP, PACKET]


class Root:
    """A machine's files below a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.write("/proc/meminfo", "MemTotal: 4194304 kB\nMemAvailable:    2097152 kB\n")
        self.write("/proc/self/status", "CapInh:\t0\nCapEff:\t000001ffffffffff\n")
        self.write("/sys/devices/system/cpu/online", "0-1023\n")
        self.write("/sys/devices/system/cpu/isolated", "\n")
        self.write("/dev/net/tun", "")

    def write(self, name, text):
        path = self.folder / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def remove(self, name):
        (self.folder / name.lstrip("/")).unlink()

    def card(self, address, ids, driver="", interface=""):
        top = f"/sys/bus/pci/devices/{address}"
        for name, number in zip(
            ("vendor", "device", "subsystem_vendor", "subsystem_device"), ids, strict=True
        ):
            self.write(f"{top}/{name}", f"{number:#06x}\n")
        self.write(f"{top}/class", "0x020000\n")
        if driver:
            (self.folder / "sys/bus/pci/drivers" / driver).mkdir(parents=True, exist_ok=True)
            (self.folder / top[1:] / "driver").symlink_to(f"../../drivers/{driver}")
        if interface:
            self.interface(interface)
            self.write(f"{top}/net/{interface}/flags", "0x1003\n")

    def interface(self, name, *, up=True):
        self.write(f"/sys/class/net/{name}/flags", "0x1003\n" if up else "0x1002\n")

    def huge(self, kib, total, free):
        top = f"/sys/kernel/mm/hugepages/hugepages-{kib}kB"
        self.write(f"{top}/nr_hugepages", f"{total}\n")
        self.write(f"{top}/free_hugepages", f"{free}\n")


@pytest.fixture
def root(tmp_path):
    return Root(tmp_path)


@pytest.fixture
def machine(root):
    return Machine(root.folder)


def fits(machine, tables, held=()):
    """What a configuration lacks: [(topic, text, cure)]."""
    found = fit.check(Config.from_dict(tables), machine, DRIVERS, dict(held))
    return [(one.topic, one.text, one.cure) for one in found if one.level is Level.LACKING]


def port(device, **keys):
    return {"port": [{"device": device, "address": ["10.9.0.2/24"], **keys}]}


# --- the machine ----------------------------------------------------------------------------------


def test_a_machine_is_read_from_its_files(root, machine):
    root.huge(2048, 512, 500)
    root.huge(1048576, 1, 0)
    root.card("0000:3b:00.0", (0x8086, 0x10FB, 1, 2), "vfio-pci")
    root.card("0000:3b:00.1", (0x8086, 0x10FB, 1, 2), "ixgbe", "eth9")
    root.write("/sys/bus/pci/devices/0000:00:00.0/class", "0x060000\n")
    root.write("/sys/devices/system/cpu/isolated", "2-3,7\n")
    root.write("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n")
    assert machine.huge_pools() == [HugePool(2 << 20, 512, 500), HugePool(1 << 30, 1, 0)]
    assert machine.nics() == [
        Nic("0000:3b:00.0", (0x8086, 0x10FB, 1, 2), "vfio-pci", ()),
        Nic("0000:3b:00.1", (0x8086, 0x10FB, 1, 2), "ixgbe", ("eth9",)),
    ]
    assert machine.cpus("isolated") == {2, 3, 7}
    assert machine.available_memory() == 2048
    assert machine.transparent_huge_pages() == "madvise"
    assert machine.has_capability(12)
    assert machine.interface_is_up("eth9") is True
    assert machine.interface_is_up("eth8") is None


def test_an_empty_machine_is_no_error(tmp_path):
    bare = Machine(tmp_path)
    assert (bare.huge_pools(), bare.nics(), bare.available_memory()) == ([], [], 0)
    assert not bare.has_capability(12)
    assert bare.tun() == errno.ENOENT
    assert all(finding.level is not Level.LACKING for finding in checks.general(bare, DRIVERS))


@pytest.mark.parametrize(
    ("numbers", "text"), [({1, 2, 3, 7}, "1-3,7"), ({0}, "0"), (set(), ""), ({4, 6}, "4,6")]
)
def test_cpus_are_spelled_short(numbers, text):
    assert checks.spell_cpus(numbers) == text


# --- what is said of any machine ------------------------------------------------------------------


def test_each_thing_that_is_missing_comes_with_its_cure(root, machine):
    root.remove("/dev/net/tun")
    root.write("/proc/self/status", "CapEff:\t0000000000000000\n")
    root.huge(2048, 0, 0)
    notes = {one.topic: one.cure for one in checks.general(machine, []) if one.level is Level.NOTE}
    assert "mknod" in notes["tap"]
    assert "setcap" in notes["rights"]
    assert notes["huge pages"] == "echo 1024 > /proc/sys/vm/nr_hugepages"


def test_a_tap_without_the_right_is_no_tap(root, machine):
    assert checks.tun(machine).level is Level.OK
    root.write("/proc/self/status", "CapEff:\t0000000000000000\n")
    assert (checks.tun(machine).level, "CAP_NET_ADMIN" in checks.tun(machine).text) == (
        Level.NOTE,
        True,
    )


def test_cards_are_matched_with_drivers(root, machine):
    root.card("0000:01:00.0", (0x8086, 0x10FB, 1, 2), "ixgbe", "eth1")
    root.card("0000:02:00.0", (0x15B3, 0x1019, 1, 2), "mlx5_core", "eth2")
    root.card("0000:03:00.0", (0x1234, 0x5678, 1, 2), "other", "eth3")
    first, second, third = checks.cards(machine, DRIVERS)
    assert "net_ixgbe could drive it" in first.text
    assert "ready for mlx5_pci" in second.text
    assert (third.level, "no DPDK driver" in third.text) == (Level.NOTE, True)


def test_vfio_wants_its_module_and_an_iommu(root, machine):
    assert checks.vfio(machine).cure == "modprobe vfio-pci"
    (root.folder / "sys/bus/pci/drivers/vfio-pci").mkdir(parents=True)
    assert "enable_unsafe_noiommu_mode" in checks.vfio(machine).cure
    root.write("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n")
    assert checks.vfio(machine).level is Level.OK
    root.write("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n")
    (root.folder / "sys/kernel/iommu_groups/0").mkdir(parents=True)
    assert checks.vfio(machine).level is Level.OK


def test_dpdk_that_does_not_start_says_why():
    finding = checks.dpdk("DPDK 22.11", "/x", DRIVERS, "built for a CPU with avx9")
    assert (finding.level, finding.text) == (
        Level.LACKING,
        "does not start: built for a CPU with avx9",
    )


# --- does a configuration fit ---------------------------------------------------------------------


def test_what_needs_nothing_lacks_nothing(machine):
    assert fits(machine, port("ring")) == []
    assert fits(machine, port("net_tap0,iface=pv0")) == []


def test_a_driver_that_is_not_here(machine):
    ((topic, text, _),) = fits(machine, port("net_memif0,role=server"))
    assert (topic, text) == ("port[0]", "DPDK has no driver net_memif here")


def test_a_tap_needs_tun_and_a_free_name(root, machine):
    root.remove("/dev/net/tun")
    root.interface("pv0")
    lacks = fits(machine, port("net_tap0,iface=pv0"))
    assert [topic for topic, _, _ in lacks] == ["tap", "port[0]"]
    assert lacks[1][2] == "ip link delete pv0"


def test_an_interface_must_be_there_and_up(root, machine):
    ((_, text, cure),) = fits(machine, port("net_af_packet0,iface=pv0"))
    assert text == "there is no interface pv0"
    assert cure.startswith("ip link add pv0 type veth")
    root.interface("pv0", up=False)
    ((_, text, cure),) = fits(machine, port("net_af_packet0,iface=pv0"))
    assert (text, cure) == ("pv0 is down", "ip link set pv0 up")
    root.interface("pv0")
    assert fits(machine, port("net_af_packet0,iface=pv0")) == []


def test_a_name_longer_than_the_kernels_is_refused(machine):
    ((_, text, _),) = fits(machine, port("net_tap0,iface=sixteen-letters-"))
    assert "at most 15" in text


def test_the_kernel_must_not_have_our_address(root, machine):
    root.interface("pv0")
    held = {"10.9.0.2": ("pv0", 24)}
    ((_, text, cure),) = fits(machine, port("net_af_packet0,iface=pv0"), held)
    assert "10.9.0.2 on pv0" in text
    assert cure == "ip addr del 10.9.0.2/24 dev pv0"
    assert fits(machine, port("ring"), held) == []


def test_a_card_must_be_there_known_and_free(root, machine):
    ((_, text, _),) = fits(machine, port("0000:3b:00.0"))
    assert text == "no network card at 0000:3b:00.0; there are: none"
    root.card("0000:3b:00.0", (0x8086, 0x10FB, 1, 2), "ixgbe", "eth1")
    lacks = fits(machine, port("3b:00.0"))
    assert lacks[0][2] == (
        "ip link set eth1 down && modprobe vfio-pci && dpdk-devbind.py -b vfio-pci 0000:3b:00.0"
    )
    assert lacks[1][2] == "modprobe vfio-pci"


def test_a_card_that_was_handed_over_is_ready(root, machine):
    root.card("0000:3b:00.0", (0x8086, 0x10FB, 1, 2), "vfio-pci")
    root.card("0000:3b:00.1", (0x15B3, 0x1019, 1, 2), "mlx5_core", "eth2")
    root.card("0000:3b:00.2", (0x1234, 0x5678, 1, 2), "vfio-pci")
    assert fits(machine, port("0000:3b:00.0")) == []
    assert fits(machine, port("0000:3b:00.1")) == []
    ((_, text, _),) = fits(machine, port("0000:3b:00.2"))
    assert text == "no DPDK driver here knows 0000:3b:00.2 (1234:5678)"


def test_cpus_must_be_there(machine, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    assert fits(machine, {"workers": {"lcores": "2-3"}}) == []
    ((topic, text, _),) = fits(machine, {"workers": {"lcores": "3-5"}})
    assert (topic, text) == (
        "workers",
        "workers.lcores: CPU 4-5 is not for this process; usable: 0-3",
    )


def test_busy_workers_are_told_where_they_get_in_the_way(root, machine, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})

    def said(workers):
        found = fit.check(Config.from_dict({"workers": workers}), machine, DRIVERS, {})
        return next(one for one in found if one.topic == "workers")

    assert "leave Python none" in said({"poll": "busy", "count": 2}).text
    assert "isolcpus=1" in said({"poll": "busy", "lcores": "1"}).cure
    root.write("/sys/devices/system/cpu/isolated", "1\n")
    assert said({"poll": "busy", "lcores": "1"}).level is Level.OK


def test_memory_must_be_there(root, machine, monkeypatch):
    monkeypatch.setattr(eal, "free_huge_memory", lambda: 100)
    ((topic, text, cure),) = fits(machine, {"provider": {"huge": "always", "memory": 256}})
    assert (topic, cure) == ("memory", "echo 160 > /proc/sys/vm/nr_hugepages")
    assert "100 MiB of huge pages are free, 320 are needed" in text
    assert fits(machine, {"provider": {"memory": 256}}) == []
    ((_, text, _),) = fits(machine, {"provider": {"memory": 4096}})
    assert text == "provider.memory = 4096 MiB, but 2048 MiB are available"


def test_paths_that_others_make(root, machine):
    virtio = drivers.Driver("net_virtio_user", "", "", "", ())
    memif = drivers.Driver("net_memif", "", "", "", ())

    def lacks(device):
        found = fit.check(Config.from_dict(port(device)), machine, [virtio, memif], {})
        return [one for one in found if one.level is Level.LACKING]

    assert "start that first" in lacks("net_virtio_user0,path=/run/a.sock")[0].text
    root.write("/run/a.sock", "")
    assert lacks("net_virtio_user0,path=/run/a.sock") == []
    assert lacks("net_memif0,socket=/srv/b.sock")[0].cure == "mkdir -p /srv"
    assert lacks("net_memif0,socket=/run/b.sock") == []


# --- this machine ---------------------------------------------------------------------------------


def test_dpdks_drivers_are_found_where_it_looks_for_them():
    doctor._try_dpdk()
    library = drivers.eal_library()
    assert drivers.version(library).startswith("DPDK ")
    found = drivers.read_drivers(drivers.plugins(drivers.plugin_folder(library)))
    known = {driver.name: driver for driver in found}
    assert "iface=" in known["net_tap"].parameters
    assert any(driver.knows(Nic("", (0x8086, 0x10FB, 1, 2), "", ())) for driver in found)
    assert "vfio-pci" in known["net_ixgbe"].kernel


def test_a_file_that_is_no_driver_is_passed_over(tmp_path):
    (tmp_path / "librte_a.so").write_text("no ELF")
    assert drivers.read_drivers(drivers.plugins(tmp_path)) == []


def test_the_command_says_all_in_one_document(capsys):
    status = cli.main(["doctor", "--config", "ring", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert (status, document["ok"]) == (0, True)
    assert {"DPDK", "CPUs", "memory", "port[0]"} <= {one["topic"] for one in document["findings"]}
    assert "net_tap" in document["drivers"]


def test_the_commands_status_is_whether_something_lacks(tmp_path, capsys):
    file = tmp_path / "card.toml"
    file.write_text('[[port]]\ndevice = "0000:ff:1f.7"\naddress = ["10.9.0.2/24"]\n')
    assert cli.main(["doctor", "--config", str(file)]) == 1
    out = capsys.readouterr().out
    assert "no network card at 0000:ff:1f.7" in out
    assert out.endswith(f"1 lacking for {file}\n")


def test_a_bad_configuration_is_one_line(tmp_path, capsys):
    file = tmp_path / "bad.toml"
    file.write_text("[tcp]\nsak = true\n")
    assert cli.main(["doctor", "--config", str(file)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "tcp.sak" in err
    assert "sack" in err


def test_without_rights_it_still_answers():
    script = "import sys; from pyprov import cli; sys.exit(cli.main(['doctor', '--json']))"
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    command = [*drop, sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    findings = {one["topic"]: one for one in json.loads(done.stdout)["findings"]}
    assert findings["DPDK"]["level"] == "ok"
    assert (findings["rights"]["level"], findings["tap"]["level"]) == ("note", "note")
