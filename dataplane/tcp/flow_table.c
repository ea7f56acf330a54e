/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/flow_table.h"

#include <errno.h>

#include "base/mem.h"

static size_t
table_size(const struct pv_flow_table *table)
{
	return ((size_t)table->mask + 1) * sizeof(*table->bucket);
}

int
pv_flow_table_init(struct pv_flow_table *table, uint64_t flows, bool huge)
{
	uint64_t buckets = 1;

	while (buckets * PV_FLOW_SLOTS < flows * 2)
		buckets *= 2;
	*table = (struct pv_flow_table){ .mask = (uint32_t)(buckets - 1) };
	table->bucket = pv_mem_map(table_size(table), huge);
	return table->bucket == NULL ? -ENOMEM : 0;
}

void
pv_flow_table_fini(struct pv_flow_table *table)
{
	pv_mem_unmap(table->bucket, table_size(table));
	table->bucket = NULL;
}

void
pv_flow_table_reset(struct pv_flow_table *table)
{
	pv_mem_zero(table->bucket, table_size(table));
	table->used = 0;
}

static bool
place_in(struct pv_flow_bucket *bucket, uint32_t hash, uint32_t entry, struct pv_flow_place *place)
{
	uint64_t match = pv_flow_match(bucket, pv_flow_signature(hash));

	for (; match != 0; match &= match - 1) {
		place->bucket = bucket;
		place->slot = pv_flow_first(match);
		if (bucket->entry[place->slot] == entry)
			return true;
	}
	return false;
}

bool
pv_flow_place_of(const struct pv_flow_table *table, uint32_t hash, uint32_t entry,
		struct pv_flow_place *place)
{
	return place_in(pv_flow_home(table, hash), hash, entry, place) ||
	       place_in(pv_flow_other(table, hash), hash, entry, place);
}
