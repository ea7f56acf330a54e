/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/pool.h"

#include <errno.h>

#include "base/mem.h"

int
pv_pool_init(struct pv_pool *pool, size_t size, uint32_t n, bool huge)
{
	size = (size + PV_CACHE_LINE / 2 - 1) & ~(size_t)(PV_CACHE_LINE / 2 - 1);
	*pool = (struct pv_pool){ .base = pv_mem_map(size * n, huge), .size = size, .n = n };
	return pool->base != NULL ? 0 : -ENOMEM;
}

void
pv_pool_fini(struct pv_pool *pool)
{
	pv_mem_unmap(pool->base, pool->size * pool->n);
	*pool = (struct pv_pool){ 0 };
}
