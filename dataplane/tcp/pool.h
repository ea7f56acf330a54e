/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_POOL_H
#define PV_TCP_POOL_H

/*
 * Equal pieces of memory for one worker: address space for `n` of them is taken once, pages come as
 * they are first used, and what was given back last is handed out first. No lock, no system call
 * after pv_pool_init.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

struct pv_pool {
	uint8_t *base;
	void *free;    /* each begins with the pointer to the next */
	size_t size;   /* of one, a multiple of half a cache line */
	uint32_t n;    /* how many there are */
	uint32_t top;  /* those below were in use before */
	uint32_t used; /* in use now */
	uint32_t pad;
};

int pv_pool_init(struct pv_pool *pool, size_t size, uint32_t n, bool huge); /* -ENOMEM */
void pv_pool_fini(struct pv_pool *pool);

/* NULL: all in use. The contents are what the last user left, zero for one that was never used. */
static inline void *
pv_pool_take(struct pv_pool *pool)
{
	void *piece = pool->free;

	if (pv_likely(piece != NULL))
		pool->free = *(void **)piece;
	else if (pool->top < pool->n)
		piece = pool->base + pool->size * pool->top++;
	else
		return NULL;
	pool->used++;
	return piece;
}

static inline void
pv_pool_give(struct pv_pool *pool, void *piece)
{
	PV_ASSERT(pool->used > 0);
	*(void **)piece = pool->free;
	pool->free = piece;
	pool->used--;
}

#endif
