/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/worker.h"

#include <poll.h>
#include <time.h>

#include "bridge/doorbell.h"
#include "io/device.h"

/*
 * A worker with nothing to do sleeps on its command doorbell and the interrupts of its devices, no
 * longer than until the next deadline. Devices without interrupts (rings, packet sockets, files)
 * can't wake anybody: then it only naps.
 */

#define NAP_NS     50000
#define LONGEST_NS 1000000000ull

static uint64_t
until_deadline(struct pv_worker *w, uint64_t now)
{
	uint64_t next = pv_wheel_next(&w->ctx.wheel), other = pv_wheel_next(&w->ctx.housekeeping);

	next = next < other ? next : other;
	if (w->stopping)
		next = next < w->stop_until ? next : w->stop_until;
	if (next <= now)
		return 0;
	return next - now < LONGEST_NS ? next - now : LONGEST_NS;
}

/* Fills fds from 1 on; returns how many there are then, and whether every port can wake us. */
static nfds_t
interrupts(struct pv_worker *w, struct pollfd *fds, nfds_t room, bool *all)
{
	nfds_t n = 1;

	*all = true;
	for (uint16_t i = 0; i < w->n_port; i++) {
		int fd;

		if (w->ctx.worker >= w->ports[i].n_rx)
			continue;
		if (n < room && pv_device_interrupts(&w->ports[i], w->ctx.worker, &fd, 1) == 1 &&
				pv_device_interrupt_arm(&w->ports[i], w->ctx.worker, 1) == 0)
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
			pv_device_interrupt_arm(&w->ports[i], w->ctx.worker, 0);
}

void
pv_worker_sleep(struct pv_worker *w, uint64_t now)
{
	struct pv_doorbell *bell = pv_bridge_doorbell(w->ctx.bridge, w->ctx.worker);
	struct pollfd fds[1 + PV_MAX_PORTS] = { { .fd = bell->fd, .events = POLLIN } };
	uint64_t ns = until_deadline(w, now);
	struct timespec span;
	bool all;
	nfds_t n;

	if (ns == 0)
		return;
	n = interrupts(w, fds, PV_COUNT_OF(fds), &all);
	if (!all && ns > NAP_NS)
		ns = NAP_NS;
	pv_doorbell_arm(bell);
	/* Whoever came before the arming rang nobody: look once more. */
	if (pv_command_waiting(w->ctx.bridge, w->ctx.worker) || pv_worker_receive(w) != 0) {
		pv_doorbell_disarm(bell);
	} else {
		span = (struct timespec){ .tv_sec = (time_t)(ns / 1000000000),
			.tv_nsec = (long)(ns % 1000000000) };
		pv_count(&w->ctx.counters, PV_C_SLEEPS);
		ppoll(fds, n, &span, NULL);
		pv_doorbell_disarm(bell);
	}
	pv_doorbell_clear(bell);
	if (n > 1)
		disarm(w);
}
