/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WORKER_GENERATOR_FRAMES_H
#define PV_WORKER_GENERATOR_FRAMES_H

/*
 * Frames of the generator's clients, from templates whose constant part is summed once: filling one
 * in costs a copy and a few additions. A client is (address, port); only the last four bytes of the
 * address vary.
 */

#include <stdint.h>
#include <string.h>

#include "api/pv_bench.h"
#include "base/rng.h"
#include "base/types.h"
#include "wire/byteorder.h"
#include "wire/csum.h"
#include "wire/tcp_hdr.h"

#define PV_FRAME_MAX 128
/* Both networks of clients number their hosts in the last four bytes of the address. */
#define PV_CLIENTS4 0xc6120000u /* 198.18.0.0/15 */
#define PV_FLOOD4   0x64400000u /* 100.64.0.0/10 */
#define PV_CLIENTS6 0x20010002u /* 2001:2::/32; the flood's are in it */

struct pv_frame {
	uint8_t bytes[PV_FRAME_MAX];
	uint64_t ip_sum, tcp_sum; /* partial sums of what does not vary */
	uint16_t len, l4, host;   /* offsets: TCP header, varying part of the source address */
	uint16_t peer_host; /* the same of the destination, where an answer carries the client */
	uint16_t stamps;    /* offset of TSval */
	uint16_t is_v4;
};

struct pv_frame_fields {
	pv_be32 host; /* as on the wire */
	uint16_t port;
	uint8_t flags;
	uint32_t seq, ack, tsval, tsecr;
};

/* server_mac and our_mac have six bytes. syn: with the options that Linux sends on a SYN; else with
 * timestamps alone. */
void pv_frame_init(struct pv_frame *frame, const struct pv_generator_params *params,
		const uint8_t *our_mac, bool syn, bool flood);

static inline void
pv_frame_fill(const struct pv_frame *frame, uint8_t *out, const struct pv_frame_fields *f)
{
	uint8_t *tcp = out + frame->l4;
	uint64_t sum = frame->tcp_sum;

	memcpy(out, frame->bytes, PV_FRAME_MAX);
	pv_st32(out + frame->host, f->host);
	pv_st16be(tcp, f->port);
	pv_st32be(tcp + 4, f->seq);
	pv_st32be(tcp + 8, f->ack);
	tcp[13] = f->flags;
	pv_st32be(out + frame->stamps, f->tsval);
	pv_st32be(out + frame->stamps + 4, f->tsecr);
	sum += (uint64_t)f->host + pv_hton16(f->port) + pv_hton32(f->seq) + pv_hton32(f->ack);
	sum += (uint64_t)pv_hton32(f->tsval) + pv_hton32(f->tsecr) + pv_hton16(f->flags);
	pv_st16(tcp + 16, pv_csum_finish(sum));
	if (frame->is_v4)
		pv_st16(out + 24, pv_csum_finish(frame->ip_sum + f->host));
}

#endif
