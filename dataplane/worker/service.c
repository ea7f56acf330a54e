/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/service.h"

#include <errno.h>

#include "bridge/backlog.h"
#include "bridge/transfer.h"

#define TAKE 32 /* requests a turn */

static int
set_service(struct pv_worker *w, uint64_t listener, uint64_t kind)
{
	if (pv_listener_of(w->ctx.bridge, listener) == NULL)
		return -EBADF;
	if (kind != PV_SERVICE_NONE && kind != PV_SERVICE_COUNT)
		return -EOPNOTSUPP;
	w->service = (struct pv_service){ .listener = listener, .kind = (int)kind };
	return 0;
}

int
pv_service_command(struct pv_worker *w, const struct pv_command *command)
{
	if (command->handle != 0)
		return set_service(w, command->handle, command->a);
	w->guest = command->p;
	return 0;
}

/* Takes every request and lets it go: the connection lives on without an owner until its peer ends
 * it. */
static uint32_t
count(struct pv_worker *w)
{
	struct pv_request requests[TAKE];
	uint64_t handles[TAKE];
	int n = pv_backlog_take(w->ctx.bridge, w->service.listener, requests, TAKE);

	if (n <= 0)
		return 0;
	for (int i = 0; i < n; i++)
		handles[i] = requests[i].handle;
	pv_bridge_close_many(w->ctx.bridge, handles, (uint32_t)n, PV_CLOSE_DETACH);
	return (uint32_t)n;
}

uint32_t
pv_service_run(struct pv_worker *w)
{
	return w->service.kind == PV_SERVICE_COUNT ? count(w) : 0;
}
