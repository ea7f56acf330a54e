"""What is no condition is refused where it stands, with what to write instead."""

import textwrap
import traceback

import pytest

from pyprov.conditions import Condition, ConditionError, condition
from tests.python.conditions.test_random_programs import load

HEAD = """
import pyprov
SETTINGS = {"limit": 3}
HALF = 0.5
HUGE = 2**64
"""


def refuse(tmp_path, body, head=HEAD, decorated="@condition\ndef made(req):\n"):
    text = head + decorated + textwrap.indent(textwrap.dedent(body).strip(), "    ") + "\n"
    with pytest.raises(ConditionError) as caught:
        load(tmp_path / "made.py", text)
    return caught.value


# body, what is marked, a part of the problem, a part of the cure
WRONG = [
    ("while True: pass", "while True: pass", "loop without a bound", "range(...) or a tuple"),
    ("x = 1 / req.ttl", "1 / req.ttl", "makes a float", "//"),
    ("x = req.ttl ** 2", "req.ttl ** 2", "not part", "multiply"),
    ("return [1]", "[1]", "no lists", "(a, b)"),
    ("return req.tll", "req.tll", "no 'tll'", "ttl"),
    ("return req.syn.nothing", "req.syn.nothing", "req.syn has no 'nothing'", "mss"),
    ("return req.backlog // req.ttl", "req.backlog // req.ttl", "0 or less", "x + 1"),
    ("return req.ttl << req.ttl", "req.ttl << req.ttl", "shift by anything", "& 63"),
    ("x = req.time * 4\nreturn ASK", "req.time * 4", "64 bits do not hold", "& or %"),
    ("if req.caller.address in (80,): return DROP", None, "80 is no address", "quotes"),
    ("if req.caller.address == '10.0.0.01': return DROP", None, "no address", "quotes"),
    ("if req.caller.address == 'FD00::1': return DROP", None, "no request says", "'fd00::1'"),
    ("if req.caller.address == '::ffff:1.2.3.4': return DROP", None, "no request", "'1.2.3.4'"),
    ("if req.caller.address in prefix('10.0.0.1/8'): return DROP", None, "host bits", "mend"),
    ("if req.caller.address < '10': return DROP", "req.caller.address", "no number", "compare"),
    ("if req.ttl in prefix('10.0.0.0/8'): return DROP", None, "cannot be in", "tuple of numbers"),
    ("return print(req)", "print(req)", "calls only", "ASK"),
    ("return SETTINGS['limit']", "SETTINGS", "no condition can use", "tuples"),
    ("return HALF", "HALF", "0.5", "numbers"),
    ("return HUGE", "HUGE", "no condition can use", "64 bits"),
    ("return LATER", "LATER", "not known", "above"),
    ("if req.ttl: x = 1\nreturn x", "x", "every way", "before the `if`"),
    ("if req.ttl: return DROP", "def made(req):", "without a verdict", "every way"),
    ("if req.ttl: return 3\nreturn DROP", "return DROP", "a number, and elsewhere", "one or"),
    ("return", "return", "returns nothing", "verdict"),
    ("return req.syn", "return req.syn", "neither a verdict nor a number", "one of these"),
    ("return DROP + 1", "DROP", "a verdict is no number", "compare"),
    ("for x in range(req.ttl): pass", "req.ttl", "known when", "constant"),
    ("for x in (1, 2):\n    break", "break", "unrolled", "return from it"),
    (
        "for x in range(999_999_999): req.counter('x')\nreturn DROP",
        None,
        "instructions",
        "loop over less",
    ),
    ("x = req.ttl if req.dscp else 1", "req.ttl if req.dscp else 1", "a if b else c", "`if`"),
    ("x: int = 3", "x: int = 3", "annotations", "name = value"),
    ("x, y = 1, 2", "x, y = 1, 2", "only names", "name = value"),
    ("try:\n    return DROP\nfinally:\n    pass", None, "raises", "away"),
    ("import os", "import os", "import", "outside"),
    ("assert req.ttl", "assert req.ttl", "cannot raise", "`if`"),
    ("return req.ttl is None", "req.ttl is None", "`is`", "=="),
    ("return 1 + (req.ttl < 3)", "req.ttl < 3", "no part of a calculation", "name first"),
    ("x = req.ttl and req.dscp\nreturn ASK", "req.ttl", "make a number", "!= 0"),
    ("x = 1 + req.per_source(1, 2)", "req.per_source(1, 2)", "calls only", "name first"),
    ("return req.per_source(rate=0, burst=1)", None, "rate of 0", "from 1"),
    ("return req.per_source(rate=req.ttl, burst=1)", "req.ttl", "known when", "constant"),
    ("return req.per_source(5)", "req.per_source(5)", "a rate and a burst", "burst=200"),
    ("req.counter(3)", "req.counter(3)", "names no counter", 'req.counter("name")'),
    ("if req.counter('x'): return DROP", "req.counter('x')", "answers nothing", "for itself"),
    ("return req.data[64]", "req.data[64]", "first 64 bytes", "lesser"),
    ("return req.data[req.ttl]", "req.ttl", "known when", "constant"),
    ("return f'{req.ttl}'", "f'{req.ttl}'", "strings", "constant"),
    ("return (lambda: 1)()", "lambda: 1", "lambda", "@condition"),
]


@pytest.mark.parametrize(("body", "marked", "problem", "cure"), WRONG, ids=[w[0] for w in WRONG])
def test_an_error_names_place_and_cure(tmp_path, body, marked, problem, cure):
    error = refuse(tmp_path, body)
    assert problem in error.problem
    assert cure in error.cure
    assert str(tmp_path / "made.py") == error.filename
    if marked is not None:
        assert error.text[error.offset - 1 :].startswith(marked)


def test_python_shows_the_line_with_a_caret(tmp_path):
    error = refuse(tmp_path, "if req.ttl < 3:\n    return req.ttl / 2\nreturn DROP")
    shown = "".join(traceback.format_exception_only(error))
    assert f'File "{tmp_path / "made.py"}", line 11\n' in shown
    assert "    return req.ttl / 2\n" in shown
    assert "           ^^^^^^^^^^^\n" in shown
    assert shown.endswith("`/` makes a float; write `//`\n")


def test_an_error_in_a_helper_shows_the_helper(tmp_path):
    helper = "@condition\ndef helper(req, n):\n    return req.backlog // n\n"
    error = refuse(tmp_path, "if helper(req, 0): return DROP\nreturn ASK", head=HEAD + helper)
    assert error.text == "    return req.backlog // n\n"


def test_a_helper_that_may_not_return_is_refused(tmp_path):
    helper = "@condition\ndef helper(req, n):\n    if req.ttl: return n\n"
    error = refuse(tmp_path, "x = helper(req, 0)\nreturn ASK", head=HEAD + helper)
    assert error.text.startswith("def helper")
    assert "without a return" in error.problem


@pytest.mark.parametrize(
    "call", ["helper(req)", "helper(1, 2)", "helper(req, 1, 2)", "helper(req, m=1)"]
)
def test_a_helper_gets_what_it_takes(tmp_path, call):
    helper = "@condition\ndef helper(req, n):\n    return n\n"
    error = refuse(tmp_path, f"x = {call}\nreturn ASK", head=HEAD + helper)
    assert "helper takes" in error.problem


@pytest.mark.parametrize("head", ["def made():", "def made(*req):", "def made(req, n=1):"])
def test_parameters_are_plain(tmp_path, head):
    error = refuse(tmp_path, "return DROP", decorated=f"@condition\n{head}\n")
    assert "plain parameters" in error.problem


def test_only_functions_with_a_text_are_compiled(tmp_path):
    with pytest.raises(ConditionError, match="no function"):
        condition(3)
    with pytest.raises(ConditionError, match="no plain function"):
        condition(lambda req: 0)
    names = {"condition": condition}
    with pytest.raises(ConditionError, match="cannot be read"):
        exec("@condition\ndef f(req): return 0", names)


def test_too_many_ways_are_counted_before_a_verifier_walks_them(tmp_path):
    tests = "\n".join(f"if req.data[{i}]: x += {i}" for i in range(25))
    error = refuse(tmp_path, f"x = 0\n{tests}\nreturn ASK")
    assert "too many ways" in error.problem
    assert "return earlier" in error.cure


def test_a_function_of_numbers_is_only_for_others(tmp_path):
    made = load(tmp_path / "made.py", "@condition\ndef made(req):\n    return req.ttl\n")
    assert isinstance(made, Condition)
    assert made.program is None
