/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The whole border: a worker that gives out connections through a backlog, fills and empties their
 * streams as fast as the other side lets it, and sleeps when it has nothing to do; two threads that
 * accept, echo what comes to its end, and close, each asleep on its waiter whenever it has nothing
 * to do. Whatever wake-up is lost, it hangs.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/rng.h"
#include "bridge_fixture.h"
#include "stress.h"

#define THREADS     2u
#define CONNECTIONS STRESS(6000u)
#define AT_ONCE     6u
#define MAX_BYTES   400000u
#define WINDOW      8000u

/* The peer of one connection, as the worker plays it. */
struct peer {
	struct pv_shared *shared;
	uint64_t handle;
	uint64_t bytes, written, read; /* to send, sent and come back */
	bool finished;
};

static struct fixture *f;
static uint64_t listener_handle;
static struct pv_listener_shared *listener;
static struct peer peer[AT_ONCE];
static int waiter[THREADS];
static bool over;
static uint32_t wrong, naps, turns;

static void
count_wrong(bool is)
{
	__atomic_fetch_add(&wrong, is, __ATOMIC_RELAXED);
}

static uint8_t
byte_at(uint64_t pos)
{
	return (uint8_t)((pos * 0x9e3779b97f4a7c15) >> 56);
}

/* ---- worker ---- */

static bool
open_peer(struct peer *p, struct pv_rng *rng)
{
	struct pv_request request = { 0 };

	p->shared = fixture_connect(&f->ctx[0], &p->handle);
	p->bytes = pv_rng_below(rng, 3) == 0 ? pv_rng_below(rng, MAX_BYTES) :
					       pv_rng_below(rng, 100);
	p->written = p->read = 0;
	p->finished = false;
	request.handle = p->handle;
	return pv_backlog_put(&f->ctx[0], listener, &request, 1) == 1;
}

/* Sends what the window takes, then its FIN. True: something was done. */
static bool
peer_send(struct peer *p, struct pv_rng *rng)
{
	uint8_t buffer[3000];
	uint64_t left = p->bytes - p->written;
	size_t len = 1 + pv_rng_below(rng, sizeof(buffer));
	int64_t n;

	if (p->finished)
		return false;
	if (left == 0) {
		pv_stream_finish(f->bridge, &p->shared->rx);
		pv_report(&f->ctx[0], &p->shared->status, p->handle, PV_READY_CLOSE, 0,
				PV_READY_CLOSE);
		p->finished = true;
		return true;
	}
	if (pv_stream_room(f->bridge, &p->shared->rx) < WINDOW / 2 &&
			!pv_stream_ask(f->bridge, &p->shared->rx, WINDOW / 2))
		return false;
	len = len < left ? len : left;
	for (size_t i = 0; i < len; i++)
		buffer[i] = byte_at(p->written + i);
	n = pv_stream_append(f->bridge, &p->shared->rx, buffer, len);
	p->written += (uint64_t)n;
	pv_report(&f->ctx[0], &p->shared->status, p->handle, PV_READY_READ, 0, PV_READY_READ);
	return n > 0;
}

static bool
peer_receive(struct peer *p, struct pv_rng *rng)
{
	struct pv_stream_cursor cursor = { .pos = 0 };
	struct pv_stream *tx = &p->shared->tx;
	uint8_t buffer[3000];
	uint64_t waiting = pv_stream_waiting(tx);
	size_t len = 1 + pv_rng_below(rng, sizeof(buffer));

	if (waiting == 0)
		return false;
	len = len < waiting ? len : waiting;
	pv_stream_read(tx, &cursor, p->read, buffer, len);
	for (size_t i = 0; i < len; i++)
		count_wrong(buffer[i] != byte_at(p->read + i));
	p->read += len;
	pv_stream_free_until(f->bridge, tx, &cursor, p->read);
	if (pv_stream_relieved(f->bridge, tx))
		pv_report(&f->ctx[0], &p->shared->status, p->handle, PV_READY_WRITE, 0,
				PV_READY_WRITE);
	return true;
}

static uint32_t
execute(struct pv_rng *rng, uint32_t *opened, uint32_t *closed)
{
	struct pv_command commands[32];
	uint32_t n = pv_command_take(f->bridge, 0, commands, PV_COUNT_OF(commands));

	for (uint32_t i = 0; i < n; i++) {
		const struct pv_command *c = &commands[i];
		struct peer *p = peer;

		if (c->kind == PV_CMD_WATCH)
			pv_watch_execute(&f->ctx[0],
					pv_handle_worker(c->handle) == PV_HANDLE_LISTENER ?
							pv_listener_status(listener) :
							&pv_slot_of(f->bridge, c->handle)->status,
					c);
		while (p < peer + AT_ONCE && p->handle != c->handle)
			p++;
		if (p == peer + AT_ONCE)
			continue;
		if (c->kind == PV_CMD_SEND)
			pv_stream_kicked(&p->shared->tx);
		if (c->kind == PV_CMD_WINDOW)
			pv_stream_kicked(&p->shared->rx);
		if (c->kind != PV_CMD_CLOSE)
			continue;
		count_wrong(p->read != p->bytes || !pv_stream_finished(&p->shared->tx));
		pv_slot_release(&f->ctx[0], pv_handle_index(c->handle), PV_SLOT_TCP);
		pv_slot_close(&f->ctx[0], c);
		p->handle = 0;
		++*closed;
		if (*opened < CONNECTIONS)
			*opened += open_peer(p, rng);
	}
	return n;
}

static void
nap(void)
{
	struct pv_doorbell *bell = pv_bridge_doorbell(f->bridge, 0);
	struct pollfd p = { .fd = bell->fd, .events = POLLIN };

	pv_doorbell_arm(bell);
	if (!pv_command_waiting(f->bridge, 0)) {
		poll(&p, 1, -1);
		naps++;
	}
	pv_doorbell_disarm(bell);
	pv_doorbell_clear(bell);
}

static void *
work(void *arg)
{
	uint32_t opened = 0, closed = 0;
	struct pv_rng rng;

	(void)arg;
	pv_rng_seed(&rng, 5);
	while (opened < AT_ONCE)
		opened += open_peer(&peer[opened], &rng);
	while (closed < CONNECTIONS) {
		uint32_t busy = execute(&rng, &opened, &closed);

		for (unsigned int i = 0; i < AT_ONCE; i++) {
			if (peer[i].handle != 0) {
				busy += peer_send(&peer[i], &rng);
				busy += peer_receive(&peer[i], &rng);
			}
		}
		pv_bridge_flush(&f->ctx[0]);
		turns++;
		if (busy == 0)
			nap();
	}
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < THREADS; i++)
		pv_bridge_waiter_ring(f->bridge, waiter[i]);
	return NULL;
}

/* ---- application ---- */

struct echo {
	uint64_t handle;
	size_t held, sent; /* bytes of buffer */
	bool ended;
	uint8_t buffer[7000];
};

/* Until it would have to wait. True: it is over. */
static bool
echo(struct echo *e)
{
	for (;;) {
		struct pv_iov iov = { e->buffer, sizeof(e->buffer) };
		int64_t n;

		if (e->sent == e->held && !e->ended) {
			n = pv_bridge_recv(f->bridge, e->handle, &iov, 1, 0);
			if (n == -EAGAIN)
				return false;
			count_wrong(n < 0);
			e->ended = n <= 0;
			e->held = n > 0 ? (size_t)n : 0;
			e->sent = 0;
		}
		if (e->ended)
			break;
		iov = (struct pv_iov){ e->buffer + e->sent, e->held - e->sent };
		n = pv_bridge_send(f->bridge, e->handle, &iov, 1, 0);
		if (n == -EAGAIN)
			return false;
		count_wrong(n < 0);
		e->sent += n > 0 ? (size_t)n : 0;
	}
	pv_bridge_shutdown_send(f->bridge, e->handle);
	return true;
}

/* The peer must have everything before the close, or the worker would see less than it sent. */
static void
finish(struct echo *e)
{
	const struct pv_stream *tx = &pv_slot_of(f->bridge, e->handle)->tx;

	while (pv_stream_waiting(tx) > 0)
		sched_yield();
	pv_bridge_close(f->bridge, e->handle, PV_CLOSE_GRACEFUL);
	e->handle = 0;
}

static void
accept_all(int own, struct echo *echoes)
{
	struct pv_request request;

	while (pv_backlog_take(f->bridge, listener_handle, &request, 1) == 1) {
		uint32_t i = 0;

		while (echoes[i].handle != 0)
			i++;
		memset(&echoes[i], 0, sizeof(echoes[i]));
		echoes[i].handle = request.handle;
		pv_bridge_watch(f->bridge, own, request.handle,
				PV_READY_READ | PV_READY_WRITE | PV_READY_CLOSE, 0, i);
	}
}

static void *
serve(void *arg)
{
	static struct echo all[THREADS][AT_ONCE];
	int own = *(int *)arg;
	struct echo *echoes = all[(int *)arg - waiter];
	struct pv_ready ready[4];

	pv_bridge_watch(f->bridge, own, listener_handle, PV_READY_ACCEPT, 0, 0);
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
		int n = pv_bridge_waiter_take(f->bridge, own, ready, 4);

		for (int i = 0; i < n; i++) {
			struct echo *e = &echoes[ready[i].cookie];

			if (ready[i].handle == listener_handle)
				accept_all(own, echoes);
			else if (ready[i].handle == e->handle && echo(e))
				finish(e);
		}
		if (n == 0)
			pv_bridge_waiter_wait(f->bridge, own, -1, -1);
	}
	return NULL;
}

int
main(void)
{
	void *(*body[])(void *) = { work, serve, serve };
	void *arg[] = { NULL, &waiter[0], &waiter[1] };
	struct pv_listen_params params = { .backlog = AT_ONCE };
	uint32_t chunks;

	f = fixture_new(1);
	f->config.max_connections = 300;
	f->config.tcp.recv_buffer = WINDOW;
	f->config.tcp.send_buffer = 10000;
	fixture_start(f);
	chunks = pv_chunk_count_free(&f->bridge->chunks);
	listener = pv_listener_open(f->bridge, &params, &listener_handle);
	for (unsigned int i = 0; i < THREADS; i++)
		waiter[i] = pv_bridge_waiter_open(f->bridge, PV_WAITER_QUEUE, -1);
	stress_run(THREADS + 1, body, arg);
	CHECK_EQ(wrong, 0, "every connection's bytes came back, to the last");
	CHECK_EQ(pv_chunk_count_free(&f->bridge->chunks), chunks, "no chunk is lost");
	CHECK(naps > 0, "the worker has slept");
	printf("# %u turns, %u naps\n", turns, naps);
	fixture_free(f);
	return tap_done();
}
