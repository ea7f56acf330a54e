/* SPDX-License-Identifier: BSD-3-Clause */
/* Watches, ready lists and doorbells, one step at a time. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bridge/watch.h"
#include "bridge_fixture.h"
#include "tap.h"

#define MS INT64_C(1000000)

static struct pv_ready out[64];

static void
turns(struct fixture *f)
{
	for (uint16_t i = 0; i < f->config.n_worker; i++)
		while (fixture_turn(&f->ctx[i], NULL) > 0)
			;
}

static void
watch(struct fixture *f, int waiter, uint64_t handle, uint32_t mask, uint32_t flags,
		uint64_t cookie)
{
	pv_bridge_watch(f->bridge, waiter, handle, mask, flags, cookie);
	turns(f);
}

static void
arrive(struct fixture *f, uint64_t handle)
{
	struct pv_ctx *ctx = &f->ctx[pv_handle_worker(handle)];
	struct pv_shared *shared = pv_slot_of(f->bridge, handle);

	pv_stream_append(f->bridge, &shared->rx, "x", 1);
	shared->status.reads++;
	pv_report(ctx, &shared->status, handle, PV_READY_READ, 0, PV_READY_READ);
	pv_bridge_flush(ctx);
}

static bool
readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void
test_reports(struct fixture *f)
{
	int waiter = pv_bridge_waiter_open(f->bridge, PV_WAITER_QUEUE, -1);
	uint64_t a, b, c;

	fixture_connect(&f->ctx[0], &a);
	fixture_connect(&f->ctx[1], &b);
	fixture_connect(&f->ctx[1], &c);
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, waiter, out, 64), 0, "a new waiter has nothing");
	watch(f, waiter, a, PV_READY_READ | PV_READY_CLOSE, 0, 100);
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, waiter, out, 64), 0,
			"nor for a handle that is not ready");
	watch(f, waiter, b, PV_READY_WRITE, 0, 200);
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, waiter, out, 64), 1,
			"what is ready already is reported");
	CHECK(out[0].handle == b && out[0].cookie == 200 && out[0].ready == PV_READY_WRITE,
			"with handle, cookie and level");
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, waiter, out, 64), 0, "once");
	watch(f, waiter, c, PV_READY_READ, 0, 300);
	arrive(f, c);
	arrive(f, a);
	arrive(f, b);
	arrive(f, c);
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, waiter, out, 1), 1, "a change waits to be taken");
	CHECK(out[0].handle == c && out[0].ready == (PV_READY_READ | PV_READY_WRITE),
			"the first to change comes first");
	arrive(f, c);
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, waiter, out, 64), 2,
			"each changed handle is there once, the unwatched bit's is not");
	CHECK(out[0].handle == a && out[1].handle == c, "in the order of their changes");
	arrive(f, a);
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, waiter, out, 64), 1,
			"a level that stays is reported when more arrives");
	watch(f, waiter, a, PV_READY_READ, 0, 101);
	CHECK(pv_bridge_waiter_take(f->bridge, waiter, out, 64) == 1 && out[0].cookie == 101,
			"a new watch of the pair replaces the old one");
	arrive(f, a);
	watch(f, waiter, a, 0, 0, 0);
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, waiter, out, 64), 0,
			"one that is removed reports nothing, not even what waits");
	arrive(f, a);
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, waiter, out, 64), 0, "nor anything later");
	watch(f, waiter, a, PV_READY_READ, PV_WATCH_ONCE, 102);
	arrive(f, a);
	CHECK(pv_bridge_waiter_take(f->bridge, waiter, out, 64) == 1 && out[0].cookie == 102,
			"a watch for once reports");
	arrive(f, a);
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, waiter, out, 64), 0, "once");
	arrive(f, c);
	pv_slot_release(&f->ctx[1], pv_handle_index(c), PV_SLOT_TCP);
	pv_bridge_close(f->bridge, c, PV_CLOSE_ABORT);
	turns(f);
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, waiter, out, 64), 0,
			"a stale handle is not reported");
	CHECK_EQ(pv_bridge_watch(f->bridge, waiter, c, 1, 0, 0), -EBADF, "nor watched");
	pv_bridge_waiter_close(f->bridge, waiter);
	CHECK_EQ(pv_bridge_watch(f->bridge, waiter, a, 1, 0, 0), -EBADF, "nor by a closed waiter");
	turns(f);
}

static void
test_two_waiters(struct fixture *f)
{
	int first = pv_bridge_waiter_open(f->bridge, PV_WAITER_QUEUE, -1);
	int second = pv_bridge_waiter_open(f->bridge, PV_WAITER_QUEUE, -1);
	uint64_t a;

	fixture_connect(&f->ctx[0], &a);
	watch(f, first, a, PV_READY_READ, PV_WATCH_ONCE, 1);
	watch(f, second, a, PV_READY_READ, 0, 2);
	arrive(f, a);
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, first, out, 64), 1,
			"each of two waiters is told");
	CHECK(pv_bridge_waiter_take(f->bridge, second, out, 64) == 1 && out[0].cookie == 2,
			"of its own watch");
	pv_bridge_waiter_close(f->bridge, first);
	arrive(f, a);
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, first, out, 64), -EBADF,
			"a closed waiter has nothing to take");
	CHECK_EQ(pv_bridge_waiter_wait(f->bridge, first, 0, -1), -EBADF, "nothing to wait for");
	CHECK_EQ(pv_bridge_waiter_ring(f->bridge, first), -EBADF, "no bell");
	CHECK_EQ(pv_bridge_waiter_fd(f->bridge, first), -EBADF, "no descriptor");
	CHECK_EQ(pv_bridge_waiter_close(f->bridge, first), -EBADF, "and can't be closed");
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, second, out, 64), 1, "the other one goes on");
	pv_bridge_waiter_close(f->bridge, second);
	turns(f);
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, -1, out, 1), -EBADF,
			"no waiter has a negative number");
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, 70000, out, 1), -EBADF,
			"or one that was never given");
}

/* Watches must come back however they go, or a worker runs out of them. */
static void
test_no_leak(struct fixture *f)
{
	unsigned int failed = 0;
	uint64_t a;

	fixture_connect(&f->ctx[0], &a);
	for (unsigned int i = 0; i < 3 * f->bridge->watches; i++) {
		int waiter = pv_bridge_waiter_open(f->bridge, PV_WAITER_QUEUE, -1);
		struct pv_ready ready;

		failed += waiter < 0;
		failed += pv_bridge_watch(f->bridge, waiter, a, PV_READY_READ, i % 2, 0) != 0;
		turns(f);
		if (i % 3 == 0)
			arrive(f, a);
		if (i % 5 == 0)
			pv_bridge_watch(f->bridge, waiter, a, 0, 0, 0);
		if (i % 7 == 0)
			pv_bridge_waiter_take(f->bridge, waiter, &ready, 1);
		pv_bridge_waiter_close(f->bridge, waiter);
		turns(f);
	}
	CHECK_EQ(failed, 0, "waiters and watches come and go");
	CHECK(f->bridge->worker[0].watch_fresh < 64, "and are used again");
	CHECK(f->bridge->waiter_fresh < 8, "both of them");
}

static void
test_descriptors(struct fixture *f)
{
	int waiter = pv_bridge_waiter_open(f->bridge, PV_WAITER_QUEUE, -1), fd, again;
	uint64_t a;

	fixture_connect(&f->ctx[0], &a);
	watch(f, waiter, a, PV_READY_READ, 0, 0);
	arrive(f, a);
	fd = pv_bridge_waiter_fd(f->bridge, waiter);
	CHECK(readable(fd), "a descriptor asked for late is readable for what waits");
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, waiter, out, 64), 1, "which can be taken");
	CHECK(!readable(fd), "then it is not readable");
	arrive(f, a);
	CHECK(readable(fd), "and with the next change it is");
	arrive(f, a);
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, waiter, out, 64), 1, "taken");
	CHECK(!readable(fd), "it is not");
	pv_bridge_waiter_ring(f->bridge, waiter);
	CHECK(readable(fd), "a ring makes it readable");
	pv_bridge_waiter_close(f->bridge, waiter);
	turns(f);
	again = pv_bridge_waiter_open(f->bridge, PV_WAITER_QUEUE, -1);
	CHECK(again != waiter && pv_bridge_waiter_fd(f->bridge, again) == fd && !readable(fd),
			"a closed waiter's descriptor serves the next one, quiet");
	pv_bridge_waiter_close(f->bridge, again);
	turns(f);
}

static void
test_signal(struct fixture *f)
{
	int fd = eventfd(0, EFD_CLOEXEC),
	    waiter = pv_bridge_waiter_open(f->bridge, PV_WAITER_SIGNAL, fd);
	uint64_t a, count = 0;

	fixture_connect(&f->ctx[0], &a);
	watch(f, waiter, a, PV_READY_READ | PV_READY_WRITE, 0, 0);
	CHECK(!readable(fd), "an event object is not set by what was ready before");
	arrive(f, a);
	CHECK(readable(fd), "but by a change");
	CHECK_EQ(pv_bridge_waiter_wait(f->bridge, waiter, 0, -1), 1, "which a wait sees");
	CHECK(readable(fd), "and leaves");
	arrive(f, a);
	CHECK(read(fd, &count, sizeof(count)) == sizeof(count) && count == 2,
			"each turn with a change rings");
	CHECK_EQ(pv_bridge_waiter_wait(f->bridge, waiter, 0, -1), 0,
			"reset by its owner it is quiet");
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, waiter, out, 64), 0, "it has no list");
	watch(f, waiter, a, PV_READY_READ, PV_WATCH_SINCE, 2);
	CHECK(!readable(fd), "a watch that knows of both arrivals is told of none");
	watch(f, waiter, a, PV_READY_READ, PV_WATCH_SINCE, 1);
	CHECK(read(fd, &count, sizeof(count)) == sizeof(count) && count == 1,
			"one that knows of one is told of the other");
	arrive(f, a);
	CHECK(read(fd, &count, sizeof(count)) == sizeof(count) && count == 1,
			"and of each one after");
	watch(f, waiter, a, PV_READY_WRITE, PV_WATCH_ONCE, 0);
	CHECK(readable(fd), "a watch for once is told of what is ready");
	pv_bridge_waiter_close(f->bridge, waiter);
	turns(f);
	close(fd);
	waiter = pv_bridge_waiter_open(f->bridge, PV_WAITER_QUEUE, -1);
	CHECK(waiter >= 0 && pv_bridge_waiter_wait(f->bridge, waiter, 0, -1) == 0,
			"the next waiter there has a bell of its own");
	CHECK_EQ(pv_bridge_waiter_open(f->bridge, PV_WAITER_SIGNAL, 9999), -EBADF,
			"a wrong descriptor is refused");
	CHECK_EQ(pv_bridge_waiter_open(f->bridge, 7, -1), -EINVAL, "and an unknown kind");
	pv_bridge_waiter_close(f->bridge, waiter);
	turns(f);
}

static void
test_listener(struct fixture *f)
{
	struct pv_listen_params params = { .backlog = 10 };
	struct pv_request request = { .handle = 1 };
	struct pv_listener_shared *l;
	uint64_t handle;
	int waiter = pv_bridge_waiter_open(f->bridge, PV_WAITER_QUEUE, -1);

	l = pv_listener_open(f->bridge, &params, &handle);
	watch(f, waiter, handle, PV_READY_ACCEPT, 0, 5);
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, waiter, out, 64), 0,
			"an empty listener is not ready");
	for (uint16_t i = 0; i < 2; i++) {
		pv_backlog_put(&f->ctx[i], l, &request, 1);
		CHECK(pv_bridge_waiter_take(f->bridge, waiter, out, 64) == 1 &&
						out[0].handle == handle && out[0].cookie == 5 &&
						out[0].ready == PV_READY_ACCEPT,
				"a request at either worker is reported");
	}
	pv_backlog_put(&f->ctx[0], l, &request, 1);
	for (uint16_t i = 0; i < 2; i++)
		pv_watch_drop_all(&f->ctx[i], pv_listener_status(l), handle);
	CHECK_EQ(pv_bridge_waiter_take(f->bridge, waiter, out, 64), 0, "after its end nothing is");
	pv_listener_free(f->bridge, handle);
	pv_bridge_waiter_close(f->bridge, waiter);
	turns(f);
}

/* ---- waiting ---- */

struct sleeper {
	struct fixture *f;
	int waiter;
	int64_t timeout;
	int result;
	pthread_t thread;
};

static void *
sleep_on(void *arg)
{
	struct sleeper *s = arg;

	__atomic_store_n(&s->result, pv_bridge_waiter_wait(s->f->bridge, s->waiter, s->timeout, -1),
			__ATOMIC_RELEASE);
	return NULL;
}

static void
start(struct sleeper *s, unsigned int n)
{
	struct pv_waiter *waiter = &s->f->bridge->waiter[PV_WAITER_PLACE((uint32_t)s->waiter)];

	for (unsigned int i = 0; i < n; i++)
		pthread_create(&s[i].thread, NULL, sleep_on, &s[i]);
	while (__atomic_load_n(&waiter->sleepers, __ATOMIC_ACQUIRE) < n)
		sched_yield();
}

static void
on_signal(int signal)
{
	(void)signal;
}

static void
test_waiting(struct fixture *f)
{
	struct sigaction action = { .sa_handler = on_signal };
	int waiter = pv_bridge_waiter_open(f->bridge, PV_WAITER_QUEUE, -1);
	struct sleeper s[3] = { { f, waiter, -1, 9, 0 }, { f, waiter, -1, 9, 0 },
		{ f, waiter, 3600000 * MS, 9, 0 } };
	uint64_t a;

	fixture_connect(&f->ctx[0], &a);
	watch(f, waiter, a, PV_READY_READ, 0, 0);
	CHECK_EQ(pv_bridge_waiter_wait(f->bridge, waiter, 0, -1), 0,
			"without time nothing is waited for");
	CHECK_EQ(pv_bridge_waiter_wait(f->bridge, waiter, 2 * MS, -1), 0, "a short time is up");
	start(s, 1);
	arrive(f, a);
	pthread_join(s[0].thread, NULL);
	CHECK_EQ(s[0].result, 1, "a change wakes a sleeper");
	CHECK_EQ(pv_bridge_waiter_wait(f->bridge, waiter, -1, -1), 1,
			"what was not taken is still there");
	pv_bridge_waiter_take(f->bridge, waiter, out, 64);
	CHECK_EQ(pv_bridge_waiter_wait(f->bridge, waiter, MS, -1), 0, "what was taken is not");
	sigaction(SIGUSR1, &action, NULL);
	start(s, 1);
	while (__atomic_load_n(&s[0].result, __ATOMIC_ACQUIRE) == 1 &&
			pthread_kill(s[0].thread, SIGUSR1) == 0)
		sched_yield();
	pthread_join(s[0].thread, NULL);
	CHECK_EQ(s[0].result, -EINTR, "a signal ends a sleep");
	pv_bridge_waiter_ring(f->bridge, waiter);
	CHECK_EQ(pv_bridge_waiter_wait(f->bridge, waiter, -1, -1), 1,
			"a ring before the wait is not lost");
	CHECK_EQ(pv_bridge_waiter_wait(f->bridge, waiter, 0, -1), 0, "and counts once");
	start(s, 3);
	for (unsigned int i = 0; i < 3; i++) {
		unsigned int awake;

		pv_bridge_waiter_ring(f->bridge, waiter);
		do {
			sched_yield();
			awake = 0;
			for (unsigned int j = 0; j < 3; j++)
				awake += __atomic_load_n(&s[j].result, __ATOMIC_ACQUIRE) == 1;
		} while (awake <= i);
	}
	for (unsigned int i = 0; i < 3; i++)
		pthread_join(s[i].thread, NULL);
	CHECK(s[0].result == 1 && s[1].result == 1 && s[2].result == 1,
			"each of several sleepers can be woken");
	for (unsigned int i = 0; i < 3; i++)
		s[i].result = 9;
	start(s, 3);
	pv_bridge_waiter_close(f->bridge, waiter);
	for (unsigned int i = 0; i < 3; i++)
		pthread_join(s[i].thread, NULL);
	CHECK(s[0].result == -EBADF && s[1].result == -EBADF && s[2].result == -EBADF,
			"closing ends every sleep");
	turns(f);
}

int
main(void)
{
	struct fixture *f = fixture_new(2);

	fixture_start(f);
	test_reports(f);
	test_two_waiters(f);
	test_no_leak(f);
	test_descriptors(f);
	test_signal(f);
	test_listener(f);
	test_waiting(f);
	fixture_free(f);
	return tap_done();
}
