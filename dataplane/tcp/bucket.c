/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/bucket.h"

#include <errno.h>
#include <stdlib.h>

int
pv_buckets_init(struct pv_buckets *buckets)
{
	*buckets = (struct pv_buckets){ 0 };
	buckets->bucket = calloc((size_t)PV_BUCKET_SETS * PV_BUCKET_WAYS, sizeof(*buckets->bucket));
	return buckets->bucket != NULL ? 0 : -ENOMEM;
}

void
pv_buckets_fini(struct pv_buckets *buckets)
{
	free(buckets->bucket);
	buckets->bucket = NULL;
}

/* Both halves of a product of 128 bits, keyed before. */
static uint32_t
set_of(const struct pv_buckets *buckets, const struct pv_bucket *which)
{
	uint64_t kind = (uint64_t)which->rate << 32 | which->burst;
	__extension__ unsigned __int128 product =
			(unsigned __int128)(which->source ^ buckets->key) *
			((kind ^ 0x9e3779b97f4a7c15) | 1);

	return (uint32_t)((uint64_t)(product >> 64) ^ (uint64_t)product) % PV_BUCKET_SETS;
}

static struct pv_bucket *
find(struct pv_buckets *buckets, const struct pv_bucket *which, uint64_t now)
{
	struct pv_bucket *set = &buckets->bucket[set_of(buckets, which) * PV_BUCKET_WAYS];
	struct pv_bucket *victim = &set[0];

	for (uint32_t i = 0; i < PV_BUCKET_WAYS; i++) {
		struct pv_bucket *b = &set[i];

		if (b->source == which->source && b->rate == which->rate &&
				b->burst == which->burst && b->full_at != 0)
			return b;
		if (b->full_at < victim->full_at)
			victim = b;
	}
	if (victim->full_at > now)
		buckets->forgotten++;
	*victim = *which;
	victim->full_at = 0;
	return victim;
}

bool
pv_buckets_take(struct pv_buckets *buckets, const struct pv_bucket *which, uint64_t interval,
		uint64_t now)
{
	struct pv_bucket *b = find(buckets, which, now);
	uint64_t full_at = b->full_at > now ? b->full_at : now;

	if (full_at + interval - now > which->burst * interval)
		return false;
	b->full_at = full_at + interval;
	return true;
}
