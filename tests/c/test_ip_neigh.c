/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbours: ARP, ND, their states over time, and who tells whom among two workers. */
#include <string.h>

#include "ip_rig.h"
#include "tap.h"
#include "wire/arp.h"
#include "wire/eth.h"
#include "wire/ip6.h"
#include "wire/nd.h"

#define SECOND 1000000000ULL

static struct rig rig;
static uint8_t frame[RIG_FRAME];

static bool
next_is(uint16_t type, const uint8_t *dst)
{
	const struct rig_frame *f = rig_take(&rig);

	return f != NULL && pv_ld16be(f->bytes + 12) == type &&
	       (dst == NULL || memcmp(f->bytes, dst, 6) == 0);
}

static bool
silent(void)
{
	return rig_take(&rig) == NULL;
}

static void
start(uint16_t workers)
{
	static struct pv_config config;

	rig_config(&config);
	config.n_worker = workers;
	config.port[0].neighbour[0].addr = rig_addr("10.9.0.77");
	memcpy(config.port[0].neighbour[0].mac, "\x02pv--M", 6);
	config.port[0].n_neighbour = 1;
	rig_start(&rig, &config);
}

static void
test_answers(void)
{
	const struct rig_frame *f;
	struct pv_arp arp;

	start(1);
	rig_feed(&rig, 0, frame, rig_arp(frame, PV_ARP_REQUEST, 1, "10.9.0.2"));
	f = rig_take(&rig);
	CHECK(f != NULL && pv_arp_parse(f->bytes + 14, f->len - 14U, &arp) == PV_ARP_OK,
			"a request for us is answered");
	CHECK(arp.op == PV_ARP_REPLY && memcmp(arp.sha, rig_mac, 6) == 0 &&
					memcmp(f->bytes, rig_peer_mac, 6) == 0,
			"with our MAC, to the one who asked");
	CHECK_EQ(rig_count(&rig, PV_C_ARP_REQUEST), 1, "and counted");
	rig_feed(&rig, 0, frame, rig_arp(frame, PV_ARP_REQUEST, 1, "10.9.0.9"));
	CHECK(silent() && rig_count(&rig, PV_C_ARP_OTHER) == 1, "one for somebody else is not");
	rig_send_tcp(&rig, 0, "10.9.0.1", 0);
	CHECK(next_is(PV_ETHERTYPE_IP4, rig_peer_mac), "who asked us is known from then on");
	rig_feed(&rig, 0, frame, rig_arp(frame, PV_ARP_REPLY, 5, "10.9.0.2"));
	rig_send_tcp(&rig, 0, "10.9.0.5", 0);
	CHECK(next_is(PV_ETHERTYPE_ARP, rig_broadcast),
			"but not who answers what nobody has asked");
	rig_feed(&rig, 0, frame, rig_arp(frame, PV_ARP_REQUEST, 2, "10.9.0.2"));
	frame[14 + 8 + 5] = 0x44;
	rig_drain(&rig);
	rig_feed(&rig, 0, frame, 60);
	CHECK_EQ(rig_count(&rig, PV_C_ARP_CONFLICT), 1, "somebody who says that he is us");
	CHECK(next_is(PV_ETHERTYPE_ARP, rig_broadcast), "is contradicted");
	rig_feed(&rig, 0, frame, 60);
	CHECK(silent() && rig_count(&rig, PV_C_ARP_CONFLICT) == 2, "once in ten seconds");
	rig_send_tcp(&rig, 0, "10.9.0.77", 0);
	CHECK(next_is(PV_ETHERTYPE_IP4, (const uint8_t *)"\x02pv--M"), "a configured one is known");
	rig_feed(&rig, 0, frame, rig_arp(frame, PV_ARP_REQUEST, 77, "10.9.0.2"));
	rig_drain(&rig);
	rig_send_tcp(&rig, 0, "10.9.0.77", 0);
	CHECK(next_is(PV_ETHERTYPE_IP4, (const uint8_t *)"\x02pv--M"), "and stays as configured");
	rig_stop(&rig);
}

static void
test_resolution(void)
{
	uint32_t errors;

	start(1);
	rig_send_tcp(&rig, 0, "10.9.0.1", 3);
	rig_send_tcp(&rig, 0, "10.9.0.1", 5);
	CHECK(next_is(PV_ETHERTYPE_ARP, rig_broadcast) && silent(),
			"an unknown peer is asked for once");
	rig_advance(&rig, SECOND - 1);
	CHECK(silent(), "and not again within a second");
	rig_advance(&rig, 1);
	CHECK(next_is(PV_ETHERTYPE_ARP, rig_broadcast) && silent(), "but then");
	rig_feed(&rig, 0, frame, rig_arp(frame, PV_ARP_REPLY, 1, "10.9.0.2"));
	CHECK(rig.n_out - rig.next_out == 2 && rig_take(&rig)->len == 57 &&
					rig_take(&rig)->len == 59,
			"the answer lets go what waited, in order");
	CHECK_EQ(rig_count(&rig, PV_C_ARP_REPLY), 1, "and is counted");

	rig_drain(&rig);
	rig_send_tcp(&rig, 0, "10.9.0.3", 0);
	for (int i = 0; i < 3; i++)
		CHECK(i == 0 || (rig_advance(&rig, SECOND), true), "a second goes by");
	CHECK_EQ(rig.n_out, 3, "who does not answer is asked three times");
	errors = rig.n_errors;
	rig_advance(&rig, SECOND);
	CHECK(rig.n_errors == errors + 1 && rig.error.kind == PV_ICMP_SOFT && rig.error.seq == 7 &&
					rig.error.tuple.local_port == 80,
			"then TCP is told");
	CHECK_EQ(rig_count(&rig, PV_C_NEIGHBOUR_UNRESOLVED), 1, "and what waited is dropped");

	rig_drain(&rig);
	for (int i = 0; i < 200; i++)
		rig_send_tcp(&rig, 0, "10.9.0.4", 0);
	CHECK(rig_count(&rig, PV_C_NEIGHBOUR_FULL) == 200 - 127,
			"not more than a quarter of the buffers waits");
	rig_stop(&rig);
}

/* 30 s, then stale; the first use starts a delay of 5 s, three questions, and the end. */
static void
test_ageing(void)
{
	struct pv_addr peer = rig_addr("10.9.0.1");

	start(1);
	rig_send_tcp(&rig, 0, "10.9.0.1", 0);
	rig_feed(&rig, 0, frame, rig_arp(frame, PV_ARP_REPLY, 1, "10.9.0.2"));
	rig_drain(&rig);
	rig_advance(&rig, 29 * SECOND);
	rig_send_tcp(&rig, 0, "10.9.0.1", 0);
	CHECK(next_is(PV_ETHERTYPE_IP4, rig_peer_mac), "a fresh neighbour is used");
	rig_advance(&rig, 10 * SECOND);
	CHECK(silent(), "and is not asked while nobody needs it");
	rig_send_tcp(&rig, 0, "10.9.0.1", 0);
	CHECK(next_is(PV_ETHERTYPE_IP4, rig_peer_mac) && silent(), "a stale one is used too");
	rig_advance(&rig, 4 * SECOND);
	pv_ip_confirm(&rig.ctx[0], &peer);
	rig_advance(&rig, 20 * SECOND);
	CHECK(silent(), "and not asked when TCP has heard from it");
	rig_advance(&rig, 20 * SECOND);
	rig_send_tcp(&rig, 0, "10.9.0.1", 0);
	rig_drain(&rig);
	rig_advance(&rig, 5 * SECOND);
	CHECK(next_is(PV_ETHERTYPE_ARP, rig_peer_mac) && silent(), "else it is asked directly");
	rig_feed(&rig, 0, frame, rig_arp(frame, PV_ARP_REPLY, 1, "10.9.0.2"));
	rig_advance(&rig, 5 * SECOND);
	CHECK(silent(), "and an answer is enough");
	rig_advance(&rig, 30 * SECOND);
	rig_send_tcp(&rig, 0, "10.9.0.1", 0);
	rig_drain(&rig);
	rig_advance(&rig, 9 * SECOND);
	CHECK_EQ(rig.n_out, 3, "three questions without an answer");
	rig_drain(&rig);
	rig_send_tcp(&rig, 0, "10.9.0.1", 0);
	CHECK(next_is(PV_ETHERTYPE_ARP, rig_broadcast), "and it is forgotten");
	rig_stop(&rig);
}

static void
test_change(void)
{
	struct pv_addr peer = rig_addr("10.9.0.1");
	static const uint8_t other[6] = { 0x02, 0, 0, 0, 0, 0x99 };

	start(1);
	rig_feed(&rig, 0, frame, rig_arp(frame, PV_ARP_REQUEST, 1, "10.9.0.2"));
	rig_drain(&rig);
	rig_arp(frame, PV_ARP_REQUEST, 1, "10.9.0.1");
	memcpy(frame + 14 + 8, other, 6);
	rig_feed(&rig, 0, frame, 60);
	rig_send_tcp(&rig, 0, "10.9.0.1", 0);
	CHECK(next_is(PV_ETHERTYPE_IP4, other), "a gratuitous ARP tells the new address");
	CHECK(pv_ip_path(&rig.ctx[0], &peer)->resolved, "and nothing has to be asked");
	pv_ip_doubt(&rig.ctx[0], &peer);
	CHECK(next_is(PV_ETHERTYPE_ARP, other), "who does not answer TCP is asked at once");
	pv_ip_reset(&rig.ctx[0]);
	CHECK(!pv_ip_path(&rig.ctx[0], &peer)->resolved, "a reset forgets");
	rig_stop(&rig);
}

static void
test_discovery(void)
{
	const struct rig_frame *f;
	struct pv_nd nd;
	struct pv_ip6 ip;

	start(1);
	rig_feed(&rig, 0, frame, rig_nd(frame, PV_ICMP6_NEIGH_SOLICIT, 0, 1, "fd09::2"));
	f = rig_take(&rig);
	CHECK(f != NULL && pv_ip6_parse(f->bytes + 14, f->len - 14U, &ip) == PV_IP6_OK &&
					pv_nd_parse(f->bytes + 54, f->len - 54U, &ip, &nd) ==
							PV_ND_OK,
			"a solicitation for us is answered");
	CHECK(nd.flags == (PV_ND_SOLICITED | PV_ND_OVERRIDE) &&
					memcmp(nd.lladdr, rig_mac, 6) == 0 &&
					memcmp(f->bytes, rig_peer_mac, 6) == 0,
			"as it should be");
	rig_send_tcp(&rig, 0, "fd09::1", 0);
	CHECK(next_is(PV_ETHERTYPE_IP6, rig_peer_mac), "who asked us is known");
	rig_feed(&rig, 0, frame, rig_nd(frame, PV_ICMP6_NEIGH_SOLICIT, 0, 0, "fd09::2"));
	f = rig_take(&rig);
	CHECK(f != NULL && f->bytes[0] == 0x33 && (f->bytes[58] & PV_ND_SOLICITED) == 0,
			"who has no address yet is answered to all");
	rig_send_tcp(&rig, 0, "fd09::5", 0);
	f = rig_take(&rig);
	CHECK(f != NULL && memcmp(f->bytes, "\x33\x33\xff\x00\x00\x05", 6) == 0,
			"an unknown one is asked for in its group");
	rig_feed(&rig, 0, frame,
			rig_nd(frame, PV_ICMP6_NEIGH_ADVERT, PV_ND_SOLICITED | PV_ND_OVERRIDE, 5,
					"fd09::5"));
	CHECK(next_is(PV_ETHERTYPE_IP6, NULL), "and what waited goes with the answer");
	rig_nd(frame, PV_ICMP6_NEIGH_ADVERT, 0, 5, "fd09::5");
	frame[54 + 26 + 5] ^= 0x40;
	pv_icmp6_csum_set(frame + 54, 32, frame + 22, frame + 38);
	rig_feed(&rig, 0, frame, 86);
	rig_send_tcp(&rig, 0, "fd09::5", 0);
	CHECK(next_is(PV_ETHERTYPE_IP6, (const uint8_t *)"\x02\x00\x00\x00\x00\x05"),
			"without the override flag the address stays");
	frame[21] = 64;
	rig_feed(&rig, 0, frame, 86);
	CHECK_EQ(rig_count(&rig, PV_C_ND_MALFORMED), 1, "hop limit 64 came from afar");
	rig_send_tcp(&rig, 0, "2001:db8::1", 0);
	f = rig_take(&rig);
	CHECK(f != NULL && memcmp(f->bytes, "\x33\x33\xff\x00\x00\xfe", 6) == 0,
			"a far peer is reached by the gateway");
	rig_stop(&rig);
}

static void
test_dad(void)
{
	static struct pv_config config;

	rig_config(&config);
	config.port[0].dad = 1;
	rig_start(&rig, &config);
	pv_ip_announce(&rig.ctx[0], 0);
	CHECK_EQ(rig.n_out, 3, "an announcement and two probes");
	rig_drain(&rig);
	rig_feed(&rig, 0, frame, rig_nd(frame, PV_ICMP6_NEIGH_SOLICIT, 0, 1, "fd09::2"));
	CHECK(silent(), "a tentative address answers nobody");
	rig_advance(&rig, SECOND);
	CHECK_EQ(rig.n_out, 2, "after a second both are announced");
	rig_drain(&rig);
	rig_feed(&rig, 0, frame, rig_nd(frame, PV_ICMP6_NEIGH_SOLICIT, 0, 1, "fd09::2"));
	CHECK(!silent(), "and answered for");
	rig_stop(&rig);

	rig_start(&rig, &config);
	pv_ip_announce(&rig.ctx[0], 0);
	rig_nd(frame, PV_ICMP6_NEIGH_ADVERT, PV_ND_OVERRIDE, 1, "fd09::2");
	memcpy(frame, "\x33\x33\0\0\0\1", 6);
	memcpy(frame + 38, rig_addr("ff02::1").b, 16);
	pv_icmp6_csum_set(frame + 54, 32, frame + 22, frame + 38);
	rig_feed(&rig, 0, frame, 86);
	rig_advance(&rig, 2 * SECOND);
	rig_drain(&rig);
	rig_feed(&rig, 0, frame, rig_nd(frame, PV_ICMP6_NEIGH_SOLICIT, 0, 1, "fd09::2"));
	CHECK(silent() && rig_count(&rig, PV_C_ARP_CONFLICT) == 1,
			"an address that somebody else has is not used");
	rig_stop(&rig);
}

/* Port 0 belongs to worker 0. */
static void
test_two_workers(void)
{
	struct pv_addr peer;

	start(2);
	peer = rig_addr("10.9.0.1");
	rig_feed(&rig, 1, frame, rig_arp(frame, PV_ARP_REQUEST, 1, "10.9.0.2"));
	CHECK(next_is(PV_ETHERTYPE_ARP, rig_peer_mac) &&
					rig.ctx[0].counters.value[PV_C_ARP_REQUEST] == 1 &&
					rig.ctx[1].counters.value[PV_C_HANDED_OVER] == 1,
			"ARP goes to the port's owner");
	rig_send_tcp(&rig, 1, "10.9.0.1", 0);
	CHECK(next_is(PV_ETHERTYPE_IP4, rig_peer_mac) && silent(),
			"who tells others what it knows");
	pv_ip_confirm(&rig.ctx[1], &peer);
	rig_send_tcp(&rig, 1, "10.9.0.3", 0);
	CHECK(next_is(PV_ETHERTYPE_ARP, rig_broadcast) && silent(),
			"and asks for them what it does not");
	rig_feed(&rig, 0, frame, rig_arp(frame, PV_ARP_REPLY, 3, "10.9.0.2"));
	CHECK(next_is(PV_ETHERTYPE_IP4, NULL) && silent(),
			"the answer lets go what waits at the other");
	rig_send_tcp(&rig, 1, "10.9.0.4", 0);
	rig_drain(&rig);
	rig_advance(&rig, 4 * SECOND);
	CHECK(rig_count(&rig, PV_C_NEIGHBOUR_UNRESOLVED) == 1 && rig.n_errors == 1,
			"who does not answer is given up by both");
	rig_drain(&rig);
	for (int i = 0; i < 12; i++) {
		rig_advance(&rig, 10 * SECOND);
		rig_send_tcp(&rig, 1, "10.9.0.1", 0);
		pv_ip_confirm(&rig.ctx[1], &peer);
	}
	CHECK_EQ(rig_outcomes(&rig),
			rig_count(&rig, PV_C_RX_FRAMES) + rig_count(&rig, PV_C_HANDED_OVER),
			"messages are no frames");
	rig_stop(&rig);
}

int
main(void)
{
	test_answers();
	test_resolution();
	test_ageing();
	test_change();
	test_discovery();
	test_dad();
	test_two_workers();
	return tap_done();
}
