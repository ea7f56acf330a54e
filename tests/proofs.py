"""Which tests prove which line of a list of requirements.

    @proves("D01", "D12")
    def test_...

Of the SPI's lines it is the name that says so: test_k01_k02_... proves K01 and K02.

`pytest --coverage-of tcp` (or spi) runs the tests that prove something and lists every line of
tests/python/tcp/lines.toml: proven (all its tests passed), failing, chosen but not run (its tests
were left out with -m), not applicable (why), or missing. With --must it is an error if a MUST line
is missing or fails.
"""

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
LISTS = {name: TESTS / "python" / name / "lines.toml" for name in ("tcp", "spi")}
NAMED = re.compile(r"test_((?:[a-r][0-9]{2}_)+)")  # proves by its name

proves = pytest.mark.proves

PROVEN, FAILING, NOT_RUN, NOT_APPLICABLE, MISSING = (
    "proven",
    "FAILING",
    "not run",
    "not applicable",
    "MISSING",
)


class Line:
    """One requirement."""

    def __init__(self, level, title, reason=""):
        self.level = level
        self.title = title
        self.reason = reason
        self.tests = {}  # name: passed, None while it has not run

    def claim(self, test, passed):
        """Note a result; a test with many parameters passes if all do."""
        before = self.tests.get(test)
        self.tests[test] = passed if before is None or passed is None else before and passed

    @property
    def state(self):
        if not self.tests:
            return NOT_APPLICABLE if self.reason else MISSING
        if False in self.tests.values():
            return FAILING
        return PROVEN if True in self.tests.values() else NOT_RUN

    def describe(self):
        if self.state == NOT_APPLICABLE:
            return f"({self.reason})"
        return ", ".join(self.tests)


def read_lines(path):
    """Return {section title: {id: Line}}."""
    sections = tomllib.loads(path.read_text())
    return {
        section.pop("title"): {name: Line(*words) for name, words in section.items()}
        for section in sections.values()
    }


def lines_of(item, name):
    """The lines of a list that a test proves."""
    if name == "tcp":
        return [line for mark in item.iter_markers("proves") for line in mark.args]
    if not any(part in item.nodeid for part in ("tests/python/spi/", "tests/net/")):
        return []
    found = NAMED.match(item.name)
    return found[1].upper().split("_")[:-1] if found else []


class Coverage:
    """Collects the results of the tests that prove something, and lists them at the end."""

    def __init__(self, name, must):
        self.name = name
        self.sections = read_lines(LISTS[name])
        self.lines = {key: line for part in self.sections.values() for key, line in part.items()}
        self.must = must

    @pytest.hookimpl(tryfirst=True)  # before -m and -k leave any out
    def pytest_collection_modifyitems(self, config, items):
        proofs = {item: lines_of(item, self.name) for item in items}
        config.hook.pytest_deselected(items=[item for item in items if not proofs[item]])
        items[:] = [item for item in items if proofs[item]]
        for item in items:
            item.user_properties.append(("proves", proofs[item]))
            self.note(item.nodeid, proofs[item], None)

    def note(self, nodeid, lines, passed):
        test = nodeid.partition("[")[0].removeprefix("tests/").removeprefix(f"python/{self.name}/")
        for line in lines:
            self.lines[line].claim(test, passed)

    def pytest_runtest_logreport(self, report):
        lines = dict(report.user_properties).get("proves", ())
        if report.failed or (report.when == "call" and not report.skipped):
            self.note(report.nodeid, lines, report.passed and not hasattr(report, "wasxfail"))

    def pytest_terminal_summary(self, terminalreporter):
        write = terminalreporter.write_line
        for title, lines in self.sections.items():
            write("")
            write(title)
            for key, line in lines.items():
                write(f"  {key} {line.level:6} {line.state:14} {line.title}")
                if line.tests or line.reason:
                    write(f"{'':26} {line.describe()}")
        write("")
        for level in sorted({line.level for line in self.lines.values()}):
            states = Counter(x.state for x in self.lines.values() if x.level == level)
            write(f"{level:6} " + ", ".join(f"{n} {state}" for state, n in sorted(states.items())))

    def pytest_sessionfinish(self, session):
        bad = [
            line
            for line in self.lines.values()
            if line.level == "MUST" and line.state in {MISSING, FAILING}
        ]
        if self.must and bad:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_addoption(parser):
    group = parser.getgroup("proofs")
    group.addoption(
        "--coverage-of", choices=sorted(LISTS), help="list what is proven by which test"
    )
    group.addoption("--must", action="store_true", help="fail if a MUST line is not proven")


def pytest_configure(config):
    name = config.getoption("coverage_of")
    if name:
        config.pluginmanager.register(Coverage(name, config.getoption("must")), "coverage-of")


def pytest_collection_modifyitems(items):
    for name, path in LISTS.items():
        known = {key for part in read_lines(path).values() for key in part}
        for item in items:
            for line in lines_of(item, name):
                if line not in known:
                    raise pytest.UsageError(f"{item.nodeid} proves {line}, which is no line")
