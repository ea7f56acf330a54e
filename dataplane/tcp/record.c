/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/record.h"

#include <errno.h>

#include "base/mem.h"

int
pv_record_pool_init(struct pv_record_pool *pool, uint32_t size, bool huge)
{
	*pool = (struct pv_record_pool){ .size = size };
	pool->record = pv_mem_map(size * sizeof(*pool->record), huge);
	pool->free = pv_mem_map(size * sizeof(*pool->free), huge);
	if (pool->record == NULL || pool->free == NULL) {
		pv_record_pool_fini(pool);
		return -ENOMEM;
	}
	return 0;
}

void
pv_record_pool_fini(struct pv_record_pool *pool)
{
	pv_mem_unmap(pool->record, pool->size * sizeof(*pool->record));
	pv_mem_unmap(pool->free, pool->size * sizeof(*pool->free));
	*pool = (struct pv_record_pool){ 0 };
}

void
pv_record_pool_reset(struct pv_record_pool *pool)
{
	pool->n_free = 0;
	pool->fresh = 0;
	pool->in_use = 0;
}
