/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BASE_COUNTERS_H
#define PV_BASE_COUNTERS_H

/*
 * Counters as data: one row of counters.def per outcome. Kind P rows are ends of received packets:
 * every received frame is counted in exactly one of them. Kind E rows count events and may be
 * counted beside. A worker writes its own array with plain stores; readers take a snapshot with
 * relaxed loads, 8 bytes each, so that a sum is at most one turn old.
 */

#include <stdint.h>

enum pv_counter {
#define P(symbol, text) PV_C_##symbol,
#define E(symbol, text) PV_C_##symbol,
#include "base/counters.def"
#undef P
#undef E
	PV_C_COUNT
};

struct pv_counters {
	uint64_t value[PV_C_COUNT];
};

static inline void
pv_count(struct pv_counters *counters, enum pv_counter counter)
{
	__atomic_store_n(&counters->value[counter], counters->value[counter] + 1, __ATOMIC_RELAXED);
}

static inline void
pv_count_n(struct pv_counters *counters, enum pv_counter counter, uint64_t n)
{
	__atomic_store_n(&counters->value[counter], counters->value[counter] + n, __ATOMIC_RELAXED);
}

const char *pv_counters_name(enum pv_counter counter); /* the symbol */
const char *pv_counters_text(enum pv_counter counter);
int pv_counters_kind(enum pv_counter counter); /* 0: a packet's one outcome, 1: event */

/* Believed impossible; survived and counted. */
#define pv_never(ctx, condition)                                                                   \
	(pv_unlikely(condition) && (pv_count(&(ctx)->counters, PV_C_NEVER), 1))

#endif
