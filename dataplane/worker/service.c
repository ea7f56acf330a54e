/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/service.h"

#include <errno.h>
#include <stdlib.h>

#include "api/pv_condition.h"
#include "base/mem.h"
#include "bridge/backlog.h"
#include "bridge/slot.h"
#include "bridge/transfer.h"
#include "bridge/waiter.h"
#include "tcp/tcp.h"
#include "worker/latency.h"
#include "worker/service_conn.h"

#define LISTENERS 16
#define TAKE      32        /* requests at a time */
#define TAKES     8         /* a turn and listener */
#define EVENTS    64        /* connections at a time */
#define ROUNDS    4         /* a turn: as many as its frames can be of */
#define TURN      (1 << 20) /* bytes a turn, more or less */
#define WATCHED   (PV_READY_READ | PV_READY_WRITE | PV_READY_CLOSE | PV_READY_ERROR)

struct listener {
	uint64_t handle;
	uint8_t kind; /* enum pv_service_kind */
};

struct pv_services {
	uint32_t n_listener;
	uint32_t max_connections;
	uint32_t n_conn;            /* connections we have */
	uint32_t again, again_last; /* queue of those that have more to do, index + 1 */
	uint64_t enough;            /* bytes moved since the start after which a turn ends */
	int waiter;                 /* -1: not yet open */
	struct pv_service_stats stats;
	struct pv_latency latency;    /* of PV_SERVICE_ASK */
	struct pv_service_conn *conn; /* by slot index; mapped as it is touched */
	struct listener listener[LISTENERS];
	uint8_t scratch[PV_SERVICE_PIECE];
};

static size_t
conns_size(const struct pv_services *s)
{
	return s->max_connections * sizeof(*s->conn);
}

struct pv_services *
pv_services_new(const struct pv_config *config)
{
	struct pv_services *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->waiter = -1;
	s->max_connections = config->max_connections;
	s->conn = pv_mem_map(conns_size(s), false);
	if (s->conn == NULL) {
		free(s);
		return NULL;
	}
	return s;
}

void
pv_services_free(struct pv_services *s)
{
	if (s == NULL)
		return;
	pv_mem_unmap(s->conn, conns_size(s));
	free(s);
}

/* ---- which listeners ---- */

static struct listener *
find(struct pv_services *s, uint64_t handle)
{
	for (uint32_t i = 0; i < s->n_listener; i++)
		if (s->listener[i].handle == handle)
			return &s->listener[i];
	return NULL;
}

static void
forget(struct pv_services *s, struct listener *listener)
{
	*listener = s->listener[--s->n_listener];
}

static int
open_waiter(struct pv_worker *w)
{
	struct pv_services *s = w->services;

	if (s->waiter < 0)
		s->waiter = pv_bridge_waiter_open(w->ctx.bridge, PV_WAITER_QUEUE, -1);
	return s->waiter < 0 ? s->waiter : 0;
}

static int
set_service(struct pv_worker *w, uint64_t handle, uint64_t kind)
{
	struct pv_services *s = w->services;
	struct listener *listener = find(s, handle);
	int rc;

	if (kind > PV_SERVICE_HTTP)
		return -EINVAL;
	if (kind == PV_SERVICE_NONE) {
		if (listener != NULL)
			forget(s, listener);
		return 0;
	}
	if (pv_listener_of(w->ctx.bridge, handle) == NULL)
		return -EBADF;
	rc = open_waiter(w);
	if (rc != 0)
		return rc;
	if (listener == NULL) {
		if (s->n_listener == LISTENERS)
			return -ENOBUFS;
		listener = &s->listener[s->n_listener++];
	}
	*listener = (struct listener){ handle, (uint8_t)kind };
	return 0;
}

/* ---- bytes ---- */

static struct pv_services *
services_of(struct pv_ctx *ctx)
{
	return pv_container_of(ctx, struct pv_worker, ctx)->services;
}

static void
add(uint64_t *to, uint64_t n)
{
	__atomic_store_n(to, *to + n, __ATOMIC_RELAXED);
}

int64_t
pv_service_take(struct pv_ctx *ctx, const struct pv_service_conn *conn, void *data, size_t len,
		uint32_t flags)
{
	struct pv_iov iov = { data, len };
	int64_t got = pv_bridge_recv(ctx->bridge, conn->handle, &iov, 1, flags);

	if (got > 0 && (flags & PV_IO_PEEK) == 0)
		add(&services_of(ctx)->stats.taken, (uint64_t)got);
	return got;
}

int64_t
pv_service_give(struct pv_ctx *ctx, const struct pv_service_conn *conn, const void *data,
		size_t len, uint32_t flags)
{
	struct pv_iov iov = { (void *)(uintptr_t)data, len };
	int64_t sent = pv_bridge_send(ctx->bridge, conn->handle, &iov, 1, flags);

	if (sent > 0)
		add(&services_of(ctx)->stats.given, (uint64_t)sent);
	return sent;
}

void
pv_service_answered(struct pv_ctx *ctx, uint64_t cycles)
{
	struct pv_services *s = services_of(ctx);

	pv_latency_add(&s->latency, cycles);
	add(&s->stats.rounds, 1);
}

uint64_t
pv_service_room(struct pv_ctx *ctx, const struct pv_service_conn *conn)
{
	const struct pv_shared *shared = pv_slot_at(ctx, pv_handle_index(conn->handle));

	return pv_stream_room(ctx->bridge, &shared->tx);
}

enum pv_service_state
pv_service_discard(struct pv_ctx *ctx, struct pv_service_conn *conn, uint8_t *scratch)
{
	for (uint64_t done = 0; done < PV_SERVICE_SHARE;) {
		int64_t got = pv_service_take(ctx, conn, scratch, PV_SERVICE_PIECE, 0);

		if (got == -EAGAIN)
			return PV_SERVICE_WAITS;
		if (got <= 0)
			return got == 0 ? PV_SERVICE_ENDS : PV_SERVICE_FAILS;
		done += (uint64_t)got;
	}
	return PV_SERVICE_MORE;
}

/* Takes no more than there is room to say it again. Where there is none, an attempt to say one byte
 * asks for a report when there is. */
enum pv_service_state
pv_service_echo(struct pv_ctx *ctx, struct pv_service_conn *conn, uint8_t *scratch)
{
	for (uint64_t done = 0; done < PV_SERVICE_SHARE;) {
		uint64_t room = pv_service_room(ctx, conn);
		size_t len = room < PV_SERVICE_PIECE ? (size_t)room : PV_SERVICE_PIECE;
		int64_t got = pv_service_take(ctx, conn, scratch, len > 0 ? len : 1, PV_IO_PEEK);

		if (got == -EAGAIN)
			return PV_SERVICE_WAITS;
		if (got <= 0)
			return got == 0 ? PV_SERVICE_ENDS : PV_SERVICE_FAILS;
		got = pv_service_give(ctx, conn, scratch, (size_t)got, 0);
		if (got == -EAGAIN)
			return PV_SERVICE_WAITS;
		if (got <= 0)
			return PV_SERVICE_FAILS;
		pv_service_take(ctx, conn, scratch, (size_t)got, 0);
		done += (uint64_t)got;
	}
	return PV_SERVICE_MORE;
}

/* ---- connections ---- */

static void
let_go(struct pv_worker *w, struct pv_service_conn *conn, int how)
{
	pv_bridge_close(w->ctx.bridge, conn->handle, how);
	conn->handle = 0;
	w->services->n_conn--;
}

static void
look_again(struct pv_services *s, struct pv_service_conn *conn)
{
	uint32_t index = (uint32_t)(conn - s->conn) + 1;

	if (conn->again)
		return;
	conn->again = 1;
	conn->next = 0;
	if (s->again == 0)
		s->again = index;
	else
		s->conn[s->again_last - 1].next = index;
	s->again_last = index;
}

typedef enum pv_service_state (*serve_fn)(
		struct pv_ctx *ctx, struct pv_service_conn *conn, uint8_t *scratch);

static const serve_fn functions[] = {
	[PV_SERVICE_DISCARD] = pv_service_discard,
	[PV_SERVICE_ECHO] = pv_service_echo,
	[PV_SERVICE_HTTP] = pv_service_http,
	[PV_SERVICE_SOURCE] = pv_service_source,
	[PV_SERVICE_ASK] = pv_service_ask,
};

static void
serve(struct pv_worker *w, struct pv_service_conn *conn)
{
	struct pv_services *s = w->services;

	switch (functions[conn->kind](&w->ctx, conn, s->scratch)) {
	case PV_SERVICE_MORE:
		look_again(s, conn);
		break;
	case PV_SERVICE_ENDS:
		let_go(w, conn, PV_CLOSE_GRACEFUL);
		break;
	case PV_SERVICE_FAILS:
		let_go(w, conn, PV_CLOSE_ABORT);
		break;
	case PV_SERVICE_WAITS:
		break;
	}
}

/* Watched from now on, which reports at once what is there already. */
static struct pv_service_conn *
begin(struct pv_worker *w, uint64_t handle, uint8_t kind)
{
	struct pv_services *s = w->services;
	struct pv_service_conn *conn = &s->conn[pv_handle_index(handle)];
	uint8_t again = conn->again;
	uint32_t next = conn->next;

	*conn = (struct pv_service_conn){
		.handle = handle, .kind = kind, .again = again, .next = next
	};
	s->n_conn++;
	if (pv_bridge_watch(w->ctx.bridge, s->waiter, handle, WATCHED, 0, 0) != 0)
		let_go(w, conn, PV_CLOSE_ABORT);
	return conn;
}

static int
adopt(struct pv_worker *w, const struct pv_command *command)
{
	const struct pv_shared *shared = pv_slot_of(w->ctx.bridge, command->handle);
	struct pv_service_conn *conn;
	int rc;

	if (shared == NULL || shared->status.generation != pv_handle_generation(command->handle))
		return -EBADF;
	if (command->a < PV_SERVICE_DISCARD || command->a >= PV_COUNT_OF(functions))
		return -EINVAL;
	rc = open_waiter(w);
	if (rc != 0)
		return rc;
	conn = begin(w, command->handle, (uint8_t)command->a);
	conn->adopted = 1;
	conn->size = (uint32_t)command->b;
	return 0;
}

static int
drop_adopted(struct pv_worker *w)
{
	struct pv_services *s = w->services;

	for (uint32_t i = 0; i < s->max_connections && s->n_conn > 0; i++)
		if (s->conn[i].handle != 0 && s->conn[i].adopted)
			let_go(w, &s->conn[i], PV_CLOSE_ABORT);
	return 0;
}

int
pv_service_command(struct pv_worker *w, const struct pv_command *command)
{
	if (command->handle != 0 && pv_handle_worker(command->handle) == PV_HANDLE_LISTENER)
		return set_service(w, command->handle, command->a);
	if (command->handle != 0)
		return adopt(w, command);
	if (command->b != 0)
		return drop_adopted(w);
	w->guest = command->p;
	w->n_port = command->a != 0 ? 0 : w->ctx.config->n_port;
	return 0;
}

/* One that waits for a verdict gets it. One that is dead by now shows when it is served. */
static void
welcome(struct pv_worker *w, uint64_t handle)
{
	const struct pv_command accept = {
		.kind = PV_CMD_DECIDE, .handle = handle, .a = PV_VERDICT_ACCEPT
	};

	pv_tcp_decide(&w->ctx, &accept);
}

/* The connection lives on without an owner until its peer ends it. Nobody outside ever had its
 * handle, so that both holds are ours to give up, without a command to ourselves. */
static void
detach(struct pv_ctx *ctx, uint64_t handle)
{
	pv_tcp_close(ctx, handle, PV_CLOSE_DETACH);
	pv_slot_release(ctx, pv_handle_index(handle), PV_SLOT_CONTROL);
}

/* Counted requests are let go at once. */
static uint32_t
accept_from(struct pv_worker *w, struct listener *listener)
{
	struct pv_request requests[TAKE];
	int n = pv_backlog_take_own(&w->ctx, listener->handle, requests, TAKE);

	if (n < 0) {
		forget(w->services, listener);
		return 0;
	}
	for (int i = 0; i < n; i++) {
		if (requests[i].flags & (PV_REQUEST_HELD | PV_REQUEST_OFFER))
			welcome(w, requests[i].handle);
		if (listener->kind == PV_SERVICE_COUNT)
			detach(&w->ctx, requests[i].handle);
		else
			begin(w, requests[i].handle, listener->kind);
	}
	return (uint32_t)n;
}

static uint32_t
accept_all(struct pv_worker *w, struct listener *listener)
{
	uint32_t n = TAKE, taken = 0;

	for (uint32_t i = 0; i < TAKES && n == TAKE; i++) {
		n = accept_from(w, listener);
		taken += n;
	}
	return taken;
}

static bool
has_enough(const struct pv_services *s)
{
	return s->stats.taken + s->stats.given >= s->enough;
}

static uint32_t
run_again(struct pv_worker *w)
{
	struct pv_services *s = w->services;
	uint32_t index = s->again, last = s->again_last, n = 0;

	s->again = 0;
	for (; index != 0 && !has_enough(s); n++) {
		struct pv_service_conn *conn = &s->conn[index - 1];

		index = conn->next;
		conn->again = 0;
		if (conn->handle != 0)
			serve(w, conn);
	}
	if (index == 0)
		return n;
	/* Those whose turn it was come first in the next one. */
	s->conn[last - 1].next = s->again;
	s->again_last = s->again == 0 ? last : s->again_last;
	s->again = index;
	return n;
}

static uint32_t
run_events(struct pv_worker *w)
{
	struct pv_services *s = w->services;
	struct pv_ready ready[EVENTS];
	int n = pv_bridge_waiter_take_own(w->ctx.bridge, s->waiter, ready, EVENTS);

	for (int i = 0; i < n; i++) {
		struct pv_service_conn *conn = &s->conn[pv_handle_index(ready[i].handle)];

		if (conn->handle != ready[i].handle || conn->again)
			continue;
		if (has_enough(s))
			look_again(s, conn);
		else
			serve(w, conn);
	}
	return n > 0 ? (uint32_t)n : 0;
}

uint32_t
pv_service_run(struct pv_worker *w)
{
	struct pv_services *s = w->services;
	uint32_t work = 0;

	s->enough = s->stats.taken + s->stats.given + TURN;
	for (uint32_t i = s->n_listener; i > 0; i--)
		work += accept_all(w, &s->listener[i - 1]);
	if (s->again != 0)
		work += run_again(w);
	for (uint32_t i = 0, n = EVENTS; i < ROUNDS && n == EVENTS && s->n_conn != 0; i++) {
		n = run_events(w);
		work += n;
	}
	return work;
}

bool
pv_service_pending(const struct pv_worker *w)
{
	return w->services->again != 0;
}

void
pv_service_stats(const struct pv_worker *w, struct pv_service_stats *stats, uint64_t *latency)
{
	const struct pv_services *s = w->services;

	stats->connections = __atomic_load_n(&s->n_conn, __ATOMIC_RELAXED);
	stats->taken = __atomic_load_n(&s->stats.taken, __ATOMIC_RELAXED);
	stats->given = __atomic_load_n(&s->stats.given, __ATOMIC_RELAXED);
	stats->rounds = __atomic_load_n(&s->stats.rounds, __ATOMIC_RELAXED);
	for (uint32_t i = 0; latency != NULL && i < PV_LATENCY_BUCKETS; i++)
		latency[i] = __atomic_load_n(&s->latency.count[i], __ATOMIC_RELAXED);
}
