/* SPDX-License-Identifier: BSD-3-Clause */
/* From a segment to a frame: headers, checksums in software and left to the device, loopback. */
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "ip_rig.h"
#include "tap.h"
#include "wire/arp.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/tcp_hdr.h"

static struct rig rig;

static void
start(bool offload)
{
	struct pv_port_facts facts = {
		.mtu = 1500, .tx_ip_checksum = offload, .tx_tcp_checksum = offload
	};
	static struct pv_config config;

	rig_config(&config);
	config.port[0].neighbour[0].addr = rig_addr("10.9.0.1");
	memcpy(config.port[0].neighbour[0].mac, rig_peer_mac, 6);
	config.port[0].neighbour[1].addr = rig_addr("fd09::1");
	memcpy(config.port[0].neighbour[1].mac, rig_peer_mac, 6);
	rig_start(&rig, &config);
	memcpy(facts.mac, rig_mac, 6);
	rig.config.port[0].n_neighbour = 2;
	pv_ip_port(&rig.ctx[0], 0, &facts);
}

static void
test_software(void)
{
	const struct rig_frame *f;
	struct pv_ip4 ip;
	struct pv_ip6 ip6 = { 0 };

	start(false);
	for (size_t len = 0; len < 300; len += 7) {
		rig_send_tcp(&rig, 0, "10.9.0.1", len);
		f = rig_take(&rig);
		CHECK(f != NULL &&
						pv_ip4_parse(f->bytes + 14, f->len - 14U, true,
								&ip) == PV_IP4_OK &&
						ip.flags == PV_IP4_DF && ip.ttl == 64 &&
						ip.total_len == 40 + len &&
						pv_tcp_csum4_ok(f->bytes + 34,
								pv_ip4_payload_len(&ip), ip.src,
								ip.dst),
				"IPv4: header and checksums are right at any length");
		rig_send_tcp(&rig, 0, "fd09::1", len);
		f = rig_take(&rig);
		CHECK(f != NULL && pv_ip6_parse(f->bytes + 14, f->len - 14U, &ip6) == PV_IP6_OK &&
						ip6.next == PV_PROTO_TCP &&
						ip6.payload_len == 20 + len &&
						pv_tcp_csum6_ok(f->bytes + 54, ip6.payload_len,
								ip6.src, ip6.dst),
				"and IPv6's");
		rig_drain(&rig);
	}
	CHECK(ip6.flow_label != 0, "a connection has a flow label");
	rig_stop(&rig);
}

static struct rte_mbuf *
buffer(uint16_t len, int byte)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rig.ctx[0].mbufs);
	char *p = m == NULL ? NULL : rte_pktmbuf_append(m, len);

	if (p == NULL)
		exit(1);
	memset(p, byte, len);
	return m;
}

/* A payload of several buffers, odd lengths among them. */
static void
test_chain(void)
{
	struct pv_ip_send how = { .local = rig_addr("10.9.0.2"),
		.peer = rig_addr("10.9.0.1"),
		.protocol = PV_PROTO_TCP,
		.ttl = 64 };
	struct pv_tcp_hdr tcp = { .sport = 1, .dport = 2, .hdr_len = 20 };
	const struct rig_frame *f;
	struct rte_mbuf *m, *a, *b;

	start(false);
	m = buffer(20, 0);
	a = buffer(333, 0xa5);
	b = buffer(222, 0x3c);
	pv_tcp_build(rte_pktmbuf_mtod(m, uint8_t *), &tcp);
	rte_pktmbuf_chain(m, a);
	rte_pktmbuf_chain(m, b);
	pv_ip_send(&rig.ctx[0], m, &how);
	f = rig_take(&rig);
	CHECK(f != NULL && f->len == 14 + 20 + 20 + 555 &&
					pv_tcp_csum4_ok(f->bytes + 34, 575, pv_addr_v4(&how.local),
							pv_addr_v4(&how.peer)),
			"a chain has a right checksum");
	rig_stop(&rig);
}

static void
test_offload(void)
{
	const struct rig_frame *f;
	uint8_t reply[64];

	start(true);
	rig_send_tcp(&rig, 0, "10.9.0.1", 100);
	f = rig_take(&rig);
	CHECK(f != NULL && pv_ld16(f->bytes + 24) == 0, "the device fills in the header checksum");
	CHECK(f != NULL && pv_ld16(f->bytes + 50) == pv_tcp_csum4_seed(PV_IP4_ADDR(10, 9, 0, 2),
								     PV_IP4_ADDR(10, 9, 0, 1), 120),
			"and finds the pseudo header's sum for TCP's");
	CHECK(f != NULL && f->l2_len == 14, "behind a link header of a length that it is told");
	rig_send_tcp(&rig, 0, "10.9.0.7", 100);
	rig_drain(&rig);
	rig_feed(&rig, 0, reply, rig_arp(reply, PV_ARP_REPLY, 7, "10.9.0.2"));
	f = rig_take(&rig);
	CHECK(f != NULL && f->len == 154 && f->l2_len == 14, "also of what had to wait for ARP");
	rig_stop(&rig);
}

static void
test_loopback(void)
{
	struct rte_mbuf *frames[4];
	struct pv_packet packets[4];
	struct pv_ctx *ctx;

	start(false);
	ctx = &rig.ctx[0];
	rig_send_tcp(&rig, 0, "127.0.0.1", 10);
	rig_send_tcp(&rig, 0, "10.9.0.2", 20);
	rig_send_tcp(&rig, 0, "::1", 30);
	CHECK(rig_take(&rig) == NULL && pv_ip_loopback_waiting(ctx),
			"what is for us leaves by no device");
	CHECK_EQ(pv_ip_loopback_take(ctx, frames, 4), 3, "and comes back");
	CHECK_EQ(pv_ip_input(ctx, PV_PORT_LOOPBACK, frames, 3, packets), 3, "as packets for TCP");
	CHECK(packets[0].l4_len == 30 && packets[1].l4_len == 40 && packets[2].l4_len == 50 &&
					packets[0].l4_checksum_good &&
					packets[2].l4_checksum_good &&
					packets[1].port == PV_PORT_LOOPBACK,
			"in order, with nothing to verify");
	for (int i = 0; i < 3; i++)
		rte_pktmbuf_free(packets[i].mbuf);
	CHECK_EQ(rig_count(&rig, PV_C_LOOPBACK), 3, "counted");
	rig_stop(&rig);
}

static void
test_no_route(void)
{
	struct pv_addr peer = rig_addr("10.9.0.1");
	static struct pv_config config;

	rig_config(&config);
	config.port[0].n_address = 0;
	memset(&config.port[0].gateway4, 0, sizeof(struct pv_addr));
	rig_start(&rig, &config);
	CHECK(pv_ip_path(&rig.ctx[0], &peer) == NULL, "without an address there is no way");
	rig_stop(&rig);
}

int
main(void)
{
	test_software();
	test_chain();
	test_offload();
	test_loopback();
	test_no_route();
	return tap_done();
}
