/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_FLOW_TABLE_H
#define PV_TCP_FLOW_TABLE_H

/*
 * One table from 4-tuples to whatever a worker knows of them: control block, half-open or TIME-WAIT
 * record, held request. A bucket is one cache line of eight slots, each a 16-bit signature and a
 * 32-bit entry (kind and index). A flow lives in its home bucket, or, when that was full, in its
 * one other bucket; the home counts those displaced, so that most searches end after one line. A
 * signature only proposes: the tuple in the entry's own record decides.
 *
 * The table has twice as many slots as it may hold flows and does not grow. At that load one
 * insertion in a hundred is displaced, and four in ten thousand find both buckets full: then one of
 * those in the way moves to its other bucket.
 *
 * The spare bytes of a bucket hold stamps: the last epoch of isn.h in which a SYN that hashes there
 * was answered without a record.
 *
 * Owned by one worker. For x86: signatures are compared with SSE2.
 */

#include <emmintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/types.h"
#include "tcp/pcb.h"
#include "tcp/record.h"

enum pv_flow_kind {
	PV_FLOW_CONNECTION = 0,
	PV_FLOW_HALF_OPEN = 1,
	PV_FLOW_TIME_WAIT = 2,
	PV_FLOW_HELD = 3,
};

#define PV_FLOW_INDEX_BITS 30
#define PV_FLOW_INDEX_MASK ((1u << PV_FLOW_INDEX_BITS) - 1)
#define PV_FLOW_NONE       UINT32_MAX

enum { PV_FLOW_SLOTS = 8, PV_FLOW_STAMPS = 3, PV_HELD_SIZE = 192 };

struct pv_flow_bucket {
	uint16_t signature[PV_FLOW_SLOTS]; /* 0: slot free */
	uint32_t entry[PV_FLOW_SLOTS];
	uint32_t displaced; /* flows at home here that live in their other bucket */
	uint32_t stamp[PV_FLOW_STAMPS];
} pv_cache_aligned;

static_assert(sizeof(struct pv_flow_bucket) == 64, "a bucket is one cache line");

struct pv_flow_table {
	struct pv_flow_bucket *bucket;
	uint32_t buckets; /* even */
	uint32_t used;    /* slots */
	/* where the records lie that entries point to */
	const struct pv_pcb *pcb;
	const struct pv_record_pool *half_open, *time_wait;
	const uint8_t *held;
	uint32_t (*hash_of)(const void *arg, uint32_t entry); /* for those that must move */
	const void *hash_arg;
	const uint16_t *listener_port; /* by listener index: half-open records have the listener
					  instead of its port */
};

static_assert(offsetof(struct pv_pcb, tuple) == 0, "what is searched begins with the tuple");

/* Where a search ended, and whose home it began in. */
struct pv_flow_place {
	struct pv_flow_bucket *bucket, *home;
	uint32_t slot;
};

/* Room for `flows` at load one half. -ENOMEM. */
int pv_flow_table_init(struct pv_flow_table *table, uint64_t flows, bool huge);
void pv_flow_table_fini(struct pv_flow_table *table);
void pv_flow_table_reset(struct pv_flow_table *table); /* empty, stamps included */

static inline uint32_t
pv_flow_entry(enum pv_flow_kind kind, uint32_t index)
{
	return (uint32_t)kind << PV_FLOW_INDEX_BITS | index;
}

static inline enum pv_flow_kind
pv_flow_kind(uint32_t entry)
{
	return (enum pv_flow_kind)(entry >> PV_FLOW_INDEX_BITS);
}

static inline uint32_t
pv_flow_index(uint32_t entry)
{
	return entry & PV_FLOW_INDEX_MASK;
}

static inline uint16_t
pv_flow_signature(uint32_t hash)
{
	return (uint16_t)(hash | 1);
}

static inline struct pv_flow_bucket *
pv_flow_home(const struct pv_flow_table *table, uint32_t hash)
{
	return &table->bucket[(uint64_t)hash * table->buckets >> 32];
}

/* Home and other change places. Their sum is odd and the number of buckets even, so that they are
 * never the same. */
static inline struct pv_flow_bucket *
pv_flow_other(const struct pv_flow_table *table, uint32_t hash)
{
	uint32_t home = (uint32_t)((uint64_t)hash * table->buckets >> 32);
	uint32_t sum = pv_flow_signature(hash) * 0x9e3779b1u;

	sum = (uint32_t)((uint64_t)sum * table->buckets >> 32) | 1;
	return &table->bucket[sum >= home ? sum - home : sum - home + table->buckets];
}

/* The stamp of a tuple that is at home here: three to a bucket. */
static inline uint32_t *
pv_flow_stamp(struct pv_flow_bucket *home, uint32_t hash)
{
	return &home->stamp[(hash & 0xffff) % PV_FLOW_STAMPS];
}

/* Slots whose signature is this one: bit `slot`. */
static inline uint32_t
pv_flow_match(const struct pv_flow_bucket *bucket, uint16_t signature)
{
	__m128i slots = _mm_load_si128((const __m128i *)(const void *)bucket->signature);
	__m128i same = _mm_cmpeq_epi16(slots, _mm_set1_epi16((int16_t)signature));

	return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(same, _mm_setzero_si128()));
}

static inline uint32_t
pv_flow_first(uint32_t match)
{
	return (uint32_t)__builtin_ctz(match);
}

/* What an entry would have looked at; good for a prefetch. */
static inline const void *
pv_flow_record(const struct pv_flow_table *table, uint32_t entry)
{
	uint32_t i = pv_flow_index(entry);

	if (pv_flow_kind(entry) == PV_FLOW_CONNECTION)
		return &table->pcb[i];
	if (pv_flow_kind(entry) == PV_FLOW_HALF_OPEN)
		return pv_record_at(table->half_open, i);
	if (pv_unlikely(pv_flow_kind(entry) == PV_FLOW_HELD))
		return table->held + (size_t)i * PV_HELD_SIZE;
	return pv_record_at(table->time_wait, i);
}

static inline bool
pv_flow_is(const struct pv_flow_table *table, uint32_t entry, const struct pv_tuple *tuple)
{
	const struct pv_record *record = pv_flow_record(table, entry);
	uint32_t kind = pv_flow_kind(entry);

	if (kind == PV_FLOW_CONNECTION || pv_unlikely(kind == PV_FLOW_HELD))
		return pv_tuple_equal((const struct pv_tuple *)(const void *)record, tuple);
	if (kind == PV_FLOW_HALF_OPEN)
		return table->listener_port[record->listener] == tuple->local_port &&
		       pv_record_is(record, tuple);
	return record->local_port == tuple->local_port && pv_record_is(record, tuple);
}

static inline uint32_t
pv_flow_find_in(const struct pv_flow_table *table, struct pv_flow_bucket *bucket, uint32_t hash,
		const struct pv_tuple *tuple, struct pv_flow_place *place)
{
	uint32_t match = pv_flow_match(bucket, pv_flow_signature(hash));

	for (; match != 0; match &= match - 1) {
		place->slot = pv_flow_first(match);
		place->bucket = bucket;
		if (pv_likely(pv_flow_is(table, bucket->entry[place->slot], tuple)))
			return bucket->entry[place->slot];
	}
	return PV_FLOW_NONE;
}

/* The same in the other bucket. */
uint32_t pv_flow_find_displaced(const struct pv_flow_table *table, uint32_t hash,
		const struct pv_tuple *tuple, struct pv_flow_place *place);

/* The entry of a tuple whose home is known, and its place, or PV_FLOW_NONE. */
static inline uint32_t
pv_flow_find_from(const struct pv_flow_table *table, struct pv_flow_bucket *home, uint32_t hash,
		const struct pv_tuple *tuple, struct pv_flow_place *place)
{
	uint32_t entry = pv_flow_find_in(table, home, hash, tuple, place);

	place->home = home;
	if (pv_likely(entry != PV_FLOW_NONE || home->displaced == 0))
		return entry;
	return pv_flow_find_displaced(table, hash, tuple, place);
}

/* The same of any tuple. */
static inline uint32_t
pv_flow_find(const struct pv_flow_table *table, uint32_t hash, const struct pv_tuple *tuple,
		struct pv_flow_place *place)
{
	return pv_flow_find_from(table, pv_flow_home(table, hash), hash, tuple, place);
}

static inline bool
pv_flow_put(struct pv_flow_bucket *bucket, uint16_t signature, uint32_t entry)
{
	uint32_t free = pv_flow_match(bucket, 0);
	uint32_t slot;

	if (pv_unlikely(free == 0))
		return false;
	slot = pv_flow_first(free);
	bucket->signature[slot] = signature;
	bucket->entry[slot] = entry;
	return true;
}

/* Both buckets are full: moves what can be moved, and adds. */
bool pv_flow_squeeze_in(struct pv_flow_table *table, uint32_t hash, uint32_t entry);

/* Adds a flow that is not in the table; places found before may be others' now. False: no room. */
static inline bool
pv_flow_add_from(struct pv_flow_table *table, struct pv_flow_bucket *home, uint32_t hash,
		uint32_t entry)
{
	if (pv_unlikely(!pv_flow_put(home, pv_flow_signature(hash), entry))) {
		struct pv_flow_bucket *other = pv_flow_other(table, hash);

		if (!pv_flow_put(other, pv_flow_signature(hash), entry))
			return pv_flow_squeeze_in(table, hash, entry);
		home->displaced++;
	}
	table->used++;
	return true;
}

static inline bool
pv_flow_add(struct pv_flow_table *table, uint32_t hash, uint32_t entry)
{
	return pv_flow_add_from(table, pv_flow_home(table, hash), hash, entry);
}

/* Takes out what was found. */
static inline void
pv_flow_remove(struct pv_flow_table *table, const struct pv_flow_place *place)
{
	place->bucket->signature[place->slot] = 0;
	if (pv_unlikely(place->bucket != place->home))
		place->home->displaced--;
	table->used--;
}

/* The place of an entry that is in the table, found without its record. */
bool pv_flow_place_of(const struct pv_flow_table *table, uint32_t hash, uint32_t entry,
		struct pv_flow_place *place);

#endif
