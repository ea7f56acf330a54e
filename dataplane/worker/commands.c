/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/worker.h"

#include <errno.h>

#include "bridge/backlog.h"
#include "bridge/slot.h"
#include "bridge/waiter.h"
#include "tcp/tcp.h"
#include "worker/service.h"

/* What each command does. A function returns 0 or -errno, which the one who waits for an answer
 * gets. */

#define BURSTS 8 /* of commands a turn */

typedef int (*command_fn)(struct pv_worker *w, const struct pv_command *c);

static int
do_listen(struct pv_worker *w, const struct pv_command *c)
{
	return pv_tcp_listen(&w->ctx, c->p);
}

static int
do_listen_update(struct pv_worker *w, const struct pv_command *c)
{
	return pv_tcp_listener_update(&w->ctx, c->handle, c->p);
}

static int
do_listen_close(struct pv_worker *w, const struct pv_command *c)
{
	struct pv_listener_shared *listener = pv_listener_of(w->ctx.bridge, c->handle);
	int rc = pv_tcp_listener_close(&w->ctx, c->handle);

	if (listener != NULL)
		pv_watch_drop_all(&w->ctx, pv_listener_status(listener), c->handle);
	return rc;
}

static int
do_connect(struct pv_worker *w, const struct pv_command *c)
{
	return pv_tcp_connect(&w->ctx, c->handle, c->p);
}

static int
do_send(struct pv_worker *w, const struct pv_command *c)
{
	pv_tcp_send_ready(&w->ctx, c->handle);
	return 0;
}

static int
do_window(struct pv_worker *w, const struct pv_command *c)
{
	pv_tcp_window_update(&w->ctx, c->handle);
	return 0;
}

static int
do_shutdown_receive(struct pv_worker *w, const struct pv_command *c)
{
	pv_tcp_shutdown_receive(&w->ctx, c->handle);
	return 0;
}

static int
do_close(struct pv_worker *w, const struct pv_command *c)
{
	pv_tcp_close(&w->ctx, c->handle, (int)c->a);
	pv_slot_close(&w->ctx, c);
	return 0;
}

static int
do_option(struct pv_worker *w, const struct pv_command *c)
{
	return pv_tcp_option(&w->ctx, c->handle, (int)c->a, c->b);
}

static int
do_watch(struct pv_worker *w, const struct pv_command *c)
{
	struct pv_status *status;

	if (pv_handle_worker(c->handle) == PV_HANDLE_LISTENER) {
		struct pv_listener_shared *listener = pv_listener_of(w->ctx.bridge, c->handle);

		if (listener == NULL)
			return -EBADF;
		status = pv_listener_status(listener);
	} else {
		struct pv_shared *shared = pv_slot_of(w->ctx.bridge, c->handle);

		if (shared == NULL)
			return -EBADF;
		status = &shared->status;
	}
	return pv_watch_execute(&w->ctx, status, c);
}

static int
do_waiter_close(struct pv_worker *w, const struct pv_command *c)
{
	pv_waiter_execute_close(&w->ctx, (uint32_t)c->a);
	return 0;
}

static int
do_info(struct pv_worker *w, const struct pv_command *c)
{
	return pv_tcp_info(&w->ctx, c->handle, c->p);
}

static int
do_configure(struct pv_worker *w, const struct pv_command *c)
{
	pv_tcp_configure(&w->ctx, c->p);
	return 0;
}

static int
do_reset(struct pv_worker *w, const struct pv_command *c)
{
	(void)c;
	pv_tcp_reset(&w->ctx);
	pv_ip_reset(&w->ctx);
	return 0;
}

static int
do_stop(struct pv_worker *w, const struct pv_command *c)
{
	w->stopping = true;
	w->stop_until = c->a;
	pv_tcp_flush(&w->ctx);
	return 0;
}

static int
do_decide(struct pv_worker *w, const struct pv_command *c)
{
	return pv_tcp_decide(&w->ctx, c);
}

static int
do_request_read(struct pv_worker *w, const struct pv_command *c)
{
	return pv_tcp_request_read(&w->ctx, c->handle, c->p, (struct pv_offer *)(uintptr_t)c->a);
}

static int
do_offer_read(struct pv_worker *w, const struct pv_command *c)
{
	return pv_tcp_offer_read(&w->ctx, c->handle, (int)c->a, c->p);
}

static int
do_offer_send(struct pv_worker *w, const struct pv_command *c)
{
	return pv_tcp_offer_send(&w->ctx, c->handle, c->p);
}

static int
do_service(struct pv_worker *w, const struct pv_command *c)
{
	return pv_service_command(w, c);
}

static int
do_condition(struct pv_worker *w, const struct pv_command *c)
{
	return pv_tcp_listener_condition(&w->ctx, c->handle, c->p);
}

static int
do_source(struct pv_worker *w, const struct pv_command *c)
{
	struct pv_addr *addr = c->p;

	return pv_ip_source(&w->ctx, &addr[0], &addr[1]) ? 0 : -ENETUNREACH;
}

static const command_fn functions[PV_CMD_KINDS] = {
	[PV_CMD_LISTEN] = do_listen,
	[PV_CMD_LISTEN_UPDATE] = do_listen_update,
	[PV_CMD_LISTEN_CLOSE] = do_listen_close,
	[PV_CMD_CONNECT] = do_connect,
	[PV_CMD_SEND] = do_send,
	[PV_CMD_WINDOW] = do_window,
	[PV_CMD_SHUTDOWN_RECEIVE] = do_shutdown_receive,
	[PV_CMD_CLOSE] = do_close,
	[PV_CMD_OPTION] = do_option,
	[PV_CMD_WATCH] = do_watch,
	[PV_CMD_WAITER_CLOSE] = do_waiter_close,
	[PV_CMD_INFO] = do_info,
	[PV_CMD_CONFIGURE] = do_configure,
	[PV_CMD_RESET] = do_reset,
	[PV_CMD_STOP] = do_stop,
	[PV_CMD_DECIDE] = do_decide,
	[PV_CMD_REQUEST_READ] = do_request_read,
	[PV_CMD_OFFER_READ] = do_offer_read,
	[PV_CMD_OFFER_SEND] = do_offer_send,
	[PV_CMD_SERVICE] = do_service,
	[PV_CMD_CONDITION] = do_condition,
	[PV_CMD_SOURCE] = do_source,
};

void
pv_worker_refuse(struct pv_worker *w)
{
	struct pv_command command;

	while (pv_command_take(w->ctx.bridge, w->ctx.worker, &command, 1) == 1)
		pv_command_answer(&w->ctx, &command, -ESHUTDOWN);
	pv_bridge_flush(&w->ctx);
}

static uint32_t
execute(struct pv_worker *w)
{
	struct pv_command commands[PV_BURST];
	uint32_t n = pv_command_take(w->ctx.bridge, w->ctx.worker, commands, PV_BURST);

	for (uint32_t i = 0; i < n; i++) {
		command_fn f = commands[i].kind < PV_CMD_KINDS ? functions[commands[i].kind] : NULL;
		int rc = f != NULL ? f(w, &commands[i]) : -EOPNOTSUPP;

		if (rc == -EBADF)
			pv_count(&w->ctx.counters, PV_C_COMMANDS_STALE);
		pv_command_answer(&w->ctx, &commands[i], rc);
	}
	if (n != 0)
		pv_count_n(&w->ctx.counters, PV_C_COMMANDS, n);
	return n;
}

/* Each connection of a turn's frames may mean one or two commands: were fewer executed than come
 * in, connections that have ended would keep their places until there is none. */
uint32_t
pv_worker_commands(struct pv_worker *w)
{
	uint32_t n = PV_BURST, all = 0;

	for (uint32_t i = 0; i < BURSTS && n == PV_BURST; i++) {
		n = execute(w);
		all += n;
	}
	return all;
}
