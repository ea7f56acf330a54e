/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/flow_table.h"

#include <errno.h>

#include "base/mem.h"

static size_t
table_size(const struct pv_flow_table *table)
{
	return (size_t)table->buckets * sizeof(*table->bucket);
}

int
pv_flow_table_init(struct pv_flow_table *table, uint64_t flows, bool huge)
{
	uint64_t buckets = (flows * 2 / PV_FLOW_SLOTS | 1) + 1;

	*table = (struct pv_flow_table){ .buckets = (uint32_t)buckets };
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

pv_cold uint32_t
pv_flow_find_displaced(const struct pv_flow_table *table, uint32_t hash,
		const struct pv_tuple *tuple, struct pv_flow_place *place)
{
	return pv_flow_find_in(table, pv_flow_other(table, hash), hash, tuple, place);
}

static bool
place_in(struct pv_flow_bucket *bucket, uint32_t hash, uint32_t entry, struct pv_flow_place *place)
{
	uint32_t match = pv_flow_match(bucket, pv_flow_signature(hash));

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
	struct pv_flow_bucket *home = pv_flow_home(table, hash);

	place->home = home;
	return place_in(home, hash, entry, place) ||
	       (home->displaced != 0 && place_in(pv_flow_other(table, hash), hash, entry, place));
}

/* Moves the flow in one slot to its other bucket, if that has room. */
static bool
move(struct pv_flow_table *table, struct pv_flow_bucket *from, uint32_t slot)
{
	uint32_t entry = from->entry[slot], hash = table->hash_of(table->hash_arg, entry);
	struct pv_flow_bucket *home = pv_flow_home(table, hash), *to = home;

	if (from == home)
		to = pv_flow_other(table, hash);
	if (!pv_flow_put(to, pv_flow_signature(hash), entry))
		return false;
	from->signature[slot] = 0;
	if (to == home)
		home->displaced--;
	else
		home->displaced++;
	return true;
}

static bool
make_room(struct pv_flow_table *table, struct pv_flow_bucket *bucket)
{
	for (uint32_t slot = 0; slot < PV_FLOW_SLOTS; slot++) {
		if (move(table, bucket, slot))
			return true;
	}
	return false;
}

bool
pv_flow_squeeze_in(struct pv_flow_table *table, uint32_t hash, uint32_t entry)
{
	struct pv_flow_bucket *home = pv_flow_home(table, hash);
	struct pv_flow_bucket *other = pv_flow_other(table, hash);

	if (make_room(table, home)) {
		pv_flow_put(home, pv_flow_signature(hash), entry);
	} else if (make_room(table, other)) {
		pv_flow_put(other, pv_flow_signature(hash), entry);
		home->displaced++;
	} else {
		return false;
	}
	table->used++;
	return true;
}
