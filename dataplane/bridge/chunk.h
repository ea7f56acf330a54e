/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BRIDGE_CHUNK_H
#define PV_BRIDGE_CHUNK_H

/*
 * The pool of stream chunks. Memory comes when a chunk is used for the first time; what was used
 * last is used again first. One stack a worker, so that workers and the threads that serve their
 * connections stay out of each other's way; who finds his own empty takes from the others.
 * Lock-free: a thread that loses its CPU holds up nobody. Any thread.
 */

#include <stdint.h>

#include "api/pv_api.h"
#include "base/check.h"

#define PV_CHUNK_SIZE 2048 /* link included */
#define PV_CHUNK_DATA (PV_CHUNK_SIZE - 8)

struct pv_chunk {
	struct pv_chunk *next; /* read by others even while in use: see chunk.c */
	uint8_t data[PV_CHUNK_DATA];
};

static_assert(sizeof(struct pv_chunk) == PV_CHUNK_SIZE, "no padding");

struct pv_chunk_stack {
	uint64_t top; /* changes counted << 32 | number of the top chunk; 0: empty */
} pv_cache_aligned;

struct pv_chunk_pool {
	struct pv_chunk *chunks;
	uint32_t n;
	uint32_t n_stack;
	struct pv_chunk_stack stack[PV_MAX_WORKERS];
	uint32_t fresh pv_cache_aligned; /* chunks from here on were never used */
};

/* n chunks for n_stack workers. 0, -ENOMEM. */
int pv_chunk_pool_init(struct pv_chunk_pool *pool, uint32_t n, uint32_t n_stack, bool huge);
void pv_chunk_pool_fini(struct pv_chunk_pool *pool); /* also of one that is all zero */
/* NULL: none left. Its link is undefined. */
struct pv_chunk *pv_chunk_get(struct pv_chunk_pool *pool, uint32_t stack);
/* A chain from first to last, linked by next. */
void pv_chunk_put(struct pv_chunk_pool *pool, uint32_t stack, struct pv_chunk *first,
		struct pv_chunk *last);
/* How many are in nobody's hands; walks the stacks, so only while no one else is at them. */
uint32_t pv_chunk_count_free(const struct pv_chunk_pool *pool);

/* Chunks are numbered from 1; 0 is none. */
static inline uint32_t
pv_chunk_number(const struct pv_chunk_pool *pool, const struct pv_chunk *chunk)
{
	return chunk == NULL ? 0 : (uint32_t)(chunk - pool->chunks) + 1;
}

static inline struct pv_chunk *
pv_chunk_at(const struct pv_chunk_pool *pool, uint32_t number)
{
	return number == 0 ? NULL : pool->chunks + (number - 1);
}

static inline struct pv_chunk *
pv_chunk_next(const struct pv_chunk *chunk)
{
	return __atomic_load_n(&chunk->next, __ATOMIC_RELAXED);
}

static inline void
pv_chunk_set_next(struct pv_chunk *chunk, struct pv_chunk *next)
{
	__atomic_store_n(&chunk->next, next, __ATOMIC_RELAXED);
}

#endif
