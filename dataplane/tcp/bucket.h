/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_BUCKET_H
#define PV_TCP_BUCKET_H

/*
 * Token buckets by source, in a table of fixed size. A bucket is the time at which it will be full
 * again (the generic cell rate algorithm of ITU-T I.371), so that an idle one is worth nothing and
 * can be forgotten. Where a set is full of others, the one that is full again soonest makes room:
 * more sources than there is room for are let through rather than locked out. Owned by one worker.
 */

#include <stdbool.h>
#include <stdint.h>

struct pv_bucket {
	uint64_t source;  /* an IPv4 address's lower, an IPv6 address's upper half: a /64 */
	uint64_t full_at; /* ns; 0: free */
	uint32_t rate, burst;
	uint64_t pad;
};

enum { PV_BUCKET_SETS = 2048, PV_BUCKET_WAYS = 4 };

struct pv_buckets {
	struct pv_bucket *bucket; /* PV_BUCKET_SETS * PV_BUCKET_WAYS */
	uint64_t key;
	uint64_t forgotten; /* made room before they were full */
};

int pv_buckets_init(struct pv_buckets *buckets); /* -ENOMEM */
void pv_buckets_fini(struct pv_buckets *buckets);
/* Takes a token at ns time now from a source's bucket. interval: ns between two tokens. */
bool pv_buckets_take(struct pv_buckets *buckets, const struct pv_bucket *which, uint64_t interval,
		uint64_t now);

#endif
