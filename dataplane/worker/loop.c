/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include <rte_lcore.h>

#include "base/thread.h"
#include "io/device.h"
#include "io/tx.h"
#include "worker/generator.h"

/* The live loop: a turn after the other; when there was nothing to do for a while, sleep. */

#define LOAD_SPAN   (1u << 25) /* TSC cycles over which the load is taken: some 10 ms */
#define TIMER_SLACK 1000UL     /* ns: naps are meant as short as they are */

/* Signals are Python's. A device that needs one for itself gets it here alone. */
static void
mask_signals(struct pv_worker *w)
{
	sigset_t all;

	sigfillset(&all);
	for (uint16_t i = 0; i < w->n_port; i++) {
		int signal = pv_device_adopt(&w->ports[i], w->ctx.worker);

		if (signal != 0)
			sigdelset(&all, signal);
	}
	pthread_sigmask(SIG_SETMASK, &all, NULL);
}

static void
name(uint8_t number)
{
	char text[16];

	snprintf(text, sizeof(text), "pv-worker-%u", number);
	pthread_setname_np(pthread_self(), text);
}

static void
add_cycles(uint64_t *to, uint64_t n)
{
	__atomic_store_n(to, *to + n, __ATOMIC_RELAXED);
}

static void
update_load(struct pv_worker *w, uint64_t tsc)
{
	uint64_t busy = w->cycles.busy - w->load_busy, all = tsc - w->load_from;

	w->ctx.load = (uint8_t)(busy < all ? busy * 100 / all : 100);
	w->load_busy = w->cycles.busy;
	w->load_from = tsc;
}

static uint32_t
measured_turn(struct pv_worker *w, uint64_t from)
{
	uint32_t work = pv_worker_turn(w, pv_clock_at(w->clock, from));
	uint64_t spent = rte_rdtsc() - from;

	add_cycles(&w->cycles.turns, 1);
	add_cycles(&w->cycles.all, spent);
	if (work != 0) {
		add_cycles(&w->cycles.busy_turns, 1);
		add_cycles(&w->cycles.busy, spent);
	}
	if (pv_unlikely(from - w->load_from > LOAD_SPAN))
		update_load(w, from);
	return work;
}

static void
poll_until_stopped(struct pv_worker *w)
{
	const struct pv_config *config = w->ctx.config;
	uint32_t idle = 0;
	uint64_t tsc = rte_rdtsc();

	while (!pv_worker_ended(w)) {
		idle = measured_turn(w, tsc) != 0 ? 0 : idle + 1;
		if (w->guest != NULL && pv_generator_turn(w->guest, rte_rdtsc()) != 0)
			idle = 0;
		w->nap = idle == 0 ? 0 : w->nap;
		/* Nothing would wake a guest that polls the ports. */
		if (idle > config->idle_turns && !config->busy_poll && w->n_port != 0)
			pv_worker_sleep(w);
		tsc = rte_rdtsc();
	}
}

static void *
run(void *arg)
{
	struct pv_worker *w = arg;

	mask_signals(w);
	name(w->ctx.worker);
	prctl(PR_SET_TIMERSLACK, TIMER_SLACK, 0, 0, 0);
	pv_thread_pin(w->lcore);
	rte_thread_register(); /* an lcore id brings a packet cache; without one all works, slower
				*/
	for (uint16_t i = 0; i < w->n_port; i++)
		pv_ip_announce(&w->ctx, i);
	poll_until_stopped(w);
	rte_thread_unregister();
	atomic_store_explicit(&w->ended, true, memory_order_release);
	return NULL;
}

int
pv_worker_start(struct pv_worker *w)
{
	int rc = pv_thread_start(&w->thread, run, w);

	w->running = rc == 0;
	return rc;
}

void
pv_worker_join(struct pv_worker *w)
{
	if (w->running)
		pthread_join(w->thread, NULL);
	w->running = false;
}
