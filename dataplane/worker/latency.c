/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/latency.h"

uint64_t
pv_latency_floor(uint32_t bucket)
{
	uint32_t top = bucket >> PV_LATENCY_SHIFT, low = bucket & ((1u << PV_LATENCY_SHIFT) - 1);

	if (top == 0)
		return low;
	if (top > 64 - PV_LATENCY_SHIFT)
		return UINT64_MAX;
	return ((1ull << PV_LATENCY_SHIFT) + low) << (top - 1);
}
