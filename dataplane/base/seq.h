/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BASE_SEQ_H
#define PV_BASE_SEQ_H

/* Sequence numbers, compared modulo 2^32 (RFC 9293 3.4): right as long as the two are less than
 * 2^31 apart. */

#include <stdbool.h>
#include <stdint.h>

static inline int32_t
pv_seq_diff(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

static inline bool
pv_seq_lt(uint32_t a, uint32_t b)
{
	return pv_seq_diff(a, b) < 0;
}

static inline bool
pv_seq_le(uint32_t a, uint32_t b)
{
	return pv_seq_diff(a, b) <= 0;
}

static inline bool
pv_seq_gt(uint32_t a, uint32_t b)
{
	return pv_seq_diff(a, b) > 0;
}

static inline bool
pv_seq_ge(uint32_t a, uint32_t b)
{
	return pv_seq_diff(a, b) >= 0;
}

static inline uint32_t
pv_seq_max(uint32_t a, uint32_t b)
{
	return pv_seq_gt(a, b) ? a : b;
}

static inline uint32_t
pv_seq_min(uint32_t a, uint32_t b)
{
	return pv_seq_lt(a, b) ? a : b;
}

#endif
