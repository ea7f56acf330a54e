/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WIRE_TCP_HDR_H
#define PV_WIRE_TCP_HDR_H

/*
 * The fixed TCP header and the checksum of a segment (RFC 9293 3.1).
 *
 * A segment is p[0..n) from the source port on, with n taken from the IP header, so without link
 * padding. All fields are in host order. Options are tcp_opt.h's. Pure functions; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/byteorder.h"
#include "wire/csum.h"
#include "wire/ip4.h"

enum {
	PV_TCP_HDR_LEN = 20,
	PV_TCP_HDR_MAX = 60,
	PV_TCP_OPTIONS_MAX = 40,
	PV_TCP_CSUM_OFFSET = 16,
};

/* Control bits. The four reserved bits beside them are sent as zero and ignored. */
enum pv_tcp_flag {
	PV_TCP_FIN = 0x01,
	PV_TCP_SYN = 0x02,
	PV_TCP_RST = 0x04,
	PV_TCP_PSH = 0x08,
	PV_TCP_ACK = 0x10,
	PV_TCP_URG = 0x20,
	PV_TCP_ECE = 0x40,
	PV_TCP_CWR = 0x80,
};

enum pv_tcp_error {
	PV_TCP_OK,
	PV_TCP_TRUNCATED, /* fewer than 20 bytes */
	PV_TCP_DATA_OFF,  /* data offset below 20 bytes or beyond the segment */
	PV_TCP_CHECKSUM,  /* for the caller who verifies; pv_tcp_parse does not */
};

/* Parsed header, and input of pv_tcp_build. */
struct pv_tcp_hdr {
	uint32_t seq;
	uint32_t ack; /* as it stands in the header, whether or not PV_TCP_ACK is set */
	uint16_t sport;
	uint16_t dport;
	uint16_t wnd;    /* unscaled */
	uint16_t urg;    /* urgent pointer */
	uint8_t flags;   /* PV_TCP_* */
	uint8_t hdr_len; /* fixed header and options, 20 to 60; offset of the data */
};

/* Checks lengths and reads the header; the checksum is looked at elsewhere. On an error *out is
 * undefined.
 */
static inline enum pv_tcp_error
pv_tcp_parse(const uint8_t *p, size_t n, struct pv_tcp_hdr *out)
{
	if (n < PV_TCP_HDR_LEN)
		return PV_TCP_TRUNCATED;
	out->hdr_len = (uint8_t)((p[12] >> 4) * 4);
	if (out->hdr_len < PV_TCP_HDR_LEN || out->hdr_len > n)
		return PV_TCP_DATA_OFF;
	out->sport = pv_ld16be(p);
	out->dport = pv_ld16be(p + 2);
	out->seq = pv_ld32be(p + 4);
	out->ack = pv_ld32be(p + 8);
	out->flags = p[13];
	out->wnd = pv_ld16be(p + 14);
	out->urg = pv_ld16be(p + 18);
	return PV_TCP_OK;
}

/*
 * Writes the 20 bytes of the fixed header with the checksum field zero; h->hdr_len must already
 * count the options that follow (20 to 60, a multiple of 4).
 */
static inline void
pv_tcp_build(uint8_t *p, const struct pv_tcp_hdr *h)
{
	pv_st16be(p, h->sport);
	pv_st16be(p + 2, h->dport);
	pv_st32be(p + 4, h->seq);
	pv_st32be(p + 8, h->ack);
	p[12] = (uint8_t)(h->hdr_len << 2);
	p[13] = h->flags;
	pv_st16be(p + 14, h->wnd);
	pv_st16(p + PV_TCP_CSUM_OFFSET, 0);
	pv_st16be(p + 18, h->urg);
}

/* Sequence numbers a segment takes: its data, SYN and FIN (SEG.LEN of RFC 9293). */
static inline uint32_t
pv_tcp_seg_len(uint8_t flags, uint32_t data_len)
{
	return data_len + ((flags & PV_TCP_SYN) != 0) + ((flags & PV_TCP_FIN) != 0);
}

/* Whether a received segment of n bytes (header and data) is intact. */
static inline bool
pv_tcp_csum4_ok(const uint8_t *p, uint16_t n, pv_be32 src, pv_be32 dst)
{
	return pv_csum_ok(pv_csum_pseudo4(src, dst, PV_PROTO_TCP, n) + pv_csum_part(p, n));
}

static inline bool
pv_tcp_csum6_ok(const uint8_t *p, uint32_t n, const uint8_t src[16], const uint8_t dst[16])
{
	return pv_csum_ok(pv_csum_pseudo6(src, dst, PV_PROTO_TCP, n) + pv_csum_part(p, n));
}

/* Computes and stores the checksum of a finished segment of n bytes, whatever the field holds. */
static inline void
pv_tcp_csum4_set(uint8_t *p, uint16_t n, pv_be32 src, pv_be32 dst)
{
	pv_st16(p + PV_TCP_CSUM_OFFSET, 0);
	pv_st16(p + PV_TCP_CSUM_OFFSET, pv_csum_finish(pv_csum_pseudo4(src, dst, PV_PROTO_TCP, n) +
							pv_csum_part(p, n)));
}

static inline void
pv_tcp_csum6_set(uint8_t *p, uint32_t n, const uint8_t src[16], const uint8_t dst[16])
{
	pv_st16(p + PV_TCP_CSUM_OFFSET, 0);
	pv_st16(p + PV_TCP_CSUM_OFFSET, pv_csum_finish(pv_csum_pseudo6(src, dst, PV_PROTO_TCP, n) +
							pv_csum_part(p, n)));
}

/*
 * What a device that computes the checksum itself wants to find in the field: the folded sum of the
 * pseudo header, not complemented. For segmentation offload len is 0.
 */
static inline pv_be16
pv_tcp_csum4_seed(pv_be32 src, pv_be32 dst, uint16_t len)
{
	return pv_csum_fold(pv_csum_pseudo4(src, dst, PV_PROTO_TCP, len));
}

static inline pv_be16
pv_tcp_csum6_seed(const uint8_t src[16], const uint8_t dst[16], uint32_t len)
{
	return pv_csum_fold(pv_csum_pseudo6(src, dst, PV_PROTO_TCP, len));
}

#endif
