/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_HELD_H
#define PV_TCP_HELD_H

/*
 * Connection requests that are not connections yet and need more memory than a half-open record:
 *
 *	WAITS	the SYN is unanswered (conditional accept); a verdict is due. The request is in the
 *		backlog, or in the hands of whoever took it out
 *	PENDED	the SYN brought an offer and was answered with SYN-ACK[PEND]; the ACK is awaited,
 *		and nobody else knows of it yet
 *	REJECTED	kept for one SYN schedule, so that whatever of it comes again is rejected
 *		again and nobody is asked twice; the first to go when places run out
 *
 * WAITS and PENDED have a slot (handle, status record) and, where a block came, an exchange. A
 * request in WAITS is withdrawn by a RST at its next sequence number, and gone when its SYN has not
 * come again for three times as long as it should have taken. Bounded per listener by its backlog,
 * in total by the table. One worker's own.
 */

#include "base/ctx.h"
#include "base/packet.h"
#include "base/wheel.h"
#include "tcp/exchange.h"
#include "tcp/flow_table.h"
#include "tcp/listener.h"
#include "tcp/pool.h"

enum pv_held_state { PV_HELD_WAITS, PV_HELD_PENDED, PV_HELD_REJECTED, PV_HELD_STATES };

struct pv_held {
	struct pv_addr local, peer; /* these four as in struct pv_tuple */
	uint16_t local_port, peer_port;
	uint32_t hash;
	struct pv_timer timer;
	struct pv_held *next, *prev; /* of its queue, oldest first */
	uint64_t handle;             /* 0: REJECTED */
	struct pv_block *answer;     /* REJECTED: what the peer was told */
	struct pv_syn_facts facts;
	uint32_t irs, iss;
	uint32_t last_ms; /* when its SYN came last */
	uint32_t source;  /* hash of the peer's address */
	uint32_t ts_recent;
	uint16_t listener;
	uint16_t mss;       /* the peer's, or the default */
	uint16_t block_len; /* bytes of block in its SYN */
	uint16_t syn_len;   /* longest SYN of it: IP packet */
	uint8_t agreed;     /* enum pv_agreed */
	uint8_t state;      /* enum pv_held_state */
	uint8_t level;      /* PENDED: how often the SYN-ACK was sent again */
	uint8_t reason;     /* REJECTED: enum pv_hs_reason */
	uint8_t speaks;     /* its SYN had the option */
	uint8_t proven;     /* its source has answered */
	uint8_t queue;
	uint8_t decided; /* by the listener's program: accepted */
} pv_cache_aligned;

/* Those in WAITS whose source is unknown stand in a queue of their own. */
enum pv_held_queue { PV_HELD_UNKNOWN, PV_HELD_KNOWN, PV_HELD_OVER, PV_HELD_QUEUES };

struct pv_held_table {
	struct pv_pool pool;
	struct pv_held **of_slot;
	struct {
		struct pv_held *first, *last;
	} queue[PV_HELD_QUEUES];
	uint32_t n_slots;
	uint32_t live; /* WAITS and PENDED */
};

int pv_held_init(struct pv_ctx *ctx, struct pv_held_table *table, uint32_t n_slots, uint32_t n);
void pv_held_fini(struct pv_held_table *table);
void pv_held_reset(struct pv_ctx *ctx); /* all forgotten; the flow table is the caller's */

/* What a SYN asks for, beside what its packet says. */
struct pv_asked {
	struct pv_block *block; /* NULL: none */
	uint32_t iss;           /* ours */
	uint8_t agreed;         /* enum pv_agreed */
	uint8_t speaks;         /* it has the option */
	uint8_t proven;
	uint8_t decided; /* by the listener's program: accepted */
};

/* Makes one in WAITS or PENDED, with its slot, and enters it into the flow table. It owns the block
 * then. NULL: no place; the block is still the caller's. */
struct pv_held *pv_held_add(struct pv_ctx *ctx, const struct pv_packet *packet,
		struct pv_listener *listener, const struct pv_asked *asked,
		enum pv_held_state state);
/* NULL: no request of this slot is held. */
struct pv_held *pv_held_of(const struct pv_ctx *ctx, uint64_t handle);
/* The request behind it is over: -errno for whoever has its handle (WAITS), nothing for PENDED. */
void pv_held_end(struct pv_ctx *ctx, struct pv_held *held, int error);
/* It becomes a connection: out of this table, but its slot, exchange and place in the flow table
 * stay. */
void pv_held_leave(struct pv_ctx *ctx, struct pv_held *held);
/* Rejects one in WAITS: RST, and it is kept as REJECTED. Owns the block. Its handle lives on until
 * the control plane lets go. */
void pv_held_reject(
		struct pv_ctx *ctx, struct pv_held *held, uint8_t reason, struct pv_block *answer);
/* Keeps the verdict on a request that was a connection already (irs: its SYN's number). */
void pv_held_keep(struct pv_ctx *ctx, const struct pv_held *as, struct pv_block *answer);
/* All of a listener that closes: those that wait are reset. */
void pv_held_drop_all(struct pv_ctx *ctx, const struct pv_listener *listener);
/* The oldest one of this listener whose source is unknown goes. False: there is none. */
bool pv_held_evict(struct pv_ctx *ctx, const struct pv_listener *listener);
/* Where it stands in the flow table. */
bool pv_held_place(struct pv_ctx *ctx, const struct pv_held *held, struct pv_flow_place *place);
void pv_held_tuple(const struct pv_held *held, struct pv_tuple *tuple);
/* The SYN-ACK[PEND] of one in PENDED. */
void pv_held_answer(struct pv_ctx *ctx, struct pv_held *held);
/* Puts the timer where the next SYN is overdue. */
void pv_held_expect_syn(struct pv_ctx *ctx, struct pv_held *held, uint64_t gap_ms);
/* RST with REJ where the peer speaks it, in answer to this segment. */
void pv_held_refuse(struct pv_ctx *ctx, const struct pv_held *held, const struct pv_packet *packet);

/* A segment of a held request (held_segment.c). 0: it is none of it, and the request is gone. */
enum pv_counter pv_held_segment(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_held *held,
		const struct pv_flow_place *place);

/* A SYN to a conditional listener, or with the option (request.c). iss: ours, if one was chosen. */
enum pv_counter pv_request_syn(struct pv_ctx *ctx, struct pv_packet *packet,
		struct pv_listener *listener, uint32_t iss);

#endif
