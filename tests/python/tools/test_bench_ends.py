"""The benchmarks between two engines: that they carry something and say what it cost."""

import json
import os
import subprocess
import sys

import pytest

from pyprov import cli
from pyprov.tools.bench import memory
from tests.python.live import PATIENCE


def bench(*words):
    program = "import sys; from pyprov import cli; sys.exit(cli.main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "bench", *words, "--json"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("more", [[], ["--ipv6", "--mtu", "9000", "--flows", "50"]])
def test_throughput_tells_rate_and_cycles(more):
    said = bench("throughput", "--seconds", "0.3", *more)
    assert said["gbps_spread"]["min"] <= said["gbps"] <= said["gbps_spread"]["max"]
    assert said["gbps"] > 0
    assert all(said["cycles_per_byte"][end]["median"] > 0 for end in ("sender", "receiver"))
    assert said["wire"] == "ring"
    assert said["family"] == (6 if more else 4)


@pytest.mark.slow
def test_throughput_between_two_processes():
    said = bench("throughput", "--seconds", "0.3", "--wire", "memif", "--flows", "3")
    assert said["gbps"] > 0
    assert said["cycles_per_byte"]["receiver"]["median"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--segment"], ["--coalesce"]])
def test_throughput_over_virtio(more):
    said = bench("throughput", "--seconds", "0.3", "--wire", "virtio_user", *more)
    assert said["gbps"] > 0
    assert (said["bundled"] > 0) == ("--segment" in more)


def test_latency_tells_percentiles_beside_a_bare_loop():
    said = bench("latency", "--seconds", "0.3", "--size", "2000")
    times = said["latency_us"]
    assert 0 < times["p50"] <= times["p99"] <= times["p999"]
    assert said["rounds_per_s"] > 0
    assert said["spin_us"]["p50"] < times["p50"]


def test_spi_tells_every_cost_beside_the_kernels():
    said = bench("spi", "--seconds", "0.05", "--sockets", "20")
    for part in ("accept", "accept_beside_a_busy_thread", "ping_pong", "wake"):
        for side in ("kernel", "pyprov"):
            times = said[part][side]
            assert times["count"] > 0
            assert 0 < times["p50_us"] <= times["p99_us"]
            assert times["cpu_us"] > 0
        field, turned = ("p50_us", False) if "accept" not in part else ("per_cpu_s", True)
        values = [said[part][side][field] for side in ("pyprov", "kernel")]
        ours, kernel = reversed(values) if turned else values
        assert said[part]["ratio"] == pytest.approx(kernel / ours, rel=0.01, abs=0.01)
    cost = said["accept"]["pyprov"]
    assert cost["worker_us"] > 0
    each = cost["cpu_us"] + cost["worker_us"]
    assert cost["per_cpu_s"] == pytest.approx(1e6 / each, rel=0.01)
    if os.geteuid() == 0:
        whole = said["accept"]["kernel_whole"]
        assert said["accept"]["ratio_whole"] == pytest.approx(whole["cpu_us"] / each, rel=0.01)
    assert list(said["event_loop"]["sockets"]) == ["10", "20"]
    assert all(times["count"] > 0 for times in said["event_loop"]["sockets"].values())


def test_spi_tells_of_a_number_of_sockets_that_it_cannot_do():
    with pytest.raises(AssertionError, match="--sockets"):
        bench("spi", "--sockets", "100001")


def test_conditional_accept_asks_python_before_the_syn_ack():
    document = bench(
        *("accept", "--deliver", "socket", "--condition", "python", "--conditional-accept"),
        *("--single-core", "--rate", "2000", "--seconds", "0.3"),
    )
    assert document["conditional_accept"] is True
    assert document["accepts_per_s"] > 0
    assert document["latency_us"]["p50"] > 0


def test_requests_are_held_for_wspaccept_only(capsys):
    assert cli.main(["bench", "accept", "--conditional-accept"]) == 2
    assert "--deliver socket" in capsys.readouterr().err


def test_accept_over_memif_has_the_server_in_another_process():
    words = ("--wire", "memif", "--close", "fin", "--flows", "200", "--window", "64")
    document = bench("accept", *words, "--seconds", "0.3")
    assert document["wire"] == "memif"
    assert document["handshakes_per_s"] > 0
    assert document["cycles_per_handshake"] > 0
    assert document["alive"] <= 200 + 64
    assert document["latency_us"]["p50"] > 0


@pytest.mark.parametrize(
    "words", [["--workers", "2"], ["--deliver", "batch"], ["--handshake", "cookie"]]
)
def test_accept_over_memif_refuses_what_it_cannot_do(capsys, words):
    assert cli.main(["bench", "accept", "--wire", "memif", *words]) == 2
    assert f"--wire memif: goes with no other {words[0]} than" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cycles", "workers", "first"),
    [(400, 1, "workers"), (400, 16, "link, in"), (4000, 16, "workers")],
)
def test_the_model_names_what_is_exhausted_first(capsys, cycles, workers, first):
    words = ("--cycles", str(cycles), "--workers", str(workers), "--ghz", "2.6")
    assert cli.main(["bench", "model", *words, "--json"]) == 0
    resources = json.loads(capsys.readouterr().out)["resources"]
    rates = [one["per_s"] for one in resources]
    assert rates == sorted(rates)
    assert resources[0]["name"] == first
    ours = next(one["per_s"] for one in resources if one["name"] == "workers")
    assert ours == pytest.approx(workers * 2.6e9 / cycles)  # 128 entries go evenly


def test_the_model_counts_a_table_that_does_not_go_evenly(capsys):
    words = ("bench", "model", "--cycles", "400", "--ghz", "3", "--json")
    assert cli.main([*words, "--workers", "12"]) == 0
    resources = json.loads(capsys.readouterr().out)["resources"]
    ours = next(one["per_s"] for one in resources if one["name"] == "workers")
    assert cli.main([*words, "--workers", "16"]) == 0
    resources = json.loads(capsys.readouterr().out)["resources"]
    more = next(one["per_s"] for one in resources if one["name"] == "workers")
    assert ours / more == pytest.approx(8 / 11)  # the busiest of twelve has 11 of 128
    assert cli.main([*words, "--workers", "0"]) == 2
    assert cli.main(["bench", "model", "--cycles", "400"]) == 2


def test_accept_tells_the_goodput_in_words():
    words = ("--single-core", "--flows", "100", "--seconds", "0.2", "--rate", "10000")
    program = "import sys; from pyprov import cli; sys.exit(cli.main())"
    command = (sys.executable, "-c", program, "bench", "accept", *words)
    said = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, check=True
    ).stdout
    assert "beside a flood of 0 a second" in said
    assert "latency us" in said


@pytest.mark.slow
def test_memory_has_a_row_for_each_state():
    rows = bench("memory")["kinds"]
    assert [row["state"] for row in rows] == list(memory.STATES)
    assert all(row["bytes_each"] > 0 for row in rows)
