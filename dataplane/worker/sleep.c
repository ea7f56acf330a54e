/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/worker.h"

#include <poll.h>
#include <time.h>

#include "bridge/doorbell.h"
#include "io/device.h"
#include "io/tx.h"

/*
 * A worker with nothing to do sleeps on its doorbell and the interrupts of its devices, no longer
 * than until the next deadline. Devices without interrupts (rings, packet sockets, files) can't
 * wake anybody, nor does a full transmit queue: then it naps, longer each time it finds nothing.
 */

/* Fills fds from 1 on; returns how many there are then, and whether every port can wake us. */
static nfds_t
arm(struct pv_worker *w, struct pollfd *fds, nfds_t room, bool *all)
{
	nfds_t n = 1;

	*all = true;
	for (uint16_t i = 0; i < w->n_port; i++) {
		int fd;

		if (w->ctx.worker >= w->ports[i].n_rx)
			continue;
		fd = pv_device_wake_fd(&w->ports[i], w->ctx.worker);
		if (n < room && fd >= 0 && pv_device_wake_arm(&w->ports[i], w->ctx.worker, 1) == 0)
			fds[n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
		else
			*all = false;
	}
	return n;
}

static void
disarm(struct pv_worker *w)
{
	for (uint16_t i = 0; i < w->n_port; i++)
		if (w->ctx.worker < w->ports[i].n_rx)
			pv_device_wake_arm(&w->ports[i], w->ctx.worker, 0);
}

static uint64_t
next_nap(struct pv_worker *w)
{
	uint64_t least = w->ctx.config->nap_us * 1000ull;
	uint64_t most = w->ctx.config->nap_max_us * 1000ull;

	w->nap = w->nap * 2 < most ? w->nap * 2 : most;
	w->nap = w->nap < least ? least : w->nap;
	return w->nap;
}

static void
sleep_on(struct pv_worker *w, struct pollfd *fds, nfds_t n, bool all)
{
	uint64_t now = pv_clock_at(w->clock, rte_rdtsc()), next = pv_worker_deadline(w, true);
	uint64_t ns = next <= now ? 0 : next - now, nap;
	struct timespec span;

	if (!all || !pv_tx_empty(&w->ctx)) {
		nap = next_nap(w);
		ns = ns < nap ? ns : nap;
	}
	span = (struct timespec){ .tv_sec = (time_t)(ns / 1000000000),
		.tv_nsec = (long)(ns % 1000000000) };
	pv_count(&w->ctx.counters, PV_C_SLEEPS);
	ppoll(fds, n, ns > INT64_MAX ? NULL : &span, NULL);
}

void
pv_worker_sleep(struct pv_worker *w)
{
	struct pv_doorbell *bell = pv_bridge_doorbell(w->ctx.bridge, w->ctx.worker);
	struct pollfd fds[1 + PV_MAX_PORTS] = { { .fd = bell->fd, .events = POLLIN } };
	bool all;
	nfds_t n;

	n = arm(w, fds, PV_COUNT_OF(fds), &all);
	if (all)
		pv_doorbell_arm(bell);
	else
		pv_doorbell_arm_nap(bell);
	/* Whoever came before the arming rang nobody: look once more, by a whole turn. */
	if (pv_worker_turn(w, pv_clock_at(w->clock, rte_rdtsc())) == 0 && !pv_worker_pending(w))
		sleep_on(w, fds, n, all);
	else
		w->nap = 0;
	pv_doorbell_disarm(bell);
	pv_doorbell_clear(bell);
	if (n > 1)
		disarm(w);
}
