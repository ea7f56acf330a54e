/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/engine.h"

#include <errno.h>
#include <string.h>

#include "api/condition.h"
#include "bridge/backlog.h"
#include "bridge/slot.h"
#include "bridge/transfer.h"
#include "bridge/waiter.h"
#include "tcp/tcp.h"

/* The verbs of pv_api.h: arguments are checked, then the bridge does it or a worker is asked. */

const struct pv_status *
pv_status_of(struct pv_engine *engine, uint64_t handle)
{
	return pv_engine_usable(engine) == 0 ? pv_bridge_status(engine->bridge, handle) : NULL;
}

/* ---- listeners ------------------------------------------------------------------------------- */

static int
check_listen(const struct pv_engine *e, const struct pv_listen_params *p)
{
	if (p->port == 0 || p->backlog == 0 || p->backlog > e->config.backlog_max)
		return -EINVAL;
	return p->family == 4 || p->family == 6 || p->family == 46 ? 0 : -EAFNOSUPPORT;
}

int
pv_listen(struct pv_engine *engine, const struct pv_listen_params *params, uint64_t *listener)
{
	int rc = pv_engine_usable(engine);
	struct pv_listener_shared *shared;
	struct pv_command c = { .kind = PV_CMD_LISTEN };

	if (rc == 0)
		rc = check_listen(engine, params);
	if (rc != 0)
		return rc;
	shared = pv_listener_open(engine->bridge, params, listener);
	if (shared == NULL)
		return -errno;
	c.p = shared;
	c.handle = *listener;
	rc = pv_engine_ask(engine, -1, &c);
	if (rc != 0)
		pv_listener_close(engine, *listener);
	return rc;
}

static void
reset_requests(struct pv_engine *engine, const struct pv_request *requests, int n)
{
	for (int i = 0; i < n; i++)
		pv_bridge_close(engine->bridge, requests[i].handle, PV_CLOSE_ABORT);
}

int
pv_listener_update(
		struct pv_engine *engine, uint64_t listener, const struct pv_listen_params *params)
{
	struct pv_listen_params copy = *params;
	struct pv_command c = { .kind = PV_CMD_LISTEN_UPDATE, .handle = listener, .p = &copy };
	uint32_t backlog = params->backlog;
	struct pv_request excess[32];
	int rc = pv_engine_usable(engine), n;

	if (rc != 0)
		return rc;
	if (backlog == 0 || backlog > engine->config.backlog_max)
		return -EINVAL;
	do {
		n = pv_backlog_resize(
				engine->bridge, listener, backlog, excess, PV_COUNT_OF(excess));
		if (n < 0)
			return n;
		reset_requests(engine, excess, n);
	} while (n > 0); /* who had died was not counted */
	return pv_engine_ask(engine, -1, &c);
}

int
pv_listener_close(struct pv_engine *engine, uint64_t listener)
{
	struct pv_command c = { .kind = PV_CMD_LISTEN_CLOSE, .handle = listener };
	struct pv_request waiting[32];
	int rc = pv_engine_usable(engine), n;

	if (rc != 0)
		return rc;
	if (pv_listener_of(engine->bridge, listener) == NULL)
		return -EBADF;
	pv_engine_ask(engine, -1, &c);
	pv_conditions_forget(engine, listener);
	while ((n = pv_backlog_take(engine->bridge, listener, waiting, PV_COUNT_OF(waiting))) > 0)
		reset_requests(engine, waiting, n);
	rc = pv_listener_free(engine->bridge, listener);
	pv_engine_settle(engine);
	return rc;
}

static bool
has_died(const struct pv_engine *engine, uint64_t handle)
{
	const struct pv_status *status = pv_bridge_status(engine->bridge, handle);

	return __atomic_load_n(&status->error, __ATOMIC_RELAXED) != 0 ||
	       __atomic_load_n(&status->generation, __ATOMIC_RELAXED) !=
			       pv_handle_generation(handle);
}

/* Who takes one request needs no other look at it. For many, the records would be fetched from the
 * worker's CPU for nothing. */
int
pv_accept(struct pv_engine *engine, uint64_t listener, struct pv_request *out, uint32_t n)
{
	int rc = pv_engine_usable(engine);

	if (rc == 0)
		rc = pv_backlog_take(engine->bridge, listener, out, n);
	if (n == 1 && rc == 1 && has_died(engine, out->handle))
		out->flags |= PV_REQUEST_ENDED;
	return rc;
}

int
pv_defer(struct pv_engine *engine, uint64_t listener, const struct pv_request *request)
{
	int rc = pv_engine_usable(engine);

	return rc != 0 ? rc : pv_backlog_defer(engine->bridge, listener, request);
}

/* ---- connections ----------------------------------------------------------------------------- */

static int
connect_on(struct pv_engine *engine, uint8_t worker, struct pv_connect_params *params,
		uint64_t *handle)
{
	struct pv_command c = { .kind = PV_CMD_CONNECT };
	struct pv_connect_params copy = *params;
	int rc;

	while ((rc = pv_slot_reserve(engine->bridge, worker, handle)) == -EAGAIN)
		if (engine->config.step)
			pv_engine_settle(engine);
	if (rc != 0)
		return rc;
	c.handle = *handle;
	c.p = &copy;
	rc = pv_engine_ask(engine, worker, &c);
	if (rc != 0) {
		pv_bridge_close(engine->bridge, *handle, PV_CLOSE_ABORT);
		return rc;
	}
	params->local = copy.local;
	params->local_port = copy.local_port;
	return 0;
}

/* The workers take turns. Any of them can open a connection: it picks a port whose answers come
 * back to it. Where the port is given, only one can, and those that cannot say so. */
int
pv_connect(struct pv_engine *engine, struct pv_connect_params *params, uint64_t *handle)
{
	static _Atomic uint32_t next;
	uint32_t n = engine->config.n_worker, first;
	int rc = pv_engine_usable(engine);

	if (rc != 0)
		return rc;
	first = atomic_fetch_add(&next, 1);
	rc = -EXDEV;
	for (uint32_t i = 0; i < n && rc == -EXDEV; i++)
		rc = connect_on(engine, (uint8_t)((first + i) % n), params, handle);
	pv_engine_settle(engine);
	return rc;
}

int64_t
pv_send(struct pv_engine *engine, uint64_t handle, const struct pv_iov *iov, uint32_t n,
		uint32_t flags)
{
	int64_t rc = pv_engine_usable(engine);

	if (rc != 0)
		return rc;
	rc = pv_bridge_send(engine->bridge, handle, iov, n, flags);
	pv_engine_settle(engine);
	return rc;
}

int64_t
pv_recv(struct pv_engine *engine, uint64_t handle, const struct pv_iov *iov, uint32_t n,
		uint32_t flags)
{
	int64_t rc = pv_engine_usable(engine);

	if (rc != 0)
		return rc;
	rc = pv_bridge_recv(engine->bridge, handle, iov, n, flags);
	pv_engine_settle(engine);
	return rc;
}

int64_t
pv_readable(struct pv_engine *engine, uint64_t handle)
{
	int rc = pv_engine_usable(engine);

	return rc != 0 ? rc : pv_bridge_readable(engine->bridge, handle);
}

int
pv_urgent(struct pv_engine *engine, uint64_t handle)
{
	int rc = pv_engine_usable(engine);

	return rc != 0 ? rc : pv_bridge_urgent(engine->bridge, handle);
}

int
pv_shutdown_send(struct pv_engine *engine, uint64_t handle)
{
	int rc = pv_engine_usable(engine);

	if (rc != 0)
		return rc;
	rc = pv_bridge_shutdown_send(engine->bridge, handle);
	pv_engine_settle(engine);
	return rc;
}

/* The worker that a handle names; -EBADF for listeners and nonsense. */
static int
worker_of(const struct pv_engine *engine, uint64_t handle)
{
	uint8_t worker = pv_handle_worker(handle);

	return worker < engine->config.n_worker ? worker : -EBADF;
}

int
pv_shutdown_receive(struct pv_engine *engine, uint64_t handle)
{
	struct pv_command c = { .kind = PV_CMD_SHUTDOWN_RECEIVE, .handle = handle };
	int rc = pv_engine_usable(engine), worker;

	if (rc != 0)
		return rc;
	worker = worker_of(engine, handle);
	return worker < 0 ? worker : pv_engine_tell(engine, (uint8_t)worker, &c);
}

int
pv_close(struct pv_engine *engine, uint64_t handle, int how)
{
	int rc = pv_engine_usable(engine);

	if (rc != 0)
		return rc;
	rc = pv_bridge_close(engine->bridge, handle, how);
	pv_engine_settle(engine);
	return rc;
}

int
pv_close_many(struct pv_engine *engine, const uint64_t *handles, uint32_t n, int how)
{
	int rc = pv_engine_usable(engine);

	if (rc != 0)
		return rc;
	rc = (int)pv_bridge_close_many(engine->bridge, handles, n, how);
	pv_engine_settle(engine);
	return rc;
}

int
pv_send_many(struct pv_engine *engine, const uint64_t *handles, const struct pv_iov *iov,
		int64_t *results, uint32_t n)
{
	int rc = pv_engine_usable(engine);

	if (rc != 0)
		return rc;
	for (uint32_t i = 0; i < n; i++)
		results[i] = pv_bridge_send(engine->bridge, handles[i], &iov[i], 1, 0);
	pv_engine_settle(engine);
	return (int)n;
}

int
pv_recv_many(struct pv_engine *engine, const uint64_t *handles, const struct pv_iov *iov,
		int64_t *results, uint32_t n)
{
	int rc = pv_engine_usable(engine);

	if (rc != 0)
		return rc;
	for (uint32_t i = 0; i < n; i++)
		results[i] = pv_bridge_recv(engine->bridge, handles[i], &iov[i], 1, 0);
	pv_engine_settle(engine);
	return (int)n;
}

int
pv_source(struct pv_engine *engine, const struct pv_addr *peer, struct pv_addr *local)
{
	struct pv_addr addr[2] = { *peer };
	struct pv_command c = { .kind = PV_CMD_SOURCE, .p = addr };
	int rc = pv_engine_usable(engine);

	if (rc != 0)
		return rc;
	rc = pv_engine_ask(engine, 0, &c);
	*local = addr[1];
	return rc;
}

int64_t
pv_addresses_unused(struct pv_engine *engine, uint32_t unused[PV_MAX_PORTS], int waiter)
{
	int rc = pv_engine_usable(engine);

	return rc != 0 ? rc : pv_bridge_addresses_unused(engine->bridge, unused, waiter);
}

int
pv_set_option(struct pv_engine *engine, uint64_t handle, int option, uint64_t value)
{
	struct pv_command c = {
		.kind = PV_CMD_OPTION, .handle = handle, .a = (uint64_t)option, .b = value
	};
	int rc = pv_engine_usable(engine), worker;

	if (rc != 0)
		return rc;
	worker = worker_of(engine, handle);
	return worker < 0 ? worker : pv_engine_ask(engine, worker, &c);
}

int
pv_get_info(struct pv_engine *engine, uint64_t handle, struct pv_info *out)
{
	struct pv_command c = { .kind = PV_CMD_INFO, .handle = handle, .p = out };
	int rc = pv_engine_usable(engine), worker;

	if (rc != 0)
		return rc;
	worker = worker_of(engine, handle);
	return worker < 0 ? worker : pv_engine_ask(engine, worker, &c);
}

int
pv_connections(struct pv_engine *engine, uint64_t *handles, uint32_t n, uint64_t *cursor)
{
	int rc = pv_engine_usable(engine);

	return rc != 0 ? rc : (int)pv_bridge_connections(engine->bridge, handles, n, cursor);
}

/* ---- counters -------------------------------------------------------------------------------- */

uint32_t
pv_counter_count(void)
{
	return PV_C_COUNT;
}

const char *
pv_counter_name(uint32_t counter)
{
	return counter < PV_C_COUNT ? pv_counters_name(counter) : NULL;
}

const char *
pv_counter_text(uint32_t counter)
{
	return counter < PV_C_COUNT ? pv_counters_text(counter) : NULL;
}

int
pv_counter_kind(uint32_t counter)
{
	return counter < PV_C_COUNT ? pv_counters_kind(counter) : -EINVAL;
}

int
pv_counters(struct pv_engine *engine, int worker, uint64_t *out, uint32_t n)
{
	uint32_t count = n < PV_C_COUNT ? n : PV_C_COUNT;
	int rc = pv_engine_usable(engine);

	if (rc != 0)
		return rc;
	if (worker >= engine->config.n_worker)
		return -EINVAL;
	memset(out, 0, n * sizeof(*out));
	for (int w = 0; w < engine->config.n_worker; w++) {
		const uint64_t *value = engine->workers[w]->ctx.counters.value;

		for (uint32_t i = 0; (worker < 0 || worker == w) && i < count; i++)
			out[i] += __atomic_load_n(&value[i], __ATOMIC_RELAXED);
	}
	return (int)count;
}
