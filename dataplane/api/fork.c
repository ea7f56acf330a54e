/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdatomic.h>

#include "api/engine.h"

/* DPDK's memory and devices are the parent's: a child must not touch them. */
static _Atomic bool forked;

void
pv_after_fork_in_child(void)
{
	atomic_store(&forked, true);
}

bool
pv_is_forked_child(void)
{
	return atomic_load_explicit(&forked, memory_order_relaxed);
}
