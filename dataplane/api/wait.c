/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "api/engine.h"
#include "bridge/waiter.h"

/* Waiters of pv_api.h: the bridge's, behind the check whether the engine may be used. */

int
pv_waiter_open(struct pv_engine *engine, int kind, int fd)
{
	int rc = pv_engine_usable(engine);

	if (rc != 0)
		return rc;
	return kind == PV_WAITER_QUEUE || kind == PV_WAITER_SIGNAL ?
			       pv_bridge_waiter_open(engine->bridge, kind, fd) :
			       -EINVAL;
}

int
pv_waiter_close(struct pv_engine *engine, int waiter)
{
	int rc = pv_engine_usable(engine);

	if (rc != 0)
		return rc;
	rc = pv_bridge_waiter_close(engine->bridge, waiter);
	pv_engine_settle(engine);
	return rc;
}

int
pv_waiter_fd(struct pv_engine *engine, int waiter)
{
	int rc = pv_engine_usable(engine);

	return rc != 0 ? rc : pv_bridge_waiter_fd(engine->bridge, waiter);
}

int
pv_watch(struct pv_engine *engine, int waiter, uint64_t handle, uint32_t mask, uint32_t flags,
		uint64_t cookie)
{
	int rc = pv_engine_usable(engine);

	if (rc != 0)
		return rc;
	rc = pv_bridge_watch(engine->bridge, waiter, handle, mask, flags, cookie);
	pv_engine_settle(engine);
	return rc;
}

int
pv_waiter_take(struct pv_engine *engine, int waiter, struct pv_ready *out, uint32_t n)
{
	int rc = pv_engine_usable(engine);

	return rc != 0 ? rc : pv_bridge_waiter_take(engine->bridge, waiter, out, n);
}

int
pv_waiter_wait(struct pv_engine *engine, int waiter, int64_t timeout_ns, int also)
{
	int rc = pv_engine_usable(engine);

	return rc != 0 ? rc : pv_bridge_waiter_wait(engine->bridge, waiter, timeout_ns, also);
}

int
pv_waiter_ring(struct pv_engine *engine, int waiter)
{
	int rc = pv_engine_usable(engine);

	return rc != 0 ? rc : pv_bridge_waiter_ring(engine->bridge, waiter);
}
