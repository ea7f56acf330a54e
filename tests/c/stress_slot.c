/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Three threads use and close handles that others use and close at the same moment, while the
 * worker frees the slots and gives them to new connections. Every word in a stream is the handle of
 * its connection, so bytes that get to a wrong one are seen.
 */
#include <errno.h>

#include "base/rng.h"
#include "bridge_fixture.h"
#include "stress.h"

#define USERS       3u
#define HANDLES     8u
#define CONNECTIONS STRESS(200000u)
#define WORDS       60u

static struct fixture *f;
static uint64_t handle[HANDLES];
static bool over;
static uint32_t wrong, sent, received, refused;

static void
count(uint32_t *counter, uint32_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static void
check(const uint64_t *words, int64_t len, uint64_t expected)
{
	count(&wrong, len % 8 != 0);
	for (int64_t i = 0; i < len / 8; i++)
		count(&wrong, words[i] != expected);
}

static void
use(struct pv_rng *rng, uint64_t h)
{
	uint32_t n = 1 + pv_rng_below(rng, WORDS);
	uint64_t words[WORDS];
	struct pv_iov iov = { words, n * sizeof(words[0]) };
	int64_t len;

	switch (pv_rng_below(rng, 8)) {
	case 0:
		len = pv_bridge_close(f->bridge, h, PV_CLOSE_ABORT);
		break;
	case 1:
		len = pv_bridge_shutdown_send(f->bridge, h);
		break;
	case 2:
	case 3:
	case 4:
		len = pv_bridge_recv(
				f->bridge, h, &iov, 1, pv_rng_below(rng, 4) == 0 ? PV_IO_PEEK : 0);
		if (len > 0) {
			check(words, len, h);
			count(&received, 1);
		}
		break;
	default:
		for (uint32_t i = 0; i < n; i++)
			words[i] = h;
		len = pv_bridge_send(f->bridge, h, &iov, 1, 0);
		count(&sent, len > 0);
	}
	count(&refused, len == -EBADF);
	if (len == -EBADF)
		sched_yield(); /* the worker has to open a new one */
}

static void *
use_all(void *arg)
{
	struct pv_rng rng;

	pv_rng_seed(&rng, (uintptr_t)arg);
	while (!__atomic_load_n(&over, __ATOMIC_RELAXED))
		use(&rng, __atomic_load_n(&handle[pv_rng_below(&rng, HANDLES)], __ATOMIC_RELAXED));
	return NULL;
}

static void
transmit(struct pv_shared *shared, uint64_t h)
{
	struct pv_stream_cursor cursor = { .pos = 0 };
	uint64_t words[WORDS], len = pv_stream_waiting(&shared->tx);

	pv_stream_kicked(&shared->tx);
	if (len > sizeof(words))
		len = sizeof(words);
	pv_stream_read(&shared->tx, &cursor, shared->tx.taken, words, len);
	check(words, (int64_t)len, h);
	pv_stream_free_until(f->bridge, &shared->tx, &cursor, shared->tx.taken + len);
	if (pv_stream_relieved(f->bridge, &shared->tx))
		pv_report(&f->ctx[0], &shared->status, h, PV_READY_WRITE, 0, PV_READY_WRITE);
}

static void
receive(struct pv_shared *shared, uint64_t h, struct pv_rng *rng)
{
	uint64_t words[WORDS];
	uint32_t n = pv_rng_below(rng, WORDS);

	for (uint32_t i = 0; i < n; i++)
		words[i] = h;
	pv_stream_append(f->bridge, &shared->rx, words, n * sizeof(words[0]));
	pv_report(&f->ctx[0], &shared->status, h, PV_READY_READ, 0, PV_READY_READ);
	pv_stream_ask(f->bridge, &shared->rx, 100);
}

/* TCP lets go when the application has: what the command finds is what pv_tcp_close would. */
static uint32_t
execute(void)
{
	struct pv_ctx *ctx = &f->ctx[0];
	struct pv_command commands[32];
	uint32_t n = pv_command_take(f->bridge, 0, commands, PV_COUNT_OF(commands)), closed = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct pv_shared *shared = pv_slot_of(f->bridge, commands[i].handle);

		if (!pv_status_is_of(&shared->status, commands[i].handle)) {
			count(&wrong, commands[i].kind == PV_CMD_CLOSE);
			continue;
		}
		if (commands[i].kind == PV_CMD_WINDOW)
			pv_stream_kicked(&shared->rx);
		if (commands[i].kind == PV_CMD_SEND)
			transmit(shared, commands[i].handle);
		if (commands[i].kind == PV_CMD_CLOSE) {
			pv_slot_release(ctx, pv_handle_index(commands[i].handle), PV_SLOT_TCP);
			pv_slot_close(ctx, &commands[i]);
			closed++;
		}
	}
	pv_bridge_flush(ctx);
	return closed;
}

static void *
work(void *arg)
{
	uint32_t opened = 0, closed = 0;
	struct pv_rng rng;

	(void)arg;
	pv_rng_seed(&rng, 99);
	while (closed < CONNECTIONS) {
		uint32_t which = pv_rng_below(&rng, HANDLES);
		struct pv_shared *shared = pv_slot_of(f->bridge, handle[which]);

		closed += execute();
		if (pv_status_is_of(&shared->status, handle[which])) {
			transmit(shared, handle[which]);
			receive(shared, handle[which], &rng);
		} else if (opened < CONNECTIONS) {
			uint64_t h;

			if (fixture_connect(&f->ctx[0], &h) == NULL)
				continue;
			__atomic_store_n(&handle[which], h, __ATOMIC_RELAXED);
			opened++;
		}
		if (pv_rng_below(&rng, 16) == 0)
			sched_yield();
	}
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	return NULL;
}

int
main(void)
{
	void *(*body[])(void *) = { work, use_all, use_all, use_all };
	void *arg[] = { NULL, (void *)1, (void *)2, (void *)3 };
	uint32_t chunks;

	f = fixture_new(1);
	f->config.max_connections = 40;
	f->config.tcp.send_buffer = 8192;
	fixture_start(f);
	chunks = pv_chunk_count_free(&f->bridge->chunks);
	stress_run(USERS + 1, body, arg);
	while (execute() > 0)
		;
	CHECK_EQ(wrong, 0, "no word ever came to another connection, no slot was closed twice");
	CHECK_EQ(pv_chunk_count_free(&f->bridge->chunks), chunks, "no chunk is lost");
	CHECK_EQ(f->ctx[0].counters.value[PV_C_NEVER], 0,
			"every slot was let go once by each side");
	CHECK(sent > 100 && received > 100 && refused > 100, "handles were used, old and new");
	printf("# %u sent, %u received, %u refused\n", sent, received, refused);
	fixture_free(f);
	return tap_done();
}
