/* SPDX-License-Identifier: BSD-3-Clause */
/* Routes, source addresses, kinds of addresses, path MTUs. */
#include "base/rng.h"
#include "ip/neigh.h"
#include "ip/pmtu.h"
#include "ip/route.h"
#include "ip_rig.h"
#include "tap.h"

#define SECOND 1000000000ULL

static struct rig rig;

static void
configure(struct pv_config *config)
{
	struct pv_port_config *second = &config->port[1];

	rig_config(config);
	config->port[0].route[0] = (struct pv_route_config){
		.to = { .addr = rig_addr("172.16.0.0"), .prefix = 96 + 12 },
		.via = rig_addr("10.9.0.12"),
	};
	config->port[0].route[1] = (struct pv_route_config){
		.to = { .addr = rig_addr("172.16.5.0"), .prefix = 96 + 24 },
		.via = rig_addr("10.9.0.24"),
	};
	config->port[0].n_route = 2;
	second->address[0] = (struct pv_cidr){ .addr = rig_addr("10.9.8.7"), .prefix = 96 + 30 };
	second->address[1] = (struct pv_cidr){ .addr = rig_addr("2001:db8:5::7"), .prefix = 48 };
	second->n_address = 2;
	second->mtu = 9000;
	config->n_port = 2;
}

struct wanted {
	const char *peer, *via, *local;
	uint16_t port;
};

static const struct wanted wanted[] = {
	{ "10.9.0.200", "10.9.0.200", "10.9.0.2", 0 },
	{ "10.9.8.6", "10.9.8.6", "10.9.8.7", 1 },
	{ "8.8.8.8", "10.9.0.254", "10.9.0.2", 0 },
	{ "172.20.1.1", "10.9.0.12", "10.9.0.2", 0 },
	{ "172.16.5.9", "10.9.0.24", "10.9.0.2", 0 },
	{ "172.16.6.9", "10.9.0.12", "10.9.0.2", 0 },
	{ "fd09::1234", "fd09::1234", "fd09::2", 0 },
	{ "2001:db8:5:9::1", "2001:db8:5:9::1", "2001:db8:5::7", 1 },
	{ "2001:db8:6::1", "fd09::fe", "fd09::2", 0 },
	{ "fe80::9", "fe80::9", "fe80::ff:fe00:2", 0 },
};

static void
test_routes(void)
{
	static struct pv_routes routes;

	pv_routes_init(&routes, &rig.config);
	for (size_t i = 0; i < PV_COUNT_OF(wanted); i++) {
		struct pv_addr peer = rig_addr(wanted[i].peer), via = rig_addr(wanted[i].via);
		struct pv_addr local = rig_addr(wanted[i].local), found, source;
		uint16_t port;

		CHECK(pv_route_find(&routes, &peer, &found, &port) && pv_addr_equal(&found, &via) &&
						port == wanted[i].port,
				wanted[i].peer);
		CHECK(pv_ip_source(&rig.ctx[0], &peer, &source) && pv_addr_equal(&source, &local),
				"and its source address");
	}
}

static bool
unicast(const char *text)
{
	struct pv_addr addr = rig_addr(text);

	return pv_ip_is_unicast(&rig.ctx[0], &addr);
}

static bool
local(const char *text)
{
	struct pv_addr addr = rig_addr(text);

	return pv_ip_is_local(&rig.ctx[0], &addr);
}

static void
test_kinds(void)
{
	struct pv_addr own = rig_addr("10.9.8.7"), peer = rig_addr("127.0.0.1"), source;

	CHECK(local("10.9.0.2") && local("10.9.8.7") && local("127.3.4.5") && local("::1") &&
					local("fd09::2"),
			"these are ours");
	CHECK(!local("10.9.0.3") && !local("128.0.0.1") && !local("::2") && !local("10.9.0.255"),
			"these are not");
	CHECK(unicast("10.9.0.3") && unicast("127.0.0.1") && unicast("fd09::1") && unicast("::1"),
			"these can be connected to");
	CHECK(!unicast("10.9.0.255") && !unicast("255.255.255.255") && !unicast("224.1.2.3") &&
					!unicast("0.0.0.0") && !unicast("240.0.0.1") &&
					!unicast("ff02::1") && !unicast("::"),
			"these can't (MUST-46)");
	CHECK(pv_ip_source(&rig.ctx[0], &peer, &source) && pv_addr_equal(&source, &peer),
			"to ourselves we speak from the same address");
	CHECK(pv_ip_path(&rig.ctx[0], &own)->port == PV_PORT_LOOPBACK, "by the loopback");
}

static void
test_path_mtu(void)
{
	struct pv_ctx *ctx = &rig.ctx[0];
	struct pv_addr a = rig_addr("10.9.0.1"), b = rig_addr("8.8.8.8"), six = rig_addr("fd09::1");

	CHECK_EQ(pv_ip_mtu(ctx, &a), 1500, "at first the port's");
	pv_ip_mtu_lower(ctx, &a, 1400);
	CHECK(pv_ip_mtu(ctx, &a) == 1400 && pv_ip_mtu(ctx, &b) == 1500, "lowered for one peer");
	pv_ip_mtu_lower(ctx, &a, 1450);
	CHECK_EQ(pv_ip_mtu(ctx, &a), 1400, "never raised by a message");
	pv_ip_mtu_lower(ctx, &a, 60);
	CHECK_EQ(pv_ip_mtu(ctx, &a), 1400, "less than 68 is no MTU");
	pv_ip_mtu_lower(ctx, &a, 300);
	CHECK_EQ(pv_ip_mtu(ctx, &a), 552, "less than 552 is not believed");
	pv_ip_mtu_lower(ctx, &six, 1279);
	CHECK_EQ(pv_ip_mtu(ctx, &six), 1500, "nor less than 1280 for IPv6");
	pv_ip_mtu_lower(ctx, &six, 1280);
	CHECK_EQ(pv_ip_mtu(ctx, &six), 1280, "but 1280 is");
	CHECK_EQ(rig_count(&rig, PV_C_MTU_LOWERED), 3, "each change is counted");
	rig_advance(&rig, 599 * SECOND);
	CHECK_EQ(pv_ip_mtu(ctx, &a), 552, "it holds ten minutes");
	rig_advance(&rig, 2 * SECOND);
	CHECK_EQ(pv_ip_mtu(ctx, &a), 1500, "not longer");
}

/* What pv_ip_path says against the route table, for peers all over the place: what it remembers of
 * one must not mislead for another. */
static bool
path_is_right(const struct pv_routes *routes, const struct pv_addr *peer)
{
	const struct pv_path *path = pv_ip_path(&rig.ctx[0], peer);
	const struct pv_neighbour *n;
	struct pv_addr via;
	uint16_t port;

	if (pv_ip_is_local(&rig.ctx[0], peer))
		return path->port == PV_PORT_LOOPBACK;
	if (!pv_route_find(routes, peer, &via, &port))
		return path == NULL;
	n = (const struct pv_neighbour *)(const void *)((const char *)path -
							offsetof(struct pv_neighbour, path));
	return path->port == port && pv_addr_equal(&n->addr, &via);
}

static void
test_paths(void)
{
	static const char *const near[] = { "10.9.0.3", "10.9.8.7", "10.9.8.6", "127.0.0.1",
		"172.16.5.9", "172.16.6.9", "172.20.1.1", "8.8.8.8", "fd09::2", "fd09::3", "::1",
		"2001:db8:5::7", "2001:db8:6::1", "fe80::9", "4000::1", "fd08::1" };
	static struct pv_routes routes;
	uint32_t wrong = 0;
	struct pv_rng rng;

	pv_rng_seed(&rng, 5);
	pv_routes_init(&routes, &rig.config);
	for (uint32_t i = 0; i < 100000; i++) {
		struct pv_addr peer = rig_addr(near[pv_rng_below(&rng, PV_COUNT_OF(near))]);
		uint32_t byte = pv_addr_is_v4(&peer) ? 12 + pv_rng_below(&rng, 3) :
						       pv_rng_below(&rng, 7);

		/* A little off, but few enough of them on a link. */
		if (i % 3 != 0)
			peer.b[byte] ^= (uint8_t)(1 << pv_rng_below(&rng, 8));
		if (i % 3 == 2)
			peer.b[15] ^= (uint8_t)(1 << pv_rng_below(&rng, 8));
		wrong += !path_is_right(&routes, &peer);
	}
	CHECK_EQ(wrong, 0, "every peer is reached by its own route, whoever was reached before");
}

int
main(void)
{
	struct pv_port_facts facts = { .mtu = 9000, .mac = { 2, 0, 0, 0, 1, 2 } };
	static struct pv_config config;

	configure(&config);
	rig_start(&rig, &config);
	pv_ip_port(&rig.ctx[0], 1, &facts);
	test_routes();
	test_kinds();
	test_path_mtu();
	test_paths();
	rig_stop(&rig);
	return tap_done();
}
