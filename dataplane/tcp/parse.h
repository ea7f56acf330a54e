/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_PARSE_H
#define PV_TCP_PARSE_H

/* From bytes to the second part of struct pv_packet: header, checksum, options. */

#include <rte_mbuf.h>

#include "base/counters.h"
#include "base/packet.h"
#include "wire/tcp_hdr.h"
#include "wire/tcp_opt.h"

/* RFC 9293 3.7.1: what a peer takes that did not say. */
static inline uint16_t
pv_packet_mss(const struct pv_packet *packet)
{
	if (packet->options & PV_TCP_OPT_MSS)
		return packet->mss;
	return packet->is_v4 ? 536 : 1220;
}

/* The same of a packet that lies in several buffers. */
static pv_cold uint64_t
pv_parse_chain_sum(const struct pv_packet *packet, uint32_t len)
{
	const struct rte_mbuf *m = packet->mbuf;
	uint32_t at = packet->l4_offset, done = 0;
	uint64_t sum = 0;

	for (; m != NULL && done < len; m = m->next, at = 0) {
		uint32_t part = RTE_MIN(m->data_len - at, len - done);

		sum = pv_csum_join(sum, done,
				pv_csum_part(rte_pktmbuf_mtod_offset(m, const uint8_t *, at),
						part));
		done += part;
	}
	return sum;
}

/* The sum of its pseudo header. */
static inline uint64_t
pv_parse_pseudo_sum(const struct pv_packet *packet, uint32_t len)
{
	const struct pv_tuple *tuple = &packet->tuple;

	if (pv_likely(packet->is_v4))
		return pv_csum_pseudo4(pv_addr_v4(&tuple->peer), pv_addr_v4(&tuple->local),
				PV_PROTO_TCP, (uint16_t)len);
	return pv_csum_pseudo6(tuple->peer.b, tuple->local.b, PV_PROTO_TCP, len);
}

/* The sums of the two usual lengths are written out. */
static inline bool
pv_parse_checksum(const struct pv_packet *packet, const uint8_t *p, uint32_t len)
{
	uint64_t sum;

	if (pv_unlikely(packet->mbuf->nb_segs != 1))
		sum = pv_parse_pseudo_sum(packet, len) + pv_parse_chain_sum(packet, len);
	else if (len == 32)
		sum = pv_csum_through(pv_parse_pseudo_sum(packet, 32), p, 32);
	else if (len == 40)
		sum = pv_csum_through(pv_parse_pseudo_sum(packet, 40), p, 40);
	else
		sum = pv_parse_pseudo_sum(packet, len) + pv_csum_part(p, len);
	return pv_csum_ok(sum);
}

static pv_cold enum pv_counter
pv_parse_rare_options(struct pv_packet *packet, const uint8_t *p, uint32_t len)
{
	struct pv_tcp_opts opts;

	pv_tcp_opt_walk(p, len, &opts);
	if (opts.present & PV_TCP_OPT_MALFORMED)
		return PV_C_TCP_OPTIONS;
	packet->options = opts.present;
	if (opts.present & PV_TCP_OPT_TS) {
		packet->tsval = opts.tsval;
		packet->tsecr = opts.tsecr;
	}
	if (opts.present & PV_TCP_OPT_MSS)
		packet->mss = opts.mss;
	if (opts.present & PV_TCP_OPT_WSCALE)
		packet->wscale = opts.wscale;
	return 0;
}

/* Two words of the wire to two fields that follow each other, the second word first. */
static inline void
pv_parse_pair(uint32_t *fields, const uint8_t *p)
{
	pv_st64(fields, __builtin_bswap64(pv_ld64(p)));
}

/* To fill a packet is mostly stores, so that a header's first 16 bytes go into it by one. */
static inline void
pv_parse_front(struct pv_packet *packet, const uint8_t *p)
{
	typedef uint8_t bytes __attribute__((vector_size(16)));
	const bytes order = { 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 5, 4, 15, 14, 12, 13 };
	bytes front;

	memcpy(&front, p, sizeof(front));
	front = __builtin_shuffle(front, order);
	memcpy(&packet->tuple.local_port, &front, sizeof(front));
}

static_assert(offsetof(struct pv_packet, tsval) == offsetof(struct pv_packet, tsecr) + 4 &&
				offsetof(struct pv_tuple, peer_port) ==
						offsetof(struct pv_tuple, local_port) + 2 &&
				offsetof(struct pv_packet, ack) ==
						offsetof(struct pv_packet, tuple) +
								sizeof(struct pv_tuple) &&
				offsetof(struct pv_packet, l4_offset) ==
						offsetof(struct pv_packet, ack) + 12 &&
				__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
		"several fields are stored at once");

/* Where its options begin, for the rare ones. */
static inline const uint8_t *
pv_packet_options(const struct pv_packet *packet, uint32_t *len)
{
	*len = (packet->data_offset >> 4) * 4u - PV_TCP_HDR_LEN;
	return rte_pktmbuf_mtod_offset(
			packet->mbuf, const uint8_t *, packet->l4_offset + PV_TCP_HDR_LEN);
}

/* Its urgent pointer; to be asked for before the mbuf is taken. */
static inline uint16_t
pv_packet_urgent(const struct pv_packet *packet)
{
	return pv_ld16be(rte_pktmbuf_mtod_offset(
			packet->mbuf, const uint8_t *, packet->l4_offset + 18));
}

/* Timestamps alone, and the options of Linux's SYN, without a walk. 0: well formed. */
static inline enum pv_counter
pv_parse_options(struct pv_packet *packet, const uint8_t *p, uint32_t len)
{
	if (len == 12 && pv_ld32(p) == PV_HTON32(0x0101080a)) {
		packet->mss = 0;
		packet->options = PV_TCP_OPT_TS;
		packet->wscale = 0;
		pv_parse_pair(&packet->tsecr, p + 4);
		return 0;
	}
	if (len == 20 && pv_ld16(p) == PV_HTON16(0x0204) &&
			pv_ld32(p + 4) == PV_HTON32(0x0402080a) &&
			(pv_ld32(p + 16) & PV_HTON32(0xffffff00)) == PV_HTON32(0x01030300)) {
		packet->options = PV_TCP_OPT_LINUX_SYN;
		packet->mss = pv_ld16be(p + 2);
		pv_parse_pair(&packet->tsecr, p + 8);
		packet->wscale = p[19] > PV_TCP_WSCALE_MAX ? PV_TCP_WSCALE_MAX : p[19];
		return 0;
	}
	packet->mss = 0;
	packet->options = 0;
	packet->wscale = 0;
	packet->tsval = 0;
	packet->tsecr = 0;
	return len == 0 ? 0 : pv_parse_rare_options(packet, p, len);
}

/* Reads and checks one segment. 0, or the outcome that ends it. */
static inline enum pv_counter
pv_parse(struct pv_packet *packet)
{
	const uint8_t *p =
			rte_pktmbuf_mtod_offset(packet->mbuf, const uint8_t *, packet->l4_offset);
	uint32_t len = packet->l4_len, hdr_len;

	if (pv_unlikely(len < PV_TCP_HDR_LEN))
		return PV_C_TCP_TRUNCATED;
	hdr_len = (p[12] >> 4) * 4u;
	if (pv_unlikely(hdr_len < PV_TCP_HDR_LEN || hdr_len > len))
		return PV_C_TCP_MALFORMED;
	if (pv_unlikely(!packet->l4_checksum_good && !pv_parse_checksum(packet, p, len)))
		return PV_C_TCP_CHECKSUM;
	pv_parse_front(packet, p);
	packet->payload_offset = (uint16_t)(packet->l4_offset + hdr_len);
	packet->payload_len = (uint16_t)(len - hdr_len);
	if (pv_unlikely(pv_ld16(p) == 0 || pv_ld16(p + 2) == 0))
		return PV_C_TCP_PORT_ZERO;
	return pv_parse_options(packet, p + PV_TCP_HDR_LEN, hdr_len - PV_TCP_HDR_LEN);
}

#endif
