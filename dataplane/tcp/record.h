/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_RECORD_H
#define PV_TCP_RECORD_H

/*
 * A connection without a control block: half-open (its SYN was answered), in TIME-WAIT or LAST-ACK.
 * 64 bytes each, of which one over IPv4 has the first 40 only: each family has a part of the pool's
 * memory of its own, both up to the one bound. A record's index is where it begins, in words of 8
 * bytes. The last one given back is the next one taken, so that few lines are touched. A record in
 * use stands in one queue, in order of deadline, whose head is all that a timer needs to know.
 * Owned by one worker.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/types.h"

#define PV_RECORD_NONE UINT32_MAX

struct pv_record {
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
			uint16_t mss;   /* the peer's, or the default; as received */
			uint8_t agreed; /* enum pv_agreed */
			uint8_t is_v6 : 1;
			uint8_t decided : 1; /* by the listener's program: accepted */
			uint8_t level : 6;   /* which queue: how often the SYN-ACK was sent again */
		} half_open;
		struct {
			uint32_t snd_nxt, rcv_nxt;
			uint16_t window; /* as advertised last, unscaled */
			uint8_t tos;
			uint8_t is_v6 : 1;      /* as in half_open */
			uint8_t timestamps : 1; /* agreed on */
			uint8_t last_ack : 1;   /* it is in LAST-ACK (last_ack.h) */
			uint8_t cookie : 1;     /* LAST-ACK: it came by one */
			uint8_t level : 4;      /* LAST-ACK: how often the FIN was sent again */
		} time_wait;
	};
	union {
		struct {
			uint32_t local, peer; /* as on the wire */
		} v4;
		struct {
			struct pv_addr local, peer;
		} v6;
	};
};

enum { PV_RECORD_V4_SIZE = 40, PV_RECORD_V6_SIZE = 64 };

static_assert(offsetof(struct pv_record, v4) + 8 == PV_RECORD_V4_SIZE &&
				sizeof(struct pv_record) == PV_RECORD_V6_SIZE,
		"the addresses stand last, the shorter ones end sooner");

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

/* Those of one family. */
struct pv_record_stock {
	uint32_t *free; /* stack of those given back */
	uint32_t n_free;
	uint32_t fresh; /* from here on no record was ever used */
};

struct pv_record_pool {
	uint64_t *words;
	struct pv_record_stock stock[2]; /* IPv4, IPv6 */
	uint32_t size;                   /* of both together */
	uint32_t in_use;
};

struct pv_record_queue {
	uint32_t head, tail; /* PV_RECORD_NONE: empty */
};

int pv_record_pool_init(struct pv_record_pool *pool, uint32_t size, bool huge); /* -ENOMEM */
void pv_record_pool_fini(struct pv_record_pool *pool);
void pv_record_pool_reset(struct pv_record_pool *pool); /* all free */

static inline struct pv_record *
pv_record_at(const struct pv_record_pool *pool, uint32_t i)
{
	return (struct pv_record *)(void *)(pool->words + i);
}

static inline bool
pv_record_is_v6(const struct pv_record *record)
{
	return record->half_open.is_v6;
}

/* The words that a record of a family has. */
static inline uint32_t
pv_record_words(bool is_v6)
{
	return (is_v6 ? PV_RECORD_V6_SIZE : PV_RECORD_V4_SIZE) / sizeof(uint64_t);
}

/* Takes one for a tuple and enters its addresses and the peer's port. PV_RECORD_NONE: none left.
 * The rest is undefined. */
static inline uint32_t
pv_record_take(struct pv_record_pool *pool, const struct pv_tuple *tuple, bool is_v6)
{
	struct pv_record_stock *stock = &pool->stock[is_v6];
	struct pv_record *record;
	uint32_t i;

	if (pv_unlikely(pool->in_use == pool->size))
		return PV_RECORD_NONE;
	pool->in_use++;
	if (pv_likely(stock->n_free != 0)) {
		i = stock->free[--stock->n_free];
	} else {
		i = stock->fresh;
		stock->fresh += pv_record_words(is_v6);
	}
	record = pv_record_at(pool, i);
	record->peer_port = tuple->peer_port;
	record->half_open.is_v6 = is_v6;
	if (pv_unlikely(is_v6)) {
		record->v6.local = tuple->local;
		record->v6.peer = tuple->peer;
	} else {
		record->v4.local = pv_addr_v4(&tuple->local);
		record->v4.peer = pv_addr_v4(&tuple->peer);
	}
	return i;
}

static inline void
pv_record_give(struct pv_record_pool *pool, uint32_t i)
{
	struct pv_record_stock *stock = &pool->stock[pv_record_is_v6(pv_record_at(pool, i))];

	pool->in_use--;
	stock->free[stock->n_free++] = i;
}

/* Fetches a record, whichever its family. */
static inline void
pv_record_fetch(const void *record)
{
	pv_prefetch_write(record);
	pv_prefetch_write((const uint8_t *)record + PV_RECORD_V4_SIZE - 1);
}

/* Fetches the record that pv_record_take will give at the (ahead + 1)-th call from now. */
static inline void
pv_record_fetch_ahead(const struct pv_record_pool *pool, bool is_v6, uint32_t ahead)
{
	const struct pv_record_stock *stock = &pool->stock[is_v6];

	if (ahead < stock->n_free)
		pv_record_fetch(pv_record_at(pool, stock->free[stock->n_free - 1 - ahead]));
	else
		pv_record_fetch(pv_record_at(pool, stock->fresh) +
				(ahead - stock->n_free)); /* or close to it */
}

static inline void
pv_record_append(struct pv_record_pool *pool, struct pv_record_queue *queue, uint32_t i)
{
	struct pv_record *record = pv_record_at(pool, i);

	record->next = PV_RECORD_NONE;
	record->prev = queue->tail;
	if (queue->tail == PV_RECORD_NONE)
		queue->head = i;
	else
		pv_record_at(pool, queue->tail)->next = i;
	queue->tail = i;
}

static inline void
pv_record_unlink(struct pv_record_pool *pool, struct pv_record_queue *queue, uint32_t i)
{
	struct pv_record *record = pv_record_at(pool, i);

	if (record->prev == PV_RECORD_NONE)
		queue->head = record->next;
	else
		pv_record_at(pool, record->prev)->next = record->next;
	if (record->next == PV_RECORD_NONE)
		queue->tail = record->prev;
	else
		pv_record_at(pool, record->next)->prev = record->prev;
}

/* Is it the record of these addresses and this peer's port? */
static inline bool
pv_record_is(const struct pv_record *record, const struct pv_tuple *tuple)
{
	if (record->peer_port != tuple->peer_port)
		return false;
	if (pv_unlikely(pv_record_is_v6(record)))
		return memcmp(&record->v6, tuple, sizeof(record->v6)) == 0;
	return pv_addr_is_this_v4(&tuple->peer, record->v4.peer) &&
	       pv_addr_is_this_v4(&tuple->local, record->v4.local);
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
	if (pv_record_is_v6(record)) {
		tuple->local = record->v6.local;
		tuple->peer = record->v6.peer;
	} else {
		tuple->local = pv_addr_from_v4(record->v4.local);
		tuple->peer = pv_addr_from_v4(record->v4.peer);
	}
	tuple->local_port = local_port;
	tuple->peer_port = record->peer_port;
}

#endif
