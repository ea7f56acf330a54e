/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WORKER_LATENCY_H
#define PV_WORKER_LATENCY_H

/*
 * Latency histogram, log-linear as HDR histograms are: 16 buckets for each power of two, so that a
 * percentile is right to within 6 % over the whole range of 64 bits, and adding costs a few
 * instructions. Values in TSC cycles. One writer.
 */

#include <stdint.h>

#include "api/pv_bench.h"
#include "base/check.h"

#define PV_LATENCY_SHIFT 4

struct pv_latency {
	uint64_t count[PV_LATENCY_BUCKETS];
};

static inline uint32_t
pv_latency_bucket(uint64_t value)
{
	uint32_t top;

	if (value < (1u << PV_LATENCY_SHIFT))
		return (uint32_t)value;
	top = 63u - (uint32_t)__builtin_clzll(value) - PV_LATENCY_SHIFT;
	return ((top + 1) << PV_LATENCY_SHIFT) +
	       ((uint32_t)(value >> top) & ((1u << PV_LATENCY_SHIFT) - 1));
}

static inline void
pv_latency_add(struct pv_latency *latency, uint64_t value)
{
	latency->count[pv_latency_bucket(value)]++;
}

static_assert((64 - PV_LATENCY_SHIFT + 1) << PV_LATENCY_SHIFT <= PV_LATENCY_BUCKETS,
		"every 64-bit value has a bucket");

#endif
