/* SPDX-License-Identifier: BSD-3-Clause */
/* The backlog: how many wait, in which order they come out, and what the listener's record says. */
#include <errno.h>
#include <string.h>

#include "base/rng.h"
#include "bridge_fixture.h"
#include "tap.h"

static struct pv_request requests[1200], out[1200];

static struct pv_listener_shared *
open_listener(struct fixture *f, uint32_t backlog, uint64_t *handle)
{
	struct pv_listen_params params = { .backlog = backlog, .port = 80 };

	return pv_listener_open(f->bridge, &params, handle);
}

/* n requests numbered from first, each a nanosecond after the one before. */
static uint32_t
put(struct pv_ctx *ctx, struct pv_listener_shared *listener, uint64_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		requests[i] = (struct pv_request){ .handle = first + i, .when_ns = first + i };
	return pv_backlog_put(ctx, listener, requests, n);
}

static bool
in_order(uint64_t first, int n)
{
	for (int i = 0; i < n; i++)
		if (out[i].handle != first + (uint64_t)i)
			return false;
	return true;
}

static bool
accepting(struct pv_listener_shared *listener)
{
	return (pv_listener_status(listener)->ready & PV_READY_ACCEPT) != 0;
}

static void
test_limit(struct fixture *f)
{
	uint64_t handle;
	struct pv_listener_shared *l = open_listener(f, 5, &handle);
	struct pv_status *status = pv_listener_status(l);

	CHECK_EQ(pv_handle_worker(handle), PV_HANDLE_LISTENER, "a listener's handle says so");
	CHECK(pv_listener_of(f->bridge, handle) == l && pv_listener_handle(l) == handle &&
					pv_bridge_status(f->bridge, handle) == status,
			"and leads to it");
	CHECK_EQ(pv_listener_params(l)->port, 80, "it keeps its parameters");
	CHECK_EQ(pv_backlog_take(f->bridge, handle, out, 10), 0, "at first nothing waits");
	CHECK(!accepting(l), "and there is nothing to accept");
	CHECK_EQ(put(&f->ctx[0], l, 1, 3), 3, "three get in by one worker");
	CHECK(pv_backlog_room(&f->ctx[1], l), "there is room");
	CHECK_EQ(put(&f->ctx[1], l, 4, 3), 2, "two by the other, since five may wait");
	CHECK(!pv_backlog_room(&f->ctx[0], l), "there is none any more");
	CHECK_EQ(put(&f->ctx[0], l, 9, 1), 0, "so nobody gets in");
	CHECK_EQ(status->queued, 5, "five wait");
	CHECK_EQ(status->accepts, 5, "five came");
	CHECK(accepting(l), "there is something to accept");
	CHECK_EQ(pv_backlog_take(f->bridge, handle, out, 2), 2, "taking two");
	CHECK_EQ(put(&f->ctx[1], l, 6, 3), 2, "makes room for two");
	CHECK_EQ(pv_backlog_take(f->bridge, handle, out + 2, 10), 5, "all can be taken");
	CHECK(in_order(1, 7), "the oldest first, over both workers");
	CHECK_EQ(status->queued, 0, "none waits");
	CHECK(!accepting(l), "and there is nothing to accept");
	CHECK_EQ(pv_listener_free(f->bridge, handle), 0, "a listener can be freed");
}

static void
test_deferred(struct fixture *f)
{
	uint64_t handle;
	struct pv_listener_shared *l = open_listener(f, 2, &handle);
	struct pv_status *status = pv_listener_status(l);
	int error = 0;

	put(&f->ctx[0], l, 1, 2);
	pv_backlog_take(f->bridge, handle, out, 1);
	put(&f->ctx[1], l, 3, 1);
	CHECK_EQ(pv_backlog_defer(f->bridge, handle, &out[0]), 0,
			"one can be put back into a full backlog");
	CHECK_EQ(status->queued, 3, "and counts");
	CHECK_EQ(status->accepts, 3, "but did not arrive again");
	CHECK_EQ(pv_backlog_take(f->bridge, handle, out, 10), 3, "all come out");
	CHECK(in_order(1, 3), "it before all others");
	CHECK(!pv_backlog_defer(f->bridge, handle, &out[0]) && accepting(l),
			"alone it can be accepted");
	for (unsigned int i = 1; i < PV_BACKLOG_DEFERRED; i++)
		error |= pv_backlog_defer(f->bridge, handle, &out[1]);
	CHECK_EQ(error, 0, "several can be put back");
	CHECK_EQ(pv_backlog_defer(f->bridge, handle, &out[1]), -ENOBUFS, "but not any number");
	pv_listener_free(f->bridge, handle);
}

static void
test_resize(struct fixture *f)
{
	uint64_t handle;
	struct pv_listener_shared *l = open_listener(f, 10, &handle);
	bool newest_first = true;

	put(&f->ctx[0], l, 1, 3);
	put(&f->ctx[1], l, 4, 3);
	put(&f->ctx[0], l, 7, 4);
	CHECK_EQ(pv_backlog_resize(f->bridge, handle, 4, out, 4), 4,
			"shrinking hands out the excess");
	CHECK_EQ(pv_backlog_resize(f->bridge, handle, 4, out + 4, 4), 2, "until four are left");
	for (uint64_t i = 0; i < 6; i++)
		newest_first &= out[i].handle == 10 - i;
	CHECK(newest_first, "the newest of both workers");
	CHECK_EQ(pv_listener_status(l)->queued, 4, "the others wait");
	CHECK_EQ(put(&f->ctx[0], l, 11, 1), 0, "and nobody gets in");
	CHECK_EQ(pv_backlog_resize(f->bridge, handle, 1000000, out, 4), 0,
			"growing hands out none");
	CHECK_EQ(put(&f->ctx[1], l, 11, 1200), f->config.backlog_max - 4,
			"up to the most there may be");
	CHECK_EQ(pv_backlog_take(f->bridge, handle, out, 1200), f->config.backlog_max,
			"all are there");
	CHECK(in_order(1, 4), "those that were left before the others");
	pv_listener_free(f->bridge, handle);
}

static void
test_stale(struct fixture *f)
{
	uint64_t handle, other, handles[10];
	struct pv_listener_shared *l = open_listener(f, 10, &handle);
	unsigned int n = 0;

	put(&f->ctx[0], l, 1, 3);
	pv_listener_free(f->bridge, handle);
	CHECK(pv_listener_of(f->bridge, handle) == NULL, "a freed listener's handle is stale");
	CHECK_EQ(pv_backlog_take(f->bridge, handle, out, 1), -EBADF, "it takes nothing");
	CHECK_EQ(pv_backlog_defer(f->bridge, handle, out), -EBADF, "puts nothing back");
	CHECK_EQ(pv_backlog_resize(f->bridge, handle, 1, out, 1), -EBADF, "can't be resized");
	CHECK_EQ(pv_listener_free(f->bridge, handle), -EBADF, "nor freed again");
	CHECK(pv_listener_of(f->bridge, handle + 1) == NULL, "a free listener has no handle");
	CHECK(pv_listener_of(f->bridge, pv_handle_make(0, 0, 1)) == NULL, "a connection's is none");
	while (n < 10 && open_listener(f, 10, &handles[n]) != NULL)
		n++;
	CHECK_EQ(n, f->config.listeners_max, "as many can be open as configured");
	CHECK_EQ(errno, ENOBUFS, "then there is no room");
	pv_listener_free(f->bridge, handles[2]);
	l = open_listener(f, 10, &other);
	CHECK(l != NULL && other != handles[2], "a freed place is used again under a new handle");
	CHECK_EQ(pv_listener_status(l)->accepts, 0, "with a clean record");
	CHECK_EQ(pv_backlog_take(f->bridge, other, out, 1), 0, "and an empty backlog");
	handles[2] = other;
	while (n-- > 0)
		pv_listener_free(f->bridge, handles[n]);
}

/* Against a list that is searched for the oldest in each ring. */
static void
test_random(struct fixture *f)
{
	uint64_t handle, head[3] = { 0 }, tail[3] = { 0 };
	struct pv_listener_shared *l = open_listener(f, 300, &handle);
	static uint64_t when[3][20000];
	unsigned int wrong = 0;
	struct pv_rng rng;

	pv_rng_seed(&rng, 11);
	for (unsigned int round = 0; round < 5000; round++) {
		uint64_t waiting = tail[0] + tail[1] + tail[2] - head[0] - head[1] - head[2];
		uint32_t n = pv_rng_below(&rng, 40), w = pv_rng_below(&rng, 3), in, got;

		if (tail[w] + n > 20000)
			break;
		for (uint32_t i = 0; i < n; i++) {
			requests[i].when_ns = round * 10 + pv_rng_below(&rng, 100);
			requests[i].handle = (uint64_t)w << 32 | (tail[w] + i);
			when[w][tail[w] + i] = requests[i].when_ns;
		}
		in = pv_backlog_put(&f->ctx[w], l, requests, n);
		wrong += in != (n < 300 - waiting ? n : 300 - waiting);
		tail[w] += in;
		got = (uint32_t)pv_backlog_take(f->bridge, handle, out, pv_rng_below(&rng, 60));
		for (uint32_t i = 0; i < got; i++) {
			uint32_t ring = (uint32_t)(out[i].handle >> 32);

			for (unsigned int j = 0; j < 3; j++)
				wrong += head[j] < tail[j] && when[j][head[j]] < out[i].when_ns;
			wrong += (uint32_t)out[i].handle != head[ring]++ ||
				 out[i].when_ns != when[ring][head[ring] - 1];
		}
	}
	CHECK_EQ(wrong, 0, "requests come in the order of their rings, the oldest head first");
	pv_listener_free(f->bridge, handle);
}

int
main(void)
{
	struct fixture *f = fixture_new(3);

	fixture_start(f);
	test_limit(f);
	test_deferred(f);
	test_resize(f);
	test_stale(f);
	test_random(f);
	fixture_free(f);
	return tap_done();
}
