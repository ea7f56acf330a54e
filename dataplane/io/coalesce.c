/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/coalesce.h"

#include <stdbool.h>
#include <string.h>

#include <rte_gro.h>
#include <rte_mbuf.h>

#include "base/check.h"
#include "base/packet.h"
#include "wire/csum.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/tcp_hdr.h"

#define IP_AT  PV_ETH_HDR_LEN
#define TCP_AT (PV_ETH_HDR_LEN + PV_IP4_HDR_LEN)
/* Nothing shorter is worth it; the handshake's segments are. */
#define FRAME_MIN 256

/* A segment that may be one of a run. */
struct part {
	const uint8_t *frame;
	uint32_t header; /* of TCP */
	uint32_t len;    /* of its payload */
};

/* Untagged IPv4 without options, whole; TCP with data and no flag but ACK. */
static bool
is_part(const struct rte_mbuf *m, struct part *part)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *), *tcp = p + TCP_AT;
	uint32_t total, header;

	if (m->nb_segs != 1 || m->data_len < FRAME_MIN ||
			(pv_ld32(p + 12) & PV_HTON32(0xffffff00)) != PV_HTON32(0x08004500) ||
			(pv_ld16(p + IP_AT + 6) & PV_HTON16(0x3fff)) != 0 ||
			p[IP_AT + 9] != PV_PROTO_TCP || tcp[13] != PV_TCP_ACK)
		return false;
	total = pv_ld16be(p + IP_AT + 2);
	header = (tcp[12] >> 4) * 4u;
	if (total > (uint32_t)m->data_len - IP_AT || header < PV_TCP_HDR_LEN ||
			total <= PV_IP4_HDR_LEN + header)
		return false;
	*part = (struct part){ p, header, total - PV_IP4_HDR_LEN - header };
	return true;
}

/* May b be what comes after a in a run whose segments are of `unit` bytes, the last perhaps less?
 */
static bool
follows(const struct part *a, const struct part *b, uint32_t unit)
{
	const uint8_t *x = a->frame, *y = b->frame, *s = x + TCP_AT, *t = y + TCP_AT;

	return a->len == unit && b->len <= unit && a->header == b->header &&
	       pv_ld32be(t + 4) == pv_ld32be(s + 4) + unit &&      /* SEQ */
	       memcmp(x, y, IP_AT + 2) == 0 &&                     /* link, version, TOS */
	       pv_ld16(x + IP_AT + 8) == pv_ld16(y + IP_AT + 8) && /* TTL, protocol */
	       pv_ld64(x + IP_AT + 12) == pv_ld64(y + IP_AT + 12) &&
	       pv_ld32(s) == pv_ld32(t) &&         /* ports */
	       pv_ld64(s + 8) == pv_ld64(t + 8) && /* ACK, flags, window */
	       memcmp(s + 18, t + 18, a->header - 18) == 0;
}

/* Are its checksums right? Then nobody has to look again. */
static bool
is_intact(struct rte_mbuf *m, const struct part *part)
{
	const uint8_t *ip = part->frame + IP_AT;
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	uint32_t tcp_len = part->header + part->len;

	if ((m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) != RTE_MBUF_F_RX_IP_CKSUM_GOOD &&
			!pv_csum_ok(pv_csum_part(ip, PV_IP4_HDR_LEN)))
		return false;
	if (l4 != RTE_MBUF_F_RX_L4_CKSUM_GOOD && l4 != RTE_MBUF_F_RX_L4_CKSUM_NONE &&
			!pv_csum_ok(pv_csum_pseudo4(pv_ld32(ip + 12), pv_ld32(ip + 16),
						    PV_PROTO_TCP, (uint16_t)tcp_len) +
					pv_csum_part(ip + PV_IP4_HDR_LEN, tcp_len)))
		return false;
	m->ol_flags &= ~(RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK);
	m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	m->packet_type = RTE_PTYPE_L2_ETHER | RTE_PTYPE_L3_IPV4 | RTE_PTYPE_L4_TCP;
	m->tx_offload = rte_mbuf_tx_offload(
			PV_ETH_HDR_LEN, PV_IP4_HDR_LEN, part->header, 0, 0, 0, 0);
	return true;
}

/* A run becomes one chain; more if it is longer than a packet may be. */
static uint32_t
join(struct rte_mbuf **run, uint32_t n, uint32_t unit)
{
	const struct rte_gro_param how = {
		.gro_types = RTE_GRO_TCP_IPV4,
		.max_flow_num = 1,
		.max_item_per_flow = PV_BURST,
	};

	if (n < 2)
		return n;
	n = rte_gro_reassemble_burst(run, (uint16_t)n, &how);
	for (uint32_t i = 0; i < n; i++) {
		if (run[i]->nb_segs == 1)
			continue;
		run[i]->ol_flags |= RTE_MBUF_F_RX_LRO;
		run[i]->tso_segsz = (uint16_t)unit;
	}
	return n;
}

static bool
is_worth_it(struct rte_mbuf *const *frames, uint32_t n)
{
	uint32_t large = 0;

	for (uint32_t i = 0; i < n; i++)
		large += frames[i]->data_len >= FRAME_MIN;
	return large > 1;
}

uint32_t
pv_coalesce(struct rte_mbuf **frames, uint32_t n)
{
	uint32_t kept = 0, run = 0, unit = 0; /* run: of the last frames kept */
	struct part last = { 0 }, part;

	PV_ASSERT(n <= PV_BURST);
	if (!is_worth_it(frames, n))
		return n;
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = frames[i];
		bool fits = is_part(m, &part) && is_intact(m, &part);

		if (run != 0 && (!fits || !follows(&last, &part, unit))) {
			kept = kept - run + join(frames + kept - run, run, unit);
			run = 0;
		}
		if (fits) {
			unit = run == 0 ? part.len : unit;
			last = part;
			run++;
		}
		frames[kept++] = m;
	}
	return kept - run + join(frames + kept - run, run, unit);
}
