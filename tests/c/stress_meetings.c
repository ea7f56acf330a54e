/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each protocol between a worker and the application, one meeting at a time: both sides take one
 * step at the same moment, and afterwards it is known whether one of them saw the other. A wake-up
 * lost once in a million is counted here; elsewhere it would hang.
 */
#include <errno.h>
#include <string.h>

#include "base/rng.h"
#include "bridge_fixture.h"
#include "stress.h"

#define ROUNDS STRESS(100000u)
#define BUFFER 3000u /* to receive; more than a chunk */
#define SEND   1000u /* to send; less, so that no chunk's way back orders anything */

struct protocol {
	const char *what;
	void (*before)(void);
	void (*worker)(void);
	void (*application)(void);
	bool (*good)(void);
};

static struct fixture *f;
static struct pv_ctx *ctx;
static struct pv_shared *shared;
static uint64_t handle;
static uint32_t counts[PV_CMD_KINDS];
static struct stress_meeting meeting;
static const struct protocol *now;
static uint32_t bad, round_number;
static char bytes[BUFFER];

/* What each side found. */
static bool worker_saw;
static int64_t result;

static void
begin(void)
{
	memset(counts, 0, sizeof(counts));
	shared = fixture_connect(ctx, &handle);
}

static int64_t
send_bytes(size_t len)
{
	struct pv_iov iov = { bytes, len };

	return pv_bridge_send(f->bridge, handle, &iov, 1, 0);
}

static int64_t
recv_bytes(size_t len)
{
	static char buffer[BUFFER];
	struct pv_iov iov = { buffer, len };

	return pv_bridge_recv(f->bridge, handle, &iov, 1, 0);
}

static uint32_t
level(uint32_t bit)
{
	return shared->status.ready & bit;
}

static void
report(uint32_t bit)
{
	pv_report(ctx, &shared->status, handle, bit, 0, bit);
}

/* ---- bytes to send: the application adds some while the worker looks after a command ---- */

static void
before_send(void)
{
	begin();
	send_bytes(10);
	fixture_turn(ctx, NULL);
}

static void
look_for_bytes(void)
{
	pv_stream_kicked(&shared->tx);
	worker_saw = pv_stream_waiting(&shared->tx) == 20;
}

static void
send_ten(void)
{
	send_bytes(10);
}

static bool
told_of_bytes(void)
{
	fixture_turn(ctx, counts);
	return worker_saw || counts[PV_CMD_SEND] == 1;
}

/* ---- room in the window: the reader takes bytes while the worker asks to be told ---- */

static void
before_window(void)
{
	begin();
	pv_stream_append(f->bridge, &shared->rx, bytes, BUFFER);
	report(PV_READY_READ);
}

static void
ask_for_room(void)
{
	worker_saw = pv_stream_ask(f->bridge, &shared->rx, 100);
}

static void
recv_hundred(void)
{
	recv_bytes(100);
}

static bool
told_of_room(void)
{
	fixture_turn(ctx, counts);
	return worker_saw || counts[PV_CMD_WINDOW] == 1;
}

/* ---- room in the buffer: everything is acknowledged while the application finds it full ---- */

static void
before_full(void)
{
	begin();
	send_bytes(SEND - 1);
}

static void
free_all(void)
{
	pv_stream_free_until(f->bridge, &shared->tx, NULL, SEND - 1);
	worker_saw = pv_stream_relieved(f->bridge, &shared->tx);
	if (worker_saw)
		report(PV_READY_WRITE);
}

static void
send_too_much(void)
{
	send_bytes(SEND);
}

/* It is writable unless it is full; and if the application was refused, the worker knows. */
static bool
told_of_free(void)
{
	bool full = pv_stream_room(f->bridge, &shared->tx) == 0;
	bool hungry = (shared->tx.flags & PV_STREAM_HUNGRY) != 0;

	return hungry == full && (level(PV_READY_WRITE) == 0) == full;
}

/* ---- the level of a stream that is emptied while more arrives ---- */

static void
before_level(void)
{
	begin();
	pv_stream_append(f->bridge, &shared->rx, bytes, 10);
	report(PV_READY_READ);
}

static void
arrive(void)
{
	pv_stream_append(f->bridge, &shared->rx, bytes, 10);
	report(PV_READY_READ);
}

static void
recv_all(void)
{
	result = recv_bytes(BUFFER);
}

static bool
level_fits(void)
{
	bool waits = pv_stream_waiting(&shared->rx) > 0;

	return (result == 10 || result == 20) && waits == (result == 10) &&
	       (level(PV_READY_READ) != 0) == waits;
}

/* ---- the last chunk: emptied while bytes are added to it ---- */

static void
before_last_chunk(void)
{
	begin();
	pv_stream_append(f->bridge, &shared->rx, bytes, 1 + round_number % (PV_CHUNK_DATA + 1));
}

static void
add_bytes(void)
{
	pv_stream_append(f->bridge, &shared->rx, bytes, 1 + round_number % 7);
}

/* Two chunks in use at the most, and each of them once: one that had been given back and filled
 * would be in both places. */
static bool
chunks_are_whole(void)
{
	bool empty = pv_stream_waiting(&shared->rx) == 0;
	const struct pv_chunk *free =
			pv_chunk_at(&f->bridge->chunks, (uint32_t)f->bridge->chunks.stack[0].top);

	if (empty)
		return shared->rx.tail == 0;
	while (free != NULL && free != shared->rx.head)
		free = pv_chunk_next(free);
	return free == NULL;
}

/* ---- closing while another call is inside ---- */

static void
begin_close(void)
{
	begin();
	while (fixture_turn(ctx, NULL) > 0)
		;
}

static void
close_it(void)
{
	pv_bridge_close(f->bridge, handle, PV_CLOSE_GRACEFUL);
}

static bool
closed_once(void)
{
	while (fixture_turn(ctx, counts) > 0)
		;
	return counts[PV_CMD_CLOSE] == 1 && pv_bridge_close(f->bridge, handle, 0) == -EBADF;
}

static const struct protocol protocols[] = {
	{ "bytes to send are seen or told", before_send, look_for_bytes, send_ten, told_of_bytes },
	{ "room in a small window is seen or told", before_window, ask_for_room, recv_hundred,
			told_of_room },
	{ "room in a full buffer is seen or told", before_full, free_all, send_too_much,
			told_of_free },
	{ "a stream is readable as long as it has bytes", before_level, arrive, recv_all,
			level_fits },
	{ "a chunk is either free or in a stream", before_last_chunk, add_bytes, recv_all,
			chunks_are_whole },
	{ "a slot is let go once, after the last call", begin_close, close_it, send_ten,
			closed_once },
};

/* ---- the meetings ---- */

/* Whatever the round left, the slot goes. */
static void
end(void)
{
	pv_slot_release(ctx, pv_handle_index(handle), PV_SLOT_TCP);
	pv_bridge_close(f->bridge, handle, PV_CLOSE_ABORT);
	while (fixture_turn(ctx, NULL) > 0)
		;
}

static void *
worker_side(void *arg)
{
	(void)arg;
	stress_pin(0);
	for (round_number = 0; round_number < ROUNDS; round_number++) {
		now->before();
		stress_meet(&meeting, 0, round_number % 211);
		now->worker();
		stress_meet(&meeting, 0, 0);
		bad += !now->good();
		end();
	}
	return NULL;
}

static void *
application_side(void *arg)
{
	(void)arg;
	stress_pin(1);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		stress_meet(&meeting, 1, i % 307);
		now->application();
		stress_meet(&meeting, 1, 0);
	}
	return NULL;
}

int
main(void)
{
	void *(*body[])(void *) = { worker_side, application_side };
	void *arg[] = { NULL, NULL };

	if (stress_cpus() < 2) {
		printf("1..0 # SKIP two threads must run at the same time\n");
		return 0;
	}
	f = fixture_new(1);
	f->config.max_connections = 4;
	f->config.tcp.recv_buffer = BUFFER;
	f->config.tcp.send_buffer = SEND;
	f->config.chunk_memory = 1;
	fixture_start(f);
	ctx = &f->ctx[0];
	for (unsigned int i = 0; i < PV_COUNT_OF(protocols); i++) {
		now = &protocols[i];
		bad = 0;
		stress_run(2, body, arg);
		CHECK_EQ(bad, 0, now->what);
	}
	fixture_free(f);
	return tap_done();
}
