/* SPDX-License-Identifier: BSD-3-Clause */
#include "ip_rig.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "tap.h"
#include "wire/arp.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/nd.h"
#include "wire/tcp_hdr.h"

#define MBUFS 511

const uint8_t rig_mac[6] = { 0x02, 0, 0, 0, 0, 0x02 };
const uint8_t rig_peer_mac[6] = { 0x02, 0, 0, 0, 0, 0x01 };
const uint8_t rig_broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static struct rte_mempool *pool;
static struct rig *current; /* callbacks know the context only */

static void
start_eal(void)
{
	static char arguments[][40] = { "test", "--no-huge", "--no-pci", "-m", "64",
		"--no-telemetry", "--no-shconf", "--log-level=3", "--file-prefix=pvtest" };
	char *argv[PV_COUNT_OF(arguments) + 1] = { NULL };

	if (pool != NULL)
		return;
	for (size_t i = 0; i < PV_COUNT_OF(arguments); i++)
		argv[i] = arguments[i];
	snprintf(arguments[8], sizeof(arguments[8]), "--file-prefix=pvtest%d", (int)getpid());
	if (rte_eal_init((int)PV_COUNT_OF(arguments), argv) < 0)
		exit(1);
	pool = rte_pktmbuf_pool_create(
			"rig", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (pool == NULL)
		exit(1);
}

struct pv_addr
rig_addr(const char *text)
{
	struct pv_addr addr;
	uint32_t v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return pv_addr_from_v4(v4);
	if (inet_pton(AF_INET6, text, addr.b) != 1)
		exit(1);
	return addr;
}

void
rig_config(struct pv_config *config)
{
	struct pv_port_config *port = &config->port[0];

	*config = (struct pv_config){ .n_port = 1, .n_worker = 1, .mbufs = MBUFS, .tcp.ttl = 64 };
	port->address[0] = (struct pv_cidr){ .addr = rig_addr("10.9.0.2"), .prefix = 120 };
	port->address[1] = (struct pv_cidr){ .addr = rig_addr("fd09::2"), .prefix = 64 };
	port->n_address = 2;
	port->gateway4 = rig_addr("10.9.0.254");
	port->gateway6 = rig_addr("fd09::fe");
	port->mtu = 1500;
}

static void
transmit(struct pv_ctx *ctx, uint16_t port, struct rte_mbuf *m)
{
	struct rig_frame *f = &current->out[current->n_out];

	(void)ctx;
	if (current->n_out == RIG_OUT || m->pkt_len > RIG_FRAME)
		exit(1);
	current->n_out++;
	f->port = port;
	f->len = (uint16_t)m->pkt_len;
	f->l2_len = m->l2_len;
	for (uint32_t i = 0; i < m->pkt_len; i++)
		f->bytes[i] = *(const uint8_t *)rte_pktmbuf_read(m, i, 1, &f->bytes[i]);
	rte_pktmbuf_free(m);
}

static void
receive(struct rig *rig, struct pv_ctx *ctx, uint16_t port, struct rte_mbuf *m)
{
	struct pv_packet out;

	if (pv_ip_input(ctx, port, &m, 1, &out) == 0)
		return;
	rig->n_tcp++;
	rig->tcp = out;
	memcpy(rig->segment, rte_pktmbuf_mtod_offset(out.mbuf, const void *, out.l4_offset),
			out.l4_len);
	rte_pktmbuf_free(out.mbuf);
}

static bool
hand_over(struct pv_ctx *ctx, uint8_t worker, uint16_t port, struct rte_mbuf *m)
{
	(void)ctx;
	receive(current, &current->ctx[worker], port, m);
	return true;
}

static bool
tcp_error(struct pv_ctx *ctx, const struct pv_icmp_error *error)
{
	(void)ctx;
	current->n_errors++;
	current->error = *error;
	return current->error_is_ours;
}

/* Odd peer ports belong to worker 1. */
static uint8_t
owner(const struct pv_ctx *ctx, const struct pv_tuple *tuple)
{
	return ctx->n_worker > 1 && tuple->peer_port % 2 != 0 ? 1 : 0;
}

void
rig_start(struct rig *rig, const struct pv_config *config)
{
	struct pv_port_facts facts = { .mtu = config->port[0].mtu };

	start_eal();
	memset(rig, 0, sizeof(*rig));
	current = rig;
	rig->config = *config;
	memcpy(facts.mac, rig_mac, 6);
	for (uint8_t w = 0; w < config->n_worker; w++) {
		struct pv_ctx *ctx = &rig->ctx[w];

		ctx->now = 1000000000;
		ctx->worker = w;
		ctx->n_worker = (uint8_t)config->n_worker;
		ctx->config = &rig->config;
		ctx->mbufs = pool;
		ctx->transmit = transmit;
		ctx->hand_over = hand_over;
		pv_rng_seed(&ctx->rng, w);
		pv_wheel_init(&ctx->wheel, ctx->now);
		pv_wheel_init(&ctx->housekeeping, ctx->now);
		if (pv_ip_init(ctx, &rig->config) != 0)
			exit(1);
		pv_ip_port(ctx, 0, &facts);
		pv_ip_on_error(ctx, tcp_error);
		pv_ip_owned_by(ctx, owner);
	}
}

void
rig_stop(struct rig *rig)
{
	for (uint16_t w = 0; w < rig->config.n_worker; w++)
		pv_ip_fini(&rig->ctx[w]);
	CHECK_EQ(rte_mempool_avail_count(pool), MBUFS, "every packet buffer is back");
}

void
rig_feed(struct rig *rig, unsigned int w, const void *frame, size_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	if (m == NULL)
		exit(1);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
	pv_count(&rig->ctx[w].counters, PV_C_RX_FRAMES);
	receive(rig, &rig->ctx[w], 0, m);
}

/* From deadline to deadline. */
void
rig_advance(struct rig *rig, uint64_t ns)
{
	uint64_t end = rig->ctx[0].now + ns;

	for (;;) {
		uint64_t next = end;

		for (uint16_t w = 0; w < rig->config.n_worker; w++) {
			next = RTE_MIN(next, pv_wheel_next(&rig->ctx[w].wheel));
			next = RTE_MIN(next, pv_wheel_next(&rig->ctx[w].housekeeping));
		}
		for (uint16_t w = 0; w < rig->config.n_worker; w++) {
			struct pv_ctx *ctx = &rig->ctx[w];

			ctx->now = RTE_MAX(next, ctx->now);
			pv_wheel_run(&ctx->wheel, ctx, ctx->now);
			pv_wheel_run(&ctx->housekeeping, ctx, ctx->now);
		}
		if (next == end)
			return;
	}
}

const struct rig_frame *
rig_take(struct rig *rig)
{
	return rig->next_out == rig->n_out ? NULL : &rig->out[rig->next_out++];
}

void
rig_drain(struct rig *rig)
{
	rig->n_out = rig->next_out = 0;
}

uint64_t
rig_count(const struct rig *rig, enum pv_counter counter)
{
	return rig->ctx[0].counters.value[counter] + rig->ctx[1].counters.value[counter];
}

uint64_t
rig_outcomes(const struct rig *rig)
{
	uint64_t sum = 0;

	for (int c = 0; c < PV_C_COUNT; c++) {
		if (pv_counters_kind((enum pv_counter)c) == 0)
			sum += rig_count(rig, (enum pv_counter)c);
	}
	return sum;
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void
mac_of(uint8_t mac[6], uint8_t host)
{
	memcpy(mac, rig_peer_mac, 6);
	mac[5] = host;
}

static uint32_t
addr4_of(uint8_t host)
{
	return PV_IP4_ADDR(10, 9, 0, 0) | pv_hton32(host);
}

size_t
rig_arp(uint8_t *p, uint16_t op, uint8_t host, const char *target)
{
	struct pv_addr t = rig_addr(target);
	struct pv_arp arp = { .op = op, .spa = addr4_of(host), .tpa = pv_addr_v4(&t) };

	mac_of(arp.sha, host);
	if (op == PV_ARP_REPLY)
		memcpy(arp.tha, rig_mac, 6);
	pv_eth_build(p, op == PV_ARP_REPLY ? rig_mac : rig_broadcast, arp.sha, PV_ETHERTYPE_ARP);
	pv_arp_build(p + PV_ETH_HDR_LEN, &arp);
	memset(p + PV_ETH_HDR_LEN + PV_ARP_LEN, 0, PV_ETH_FRAME_MIN - PV_ETH_HDR_LEN - PV_ARP_LEN);
	return PV_ETH_FRAME_MIN;
}

size_t
rig_ip4(uint8_t *p, uint8_t host, uint8_t proto, const void *payload, size_t len)
{
	struct pv_ip4 ip = { .src = addr4_of(host),
		.dst = addr4_of(2),
		.total_len = (uint16_t)(PV_IP4_HDR_LEN + len),
		.ttl = 64,
		.proto = proto };
	uint8_t mac[6];

	mac_of(mac, host);
	pv_eth_build(p, rig_mac, mac, PV_ETHERTYPE_IP4);
	pv_ip4_build(p + PV_ETH_HDR_LEN, &ip);
	if (len != 0)
		memcpy(p + PV_ETH_HDR_LEN + PV_IP4_HDR_LEN, payload, len);
	return PV_ETH_HDR_LEN + PV_IP4_HDR_LEN + len;
}

void
rig_fix4(uint8_t *frame)
{
	uint8_t *ip = frame + PV_ETH_HDR_LEN;

	pv_st16(ip + 10, 0);
	pv_st16(ip + 10, pv_csum(ip, (ip[0] & 0xfU) * 4));
}

static void
ip6_of(struct pv_ip6 *ip, uint8_t host)
{
	struct pv_addr a = rig_addr("fd09::"), b = rig_addr("fd09::2");

	memcpy(ip->src, a.b, 16);
	ip->src[15] = host;
	memcpy(ip->dst, b.b, 16);
}

size_t
rig_ip6(uint8_t *p, uint8_t host, uint8_t next, const void *payload, size_t len)
{
	struct pv_ip6 ip = { .payload_len = (uint16_t)len, .hop_limit = 64, .next = next };
	uint8_t mac[6];

	ip6_of(&ip, host);
	mac_of(mac, host);
	pv_eth_build(p, rig_mac, mac, PV_ETHERTYPE_IP6);
	pv_ip6_build(p + PV_ETH_HDR_LEN, &ip);
	if (len != 0)
		memcpy(p + PV_ETH_HDR_LEN + PV_IP6_HDR_LEN, payload, len);
	return PV_ETH_HDR_LEN + PV_IP6_HDR_LEN + len;
}

/* A solicitation goes to the target's group, from :: when host is 0; an advertisement to us. */
size_t
rig_nd(uint8_t *p, uint8_t type, uint8_t flags, uint8_t host, const char *target)
{
	struct pv_addr t = rig_addr(target);
	struct pv_nd nd = { .type = type, .flags = flags, .has_lladdr = host != 0 };
	struct pv_ip6 ip = { .hop_limit = PV_ND_HOP_LIMIT, .next = PV_PROTO_ICMP6 };
	uint8_t dst[6];

	ip6_of(&ip, host);
	memcpy(dst, rig_mac, 6);
	memcpy(nd.target, t.b, 16);
	mac_of(nd.lladdr, host);
	if (type == PV_ICMP6_NEIGH_SOLICIT) {
		pv_ip6_solicited_node_of(ip.dst, t.b);
		pv_eth_of_multicast6(dst, ip.dst);
		if (host == 0)
			memset(ip.src, 0, 16);
	}
	pv_eth_build(p, dst, nd.lladdr, PV_ETHERTYPE_IP6);
	ip.payload_len = nd.has_lladdr ? PV_ND_LEN_MAX : PV_ND_LEN;
	pv_ip6_build(p + PV_ETH_HDR_LEN, &ip);
	pv_nd_build(p + PV_ETH_HDR_LEN + PV_IP6_HDR_LEN, &nd, &ip);
	return PV_ETH_HDR_LEN + PV_IP6_HDR_LEN + (size_t)ip.payload_len;
}

void
rig_send_tcp(struct rig *rig, unsigned int w, const char *peer, size_t len)
{
	struct pv_ip_send how = { .peer = rig_addr(peer), .protocol = PV_PROTO_TCP, .ttl = 64 };
	struct pv_tcp_hdr tcp = { .sport = 80, .dport = 1000, .seq = 7, .hdr_len = PV_TCP_HDR_LEN };
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *p = m == NULL ? NULL :
				 (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(PV_TCP_HDR_LEN + len));

	if (p == NULL || !pv_ip_source(&rig->ctx[w], &how.peer, &how.local))
		exit(1);
	pv_tcp_build(p, &tcp);
	for (size_t i = 0; i < len; i++)
		p[PV_TCP_HDR_LEN + i] = (uint8_t)i;
	pv_ip_send(&rig->ctx[w], m, &how);
}
