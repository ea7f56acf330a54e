/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_EXCHANGE_H
#define PV_TCP_EXCHANGE_H

/*
 * Connect data, disconnect data and QoS of a connection, as two providers of this family tell each
 * other in *blocks* (wire/hs_block.h) inside the TCP handshake and the byte stream.
 *
 * A connection that speaks the handshake option has an exchange, found by its slot: from the SYN
 * that brought or carried a block until TCP and the control plane have both let go, so that what a
 * peer said last can be read when the connection is over. Most connections have none.
 *
 * Blocks to be sent behind the handshake stand in the *positions* of what is sent: the tx stream
 * with the blocks in it. Their bytes never lie in the stream itself; before(pos) block bytes
 * separate a position from the stream's.
 *
 *	connecting	SYN[REQ]+block out: `syn`
 *		-> WITHDRAWN	the peer or the path does not speak it: plain TCP from here on
 *		-> PENDING	SYN-ACK[PEND] or [RESEND] came: established, the verdict is awaited
 *		-> SPEAKS	ACC came
 *	accepting	REQ came: got[PV_OFFER_REQUEST]
 *		-> UNDECIDED	answered with PEND or RESEND: nothing may be sent before our verdict
 *		-> EXPECTS	RESEND: REQ must come before any byte of the stream
 *		-> SPEAKS	ACC is on its way
 *
 * Owned by one worker. Blocks and exchanges are bounded; where none is left the peer is answered
 * without state, or not at all.
 */

#include <stdbool.h>
#include <stdint.h>

#include "api/pv_offer.h"
#include "base/ctx.h"
#include "base/packet.h"
#include "tcp/pool.h"
#include "wire/hs_block.h"
#include "wire/hs_option.h"

/* Bytes of a block in a SYN: 1,220 without the longest options that go with it. */
enum { PV_BLOCK_SYN_MAX = PV_HS_BLOCK_MAX - 32 };

struct pv_block {
	struct pv_block *next; /* in order of pos */
	uint64_t pos;          /* of one to be sent: where it begins */
	uint16_t len;
	uint8_t flags;  /* PV_HS_* */
	uint8_t reason; /* enum pv_hs_reason */
	uint8_t bytes[PV_HS_BLOCK_MAX];
};

enum pv_exchange_flags {
	PV_EXCHANGE_SPEAKS = 1,    /* both sides have shown it */
	PV_EXCHANGE_WITHDRAWN = 2, /* our SYNs go without */
	PV_EXCHANGE_PENDING = 4,   /* the peer's verdict is awaited */
	PV_EXCHANGE_UNDECIDED = 8, /* the peer waits for ours */
	PV_EXCHANGE_EXPECTS = 16,  /* the request is still to come */
	PV_EXCHANGE_ASKING = 32,   /* a change of QoS waits for its answer */
};

/* What a SYN said; for conditions. */
struct pv_syn_facts {
	uint64_t when_ns;
	uint32_t tsval;
	uint16_t mss; /* 0: nothing */
	uint16_t window;
	uint8_t options; /* as in pv_request_facts */
	uint8_t wscale, ttl, tos;
};

struct pv_exchange {
	struct pv_block *got[PV_OFFER_KINDS]; /* what the peer said last of each kind */
	struct pv_block *coming;              /* received in part */
	struct pv_block *out;                 /* to be sent, or not yet acknowledged */
	struct pv_block *syn;                 /* on our SYN or SYN-ACK */
	struct pv_block *parting;             /* goes with our FIN */
	uint64_t inserted;                    /* bytes of blocks that ever stood in `out` */
	uint64_t gone;                        /* of these, of blocks that are acknowledged */
	uint64_t until;                       /* PENDING: when the connect has failed, ns */
	struct pv_syn_facts facts;
	uint32_t flags;   /* enum pv_exchange_flags */
	uint16_t syn_len; /* bytes of block on our SYN */
	uint8_t probes;   /* PENDING: sent so far */
	uint8_t pad;
};

struct pv_exchanges {
	struct pv_pool blocks, pool;
	struct pv_exchange **of_slot;
	uint32_t n_slots;
	uint32_t pad;
};

int pv_exchanges_init(struct pv_exchanges *all, uint32_t n_slots, uint32_t n); /* -ENOMEM */
void pv_exchanges_fini(struct pv_exchanges *all);

/* NULL: none left. Its fields but bytes are zero. */
struct pv_block *pv_block_new(struct pv_ctx *ctx);
void pv_block_free(struct pv_ctx *ctx, struct pv_block *block); /* NULL is allowed */
/* Writes an offer, an empty one as data without a byte. -EMSGSIZE: more than cap. */
int pv_block_write(struct pv_block *block, const struct pv_offer *offer, size_t cap);
/* Reads it. False: malformed. out may be NULL. */
bool pv_block_read(const struct pv_block *block, enum pv_offer_kind kind, struct pv_offer *out);
/* PV_OFFER_* of what a well-formed one has. */
uint32_t pv_block_present(const struct pv_block *block);

/* The exchange of a slot, made when it has none; NULL: none left. */
struct pv_exchange *pv_exchange_make(struct pv_ctx *ctx, uint32_t slot);
struct pv_exchange *pv_exchange_of(const struct pv_ctx *ctx, uint32_t slot); /* NULL: none */
void pv_exchange_drop(struct pv_ctx *ctx, uint32_t slot);
void pv_exchange_drop_all(struct pv_ctx *ctx);
/* Keeps what the peer said; the last one of its kind goes. */
void pv_exchange_keep(struct pv_ctx *ctx, struct pv_exchange *x, enum pv_offer_kind kind,
		struct pv_block *block);

/* The handshake option of a segment that has one (PV_TCP_OPT_HS). False: malformed, or in a place
 * where it must not stand. */
bool pv_hs_of(const struct pv_packet *packet, struct pv_hs_option *out);
/* The same of a whole block that lies in one segment, as a new block. *block is NULL where there is
 * none. -EPROTO: malformed; -ENOBUFS. */
int pv_block_of(struct pv_ctx *ctx, const struct pv_packet *packet, const struct pv_hs_option *hs,
		struct pv_block **block);

#endif
