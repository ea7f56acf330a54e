"""Conditions that use every part of the language, each with something for every way through."""

import pyprov.conditions
from pyprov.conditions import ACCEPT, ASK, DROP, REJECT, Verdict, condition, prefix
from pyprov.winsock.service import SERVICETYPE_GUARANTEED

LAN = prefix("10.0.0.0/8", "fd00::/8")
HOSTS = ("10.0.0.0", "192.168.1.1", "fd09::2", "::1")
WEB = (80, 443, 8080)
LIMIT = 900
WEIGHTS = ((80, 1), (443, 3), (1024, 5))


@condition
def lan_and_modest(req):
    if req.caller.address not in LAN:
        return DROP
    if req.backlog > LIMIT or req.syn.mss < 536:
        return REJECT
    if (
        req.qos.sending.service_type == SERVICETYPE_GUARANTEED
        and req.qos.sending.token_rate > 10_000_000
    ):
        return ASK
    return ACCEPT


@condition
def token_buckets(req):
    if not req.per_source(rate=10, burst=3):
        return DROP
    if req.ttl > 64 and not req.per_source(rate=3, burst=1):
        return REJECT
    return ACCEPT


@condition
def token_kept(req):
    fine = req.per_source(5, burst=2)
    if fine and req.syn.sack:
        return ACCEPT
    elif not fine:  # noqa: RET505 - a part of the language, too
        return DROP
    return ASK


@condition
def one_each(req):
    if req.per_source(rate=1, burst=1):
        return ACCEPT
    return DROP


@condition
def counted(req):
    """A docstring, and counters."""
    if req.caller.port < 1024:
        req.counter("low")
        if req.callee.port < 1024:
            req.counter("both low")
    req.counter("all")
    return ACCEPT


@condition
def chains(req):
    if 536 <= req.syn.mss < 1460:
        return ASK
    if not 1 < req.ttl <= 64 != req.dscp:
        return DROP
    if req.caller.port == req.callee.port < 1024:
        return REJECT
    return ACCEPT


@condition
def flags(req):
    both = req.syn.sack and req.syn.timestamps
    one = req.syn.sack or req.syn.timestamps
    if both == True:  # noqa: E712 - it is a number as well
        return ASK
    if one != req.qos.given:
        return REJECT
    small = req.syn.window < 1024
    large = not small
    if small + large != 1:
        return DROP
    return ACCEPT


@condition
def arithmetic(req):
    a = req.caller.port * 7 - req.callee.port
    b = a // 3 + a % 11
    c = (b << 3) ^ (a >> 2) | req.ttl & ~1
    d = -c
    if d % 5 == 2:
        return REJECT
    if (req.half_open + 1) * req.load // 100 > 1000:
        return DROP
    if req.qos.receiving.peak_bandwidth // (req.qos.receiving.token_rate + 1) > 1:
        return ASK
    return ACCEPT


@condition
def scores(req):
    score = 0
    for pair in WEIGHTS:
        if req.callee.port == pair[0]:
            score += pair[1]
    for i in range(4):
        if req.data[i] == i + 104:
            score += 1
        else:
            score -= i
    if score < -2:
        return DROP
    if score == 0:  # noqa: SIM108 - there is no `a if b else c` in the language
        verdict = ASK
    else:
        verdict = REJECT
    return verdict


@condition
def members(req):
    if req.callee.port in WEB:
        return ACCEPT
    if req.caller.port not in range(80, 1024):
        return DROP
    if req.syn.mss * 2 + 1 in (1, 3, 2921):
        return ASK
    return REJECT


@condition
def addresses(req):
    if req.caller.address in HOSTS:
        return ASK
    if req.caller.address == "10.9.0.0" or req.callee.address != "fd09::3":
        return DROP
    if req.caller.address == req.callee.address:
        return REJECT
    return ACCEPT


@condition
def any_of_six(req):
    if req.caller.address in prefix("::/0"):
        return ACCEPT
    if req.callee.address in prefix("2001:db8:0:0:8000::/65", "fd09::2/127", "::/8"):
        return ASK
    if req.callee.address not in prefix("0.0.0.0/0"):
        return DROP
    return REJECT


@condition
def many_ways(req):
    """So many ways through that networks are looked at without jumps."""
    score = 0
    if req.caller.address in prefix("10.0.0.0/8", "192.168.0.0/16", "fd00::/8", "2001:db8::/32"):
        score += 1
    if req.callee.address in prefix("10.9.0.0/24", "198.18.0.0/15", "fd09::/64", "0.0.0.0/1"):
        score += 2
    if req.caller.port in (1, 80, 443, 1024, 65535):
        score += 4
    if req.callee.port * 3 in (3, 240, 243, 1329):
        score += 8
    if req.ttl in (1, 64, 255, 300):
        score += 16
    if score in (1, 3, 7, 12, 17, 24, 31):
        return ASK
    if score > 20:
        return DROP
    return ACCEPT


@condition
def is_lan(req, where):
    return where.address in LAN


@condition
def weight(req, port, least):
    if port < least:
        return least - port
    port -= least
    return port


@condition
def busy(req):
    if req.load > 90:
        return True
    return req.backlog > LIMIT


@condition
def by_load(req):
    if req.load > 50:
        return DROP
    return ASK


@condition
def weight_of_callee(req):
    return weight(req, req.callee.port, 1024)


@condition
def calls(req):
    if busy(req) or not is_lan(req, req.caller):
        return by_load(req)
    mine = weight(req, req.caller.port, least=80)
    theirs = weight_of_callee(req)
    if mine > theirs:
        return REJECT
    return ACCEPT


@condition
def known_at_once(req):
    if req.ttl < 300:
        x = 3
    else:
        return REJECT
    if x == 3 and req.dscp >= 0:
        if req.ttl > 255 or x in (1, 2):
            return DROP
        return pyprov.conditions.ASK
    return Verdict.ACCEPT


CONDITIONS = [
    lan_and_modest,
    token_buckets,
    token_kept,
    counted,
    chains,
    flags,
    arithmetic,
    scores,
    members,
    addresses,
    any_of_six,
    many_ways,
    by_load,
    calls,
    known_at_once,
]
