/* SPDX-License-Identifier: BSD-3-Clause */
/* Cycles of what the border costs, one thread on both sides: what is left is the work, without
 * waiting for another CPU's cache. */
#include <string.h>

#include <rte_cycles.h>

#include "bridge_fixture.h"
#include "tap.h"

#define TURNS 2000u
#define BURST 32u

static struct fixture *f;
static struct pv_ctx *ctx;
static char bytes[65536];

struct bench {
	const char *what;
	void (*once)(void);
	uint32_t each; /* operations that a call does */
};

static void
slots(void)
{
	uint32_t index[BURST];
	uint64_t handle;

	for (uint32_t i = 0; i < BURST; i++)
		pv_slot_take(ctx, &index[i], &handle);
	for (uint32_t i = 0; i < BURST; i++)
		pv_slot_release(ctx, index[i], PV_SLOT_TCP);
	for (uint32_t i = 0; i < BURST; i++)
		pv_slot_release(ctx, index[i], PV_SLOT_CONTROL);
}

static uint64_t listener_handle;
static struct pv_listener_shared *listener;

static void
backlog(void)
{
	static struct pv_request in[BURST], out[BURST];

	pv_backlog_put(ctx, listener, in, BURST);
	pv_backlog_take(f->bridge, listener_handle, out, BURST);
}

static void
accept_and_close(void)
{
	static struct pv_request in[BURST], out[BURST];
	uint64_t handles[BURST];
	uint32_t index;

	for (uint32_t i = 0; i < BURST; i++)
		pv_slot_take(ctx, &index, &in[i].handle);
	pv_backlog_put(ctx, listener, in, BURST);
	pv_backlog_take(f->bridge, listener_handle, out, BURST);
	for (uint32_t i = 0; i < BURST; i++)
		handles[i] = out[i].handle;
	pv_bridge_close_many(f->bridge, handles, BURST, PV_CLOSE_ABORT);
	for (uint32_t i = 0; i < BURST; i++)
		pv_slot_release(ctx, pv_handle_index(handles[i]), PV_SLOT_TCP);
	fixture_turn(ctx, NULL);
}

static struct pv_shared *shared;
static uint64_t handle;

static void
append_take(size_t len)
{
	for (uint32_t i = 0; i < BURST; i++)
		pv_stream_append(f->bridge, &shared->rx, bytes, len);
	for (uint32_t i = 0; i < BURST; i++)
		pv_stream_take(f->bridge, &shared->rx, bytes, len, false);
}

static void
segments(void)
{
	append_take(1460);
}

static void
messages(void)
{
	append_take(64);
}

/* As a request and a reply do: the stream is empty after each. */
static void
ping_pong(void)
{
	for (uint32_t i = 0; i < BURST; i++) {
		pv_stream_append(f->bridge, &shared->rx, bytes, 64);
		pv_stream_take(f->bridge, &shared->rx, bytes, 64, false);
	}
}

static void
copies(void)
{
	static char other[BURST * 1460];

	for (uint32_t i = 0; i < BURST; i++)
		memcpy(other + i * 1460, bytes, 1460);
	for (uint32_t i = 0; i < BURST; i++)
		memcpy(bytes, other + i * 1460, 1460);
}

static void
calls(void)
{
	struct pv_iov iov = { bytes, 64 };

	for (uint32_t i = 0; i < BURST; i++) {
		pv_stream_append(f->bridge, &shared->rx, bytes, 64);
		pv_report(ctx, &shared->status, handle, PV_READY_READ, 0, PV_READY_READ);
		pv_bridge_recv(f->bridge, handle, &iov, 1, 0);
		pv_bridge_send(f->bridge, handle, &iov, 1, 0);
		pv_stream_kicked(&shared->tx);
		pv_stream_free_until(f->bridge, &shared->tx, NULL, shared->tx.taken + 64);
		pv_stream_relieved(f->bridge, &shared->tx);
		fixture_turn(ctx, NULL);
	}
}

static int waiter;

static void
reports(void)
{
	struct pv_ready ready;

	for (uint32_t i = 0; i < BURST; i++) {
		pv_report(ctx, &shared->status, handle, PV_READY_QOS, 0, PV_READY_QOS);
		pv_bridge_flush(ctx);
		pv_bridge_waiter_take(f->bridge, waiter, &ready, 1);
	}
}

static struct pv_timer timer[4096];
static uint32_t next_timer;

static void
timers(void)
{
	for (uint32_t i = 0; i < BURST; i++, next_timer++) {
		uint32_t which = next_timer % PV_COUNT_OF(timer);

		pv_timer_arm(&ctx->wheel, &timer[which], PV_TIMER_CONNECTION,
				ctx->wheel.now + 200000000 + which * 1000);
	}
	pv_wheel_run(&ctx->wheel, ctx, ctx->wheel.now + 1000);
}

static void
on_timer(struct pv_ctx *c, struct pv_timer *t)
{
	(void)c;
	(void)t;
}

/* A lab's: made, used by one connection, and gone. */
static void
bridges(void)
{
	struct pv_bridge *bridge = pv_bridge_new(&f->config);
	struct pv_ctx *of = calloc(1, sizeof(*of));
	uint64_t h;

	of->bridge = bridge;
	fixture_connect(of, &h);
	free(of);
	pv_bridge_free(bridge);
}

static const struct bench benches[] = {
	{ "slot taken and released", slots, BURST },
	{ "request into and out of the backlog", backlog, BURST },
	{ "slot, request, close command, release", accept_and_close, BURST },
	{ "1460 bytes copied twice, nothing else", copies, BURST },
	{ "1460 bytes through a stream", segments, BURST },
	{ "64 bytes through a stream", messages, BURST },
	{ "64 bytes through a stream that is empty then", ping_pong, BURST },
	{ "64 bytes received and sent, with reports and commands", calls, BURST },
	{ "change reported and taken", reports, BURST },
	{ "timer moved", timers, BURST },
	{ "bridge made and freed", bridges, 1 },
};

static uint64_t
median(uint64_t *t, unsigned int n)
{
	for (unsigned int i = 1; i < n; i++)
		for (unsigned int j = i; j > 0 && t[j] < t[j - 1]; j--) {
			uint64_t x = t[j];

			t[j] = t[j - 1];
			t[j - 1] = x;
		}
	return t[n / 2];
}

int
main(void)
{
	struct pv_listen_params params = { .backlog = 1000 };
	static uint64_t took[TURNS];

	f = fixture_new(1);
	f->config.max_connections = 100000;
	fixture_start(f);
	ctx = &f->ctx[0];
	pv_wheel_init(&ctx->wheel, 1);
	pv_wheel_set(&ctx->wheel, PV_TIMER_CONNECTION, on_timer);
	listener = pv_listener_open(f->bridge, &params, &listener_handle);
	shared = fixture_connect(ctx, &handle);
	waiter = pv_bridge_waiter_open(f->bridge, PV_WAITER_QUEUE, -1);
	pv_bridge_watch(f->bridge, waiter, handle, PV_READY_QOS, 0, 0);
	fixture_turn(ctx, NULL);
	for (unsigned int i = 0; i < PV_COUNT_OF(benches); i++) {
		for (unsigned int turn = 0; turn < TURNS; turn++) {
			uint64_t start = rte_rdtsc();

			benches[i].once();
			took[turn] = rte_rdtsc() - start;
		}
		printf("%6" PRIu64 " cycles  %s\n", median(took, TURNS) / benches[i].each,
				benches[i].what);
	}
	fixture_free(f);
	return 0;
}
