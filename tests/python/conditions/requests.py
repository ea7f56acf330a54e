"""Random connection requests, near the values where rules change their minds."""

import ipaddress
import random

from pyprov.conditions import (
    CallerData,
    ConnectionRequest,
    Endpoint,
    Flow,
    RequestQos,
    Sources,
    Syn,
)

NETWORKS = [
    "10.0.0.0/8",
    "10.9.0.0/24",
    "192.168.1.0/31",
    "198.18.0.0/15",
    "0.0.0.0/1",
    "fd00::/8",
    "fd09::/64",
    "fd09::2/127",
    "2001:db8::/32",
    "::/8",
    "2001:db8:0:0:8000::/65",
]
IPV4 = [network for network in NETWORKS if ":" not in network]
IPV6 = [network for network in NETWORKS if ":" in network]
PORTS = [1, 22, 79, 80, 81, 443, 1023, 1024, 8080, 65535]
WORDS = [0, 1, 2, 3, 5, 6, 9, 13, 1_250_000, 10_000_000, 10_000_001, 2**31 - 1, 2**31, 2**32 - 1]


def address(rng, networks):
    network = ipaddress.ip_network(rng.choice(networks))
    first, last = int(network[0]), int(network[-1])
    value = rng.choice([first, last, rng.randint(first, last), max(first - 1, 0), last + 1])
    kind = ipaddress.IPv4Address if network.version == 4 else ipaddress.IPv6Address
    made = kind(min(value, kind._ALL_ONES))
    return str(kind(1) if getattr(made, "ipv4_mapped", None) else made)


def flow(rng):
    return Flow(*(rng.choice(WORDS) for _ in range(8)))


def requests(seed, n):
    """So many requests in order of time; all share the buckets of per_source."""
    rng = random.Random(seed)
    sources = Sources()
    time = rng.randrange(2**40)
    for _ in range(n):
        time += rng.choice([0, 1, 1000, 1_000_000, 20_000_000])
        data = rng.choice([b"", b"\x00", b"hello", rng.randbytes(70)])
        given = rng.random() < 0.3
        networks = rng.choice([IPV4, IPV6])
        qos = RequestQos(given=True, sending=flow(rng), receiving=flow(rng))
        yield ConnectionRequest(
            caller=Endpoint(address(rng, networks), rng.choice(PORTS)),
            callee=Endpoint(address(rng, networks), rng.choice(PORTS)),
            time=time,
            syn=Syn(
                mss=rng.choice([0, 1, 535, 536, 1220, 1460, 65535]),
                window=rng.choice([0, 1, 1024, 65535]),
                scale=rng.randrange(15),
                sack=rng.random() < 0.5,
                timestamps=rng.random() < 0.5,
            ),
            ttl=rng.choice([0, 1, 63, 64, 65, 128, 255]),
            dscp=rng.randrange(64),
            data=CallerData(data),
            qos=qos if given else RequestQos(),
            backlog=rng.choice([0, 1, 899, 900, 901, 65535]),
            half_open=rng.choice([0, 1, 2**20, 2**32 - 1]),
            load=rng.randrange(101),
            sources=sources,
        )
