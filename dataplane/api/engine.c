/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/engine.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <rte_errno.h>

#include "api/bench.h"
#include "api/condition.h"
#include "api/telemetry.h"
#include "api/wire.h"
#include "bridge/waiter.h"
#include "io/hotplug.h"
#include "io/handover.h"
#include "io/pool.h"
#include "io/step.h"
#include "ip/ip.h"

/* Room for an Ethernet header with two tags behind the MTU. */
#define FRAME_SLACK 64
/* A stop that flushes longer than this was never meant so. */
#define FLUSH_MAX 3600000000000ULL /* ns */
#define TURNS_MAX 100000

/* DPDK's devices and memory zones are one for all engines, and its control calls know no threads.
 */
static pthread_mutex_t lifetime = PTHREAD_MUTEX_INITIALIZER;

int
pv_engine_usable(const struct pv_engine *engine)
{
	if (engine == NULL)
		return -EINVAL;
	if (pv_is_forked_child())
		return -EOWNERDEAD;
	return atomic_load_explicit(&engine->stopped, memory_order_acquire) ? -ESHUTDOWN : 0;
}

/* ---- commands -------------------------------------------------------------------------------- */

static bool
anything_pending(const struct pv_engine *engine)
{
	for (uint16_t i = 0; i < engine->config.n_worker; i++)
		if (pv_worker_pending(engine->workers[i]))
			return true;
	for (uint16_t i = 0; i < engine->config.n_port; i++)
		if (pv_step_waiting(&engine->ports[i]))
			return true;
	return false;
}

void
pv_engine_settle(struct pv_engine *engine)
{
	bool more = true;

	if (!engine->config.step || engine->stepping)
		return;
	engine->stepping = true;
	/* A hop between workers or to ourselves takes a turn; the bound is for connections to
	 * ourselves that would talk without end. */
	for (uint32_t turns = 0; more && turns < TURNS_MAX; turns++) {
		for (uint16_t i = 0; i < engine->config.n_worker; i++)
			pv_worker_turn(engine->workers[i], engine->step_now);
		more = anything_pending(engine);
	}
	engine->stepping = false;
}

/* A full command ring: who waits for room may be who must empty it, a service within its worker's
 * turn, or in step mode anybody. */
static void
yield(void *arg)
{
	struct pv_engine *e = arg;

	if (e->config.step && !e->stepping) {
		pv_engine_settle(e);
		return;
	}
	for (uint16_t w = 0; w < e->config.n_worker; w++)
		if (e->stepping || (e->workers[w]->running && pthread_equal(e->workers[w]->thread,
									      pthread_self())))
			pv_worker_commands(e->workers[w]);
	if (!e->config.step)
		sched_yield();
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
		pv_bridge_waiter_wait(engine->bridge, answer->waiter, -1, -1);
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

/* ---- start and stop -------------------------------------------------------------------------- */

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
largest_frame(const struct pv_config *c)
{
	uint32_t frame = 0;

	for (uint16_t i = 0; i < c->n_port; i++) {
		uint32_t needed = pv_hotplug_frame(&c->port[i]);

		frame = frame > needed ? frame : needed;
	}
	return (uint16_t)(frame + FRAME_SLACK);
}

static int
make_pools(struct pv_engine *e, char *err, size_t cap)
{
	for (uint16_t w = 0; w < e->config.n_worker; w++) {
		e->mbufs[w] = pv_pool_new(e->config.mbufs, largest_frame(&e->config));
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
	struct pv_worker_plan plan = { .config = &e->config,
		.bridge = e->bridge,
		.handover = e->handover,
		.ports = e->ports,
		.clock = &e->clock };

	if (e->config.has_secret)
		memcpy(plan.secret, e->config.secret, sizeof(plan.secret));
	else if (getrandom(plan.secret, sizeof(plan.secret), 0) != sizeof(plan.secret))
		return -errno;
	for (uint16_t w = 0; w < e->config.n_worker; w++) {
		e->workers[w] = pv_worker_new(&plan, (uint8_t)w, e->mbufs[w]);
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
tell_to_stop(struct pv_engine *e, uint64_t until)
{
	struct pv_command stop = { .kind = PV_CMD_STOP, .a = until };

	for (uint16_t w = 0; w < e->config.n_worker; w++)
		if (e->workers[w] != NULL)
			pv_command_put_all(e->bridge, (uint8_t)w, &stop, 1);
}

/* Who put a command that nobody executes any more is told so. */
static void
end_workers(struct pv_engine *e)
{
	for (uint16_t w = 0; w < e->config.n_worker; w++)
		if (e->workers[w] != NULL)
			pv_worker_join(e->workers[w]);
	pv_bridge_stop(e->bridge);
	for (uint16_t w = 0; w < e->config.n_worker; w++)
		if (e->workers[w] != NULL)
			pv_worker_refuse(e->workers[w]);
}

static void
unmake(struct pv_engine *e)
{
	if (e->bridge != NULL)
		end_workers(e);
	pv_wire_unplug(e); /* what was flushed has gone into the wire */
	for (uint16_t w = 0; w < e->config.n_worker; w++)
		pv_worker_free(e->workers[w]);
	pv_handover_free(e->handover);
	while (e->n_open > 0)
		pv_port_close(&e->ports[--e->n_open]);
	pv_conditions_free(e);
	pv_bridge_free(e->bridge);
	for (uint16_t w = 0; w < e->config.n_worker; w++)
		pv_pool_free(e->mbufs[w]);
	free(e);
}

static int
make_bridge(struct pv_engine *e, char *err, size_t cap)
{
	e->bridge = pv_bridge_new(&e->config);
	if (e->bridge == NULL) {
		snprintf(err, cap,
				"no memory for %u connections: lower [provider] max_connections or "
				"memory",
				e->config.max_connections);
		return -ENOMEM;
	}
	pv_bridge_set_yield(e->bridge, yield, e);
	if (e->config.n_worker == 1)
		return 0;
	e->handover = pv_handover_new(e->config.n_worker);
	if (e->handover == NULL)
		snprintf(err, cap, "no memory for the rings between %u workers",
				e->config.n_worker);
	return e->handover == NULL ? -ENOMEM : 0;
}

static int
make(struct pv_engine *e, char *err, size_t cap)
{
	int rc;

	if (!pv_eal_runs()) {
		snprintf(err, cap, "DPDK does not run: call pv_eal_start first");
		return -ENXIO;
	}
	e->clock = pv_clock_start();
	rc = make_pools(e, err, cap);
	if (rc == 0)
		rc = make_bridge(e, err, cap);
	if (rc == 0)
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
	e->step_now = PV_CLOCK_START;
	pthread_mutex_lock(&lifetime);
	rc = make(e, err, err_cap);
	if (rc == 0) {
		*engine = e;
	} else {
		if (e->bridge != NULL)
			tell_to_stop(e, 0);
		unmake(e);
	}
	pthread_mutex_unlock(&lifetime);
	if (rc == 0 && !e->config.step)
		pv_telemetry_add(e);
	return rc;
}

static bool
all_ended(struct pv_engine *e)
{
	bool ended = true;

	for (uint16_t w = 0; w < e->config.n_worker; w++)
		ended = pv_worker_ended(e->workers[w]) && ended;
	return ended;
}

/* Step mode: virtual time runs on by itself until all is flushed. */
static void
run_out(struct pv_engine *e)
{
	pv_engine_settle(e);
	while (!all_ended(e)) {
		uint64_t next = pv_engine_deadline(e, false);

		e->step_now = next > e->step_now ? next : e->step_now;
		pv_engine_settle(e);
	}
}

int
pv_engine_stop(struct pv_engine *e, uint64_t flush_ns)
{
	int rc = pv_engine_usable(e);

	if (rc != 0)
		return rc;
	pv_telemetry_remove(e);
	pv_bench_end(e);
	tell_to_stop(e, pv_engine_now(e) + (flush_ns < FLUSH_MAX ? flush_ns : FLUSH_MAX));
	if (e->config.step)
		run_out(e);
	pthread_mutex_lock(&lifetime);
	atomic_store_explicit(&e->stopped, true, memory_order_release);
	unmake(e);
	pthread_mutex_unlock(&lifetime);
	return 0;
}

/* ---- time, step mode ------------------------------------------------------------------------- */

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

	if (e->config.step && anything_pending(e))
		return e->step_now;
	for (uint16_t w = 0; w < e->config.n_worker; w++) {
		uint64_t next = pv_worker_deadline(e->workers[w], housekeeping);

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

	if (rc == 0)
		rc = pv_engine_ask(e, -1, &c);
	if (rc == 0)
		pv_bridge_set_buffers(e->bridge, copy.recv_buffer, copy.send_buffer);
	return rc;
}

int
pv_engine_reset(struct pv_engine *e)
{
	struct pv_command c = { .kind = PV_CMD_RESET };
	int rc = pv_engine_usable(e);

	if (rc != 0)
		return rc;
	rc = pv_engine_ask(e, -1, &c);
	for (uint16_t i = 0; e->config.step && i < e->config.n_port; i++)
		pv_step_clear(&e->ports[i]);
	return rc;
}
