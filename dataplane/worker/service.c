/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/service.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "bridge/backlog.h"
#include "bridge/slot.h"
#include "bridge/transfer.h"
#include "bridge/waiter.h"
#include "worker/service_conn.h"

#define LISTENERS 16
#define TAKE      32 /* requests at a time */
#define TAKES     8  /* a turn and listener */
#define EVENTS    64 /* connections a turn */
#define WATCHED   (PV_READY_READ | PV_READY_WRITE | PV_READY_CLOSE | PV_READY_ERROR)

struct listener {
	uint64_t handle;
	uint8_t kind; /* enum pv_service_kind */
};

struct pv_services {
	uint32_t n_listener;
	uint32_t max_connections;
	uint32_t n_conn;              /* connections we have */
	uint32_t again;               /* list of those that have more to do, index + 1 */
	int waiter;                   /* -1: not yet open */
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
set_service(struct pv_worker *w, uint64_t handle, uint64_t kind)
{
	struct pv_services *s = w->services;
	struct listener *listener = find(s, handle);

	if (kind > PV_SERVICE_HTTP)
		return -EINVAL;
	if (kind == PV_SERVICE_NONE) {
		if (listener != NULL)
			forget(s, listener);
		return 0;
	}
	if (pv_listener_of(w->ctx.bridge, handle) == NULL)
		return -EBADF;
	if (s->waiter < 0)
		s->waiter = pv_bridge_waiter_open(w->ctx.bridge, PV_WAITER_QUEUE, -1);
	if (s->waiter < 0)
		return s->waiter;
	if (listener == NULL) {
		if (s->n_listener == LISTENERS)
			return -ENOBUFS;
		listener = &s->listener[s->n_listener++];
	}
	*listener = (struct listener){ handle, (uint8_t)kind };
	return 0;
}

int
pv_service_command(struct pv_worker *w, const struct pv_command *command)
{
	if (command->handle != 0)
		return set_service(w, command->handle, command->a);
	w->guest = command->p;
	return 0;
}

/* ---- bytes ---- */

int64_t
pv_service_take(struct pv_ctx *ctx, const struct pv_service_conn *conn, void *data, size_t len,
		uint32_t flags)
{
	struct pv_iov iov = { data, len };

	return pv_bridge_recv(ctx->bridge, conn->handle, &iov, 1, flags);
}

int64_t
pv_service_give(struct pv_ctx *ctx, const struct pv_service_conn *conn, const void *data,
		size_t len, uint32_t flags)
{
	struct pv_iov iov = { (void *)(uintptr_t)data, len };

	return pv_bridge_send(ctx->bridge, conn->handle, &iov, 1, flags);
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
	if (conn->again)
		return;
	conn->again = 1;
	conn->next = s->again;
	s->again = (uint32_t)(conn - s->conn) + 1;
}

static void
serve(struct pv_worker *w, struct pv_service_conn *conn)
{
	struct pv_services *s = w->services;
	enum pv_service_state state;

	if (conn->kind == PV_SERVICE_HTTP)
		state = pv_service_http(&w->ctx, conn, s->scratch);
	else if (conn->kind == PV_SERVICE_ECHO)
		state = pv_service_echo(&w->ctx, conn, s->scratch);
	else
		state = pv_service_discard(&w->ctx, conn, s->scratch);
	switch (state) {
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
static void
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

static uint32_t
run_again(struct pv_worker *w)
{
	struct pv_services *s = w->services;
	uint32_t index = s->again, n = 0;

	s->again = 0;
	for (; index != 0; n++) {
		struct pv_service_conn *conn = &s->conn[index - 1];

		index = conn->next;
		conn->again = 0;
		if (conn->handle != 0)
			serve(w, conn);
	}
	return n;
}

static uint32_t
run_events(struct pv_worker *w)
{
	struct pv_services *s = w->services;
	struct pv_ready ready[EVENTS];
	int n = pv_bridge_waiter_take(w->ctx.bridge, s->waiter, ready, EVENTS);

	for (int i = 0; i < n; i++) {
		struct pv_service_conn *conn = &s->conn[pv_handle_index(ready[i].handle)];

		if (conn->handle == ready[i].handle && !conn->again)
			serve(w, conn);
	}
	return n > 0 ? (uint32_t)n : 0;
}

uint32_t
pv_service_run(struct pv_worker *w)
{
	struct pv_services *s = w->services;
	uint32_t work = 0;

	for (uint32_t i = s->n_listener; i > 0; i--)
		work += accept_all(w, &s->listener[i - 1]);
	if (s->again != 0)
		work += run_again(w);
	if (s->n_conn != 0)
		work += run_events(w);
	return work;
}

bool
pv_service_pending(const struct pv_worker *w)
{
	return w->services->again != 0;
}
