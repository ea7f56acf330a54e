/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge/waiter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <rte_pause.h>

#include "base/mem.h"
#include "bridge/watch.h"

/*
 * The control plane's side of a waiter. It waits in real time, whatever clock the engine has: this
 * is the only place in bridge/ that reads one.
 *
 * Several threads may wait on one waiter. The doorbell rings once for all who sleep; whoever
 * empties the eventfd while others sleep arms it again, and rings it himself if there is something
 * to take, so that no one sleeps on behind his back.
 */

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_US 1000
#define SPINS     32 /* looks between two looks at the clock */

/* ---- references ---- */

/* NULL: closed, or never open. */
static struct pv_waiter *
acquire(struct pv_bridge *bridge, int number)
{
	struct pv_waiter *waiter;
	uint32_t refs;

	if (number < 0)
		return NULL;
	waiter = &bridge->waiter[PV_WAITER_PLACE((uint32_t)number)];
	refs = __atomic_load_n(&waiter->refs, __ATOMIC_RELAXED);
	do {
		if (refs == 0)
			return NULL;
	} while (!__atomic_compare_exchange_n(
			&waiter->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	if (__atomic_load_n(&waiter->number, __ATOMIC_ACQUIRE) == (uint32_t)number)
		return waiter;
	pv_waiter_unref(bridge, waiter);
	return NULL;
}

/* ---- the ready list ---- */

/* Takes the whole stack: the list that it was pushed in. */
static uint32_t
take_stack(struct pv_bridge *bridge, struct pv_waiter *waiter)
{
	uint32_t number = 0, list = 0;

	if (__atomic_load_n(&waiter->ready, __ATOMIC_RELAXED) != 0)
		number = __atomic_exchange_n(
				&waiter->ready, 0, __ATOMIC_ACQUIRE); /* T0: pairs with P0 */
	while (number != 0) {
		struct pv_watch_node *node = pv_watch_at(bridge, number);
		uint32_t next = __atomic_load_n(&node->ready_next, __ATOMIC_RELAXED);

		__atomic_store_n(&node->ready_next, list, __ATOMIC_RELAXED);
		list = number;
		number = next;
	}
	return list;
}

/* Takes the first of the list. False: there is nothing to tell about it. */
static bool
take_first(struct pv_bridge *bridge, struct pv_waiter *waiter, struct pv_ready *out)
{
	uint32_t number = waiter->list, state;
	struct pv_watch_node *node = pv_watch_at(bridge, number);
	const struct pv_status *status;

	/* All that is read of the watch is read before it may be pushed again or given back. */
	__atomic_store_n(&waiter->list, __atomic_load_n(&node->ready_next, __ATOMIC_RELAXED),
			__ATOMIC_RELAXED);
	*out = (struct pv_ready){ .handle = node->handle,
		.cookie = __atomic_load_n(&node->cookie, __ATOMIC_RELAXED) };
	state = __atomic_fetch_and(
			&node->state, ~(uint32_t)PV_WATCH_QUEUED, __ATOMIC_ACQ_REL); /* S1 */
	if (state & (PV_WATCH_GONE | PV_WATCH_LAST))
		pv_watch_give_back(bridge, number);
	if (state & PV_WATCH_GONE)
		return false;
	status = pv_bridge_status(bridge, out->handle);
	out->ready = __atomic_load_n(&status->ready, __ATOMIC_ACQUIRE);
	return pv_status_is_of(status, out->handle);
}

static uint32_t
take(struct pv_bridge *bridge, struct pv_waiter *waiter, struct pv_ready *out, uint32_t n)
{
	uint32_t taken = 0;

	while (taken < n) {
		if (waiter->list == 0)
			__atomic_store_n(&waiter->list, take_stack(bridge, waiter),
					__ATOMIC_RELAXED);
		if (waiter->list == 0)
			break;
		taken += take_first(bridge, waiter, &out[taken]);
	}
	return taken;
}

int
pv_bridge_waiter_take(struct pv_bridge *bridge, int number, struct pv_ready *out, uint32_t n)
{
	struct pv_waiter *waiter = acquire(bridge, number);
	uint32_t taken;

	if (waiter == NULL)
		return -EBADF;
	pthread_mutex_lock(&waiter->lock);
	if (waiter->polled &&
			__atomic_load_n(&waiter->bell.armed, __ATOMIC_RELAXED) == PV_DOORBELL_QUIET)
		pv_doorbell_clear(&waiter->bell);
	taken = take(bridge, waiter, out, n);
	if (waiter->polled && taken < n) {
		pv_doorbell_arm(&waiter->bell);
		taken += take(bridge, waiter, out + taken, n - taken);
	}
	pthread_mutex_unlock(&waiter->lock);
	pv_waiter_unref(bridge, waiter);
	return (int)taken;
}

int
pv_bridge_waiter_take_own(struct pv_bridge *bridge, int number, struct pv_ready *out, uint32_t n)
{
	struct pv_waiter *waiter = acquire(bridge, number);
	uint32_t taken;

	if (waiter == NULL)
		return -EBADF;
	taken = take(bridge, waiter, out, n);
	pv_waiter_unref(bridge, waiter);
	return (int)taken;
}

/* ---- waiting ---- */

static bool
something(struct pv_waiter *waiter)
{
	return __atomic_load_n(&waiter->ready, __ATOMIC_RELAXED) != 0 ||
	       __atomic_load_n(&waiter->list, __ATOMIC_RELAXED) != 0 ||
	       __atomic_load_n(&waiter->rung, __ATOMIC_RELAXED) != 0;
}

/* The same for the one who returns because of it: the ring was his. */
static bool
take_something(struct pv_waiter *waiter)
{
	if (!something(waiter))
		return false;
	__atomic_exchange_n(&waiter->rung, 0, __ATOMIC_ACQUIRE);
	return true;
}

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* 1: readable, 0: time is up, -EINTR: the other one is (-1: none), or a signal, -errno. */
static int
poll_until(int fd, int also, int64_t deadline)
{
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = also, .events = POLLIN } };
	int64_t left = deadline == INT64_MAX ? 0 : deadline - now_ns();
	struct timespec t = { .tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S };
	int n;

	if (left < 0)
		t = (struct timespec){ .tv_sec = 0 };
	n = ppoll(p, 2, deadline == INT64_MAX ? NULL : &t, NULL);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	return p[0].revents != 0 ? 1 : -EINTR;
}

static bool
spin(struct pv_waiter *waiter, int64_t until)
{
	do {
		for (unsigned int i = 0; i < SPINS; i++) {
			if (take_something(waiter))
				return true;
			rte_pause();
		}
	} while (now_ns() < until);
	return false;
}

/* 1: there may be something, 0: time is up, -errno. */
static int
sleep_until(struct pv_waiter *waiter, int also, int64_t deadline)
{
	int result = 1;

	__atomic_fetch_add(&waiter->sleepers, 1, __ATOMIC_SEQ_CST);
	pv_doorbell_arm(&waiter->bell);
	if (!something(waiter) &&
			__atomic_load_n(&waiter->number, __ATOMIC_ACQUIRE) != PV_WAITER_NONE)
		result = poll_until(waiter->bell.fd, also, deadline);
	if (result == 1)
		pv_doorbell_clear(&waiter->bell);
	/* The others' bell may have been among what was cleared. */
	if (__atomic_sub_fetch(&waiter->sleepers, 1, __ATOMIC_SEQ_CST) > 0) {
		pv_doorbell_arm(&waiter->bell);
		if (something(waiter) || __atomic_load_n(&waiter->number, __ATOMIC_ACQUIRE) ==
							 PV_WAITER_NONE)
			pv_doorbell_ring(&waiter->bell);
	}
	return result;
}

static int
wait_until(struct pv_bridge *bridge, struct pv_waiter *waiter, int number, int also,
		int64_t deadline)
{
	int64_t start = now_ns(), spin_end = start + (int64_t)bridge->spin_us * NS_PER_US;
	int result;

	if (spin_end > start && spin(waiter, spin_end < deadline ? spin_end : deadline))
		return 1;
	do {
		result = sleep_until(waiter, also, deadline);
		if (__atomic_load_n(&waiter->number, __ATOMIC_ACQUIRE) != (uint32_t)number)
			return -EBADF;
		if (take_something(waiter))
			return 1;
	} while (result == 1);
	return result;
}

int
pv_bridge_waiter_wait(struct pv_bridge *bridge, int number, int64_t timeout_ns, int also)
{
	struct pv_waiter *waiter = acquire(bridge, number);
	int64_t deadline = INT64_MAX;
	int result;

	if (waiter == NULL)
		return -EBADF;
	if (timeout_ns > 0 && timeout_ns < INT64_MAX / 2)
		deadline = now_ns() + timeout_ns;
	if (waiter->kind == PV_WAITER_SIGNAL)
		result = poll_until(waiter->bell.fd, also, timeout_ns == 0 ? 0 : deadline);
	else if (take_something(waiter))
		result = 1;
	else if (timeout_ns == 0)
		result = 0;
	else
		result = wait_until(bridge, waiter, number, also, deadline);
	pv_waiter_unref(bridge, waiter);
	return result;
}

int
pv_bridge_waiter_ring(struct pv_bridge *bridge, int number)
{
	struct pv_waiter *waiter = acquire(bridge, number);

	if (waiter == NULL)
		return -EBADF;
	__atomic_store_n(&waiter->rung, 1, __ATOMIC_RELEASE);
	pv_doorbell_fence();
	pv_doorbell_ring(&waiter->bell);
	pv_waiter_unref(bridge, waiter);
	return 0;
}

int
pv_bridge_waiter_fd(struct pv_bridge *bridge, int number)
{
	struct pv_waiter *waiter = acquire(bridge, number);
	int fd;

	if (waiter == NULL)
		return -EBADF;
	pthread_mutex_lock(&waiter->lock);
	fd = waiter->bell.fd;
	if (waiter->kind == PV_WAITER_QUEUE && !waiter->polled) {
		waiter->polled = true;
		pv_doorbell_arm(&waiter->bell);
		if (something(waiter))
			pv_doorbell_ring(&waiter->bell);
	}
	pthread_mutex_unlock(&waiter->lock);
	pv_waiter_unref(bridge, waiter);
	return fd;
}

int
pv_bridge_watch(struct pv_bridge *bridge, int number, uint64_t handle, uint32_t mask,
		uint32_t flags, uint64_t cookie)
{
	struct pv_command command = {
		.kind = PV_CMD_WATCH,
		.handle = handle,
		.a = (uint32_t)number,
		.b = mask | (uint64_t)flags << 32,
		.c = cookie,
	};
	const struct pv_status *status = pv_bridge_status(bridge, handle);
	uint32_t first = pv_handle_worker(handle), last = first;
	struct pv_waiter *waiter;
	int error = 0;

	if (status == NULL || !pv_status_is_of(status, handle))
		return -EBADF;
	waiter = acquire(bridge, number);
	if (waiter == NULL)
		return -EBADF;
	if (first == PV_HANDLE_LISTENER) {
		first = 0;
		last = bridge->n_worker - 1;
	}
	for (uint32_t i = first; i <= last && error == 0; i++)
		error = pv_command_put_all(bridge, (uint8_t)i, &command, 1);
	pv_waiter_unref(bridge, waiter);
	return error;
}

/* ---- opening and closing ---- */

/* With the lock: the place of a closed waiter, or of one never used. */
static struct pv_waiter *
take_place(struct pv_bridge *bridge)
{
	/* Only one takes at a time: nobody else can take the top and put it back meanwhile. */
	uint32_t top = __atomic_load_n(
			&bridge->waiter_free, __ATOMIC_ACQUIRE); /* X1: pairs with X0 */
	struct pv_waiter *waiter;

	while (top != 0) {
		waiter = &bridge->waiter[top - 1];
		if (__atomic_compare_exchange_n(&bridge->waiter_free, &top, waiter->free_next, true,
				    __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
			return waiter;
	}
	if (bridge->waiter_fresh == PV_WAITERS)
		return NULL;
	waiter = &bridge->waiter[bridge->waiter_fresh++];
	waiter->bell.fd = -1;
	waiter->number = PV_WAITER_NONE;
	return waiter;
}

static void
give_place(struct pv_bridge *bridge, struct pv_waiter *waiter)
{
	uint32_t place = (uint32_t)(waiter - bridge->waiter);
	uint32_t top = __atomic_load_n(&bridge->waiter_free, __ATOMIC_RELAXED);

	do {
		waiter->free_next = top;
	} while (!__atomic_compare_exchange_n(&bridge->waiter_free, &top, place + 1, true,
			__ATOMIC_RELEASE, __ATOMIC_RELAXED)); /* X0 */
}

void
pv_waiter_unref(struct pv_bridge *bridge, struct pv_waiter *waiter)
{
	struct pv_ready nobody;

	if (__atomic_sub_fetch(&waiter->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	/* No worker pushes on it any more. Its descriptor waits for the next one to come here. */
	while (take(bridge, waiter, &nobody, 1) > 0)
		;
	give_place(bridge, waiter);
}

/* The doorbell's descriptor: a copy of the caller's, that of the one here before, or a new one. */
static int
set_bell(struct pv_waiter *waiter, int kind, int fd)
{
	int copy = -1, error;

	if (fd >= 0) {
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (copy < 0)
			return -errno;
		if (kind == PV_WAITER_QUEUE)
			fcntl(copy, F_SETFL, fcntl(copy, F_GETFL) | O_NONBLOCK);
	}
	if (waiter->bell.fd >= 0 && (fd >= 0 || waiter->foreign))
		pv_doorbell_fini(&waiter->bell);
	if (waiter->bell.fd >= 0) {
		pv_doorbell_clear(&waiter->bell);
	} else {
		error = pv_doorbell_init(&waiter->bell, copy);
		if (error != 0)
			return error;
	}
	waiter->foreign = fd >= 0;
	waiter->bell.armed = kind == PV_WAITER_SIGNAL ? PV_DOORBELL_ALWAYS : PV_DOORBELL_QUIET;
	return 0;
}

int
pv_bridge_waiter_open(struct pv_bridge *bridge, int kind, int fd)
{
	struct pv_waiter *waiter;
	uint32_t number;
	int error;

	if (kind != PV_WAITER_QUEUE && kind != PV_WAITER_SIGNAL)
		return -EINVAL;
	pthread_mutex_lock(&bridge->lock);
	waiter = take_place(bridge);
	error = waiter == NULL ? -EMFILE : set_bell(waiter, kind, fd);
	if (error != 0) {
		if (waiter != NULL)
			give_place(bridge, waiter);
		pthread_mutex_unlock(&bridge->lock);
		return error;
	}
	waiter->generation = (waiter->generation + 1) & 0x7fff;
	number = waiter->generation << 16 | (uint32_t)(waiter - bridge->waiter);
	waiter->kind = (uint32_t)kind;
	waiter->polled = false;
	waiter->rung = 0;
	__atomic_store_n(&waiter->number, number, __ATOMIC_RELEASE);
	__atomic_store_n(&waiter->refs, 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&bridge->lock);
	return (int)number;
}

int
pv_bridge_waiter_close(struct pv_bridge *bridge, int number)
{
	struct pv_command command = { .kind = PV_CMD_WAITER_CLOSE, .a = (uint32_t)number };
	struct pv_waiter *waiter = acquire(bridge, number);
	uint32_t open = (uint32_t)number;

	if (waiter == NULL)
		return -EBADF;
	if (!__atomic_compare_exchange_n(&waiter->number, &open, PV_WAITER_NONE, false,
			    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
		pv_waiter_unref(bridge, waiter);
		return -EBADF;
	}
	/* A reference for each worker, and that of the open waiter for ours. */
	__atomic_fetch_add(&waiter->refs, bridge->n_worker, __ATOMIC_RELAXED);
	pv_waiter_unref(bridge, waiter);
	if (__atomic_load_n(&waiter->sleepers, __ATOMIC_SEQ_CST) > 0)
		pv_doorbell_write(&waiter->bell);
	for (uint32_t i = 0; i < bridge->n_worker; i++)
		if (pv_command_put_all(bridge, (uint8_t)i, &command, 1) != 0)
			pv_waiter_unref(bridge, waiter);
	pv_waiter_unref(bridge, waiter);
	return 0;
}

/* ---- the table ---- */

int
pv_waiter_init(struct pv_bridge *bridge)
{
	size_t watches = (size_t)bridge->n_worker * bridge->watches;

	bridge->waiter = pv_mem_map(PV_WAITERS * sizeof(*bridge->waiter), false);
	bridge->watch = pv_mem_map(watches * sizeof(*bridge->watch), false);
	return bridge->waiter == NULL || bridge->watch == NULL ? -ENOMEM : 0;
}

void
pv_waiter_fini(struct pv_bridge *bridge)
{
	size_t watches = (size_t)bridge->n_worker * bridge->watches;

	for (uint32_t i = 0; i < bridge->waiter_fresh; i++)
		if (bridge->waiter[i].bell.fd >= 0)
			pv_doorbell_fini(&bridge->waiter[i].bell);
	pv_mem_unmap(bridge->waiter, PV_WAITERS * sizeof(*bridge->waiter));
	pv_mem_unmap(bridge->watch, watches * sizeof(*bridge->watch));
}
