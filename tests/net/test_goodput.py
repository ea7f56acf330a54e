"""`pyprov bench goodput`: that both systems get through the emulated wire, and are told apart."""

import json
import subprocess
import sys

import pytest

from pyprov.tools.bench.goodput import settled

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
    assert said["ratio_vs_kernel"] == pytest.approx(rates["ours"] / rates["kernel"], abs=0.01)
    wire = {"rate": 20_000_000, "delay": 0.025, "loss": 0.01, "queue": 125_000}
    assert said["wire"] == wire | {"burst": 1, "reorder": 0.0}


def look(second, *carried):
    return float(second), list(carried)


def test_flows_have_settled_when_no_later_spell_was_unfair():
    fair = [look(i, 10 * i, 10 * i) for i in range(30)]
    assert settled(fair) == 0
    late = [look(i, 10 * i + 1000 * (i >= 5), 10 * i) for i in range(30)]
    assert settled(late) == 5  # the spell from 4 on has the jump in it
    assert settled([look(i, 2 * i, i) for i in range(30)]) is None
