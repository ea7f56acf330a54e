/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WIRE_HS_OPTION_H
#define PV_WIRE_HS_OPTION_H

/*
 * The handshake option: a TCP option of the shared experimental kind (RFC 6994) that says that the
 * first bytes of the segment's payload are a *block* (hs_block.h) and what the block is for.
 *
 *	kind 253, length 10, ExID 0x50565350, flags, reason, 16-bit length of the block
 *
 * Only two providers of this family speak it; every other TCP skips it. Pure functions; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/byteorder.h"

enum {
	PV_HS_KIND = 253,
	PV_HS_LEN = 10,
};

/* Experiment identifier, "PVSP". */
#define PV_HS_EXID UINT32_C(0x50565350)

enum pv_hs_flag {
	PV_HS_REQ = 0x01,    /* SYN, or the ACK that answers RESEND: connection request */
	PV_HS_PEND = 0x02,   /* SYN-ACK: understood, the decision follows */
	PV_HS_ACC = 0x04,    /* SYN-ACK or first segment after PEND: accepted, the block answers */
	PV_HS_REJ = 0x08,    /* RST: rejected, the reason says why */
	PV_HS_RESEND = 0x10, /* SYN-ACK: nothing was kept, send the block again on the ACK */
	PV_HS_QOS = 0x20,    /* later: new flow specifications, with REQ, ACC or REJ */
	PV_HS_DISC = 0x40,   /* FIN or RST: disconnect data */
	PV_HS_MORE = 0x80,   /* the block goes on in the next segment */
};

enum pv_hs_reason {
	PV_HS_REFUSED = 0,       /* by the condition function */
	PV_HS_QOS_ADMISSION = 1, /* not enough left to reserve */
	PV_HS_QOS_POLICY = 2,    /* the condition function refused the flow specification */
	PV_HS_QOS_INVALID = 3,   /* malformed or impossible flow specification */
	PV_HS_BACKLOG_FULL = 4,
};

enum pv_hs_option_error {
	PV_HS_OPTION_OK,
	PV_HS_OPTION_BLOCK, /* block longer than the payload, or stream bytes behind it */
	PV_HS_OPTION_MORE,  /* MORE without block bytes, or on a segment that must hold it whole */
	PV_HS_OPTION_PLACE, /* flags that cannot stand on a segment of this kind */
};

struct pv_hs_option {
	uint16_t block_len; /* bytes of block at the start of the payload */
	uint8_t flags;      /* PV_HS_* */
	uint8_t reason;     /* enum pv_hs_reason, with REJ */
};

/* Whether an option of kind 253 and at least six bytes at p is this one, whatever its length. */
static inline bool
pv_hs_option_is(const uint8_t *p)
{
	return pv_ld32be(p + 2) == PV_HS_EXID;
}

/* Reads the PV_HS_LEN bytes of an option. */
static inline void
pv_hs_option_get(const uint8_t *p, struct pv_hs_option *out)
{
	out->flags = p[6];
	out->reason = p[7];
	out->block_len = pv_ld16be(p + 8);
}

/* Writes the PV_HS_LEN bytes of an option. */
static inline void
pv_hs_option_put(uint8_t *p, const struct pv_hs_option *o)
{
	p[0] = PV_HS_KIND;
	p[1] = PV_HS_LEN;
	pv_st32be(p + 2, PV_HS_EXID);
	p[6] = o->flags;
	p[7] = o->reason;
	pv_st16be(p + 8, o->block_len);
}

/*
 * Judges a received option by the segment it came on: tcp_flags are that segment's, data_len its
 * payload. A segment that fails is dropped whole.
 */
enum pv_hs_option_error pv_hs_option_check(
		const struct pv_hs_option *o, uint8_t tcp_flags, size_t data_len);

#endif
