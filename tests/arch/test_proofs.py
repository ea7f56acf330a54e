"""The list of what is proven (tests/proofs.py) tells proven, failing and missing apart."""

import re
from types import SimpleNamespace

import pytest

from tests.proofs import (
    FAILING,
    LISTS,
    MISSING,
    NOT_APPLICABLE,
    NOT_RUN,
    PROVEN,
    Coverage,
    Line,
    read_lines,
)


def report(line, *, passed, name="tests/python/tcp/test_x.py::test_a[1]"):
    return SimpleNamespace(
        user_properties=[("proves", [line])],
        nodeid=name,
        when="call",
        passed=passed,
        failed=not passed,
        skipped=False,
    )


@pytest.mark.parametrize(
    ("results", "state"),
    [([], MISSING), ([None], NOT_RUN), ([None, True], PROVEN), ([True, False, True], FAILING)],
)
def test_a_line_is_as_its_worst_test(results, state):
    line = Line("MUST", "something")
    for passed in results:
        line.claim("test", passed)
    assert line.state == state


def test_a_line_that_does_not_apply_says_why_until_a_test_claims_it():
    line = Line("MUST", "something", "not built")
    assert (line.state, line.describe()) == (NOT_APPLICABLE, "(not built)")
    line.claim("test", True)
    assert line.state == PROVEN


def test_results_come_from_reports_without_the_parameters():
    coverage = Coverage("tcp", must=False)
    coverage.pytest_runtest_logreport(report("D01", passed=True))
    coverage.pytest_runtest_logreport(report("D02", passed=True))
    coverage.pytest_runtest_logreport(report("D02", passed=False))
    assert coverage.lines["D01"].tests == {"test_x.py::test_a": True}
    assert (coverage.lines["D02"].state, coverage.lines["D03"].state) == (FAILING, MISSING)


@pytest.mark.parametrize("must", [False, True])
def test_a_missing_must_is_an_error_only_when_asked_for(must):
    coverage = Coverage("tcp", must=must)
    session = SimpleNamespace(exitstatus=0)
    coverage.pytest_sessionfinish(session)
    assert session.exitstatus == must


@pytest.mark.parametrize("path", LISTS.values(), ids=LISTS)
def test_lists_are_well_formed(path):
    for lines in read_lines(path).values():
        for key, line in lines.items():
            assert re.fullmatch("[A-Z][0-9]{2}", key)
            assert line.level in {"MUST", "SHOULD", "MAY", "CHOICE"}
            assert line.title
