"""`pyprov bench goodput`: that both systems get through the emulated wire, and are told apart."""

import json
import subprocess
import sys

import pytest

from pyprov.tools.bench.goodput import reached

PROGRAM = "import sys; from pyprov import cli; sys.exit(cli.main())"


@pytest.mark.slow
def test_both_systems_go_through_the_same_wire():
    words = ["--seconds", "3", "--rounds", "1", "--share-seconds", "0", "--rate", "20M", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "bench", "goodput", *words],
        capture_output=True,
        timeout=100,
        check=True,
    )
    said = json.loads(done.stdout)
    rates = {system["name"]: system["mbps"] for system in said["systems"]}
    assert set(rates) == {"kernel", "ours"}
    assert all(0 < rate <= 20 for rate in rates.values())
    assert said["ratio_vs_kernel"] == pytest.approx(rates["ours"] / rates["kernel"], rel=0.02)
    wire = {"rate": 20_000_000, "delay": 0.025, "loss": 0.01, "queue": 125_000}
    assert said["wire"] == wire | {"burst": 1, "reorder": 0.0}


def look(second, *carried):
    return float(second), list(carried)


def test_flows_share_fairly_from_the_first_spell_on_in_which_neither_had_too_much():
    assert reached([look(i, 10 * i, 10 * i) for i in range(30)]) == 0
    late = [look(i, 1000 * min(i, 5) + 10 * i, 10 * i) for i in range(30)]
    assert reached(late) == 5
    assert reached([look(i, 2 * i, i) for i in range(30)]) is None
