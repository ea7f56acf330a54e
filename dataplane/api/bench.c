/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/bench.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_pause.h>

#include "api/engine.h"
#include "api/pv_bench.h"
#include "base/thread.h"
#include "io/pool.h"
#include "worker/generator.h"
#include "worker/generator_wire.h"
#include "worker/latency.h"

/* The generator of a benchmark and what there is to measure around it. */

#define GENERATOR_MBUFS 65535
#define DEVICE_MBUFS    16383
#define GENERATOR_FRAME 256
#define BOUNCES         2000

struct pv_bench {
	struct pv_generator *generator;
	struct rte_mempool *mbufs;
	pthread_t thread;
	int cpu; /* -1: guest of worker 0 */
	_Atomic bool stop, quiet;
};

static void *
generate(void *arg)
{
	struct pv_bench *bench = arg;

	pv_thread_pin(bench->cpu);
	rte_thread_register();
	while (!atomic_load_explicit(&bench->stop, memory_order_relaxed)) {
		if (atomic_load_explicit(&bench->quiet, memory_order_relaxed))
			pv_generator_quiet(bench->generator);
		pv_generator_turn(bench->generator, rte_rdtsc());
	}
	rte_thread_unregister();
	return NULL;
}

static struct pv_generator_wire
wire_of(const struct pv_engine *e, uint16_t port, const struct pv_generator_params *params)
{
	const struct pv_port *p = &e->ports[port];
	struct pv_generator_wire wire = { .ctx = &e->workers[0]->ctx,
		.port = p->far,
		.index = port,
		.queues = p->n_rx,
		.one_queue = params->one_queue != 0,
		.mac = { 0x02, 0, 0, 0, 0, 0x01 } };

	if (p->kind == PV_PORT_DEVICE) {
		wire.host = e->workers[0];
		wire.port = p->ethdev;
		wire.queues = 1;
		wire.patient = params->rate == 0;
		memcpy(wire.mac, p->facts.mac, sizeof(wire.mac));
	}
	return wire;
}

static struct pv_bench *
new_bench(struct pv_engine *e, uint16_t port, struct pv_generator_params *params, int cpu)
{
	struct pv_bench *bench = calloc(1, sizeof(*bench));
	const struct pv_generator_wire wire = wire_of(e, port, params);
	static const uint8_t none[6];

	if (bench == NULL)
		return NULL;
	if (memcmp(params->server_mac, none, sizeof(none)) == 0)
		memcpy(params->server_mac, e->ports[port].facts.mac, sizeof(none));
	bench->cpu = cpu;
	bench->mbufs = pv_pool_new(
			wire.host == NULL ? GENERATOR_MBUFS : DEVICE_MBUFS, GENERATOR_FRAME);
	if (bench->mbufs != NULL)
		bench->generator = pv_generator_new(params, &wire, bench->mbufs);
	if (bench->generator == NULL) {
		pv_pool_free(bench->mbufs);
		free(bench);
		return NULL;
	}
	return bench;
}

/* NULL, or why no generator can run there. */
static const char *
unfit(const struct pv_engine *e, uint16_t port, const struct pv_generator_params *params, int cpu)
{
	const struct pv_config *c = &e->config;
	uint8_t kind;

	if (e->bench != NULL)
		return "there is one already";
	if (params->flows == 0 || params->window == 0)
		return "it needs at least one flow and one handshake in flight";
	kind = port < c->n_port ? e->ports[port].kind : PV_PORT_STEP;
	if (kind == PV_PORT_STEP || (kind == PV_PORT_RING && e->ports[port].far == PV_NO_ETHDEV))
		return "it needs a device, or a ring port without a name";
	if (kind == PV_PORT_DEVICE &&
			(c->n_worker != 1 || c->n_port != 1 || c->port[0].n_vlan != 0 || cpu >= 0))
		return "on a device it needs one worker, one port, and no VLAN tag";
	return NULL;
}

int
pv_generator_start(struct pv_engine *e, uint16_t port, const struct pv_generator_params *params,
		int cpu, char *err, size_t err_cap)
{
	struct pv_generator_params p = *params;
	struct pv_command c = { .kind = PV_CMD_SERVICE };
	int rc = pv_engine_usable(e);
	const char *why;

	if (rc != 0)
		return rc;
	why = unfit(e, port, params, cpu);
	if (why != NULL) {
		snprintf(err, err_cap, "%s", why);
		return -EINVAL;
	}
	e->bench = new_bench(e, port, &p, cpu);
	if (e->bench == NULL) {
		snprintf(err, err_cap, "no memory for a generator of %u flows: give EAL more",
				p.flows);
		return -ENOMEM;
	}
	if (cpu >= 0)
		return pv_thread_start(&e->bench->thread, generate, e->bench);
	c.p = e->bench->generator;
	c.a = e->ports[port].kind == PV_PORT_DEVICE;
	return pv_engine_ask(e, 0, &c);
}

int
pv_generator_pause(struct pv_engine *e)
{
	if (pv_engine_usable(e) != 0 || e->bench == NULL)
		return -EINVAL;
	if (e->bench->cpu < 0)
		pv_generator_quiet(e->bench->generator);
	atomic_store_explicit(&e->bench->quiet, true, memory_order_relaxed);
	return 0;
}

int
pv_generator_read(struct pv_engine *e, struct pv_generator_stats *stats, uint64_t *latency)
{
	if (pv_engine_usable(e) != 0 || e->bench == NULL)
		return -EINVAL;
	pv_generator_stats(e->bench->generator, stats);
	if (latency != NULL)
		memcpy(latency, pv_generator_latency(e->bench->generator),
				PV_LATENCY_BUCKETS * sizeof(*latency));
	return 0;
}

int
pv_generator_stop(struct pv_engine *e)
{
	int rc = pv_engine_usable(e);

	if (rc != 0 || e->bench == NULL)
		return rc != 0 ? rc : -EINVAL;
	pv_bench_end(e);
	return 0;
}

/* Frames of its pool may still lie in the wire: the pool waits for them. */
void
pv_bench_end(struct pv_engine *e)
{
	struct pv_command no_guest = { .kind = PV_CMD_SERVICE };
	struct pv_bench *bench = e->bench;

	if (bench == NULL)
		return;
	e->bench = NULL;
	if (bench->cpu >= 0) {
		atomic_store_explicit(&bench->stop, true, memory_order_relaxed);
		pthread_join(bench->thread, NULL);
	} else {
		pv_engine_ask(e, 0, &no_guest);
	}
	pv_generator_free(bench->generator);
	pv_pool_free(bench->mbufs);
	free(bench);
}

int
pv_worker_read(struct pv_engine *e, int worker, struct pv_worker_load *out)
{
	const struct pv_worker_cycles *c;

	if (pv_engine_usable(e) != 0 || worker < 0 || worker >= e->config.n_worker)
		return -EINVAL;
	c = &e->workers[worker]->cycles;
	*out = (struct pv_worker_load){
		.turns = __atomic_load_n(&c->turns, __ATOMIC_RELAXED),
		.busy_turns = __atomic_load_n(&c->busy_turns, __ATOMIC_RELAXED),
		.cycles = __atomic_load_n(&c->all, __ATOMIC_RELAXED),
		.busy_cycles = __atomic_load_n(&c->busy, __ATOMIC_RELAXED),
	};
	return 0;
}

uint64_t
pv_tsc_hz(void)
{
	return rte_get_tsc_hz();
}

uint64_t
pv_tsc(void)
{
	return rte_rdtsc();
}

/* ---- what the machine does by itself --------------------------------------------------------- */

struct bounce {
	_Atomic uint32_t word pv_cache_aligned;
	int cpu pv_cache_aligned;
};

static void *
bounce_back(void *arg)
{
	struct bounce *b = arg;

	pv_thread_pin(b->cpu);
	for (uint32_t i = 1; i < 2 * BOUNCES; i += 2) {
		while (atomic_load_explicit(&b->word, memory_order_acquire) != i)
			rte_pause();
		atomic_store_explicit(&b->word, i + 1, memory_order_release);
	}
	return NULL;
}

static int
by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void *
bounce(void *arg)
{
	static uint64_t spans[BOUNCES];
	struct bounce *b = arg;
	uint64_t tsc = rte_rdtsc();

	for (uint32_t i = 0; i < BOUNCES; i++) {
		uint64_t then = tsc;

		atomic_store_explicit(&b->word, 2 * i + 1, memory_order_release);
		while (atomic_load_explicit(&b->word, memory_order_acquire) != 2 * i + 2)
			rte_pause();
		tsc = rte_rdtsc();
		spans[i] = tsc - then;
	}
	qsort(spans, BOUNCES, sizeof(spans[0]), by_value);
	return &spans[BOUNCES / 2];
}

int
pv_cache_line_bounce(int cpu_a, int cpu_b, uint64_t *cycles)
{
	struct bounce b = { .cpu = cpu_b };
	pthread_t other;
	cpu_set_t before;
	int rc;

	if (cpu_a == cpu_b || cpu_a < 0 || cpu_b < 0)
		return -EINVAL;
	rc = pv_thread_start(&other, bounce_back, &b);
	if (rc != 0)
		return rc;
	pthread_getaffinity_np(pthread_self(), sizeof(before), &before);
	pv_thread_pin(cpu_a);
	*cycles = *(const uint64_t *)bounce(&b);
	pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
	pthread_join(other, NULL);
	return 0;
}

int
pv_spin_gaps(int cpu, uint64_t ns, uint64_t *latency)
{
	uint64_t tsc = rte_rdtsc(),
		 end = tsc + (uint64_t)((double)ns * (double)rte_get_tsc_hz() / 1e9);
	cpu_set_t before;

	if (cpu < 0)
		return -EINVAL;
	pthread_getaffinity_np(pthread_self(), sizeof(before), &before);
	pv_thread_pin(cpu);
	while (tsc < end) {
		uint64_t then = tsc;

		tsc = rte_rdtsc();
		pv_latency_add(pv_container_of(latency, struct pv_latency, count), tsc - then);
	}
	pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
	return 0;
}
