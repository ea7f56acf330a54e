"""Conditions out of object files that clang makes."""

import shutil
import subprocess

import pytest

from pyprov.conditions import ACCEPT, ASK, DROP, REJECT, Sources
from pyprov.conditions.elf import ObjectError, load
from pyprov.conditions.request import CallerData, ConnectionRequest, Endpoint
from pyprov.runtime.condition import Runner, VerifierError
from tests.arch.sources import TOP
from tests.python.conditions.requests import requests

CLANG = next((name for name in ("clang-14", "clang") if shutil.which(name)), None)
pytestmark = pytest.mark.skipif(CLANG is None, reason="there is no clang")

HEAD = '#include "pv_condition.h"\n#define CONDITION __attribute__((section("condition")))\n'
POLICY = """
static inline __attribute__((always_inline)) int
is_lan(const uint64_t address[2])
{
	return address[0] == 0 && address[1] >> 24 == (0xffffull << 8 | 10);
}

CONDITION uint64_t
decide(struct pv_condition_context *request)
{
	if (!is_lan(request->caller))
		return PV_VERDICT_DROP;
	if (!pv_per_source(request, 10, 3)) {
		pv_count(request, 1);
		return PV_VERDICT_REJECT;
	}
	if (request->data[0] == 'h')
		return PV_VERDICT_ASK;
	return PV_VERDICT_ACCEPT;
}
"""


def build(folder, text, *flags, target="bpf"):
    source, made = folder / "policy.c", folder / "policy.o"
    source.write_text(HEAD + text)
    command = [CLANG, "-O2", "-ffreestanding", "-target", target, "-mcpu=v2", *flags]
    command += ["-I", str(TOP / "dataplane/api"), "-c", str(source), "-o", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    return made


def in_python(request):
    if ":" in request.caller.address or not request.caller.address.startswith("10."):
        return DROP
    if not request.per_source(10, 3):
        return REJECT
    return ASK if request.data[0] == ord("h") else ACCEPT


def test_a_policy_in_c_decides_as_one_in_python(tmp_path):
    program = load(build(tmp_path, POLICY))
    runner = Runner(program)
    wanted = list(requests(seed=4, n=3_000))
    sources = Sources()
    verdicts = runner.run(b"".join(request.pack() for request in wanted))
    for request, verdict in zip(wanted, verdicts, strict=True):
        object.__setattr__(request, "sources", sources)
        assert in_python(request) == verdict
    assert runner.counters()["counter 1"] == list(verdicts).count(REJECT) > 0
    assert set(verdicts) == {ACCEPT, REJECT, DROP, ASK}
    runner.close()


WRONG = [
    (("uint64_t table[4];\nCONDITION uint64_t f(struct pv_condition_context *r)\n"
     "{ return table[r->ttl & 3]; }"), "uses table, which is data"),
    (("extern uint64_t time(void *);\nCONDITION uint64_t f(struct pv_condition_context *r)\n"
     "{ return time(r); }"), "calls time, which no worker has: there are pv_per_source, pv_count"),
    (("__attribute__((noinline)) uint64_t g(uint64_t x) { return x * x; }\n"
     "CONDITION uint64_t f(struct pv_condition_context *r) { return g(r->ttl); }"), "calls g"),
    (("CONDITION __attribute__((noinline)) uint64_t g(uint64_t x) { return x; }\n"
     "CONDITION uint64_t f(struct pv_condition_context *r) { return g(r->ttl); }"),
     "functions g, f"),
    (("CONDITION uint64_t f(struct pv_condition_context *r)\n"
     "{ uint64_t s = 1;\n#pragma clang loop unroll(disable) vectorize(disable)\n"
     "for (uint64_t i = 0; i < r->backlog; i++) s = s * 3 ^ r->load; return s; }"), "a loop"),
    ("uint64_t f(struct pv_condition_context *r) { return 0; }", "code in .text, none in"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), WRONG, ids=[w[1] for w in WRONG])
def test_what_is_not_there_is_refused_with_a_reason(tmp_path, text, problem):
    with pytest.raises(ObjectError) as caught:
        load(build(tmp_path, text))
    assert problem in str(caught.value)


def test_32_bit_instructions_are_refused_with_the_flag_that_avoids_them(tmp_path):
    made = build(tmp_path, POLICY, "-mcpu=v3")
    with pytest.raises(ObjectError, match="compile it with -mcpu=v2"):
        load(made)


def test_other_files_are_refused(tmp_path):
    text = tmp_path / "policy.txt"
    text.write_text("no object at all")
    with pytest.raises(ObjectError, match="no object file"):
        load(text)
    with pytest.raises(ObjectError, match="-target bpf"):
        load("/proc/self/exe")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing.o")


def test_the_verifier_says_what_it_does_not_like(tmp_path):
    text = """CONDITION uint64_t f(struct pv_condition_context *r)
    { return *((uint64_t *)r + 25); }"""
    with pytest.raises(VerifierError) as caught:
        Runner(load(build(tmp_path, text)))
    assert "memory boundary violation" in str(caught.value)


def test_a_verdict_that_is_none_rejects_and_stores_change_a_copy(tmp_path):
    text = """CONDITION uint64_t f(struct pv_condition_context *r)
    { uint64_t was = r->ttl; r->ttl = 9; r->caller[0] = 1; return was; }"""
    runner = Runner(load(build(tmp_path, text)))
    ends = {"caller": Endpoint("10.0.0.1", 1), "callee": Endpoint("10.0.0.2", 2)}
    ttls = [0, 3, 4, 255]
    made = [ConnectionRequest(**ends, ttl=ttl, data=CallerData(b"x")) for ttl in ttls]
    assert runner.decide(made) == [ACCEPT, ASK, REJECT, REJECT]
    runner.close()
