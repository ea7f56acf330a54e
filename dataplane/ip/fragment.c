/* SPDX-License-Identifier: BSD-3-Clause */
#define ALLOW_EXPERIMENTAL_API    /* rte_ip_frag_table_del_expired_entries, in all versions        \
				     from 18.05 on */
#include "ip/fragment.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_ip_frag.h>
#include <rte_malloc.h>

#include "ip/state.h"
#include "wire/icmp.h"
#include "wire/icmp6.h"
#include "wire/tcp_hdr.h"

#define TIMEOUT        60000000000ULL /* ns; RFC 1122 3.3.2, RFC 8200 4.5 */
#define LOOK           1000000000ULL  /* between two looks at those that wait, once one expired */
#define BUCKET_ENTRIES 4
#define MAX_FRAGMENTS  8 /* of one packet, RTE_LIBRTE_IP_FRAG_MAX_FRAG */

/* Which fragments of a packet wait. A place serves every packet whose identifier leads to it, the
 * latest counts: of one that lost its place a duplicate is an overlap. */
struct pv_fragment_note {
	struct pv_addr src, dst;
	uint64_t since;
	uint32_t ident, n;
	struct {
		uint16_t off, len;
	} piece[MAX_FRAGMENTS];
};

/* All together may hold a quarter of our buffers. */
void
pv_fragments_init(struct pv_ctx *ctx, struct pv_fragments *fragments)
{
	uint32_t packets = ctx->config->mbufs / 4 / MAX_FRAGMENTS;

	fragments->max = RTE_MIN(RTE_MAX(packets, 4U), 128U);
}

void
pv_fragments_fini(struct pv_fragments *fragments)
{
	if (fragments->death_row != NULL)
		rte_ip_frag_free_death_row(fragments->death_row, 0);
	if (fragments->table != NULL)
		rte_ip_frag_table_destroy(fragments->table);
	rte_free(fragments->death_row);
	free(fragments->notes);
	fragments->notes = NULL;
	fragments->death_row = NULL;
	fragments->table = NULL;
}

void
pv_fragments_reset(struct pv_ctx *ctx)
{
	struct pv_fragments *fragments = &ctx->ip->fragments;

	pv_timer_cancel(&ctx->housekeeping, &fragments->timer);
	pv_fragments_fini(fragments);
}

/* The sender of a packet that did not become whole in time hears of it, if its first fragment came.
 */
static void
tell_late(struct pv_ctx *ctx, struct rte_mbuf *m)
{
	struct pv_ip_frame frame = {
		.mbuf = m,
		.offset = m->l2_len,
		.packet = rte_pktmbuf_mtod_offset(m, const uint8_t *, m->l2_len),
		.len = (uint16_t)(m->data_len - m->l2_len),
		.group = m->l2_len != 0 && rte_is_multicast_ether_addr(rte_pktmbuf_mtod(
							   m, const struct rte_ether_addr *)),
	};
	struct pv_ip6_upper upper;
	struct pv_ip4 ip4;
	struct pv_ip6 ip6;

	if (pv_ip4_parse(frame.packet, frame.len, false, &ip4) == PV_IP4_OK)
		pv_icmp_refuse(ctx, &frame, &ip4, PV_ICMP_TIME_EXCEEDED, PV_ICMP_TIME_REASSEMBLY);
	else if (pv_ip6_parse(frame.packet, frame.len, &ip6) == PV_IP6_OK &&
			pv_ip6_walk(frame.packet, (size_t)PV_IP6_HDR_LEN + ip6.payload_len,
					&upper) == PV_IP6_OK &&
			upper.frag_off == 0)
		pv_icmp6_refuse(ctx, &frame, &ip6, PV_ICMP6_TIME_EXCEEDED, PV_ICMP_TIME_REASSEMBLY,
				0);
}

void
pv_fragments_timer(struct pv_ctx *ctx, struct pv_timer *timer)
{
	struct pv_fragments *fragments = pv_container_of(timer, struct pv_fragments, timer);
	struct rte_ip_frag_death_row *row = fragments->death_row;

	rte_ip_frag_table_del_expired_entries(fragments->table, row, ctx->now);
	for (uint32_t i = 0; i < row->cnt; i++)
		tell_late(ctx, row->row[i]);
	rte_ip_frag_free_death_row(row, 0);
	if (ctx->now <= fragments->last + TIMEOUT)
		pv_timer_arm(&ctx->housekeeping, timer, PV_TIMER_FRAGMENT, ctx->now + LOOK);
}

static bool
ready(struct pv_ctx *ctx, struct pv_fragments *fragments)
{
	if (fragments->notes == NULL) {
		fragments->notes = calloc(fragments->max, sizeof(*fragments->notes));
		if (fragments->notes == NULL)
			return false;
	}
	if (fragments->table == NULL) {
		fragments->death_row = rte_zmalloc(NULL, sizeof(*fragments->death_row), 0);
		if (fragments->death_row == NULL)
			return false;
		fragments->table = rte_ip_frag_table_create(fragments->max, BUCKET_ENTRIES,
				fragments->max, TIMEOUT, SOCKET_ID_ANY);
		if (fragments->table == NULL)
			return false;
	}
	fragments->last = ctx->now;
	if (!pv_timer_armed(&fragments->timer))
		pv_timer_arm(&ctx->housekeeping, &fragments->timer, PV_TIMER_FRAGMENT,
				ctx->now + TIMEOUT + 1);
	return true;
}

/* Nobody who keeps to our MSS sends these; an attacker who wants to get past a filter does. */
static bool
is_suspicious(uint8_t proto, uint32_t off, uint32_t len)
{
	if (proto != PV_PROTO_TCP)
		return false;
	return off == 0 ? len < PV_TCP_HDR_LEN : off < PV_TCP_HDR_LEN;
}

/* Would the whole packet fit into one buffer? */
static bool
fits(const struct pv_ctx *ctx, const struct pv_ip_frame *frame, uint32_t hdr_len, uint32_t end)
{
	uint32_t room = rte_pktmbuf_data_room_size(ctx->mbufs) - RTE_PKTMBUF_HEADROOM;

	return frame->offset + hdr_len + end <= room;
}

/* Where rte_ip_frag finds the header, and the data behind it. */
static void
set_lengths(struct rte_mbuf *m, uint64_t link, uint64_t header)
{
	m->tx_offload = link | header << RTE_MBUF_L2_LEN_BITS;
}

/* After a call of rte_ip_frag: was it refused rather than kept? What expired beside it goes too. */
static bool
was_dropped(struct pv_fragments *fragments, const struct rte_mbuf *m)
{
	struct rte_ip_frag_death_row *row = fragments->death_row;
	bool dropped = false;

	for (uint32_t i = 0; i < row->cnt; i++)
		dropped |= row->row[i] == m;
	rte_ip_frag_free_death_row(row, 0);
	return dropped;
}

static struct pv_fragment_note *
note_of(const struct pv_ctx *ctx, const struct pv_addr *src, const struct pv_addr *dst,
		uint32_t ident)
{
	struct pv_fragments *fragments = &ctx->ip->fragments;
	struct pv_fragment_note *note = &fragments->notes[ident % fragments->max];

	if (note->ident != ident || !pv_addr_equal(&note->src, src) ||
			!pv_addr_equal(&note->dst, dst) || note->since + TIMEOUT < ctx->now)
		*note = (struct pv_fragment_note){
			.src = *src, .dst = *dst, .since = ctx->now, .ident = ident
		};
	return note;
}

static bool
waits(const struct pv_fragment_note *note, uint32_t off, uint32_t len)
{
	for (uint32_t i = 0; i < note->n; i++) {
		if (note->piece[i].off == off && note->piece[i].len == len)
			return true;
	}
	return false;
}

/* The fragment did not make the packet whole: was it refused, and what waited with it? */
static bool
has_gone(struct pv_fragments *fragments, const struct rte_mbuf *m, struct pv_fragment_note *note,
		uint32_t off, uint32_t len)
{
	if (was_dropped(fragments, m)) {
		note->n = 0;
		return true;
	}
	if (note->n < MAX_FRAGMENTS) {
		note->piece[note->n].off = (uint16_t)off;
		note->piece[note->n++].len = (uint16_t)len;
	}
	return false;
}

/* The frame is now m, from the same link header on. */
static bool
take_whole(struct pv_ip_frame *frame, struct rte_mbuf *m)
{
	frame->mbuf = m;
	if (rte_pktmbuf_linearize(m) != 0)
		return false;
	frame->packet = rte_pktmbuf_mtod_offset(m, const uint8_t *, frame->offset);
	frame->len = (uint16_t)(m->data_len - frame->offset);
	return true;
}

bool
pv_fragment4(struct pv_ctx *ctx, struct pv_ip_frame *frame, struct pv_ip4 *ip)
{
	struct pv_fragments *fragments = &ctx->ip->fragments;
	uint32_t len = pv_ip4_payload_len(ip);
	const struct pv_addr src = pv_addr_from_v4(ip->src), dst = pv_addr_from_v4(ip->dst);
	struct rte_mbuf *m = frame->mbuf, *packet;
	struct pv_fragment_note *note;
	uint8_t *header;

	if (is_suspicious(ip->proto, ip->frag_off, len) ||
			!fits(ctx, frame, ip->hdr_len, ip->frag_off + len) ||
			!ready(ctx, fragments) ||
			waits(note = note_of(ctx, &src, &dst, ip->ident), ip->frag_off, len)) {
		pv_ip_end(ctx, frame, PV_C_IP4_FRAGMENT_DROPPED);
		return false;
	}
	set_lengths(m, frame->offset, ip->hdr_len);
	packet = rte_ipv4_frag_reassemble_packet(fragments->table, fragments->death_row, m,
			ctx->now, rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, frame->offset));
	if (packet == NULL) {
		pv_count(&ctx->counters, has_gone(fragments, m, note, ip->frag_off, len) ?
							 PV_C_IP4_FRAGMENT_DROPPED :
							 PV_C_IP4_FRAGMENT_QUEUED);
		return false;
	}
	note->n = 0;
	was_dropped(fragments, NULL);
	header = rte_pktmbuf_mtod_offset(packet, uint8_t *, frame->offset);
	pv_st16(header + 10, 0);
	pv_st16(header + 10, pv_csum(header, (header[0] & 0x0fU) * 4));
	if (!take_whole(frame, packet) ||
			pv_ip4_parse(frame->packet, frame->len, false, ip) != PV_IP4_OK) {
		pv_ip_end(ctx, frame, PV_C_IP4_FRAGMENT_DROPPED);
		return false;
	}
	pv_count(&ctx->counters, PV_C_IP4_REASSEMBLED);
	return true;
}

bool
pv_fragment6(struct pv_ctx *ctx, struct pv_ip_frame *frame, struct pv_ip6 *ip,
		struct pv_ip6_upper *upper)
{
	struct pv_fragments *fragments = &ctx->ip->fragments;
	uint32_t len = (uint32_t)PV_IP6_HDR_LEN + ip->payload_len - upper->off;
	struct rte_mbuf *m = frame->mbuf, *packet;
	struct pv_fragment_note *note;
	struct pv_addr src, dst;

	memcpy(src.b, ip->src, sizeof(src.b));
	memcpy(dst.b, ip->dst, sizeof(dst.b));
	if (upper->frag_off == 0 && is_suspicious(upper->proto, 0, len))
		pv_icmp6_refuse(ctx, frame, ip, PV_ICMP6_PARAM_PROBLEM, PV_ICMP6_PARAM_CHAIN, 0);
	/* rte_ip_frag wants the fragment header to be the first one. */
	if (ip->next != PV_IP6_FRAGMENT || is_suspicious(upper->proto, upper->frag_off, len) ||
			!fits(ctx, frame, upper->off, upper->frag_off + len) ||
			!ready(ctx, fragments) ||
			waits(note = note_of(ctx, &src, &dst, upper->frag_ident), upper->frag_off,
					len)) {
		pv_ip_end(ctx, frame, PV_C_IP6_FRAGMENT_DROPPED);
		return false;
	}
	set_lengths(m, frame->offset, PV_IP6_HDR_LEN + PV_IP6_FRAG_LEN);
	packet = rte_ipv6_frag_reassemble_packet(fragments->table, fragments->death_row, m,
			ctx->now, rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, frame->offset),
			rte_pktmbuf_mtod_offset(m, struct rte_ipv6_fragment_ext *,
					frame->offset + PV_IP6_HDR_LEN));
	if (packet == NULL) {
		pv_count(&ctx->counters, has_gone(fragments, m, note, upper->frag_off, len) ?
							 PV_C_IP6_FRAGMENT_DROPPED :
							 PV_C_IP6_FRAGMENT_QUEUED);
		return false;
	}
	note->n = 0;
	was_dropped(fragments, NULL);
	if (!take_whole(frame, packet) ||
			pv_ip6_parse(frame->packet, frame->len, ip) != PV_IP6_OK ||
			pv_ip6_walk(frame->packet, (size_t)PV_IP6_HDR_LEN + ip->payload_len,
					upper) != PV_IP6_OK ||
			upper->fragment) {
		pv_ip_end(ctx, frame, PV_C_IP6_FRAGMENT_DROPPED);
		return false;
	}
	upper->fragment = true; /* neighbour discovery does not come in pieces (RFC 6980) */
	pv_count(&ctx->counters, PV_C_IP6_REASSEMBLED);
	return true;
}
