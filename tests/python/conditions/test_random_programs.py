"""Functions that nobody thought of: made at random from the grammar of the language."""

import importlib.util
import random

import pytest

from pyprov.conditions.error import ConditionError
from tests.python.conditions.requests import requests
from tests.python.conditions.test_same_verdict import compare, pack

NUMBERS = [
    "req.ttl",
    "req.dscp",
    "req.caller.port",
    "req.callee.port",
    "req.syn.mss",
    "req.backlog",
]
NUMBERS += ["req.syn.window", "req.syn.scale", "req.half_open", "req.load", "req.data.length"]
NUMBERS += ["req.data[0]", "req.data[63]", "req.qos.sending.token_rate", "req.time"]
FLAGS = ["req.syn.sack", "req.syn.timestamps", "req.qos.given"]
ADDRESSES = ["req.caller.address", "req.callee.address"]
NETWORKS = ['"10.0.0.0/8"', '"10.9.0.0/24"', '"fd00::/8"', '"::/0"', '"192.168.1.0/31"']
VERDICTS = ["ACCEPT", "REJECT", "DROP", "ASK"]


class Author:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.names = []

    def pick(self, *choices):
        return self.rng.choice(choices)

    def number(self, depth):
        if depth == 0 or self.rng.random() < 0.3:
            constant = self.rng.choice([0, 1, 2, 7, 64, 80, 1024, 65535, 2**31, 2**32, 2**40])
            return self.pick(*NUMBERS, *self.names, str(constant), f"-{constant}")
        operator = self.pick("+", "-", "*", "//", "%", "&", "|", "^", "<<", ">>")
        left = self.number(depth - 1)
        if operator in {"//", "%"}:
            right = self.pick("1", "3", "10", "(req.ttl + 1)", "65536")
        elif operator in {"<<", ">>"}:
            right = self.pick("0", "1", "5", "(req.dscp & 7)", "33")
        else:
            right = self.number(depth - 1)
        return self.pick(f"({left} {operator} {right})", f"({left} {operator} {right})", f"~{left}")

    def test(self, depth):
        if depth and self.rng.random() < 0.5:
            a, b = self.test(depth - 1), self.test(depth - 1)
            return self.pick(f"({a} and {b})", f"({a} or {b})", f"(not {a})")
        compare = self.pick("==", "!=", "<", "<=", ">", ">=")
        return self.pick(
            f"{self.number(1)} {compare} {self.number(1)}",
            f"{self.number(2)} {compare} {self.number(0)}",
            f"0 {compare} {self.number(0)} {compare} {self.number(1)}",
            f"{self.number(1)} {self.pick('in', 'not in')} (0, 1, 80, -5, 65535, {2**33})",
            f"{self.number(1)} {self.pick('in', 'not in')} range(-3, {self.pick(1, 80, 1460)})",
            f"{self.pick(*ADDRESSES)} {self.pick('in', 'not in')} prefix({self.some(NETWORKS)})",
            f"{self.pick(*FLAGS)}",
            f"req.per_source(rate={self.pick(1, 10, 1000)}, burst={self.pick(1, 5)})",
        )

    def some(self, things):
        return ", ".join(self.rng.sample(things, self.rng.randint(1, len(things))))

    def block(self, depth, indent):
        lines = []
        for _ in range(self.rng.randint(1, 2)):
            pad = "    " * indent
            kind = self.pick("set", "set", "if", "if else", "loop", "answer")
            if kind == "set":
                name = self.pick("a", "b", "c")
                lines.append(f"{pad}{name} = {self.number(2)}")
            elif kind == "answer":
                name = self.pick("a", "b", "c")
                lines.append(f"{pad}{name} = {self.pick(*NUMBERS)} > {self.number(1)}")
            elif kind == "loop" and depth:
                lines.append(f"{pad}for a in (1, 80, 443):")
                lines.append(f"{pad}    b = a + {self.number(1)}")
                lines.append(f"{pad}    if {self.test(1)}:")
                lines.append(f"{pad}        return {self.pick(*VERDICTS)}")
            elif depth:
                lines.append(f"{pad}if {self.test(2)}:")
                lines += self.block(depth - 1, indent + 1)
                if self.rng.random() < 0.6:
                    lines.append(f"{pad}    return {self.pick(*VERDICTS)}")
                if kind == "if else":
                    lines.append(f"{pad}else:")
                    lines += self.block(depth - 1, indent + 1)
            else:
                lines.append(f"{pad}c = {self.number(1)}")
        return lines

    def function(self):
        self.names = ["a", "b", "c"]
        start = [f"    {name} = {self.rng.choice([0, 1, 80])}" for name in self.names]
        body = start + self.block(2, 1)
        body.append(f"    return {self.pick(*VERDICTS)}")
        return "\n".join(["@condition", "def made(req):", *body, ""])


def load(path, text):
    path.write_text("from pyprov.conditions import *\n\n" + text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.made


REASONS = ("64 bits do not hold", "can shift by anything", "too many ways")


def check(seed, folder, wanted, packed):
    text = Author(seed).function()
    try:
        made = load(folder / f"made_{seed}.py", text)
    except ConditionError as error:
        if not any(reason in error.problem for reason in REASONS):
            raise AssertionError(text) from error
        return False
    compare(made, wanted, packed)
    return True


def test_what_is_made_agrees_with_python(tmp_path):
    wanted = list(requests(seed=2, n=150))
    packed = pack(wanted)
    done = [check(seed, tmp_path, wanted, packed) for seed in range(150)]
    assert sum(done) > len(done) / 4


@pytest.mark.slow
@pytest.mark.parametrize("thousand", range(1, 4))
def test_thousands_of_programs_agree_with_python(tmp_path, thousand):
    wanted = list(requests(seed=3, n=100))
    packed = pack(wanted)
    for seed in range(1_000 * thousand, 1_000 * (thousand + 1)):
        check(seed, tmp_path, wanted, packed)
