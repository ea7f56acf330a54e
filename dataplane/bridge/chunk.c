/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge/chunk.h"

#include <errno.h>

#include "base/mem.h"

/*
 * A stack's top word counts its changes, so that a compare-and-exchange fails when the top chunk
 * was taken and put back meanwhile. Its link may be read after somebody else has taken it: the
 * memory stays, and what was read is thrown away, since the word has changed.
 */

#define CHANGE (UINT64_C(1) << 32)

int
pv_chunk_pool_init(struct pv_chunk_pool *pool, uint32_t n, uint32_t n_stack, bool huge)
{
	*pool = (struct pv_chunk_pool){ .n = n, .n_stack = n_stack };
	pool->chunks = pv_mem_map((size_t)n * PV_CHUNK_SIZE, huge);
	return pool->chunks == NULL ? -ENOMEM : 0;
}

void
pv_chunk_pool_fini(struct pv_chunk_pool *pool)
{
	pv_mem_unmap(pool->chunks, (size_t)pool->n * PV_CHUNK_SIZE);
	pool->chunks = NULL;
}

static uint64_t
changed(uint64_t top, uint32_t number)
{
	return ((top + CHANGE) & ~(CHANGE - 1)) | number;
}

static struct pv_chunk *
pop(struct pv_chunk_pool *pool, struct pv_chunk_stack *stack)
{
	uint64_t top = __atomic_load_n(&stack->top, __ATOMIC_ACQUIRE); /* C1: pairs with C0 */
	struct pv_chunk *chunk;
	uint64_t next;

	do {
		chunk = pv_chunk_at(pool, (uint32_t)top);
		if (chunk == NULL)
			return NULL;
		next = changed(top, pv_chunk_number(pool, pv_chunk_next(chunk)));
	} while (!__atomic_compare_exchange_n(&stack->top, &top, next, true, __ATOMIC_ACQUIRE,
			__ATOMIC_ACQUIRE)); /* C1 */
	return chunk;
}

static struct pv_chunk *
take_fresh(struct pv_chunk_pool *pool)
{
	uint32_t fresh = __atomic_load_n(&pool->fresh, __ATOMIC_RELAXED);

	do {
		if (fresh == pool->n)
			return NULL;
	} while (!__atomic_compare_exchange_n(
			&pool->fresh, &fresh, fresh + 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return &pool->chunks[fresh];
}

struct pv_chunk *
pv_chunk_get(struct pv_chunk_pool *pool, uint32_t stack)
{
	struct pv_chunk *chunk = pop(pool, &pool->stack[stack]);

	if (pv_unlikely(chunk == NULL))
		chunk = take_fresh(pool);
	for (uint32_t i = 0; chunk == NULL && i < pool->n_stack; i++)
		chunk = pop(pool, &pool->stack[i]);
	return chunk;
}

void
pv_chunk_put(struct pv_chunk_pool *pool, uint32_t stack, struct pv_chunk *first,
		struct pv_chunk *last)
{
	uint64_t *word = &pool->stack[stack].top;
	uint64_t top = __atomic_load_n(word, __ATOMIC_RELAXED), next;

	do {
		pv_chunk_set_next(last, pv_chunk_at(pool, (uint32_t)top));
		next = changed(top, pv_chunk_number(pool, first));
	} while (!__atomic_compare_exchange_n(word, &top, next, true, __ATOMIC_RELEASE,
			__ATOMIC_RELAXED)); /* C0: pairs with C1 */
}

uint32_t
pv_chunk_count_free(const struct pv_chunk_pool *pool)
{
	uint32_t n = pool->n - pool->fresh;

	for (uint32_t i = 0; i < pool->n_stack; i++) {
		const struct pv_chunk *chunk = pv_chunk_at(pool, (uint32_t)pool->stack[i].top);

		for (; chunk != NULL; chunk = pv_chunk_next(chunk))
			n++;
	}
	return n;
}
