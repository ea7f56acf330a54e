/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/record.h"

#include <errno.h>

#include "base/mem.h"

/* Where the records over IPv6 begin, and where they end. */
static uint64_t
v6_from(const struct pv_record_pool *pool)
{
	return ((uint64_t)pool->size * PV_RECORD_V4_SIZE / sizeof(uint64_t) | 7) + 1;
}

static uint64_t
total(const struct pv_record_pool *pool)
{
	return v6_from(pool) + (uint64_t)pool->size * PV_RECORD_V6_SIZE / sizeof(uint64_t);
}

int
pv_record_pool_init(struct pv_record_pool *pool, uint32_t size, bool huge)
{
	*pool = (struct pv_record_pool){ .size = size };
	pool->words = pv_mem_map(total(pool) * sizeof(*pool->words), huge);
	for (int family = 0; family < 2; family++)
		pool->stock[family].free = pv_mem_map(size * sizeof(uint32_t), false);
	if (pool->words == NULL || pool->stock[0].free == NULL || pool->stock[1].free == NULL) {
		pv_record_pool_fini(pool);
		return -ENOMEM;
	}
	pv_record_pool_reset(pool);
	return 0;
}

void
pv_record_pool_fini(struct pv_record_pool *pool)
{
	for (int family = 0; family < 2; family++)
		pv_mem_unmap(pool->stock[family].free, pool->size * sizeof(uint32_t));
	pv_mem_unmap(pool->words, total(pool) * sizeof(*pool->words));
	*pool = (struct pv_record_pool){ 0 };
}

void
pv_record_pool_reset(struct pv_record_pool *pool)
{
	pool->stock[0].n_free = 0;
	pool->stock[0].fresh = 0;
	pool->stock[1].n_free = 0;
	pool->stock[1].fresh = (uint32_t)v6_from(pool);
	pool->in_use = 0;
}
