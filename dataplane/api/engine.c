/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "api/bench.h"
#include "bridge/doorbell.h"
#include "bridge/waiter.h"
#include "io/step.h"
#include "ip/ip.h"

/* What is between a frame and its buffer's end: room for headers in front, a tag and a trailer
 * behind. */
#define FRAME_SLACK 64
#define CACHE       256

static _Atomic uint32_t serial;

int
pv_engine_usable(const struct pv_engine *engine)
{
	if (engine == NULL)
		return -EINVAL;
	if (pv_is_forked_child())
		return -EOWNERDEAD;
	return atomic_load_explicit(&engine->stopped, memory_order_acquire) ? -ESHUTDOWN : 0;
}

/* ---- commands
 * --------------------------------------------------------------------------------------------------
 */

void
pv_engine_settle(struct pv_engine *engine)
{
	uint32_t work = 1;

	if (!engine->config.step || engine->stepping)
		return;
	engine->stepping = true;
	/* A hop between workers or to ourselves takes a turn; the bound is for connections to
	 * ourselves that would talk without end. */
	for (uint32_t turns = 0; work != 0 && turns < 100000; turns++) {
		work = 0;
		for (uint16_t i = 0; i < engine->config.n_worker; i++)
			work += pv_worker_turn(engine->workers[i], engine->step_now);
	}
	engine->stepping = false;
}

/* A full command ring in step mode: who waits for room is who must empty it. */
static void
yield_step(void *arg)
{
	pv_engine_settle(arg);
}

int
pv_engine_tell(struct pv_engine *engine, uint8_t worker, const struct pv_command *command)
{
	int rc = pv_command_put_all(engine->bridge, worker, command, 1);

	pv_engine_settle(engine);
	return rc;
}

static void
await(struct pv_engine *engine, struct pv_answer *answer)
{
	pv_engine_settle(engine);
	while (atomic_load_explicit(&answer->pending, memory_order_acquire) != 0)
		pv_bridge_waiter_wait(engine->bridge, answer->waiter, -1);
}

int
pv_engine_ask(struct pv_engine *engine, int worker, const struct pv_command *command)
{
	uint16_t first = worker < 0 ? 0 : (uint16_t)worker,
		 n = worker < 0 ? engine->config.n_worker : 1;
	struct pv_answer answer = { .pending = n, .waiter = -1 };
	struct pv_command c = *command;
	int rc = 0;

	if (!engine->config.step) {
		answer.waiter = pv_bridge_waiter_open(engine->bridge, PV_WAITER_QUEUE, -1);
		if (answer.waiter < 0)
			return answer.waiter;
	}
	c.answer = &answer;
	for (uint16_t i = 0; i < n; i++) {
		rc = pv_command_put_all(engine->bridge, (uint8_t)(first + i), &c, 1);
		if (rc != 0)
			atomic_fetch_sub(&answer.pending, 1);
	}
	await(engine, &answer);
	if (answer.waiter >= 0)
		pv_bridge_waiter_close(engine->bridge, answer.waiter);
	return rc != 0 ? rc : atomic_load(&answer.error);
}

/* ---- start and stop
 * -------------------------------------------------------------------------------------------- */

static int
check(const struct pv_config *c, char *err, size_t cap)
{
	if (c->n_port < 1 || c->n_port > PV_MAX_PORTS)
		snprintf(err, cap, "%u ports: 1 to %d are possible", c->n_port, PV_MAX_PORTS);
	else if (c->n_worker < 1 || c->n_worker > PV_MAX_WORKERS)
		snprintf(err, cap, "%u workers: 1 to %d are possible", c->n_worker, PV_MAX_WORKERS);
	else if (c->max_connections < 1 || c->max_connections >= 1u << 24)
		snprintf(err, cap, "max_connections %u: 1 to %u are possible", c->max_connections,
				(1u << 24) - 1);
	else
		return 0;
	return -EINVAL;
}

static uint16_t
frame_room(const struct pv_config *c)
{
	uint32_t room = 2048;

	for (uint16_t i = 0; i < c->n_port; i++)
		room = RTE_MAX(room, c->port[i].mtu + (uint32_t)FRAME_SLACK);
	return (uint16_t)(room + RTE_PKTMBUF_HEADROOM);
}

static int
make_pools(struct pv_engine *e, uint32_t number, char *err, size_t cap)
{
	for (uint16_t w = 0; w < e->config.n_worker; w++) {
		char name[RTE_MEMPOOL_NAMESIZE];
		uint32_t cache = e->config.mbufs >= 8 * CACHE ? CACHE : 0;

		snprintf(name, sizeof(name), "pv%uw%u", number, w);
		e->mbufs[w] = rte_pktmbuf_pool_create(name, e->config.mbufs, cache, 0,
				frame_room(&e->config), SOCKET_ID_ANY);
		if (e->mbufs[w] == NULL) {
			snprintf(err, cap,
					"no memory for %u packet buffers (%s): raise [provider] "
					"memory or lower the number of workers",
					e->config.mbufs, rte_strerror(rte_errno));
			return -ENOMEM;
		}
	}
	return 0;
}

static int
make_ports(struct pv_engine *e, char *err, size_t cap)
{
	for (uint16_t i = 0; i < e->config.n_port; i++) {
		int rc = pv_port_open(&e->ports[i], i, &e->config, e->mbufs, err, cap);

		if (rc != 0)
			return rc;
		e->n_open++;
	}
	return 0;
}

static int
make_workers(struct pv_engine *e, char *err, size_t cap)
{
	struct pv_worker_parts parts = {
		.config = &e->config, .clock = &e->clock, .bridge = e->bridge, .ports = e->ports
	};

	if (e->config.has_secret)
		memcpy(parts.secret, e->config.secret, sizeof(parts.secret));
	else if (getrandom(parts.secret, sizeof(parts.secret), 0) != sizeof(parts.secret))
		return -errno;
	for (uint16_t w = 0; w < e->config.n_worker; w++) {
		parts.mbufs = e->mbufs[w];
		e->workers[w] = pv_worker_new(&parts, (uint8_t)w);
		if (e->workers[w] == NULL) {
			snprintf(err, cap,
					"no memory for worker %u: lower [provider] max_connections",
					w);
			return -ENOMEM;
		}
	}
	return 0;
}

static int
start_threads(struct pv_engine *e, char *err, size_t cap)
{
	for (uint16_t w = 0; w < e->config.n_worker; w++) {
		int rc = pv_worker_start(e->workers[w]);

		if (rc != 0) {
			snprintf(err, cap, "worker %u: no thread (%s)", w, rte_strerror(-rc));
			return rc;
		}
	}
	return 0;
}

static void
stop_threads(struct pv_engine *e, uint64_t until)
{
	struct pv_command stop = { .kind = PV_CMD_STOP, .a = until };

	for (uint16_t w = 0; w < e->config.n_worker; w++)
		if (e->workers[w] != NULL && e->workers[w]->running)
			pv_command_put_all(e->bridge, (uint8_t)w, &stop, 1);
	for (uint16_t w = 0; w < e->config.n_worker; w++)
		if (e->workers[w] != NULL)
			pv_worker_join(e->workers[w]);
}

static void
unmake(struct pv_engine *e)
{
	for (uint16_t w = 0; w < e->config.n_worker; w++)
		pv_worker_free(e->workers[w]);
	while (e->n_open > 0)
		pv_port_close(&e->ports[--e->n_open]);
	pv_bridge_free(e->bridge);
	for (uint16_t w = 0; w < e->config.n_worker; w++)
		rte_mempool_free(e->mbufs[w]);
	free(e);
}

static int
make(struct pv_engine *e, char *err, size_t cap)
{
	int rc = make_pools(e, atomic_fetch_add(&serial, 1), err, cap);

	if (rc != 0)
		return rc;
	e->bridge = pv_bridge_new(&e->config);
	if (e->bridge == NULL) {
		snprintf(err, cap,
				"no memory for %u connections: lower [provider] max_connections or "
				"memory",
				e->config.max_connections);
		return -ENOMEM;
	}
	pv_bridge_set_yield(e->bridge, e->config.step ? yield_step : NULL, e);
	rc = make_ports(e, err, cap);
	if (rc == 0)
		rc = make_workers(e, err, cap);
	if (rc == 0 && !e->config.step)
		rc = start_threads(e, err, cap);
	return rc;
}

int
pv_engine_start(const struct pv_config *config, struct pv_engine **engine, char *err,
		size_t err_cap)
{
	struct pv_engine *e;
	int rc;

	*engine = NULL;
	err[0] = '\0';
	if (pv_is_forked_child()) {
		snprintf(err, err_cap,
				"this process was forked after DPDK had started: use spawn or a "
				"subprocess");
		return -EOWNERDEAD;
	}
	rc = check(config, err, err_cap);
	if (rc != 0)
		return rc;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return -ENOMEM;
	e->config = *config;
	e->clock = pv_clock_start();
	e->step_now = PV_CLOCK_START;
	rc = make(e, err, err_cap);
	if (rc != 0) {
		stop_threads(e, 0);
		unmake(e);
		return rc;
	}
	*engine = e;
	return 0;
}

int
pv_engine_stop(struct pv_engine *e, uint64_t flush_ns)
{
	int rc = pv_engine_usable(e);

	if (rc != 0)
		return rc;
	pv_bench_end(e);
	if (!e->config.step) {
		stop_threads(e, pv_engine_now(e) + flush_ns);
		pv_bridge_stop(e->bridge);
	} else {
		for (uint16_t w = 0; w < e->config.n_worker; w++)
			pv_tcp_abort_all(&e->workers[w]->ctx);
	}
	atomic_store_explicit(&e->stopped, true, memory_order_release);
	unmake(e);
	return 0;
}

/* ---- time, step mode
 * ------------------------------------------------------------------------------------------- */

uint64_t
pv_engine_now(struct pv_engine *e)
{
	return e->config.step ? e->step_now : pv_clock_at(&e->clock, rte_rdtsc());
}

int
pv_engine_step(struct pv_engine *e, uint64_t now_ns)
{
	int rc = pv_engine_usable(e);

	if (rc != 0)
		return rc;
	if (!e->config.step)
		return -EOPNOTSUPP;
	if (now_ns < e->step_now)
		return -EINVAL;
	e->step_now = now_ns;
	pv_engine_settle(e);
	return 0;
}

static int
step_port(struct pv_engine *e, uint16_t port)
{
	int rc = pv_engine_usable(e);

	if (rc != 0)
		return rc;
	if (!e->config.step)
		return -EOPNOTSUPP;
	return port < e->config.n_port ? 0 : -EINVAL;
}

int
pv_engine_inject(struct pv_engine *e, uint16_t port, const void *data, size_t len)
{
	int rc = step_port(e, port);

	return rc != 0 ? rc : pv_step_inject(&e->ports[port], data, len);
}

int
pv_engine_collect(struct pv_engine *e, uint16_t port, void *buf, size_t cap, uint64_t *when_ns)
{
	int rc = step_port(e, port);

	return rc != 0 ? rc : pv_step_collect(&e->ports[port], buf, cap, when_ns);
}

uint64_t
pv_engine_deadline(struct pv_engine *e, bool housekeeping)
{
	uint64_t first = UINT64_MAX;

	for (uint16_t w = 0; w < e->config.n_worker; w++) {
		uint64_t next = pv_wheel_next(&e->workers[w]->ctx.wheel);

		first = next < first ? next : first;
		next = housekeeping ? pv_wheel_next(&e->workers[w]->ctx.housekeeping) : UINT64_MAX;
		first = next < first ? next : first;
	}
	return first;
}

int
pv_engine_configure(struct pv_engine *e, const struct pv_tcp_config *tcp)
{
	struct pv_tcp_config copy = *tcp;
	struct pv_command c = { .kind = PV_CMD_CONFIGURE, .p = &copy };
	int rc = pv_engine_usable(e);

	return rc != 0 ? rc : pv_engine_ask(e, -1, &c);
}

int
pv_engine_reset(struct pv_engine *e)
{
	struct pv_command c = { .kind = PV_CMD_RESET };
	int rc = pv_engine_usable(e);

	return rc != 0 ? rc : pv_engine_ask(e, -1, &c);
}
