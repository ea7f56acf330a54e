/* SPDX-License-Identifier: BSD-3-Clause */
/* The built-in services as the control plane sees them. */
#include <errno.h>

#include "api/engine.h"
#include "bridge/slot.h"
#include "worker/service.h"

int
pv_service_start(struct pv_engine *e, uint64_t listener, int kind)
{
	struct pv_command c = { .kind = PV_CMD_SERVICE, .handle = listener, .a = (uint64_t)kind };
	int rc = pv_engine_usable(e);

	return rc != 0 ? rc : pv_engine_ask(e, -1, &c);
}

int
pv_service_adopt(struct pv_engine *e, uint64_t handle, int kind, uint32_t size)
{
	struct pv_command c = {
		.kind = PV_CMD_SERVICE, .handle = handle, .a = (uint64_t)kind, .b = size
	};
	int rc = pv_engine_usable(e);

	if (rc != 0)
		return rc;
	if (pv_slot_of(e->bridge, handle) == NULL)
		return -EBADF;
	return pv_engine_ask(e, pv_handle_worker(handle), &c);
}

int
pv_service_drop(struct pv_engine *e)
{
	struct pv_command c = { .kind = PV_CMD_SERVICE, .a = PV_SERVICE_NONE, .b = 1 };
	int rc = pv_engine_usable(e);

	return rc != 0 ? rc : pv_engine_ask(e, -1, &c);
}

int
pv_service_read(struct pv_engine *e, int worker, struct pv_service_stats *stats, uint64_t *latency)
{
	int rc = pv_engine_usable(e);

	if (rc != 0)
		return rc;
	if (worker < 0 || worker >= e->config.n_worker)
		return -EINVAL;
	pv_service_stats(e->workers[worker], stats, latency);
	return 0;
}
