/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_RECORD_H
#define PV_TCP_RECORD_H

/*
 * A connection without a control block: half-open (its SYN was answered) or in TIME-WAIT. One cache
 * line each, in a bounded array; the last one given back is the next one taken, so that few lines
 * are touched. A record in use stands in one queue, in order of deadline, whose head is all that a
 * timer needs to know. Owned by one worker.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/types.h"

#define PV_RECORD_NONE UINT32_MAX

struct pv_record {
	struct pv_addr local, peer;
	union {
		uint16_t local_port; /* TIME-WAIT */
		uint16_t listener;   /* half-open: index; the listener has the port */
	};
	uint16_t peer_port;
	uint32_t next, prev; /* of its queue */
	uint32_t deadline;   /* in ticks, see pv_record_ticks */
	uint32_t ts_recent;  /* what we echo */
	union {
		struct {
			uint32_t irs, iss;
			uint16_t mss;        /* the peer's, or the default; as received */
			uint8_t agreed;      /* enum pv_agreed */
			uint8_t level : 7;   /* which queue: how often the SYN-ACK was sent again */
			uint8_t decided : 1; /* by the listener's program: accepted */
		} half_open;
		struct {
			uint32_t snd_nxt, rcv_nxt;
			uint16_t window; /* as advertised last, unscaled */
			uint8_t tos;
			uint8_t timestamps; /* agreed on */
		} time_wait;
	};
};

static_assert(sizeof(struct pv_record) == 64, "a half-open connection is one cache line");

/*
 * What both sides of a connection agreed on with their SYNs; the peer's window scale in the low
 * four bits. The bits of the options stand in the order that they have in wire/tcp_opt.h and in the
 * control block's flags, so that they move together.
 */
enum pv_agreed {
	PV_AGREED_WSCALE_MASK = 0x0f,
	PV_AGREED_WSCALE = 0x10,
	PV_AGREED_SACK = 0x20,
	PV_AGREED_TIMESTAMPS = 0x40,
	PV_AGREED_ECN = 0x80,
};

struct pv_record_pool {
	struct pv_record *record;
	uint32_t *free; /* stack of those given back */
	uint32_t n_free;
	uint32_t fresh; /* from here on no record was ever used */
	uint32_t size;
	uint32_t in_use;
};

struct pv_record_queue {
	uint32_t head, tail; /* PV_RECORD_NONE: empty */
};

int pv_record_pool_init(struct pv_record_pool *pool, uint32_t size, bool huge); /* -ENOMEM */
void pv_record_pool_fini(struct pv_record_pool *pool);
void pv_record_pool_reset(struct pv_record_pool *pool); /* all free */

/* PV_RECORD_NONE: none left. The contents are undefined. */
static inline uint32_t
pv_record_take(struct pv_record_pool *pool)
{
	if (pool->n_free != 0) {
		pool->in_use++;
		return pool->free[--pool->n_free];
	}
	if (pool->fresh == pool->size)
		return PV_RECORD_NONE;
	pool->in_use++;
	return pool->fresh++;
}

static inline void
pv_record_give(struct pv_record_pool *pool, uint32_t i)
{
	pool->in_use--;
	pool->free[pool->n_free++] = i;
}

/* The record that pv_record_take will give at the (ahead + 1)-th call from now, so that it can be
 * fetched. */
static inline const struct pv_record *
pv_record_ahead(const struct pv_record_pool *pool, uint32_t ahead)
{
	if (ahead < pool->n_free)
		return &pool->record[pool->free[pool->n_free - 1 - ahead]];
	ahead += pool->fresh - pool->n_free;
	return &pool->record[ahead < pool->size ? ahead : 0];
}

static inline void
pv_record_append(struct pv_record_pool *pool, struct pv_record_queue *queue, uint32_t i)
{
	struct pv_record *record = &pool->record[i];

	record->next = PV_RECORD_NONE;
	record->prev = queue->tail;
	if (queue->tail == PV_RECORD_NONE)
		queue->head = i;
	else
		pool->record[queue->tail].next = i;
	queue->tail = i;
}

static inline void
pv_record_unlink(struct pv_record_pool *pool, struct pv_record_queue *queue, uint32_t i)
{
	struct pv_record *record = &pool->record[i];

	if (record->prev == PV_RECORD_NONE)
		queue->head = record->next;
	else
		pool->record[record->prev].next = record->next;
	if (record->next == PV_RECORD_NONE)
		queue->tail = record->prev;
	else
		pool->record[record->next].prev = record->prev;
}

/*
 * Deadlines in a record are ns >> 16, modulo 2^32: 65 us fine, good for 39 hours ahead. Rounded
 * down, so that a virtual clock that is moved to a deadline has reached it.
 */
static inline uint32_t
pv_record_ticks(uint64_t ns)
{
	return (uint32_t)(ns >> 16);
}

/* Back to ns, for a deadline less than 39 hours from now. */
static inline uint64_t
pv_record_ns(uint32_t ticks, uint64_t now)
{
	int32_t ahead = (int32_t)(ticks - pv_record_ticks(now));

	return (uint64_t)((int64_t)(now >> 16) + ahead) << 16;
}

static inline bool
pv_record_due(const struct pv_record *record, uint64_t now)
{
	return (int32_t)(record->deadline - pv_record_ticks(now)) <= 0;
}

static inline void
pv_record_tuple(const struct pv_record *record, uint16_t local_port, struct pv_tuple *tuple)
{
	tuple->local = record->local;
	tuple->peer = record->peer;
	tuple->local_port = local_port;
	tuple->peer_port = record->peer_port;
}

#endif
