"""How EAL is started."""

import os

import pytest

from pyprov.runtime import eal
from pyprov.runtime.config import Config


@pytest.fixture
def pages(tmp_path, monkeypatch):
    """Pretends that so many MiB of huge pages are free."""
    monkeypatch.setattr(eal, "_HUGEPAGES", tmp_path)

    def set_free(small, large=0):
        for size, free in ((2048, small // 2), (1 << 20, large // 1024)):
            pool = tmp_path / f"hugepages-{size}kB"
            pool.mkdir(exist_ok=True)
            (pool / "free_hugepages").write_text(f"{free}\n")

    set_free(0)
    return set_free


def config(**provider):
    return Config.from_dict({"provider": provider, "port": [{"device": "ring"}]})


def test_free_memory_counts_all_page_sizes(pages):
    pages(512, 2048)
    assert eal.free_huge_memory() == 2560


def test_huge_pages_are_taken_where_there_are_enough(pages):
    assert not eal.huge_pages(config(memory=256))
    pages(1024)
    assert eal.huge_pages(config(memory=256))
    assert not eal.huge_pages(config(memory=1024))
    assert not eal.huge_pages(config(memory=256, huge="never"))


def test_insisting_without_them_is_one_line_with_the_cure(pages):
    pages(100)
    with pytest.raises(ValueError, match=r"100 MiB .* 320 are needed: .*echo 160 >") as caught:
        eal.huge_pages(config(memory=256, huge="always"))
    assert "\n" not in str(caught.value)


def test_all_small_configurations_start_eal_alike():
    words = eal.arguments(config(memory=64), huge=False)
    assert words == eal.arguments(config(memory=256), huge=False)
    assert {"--no-huge", "--no-pci", "--no-shconf", "-m1024"} <= set(words)
    assert "--in-memory" not in words


def test_huge_pages_leave_no_files():
    words = eal.arguments(config(), huge=True)
    assert "--in-memory" in words
    assert "--no-huge" not in words


def test_a_pci_device_is_allowed_and_no_other():
    tables = {"port": [{"device": "0000:3b:00.0"}], "provider": {"eal": ["--match-allocations"]}}
    words = eal.arguments(Config.from_dict(tables), huge=False)
    assert words[words.index("-a") + 1] == "0000:3b:00.0"
    assert "--no-pci" not in words
    assert words[-1] == "--match-allocations"


def test_the_main_lcore_floats_over_our_cpus():
    cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    assert f"--lcores=0@({cpus})" in eal.lab_arguments()


def test_a_lab_needs_nothing():
    needed = {"--no-huge", "--no-pci", "--no-telemetry", "--no-shconf"}
    assert needed <= set(eal.lab_arguments())
