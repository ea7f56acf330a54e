/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BRIDGE_COMMAND_H
#define PV_BRIDGE_COMMAND_H

/*
 * The one way down: records that the control plane puts into the command ring of the worker that
 * owns the handle. Any number of producers, one consumer. In step mode the producer runs a turn of
 * the engine after it has put one in.
 */

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/types.h"

/* What the fields carry; [answered]: the worker calls pv_command_answer. */
enum pv_command_kind {
	PV_CMD_LISTEN = 1,    /* p: struct pv_listener_shared *, install it [answered] */
	PV_CMD_LISTEN_UPDATE, /* handle, p: const struct pv_listen_params * [answered] */
	PV_CMD_LISTEN_CLOSE,  /* handle [answered] */
	/* handle: slot reserved by the control plane, p: struct pv_connect_params, local and
	   local_port filled in [answered] */
	PV_CMD_CONNECT,
	PV_CMD_SEND,             /* handle: bytes or FIN wait in the tx stream */
	PV_CMD_WINDOW,           /* handle: the reader has taken bytes that may open the window */
	PV_CMD_SHUTDOWN_RECEIVE, /* handle */
	/* handle, a: enum pv_close_how, b: for pv_slot_close. The control plane has let go:
	 * pv_tcp_close, then pv_slot_close. */
	PV_CMD_CLOSE,
	PV_CMD_OPTION, /* handle, a: enum pv_option, b: value */
	/* handle, a: waiter, b: mask | flags << 32, c: cookie: pv_watch_execute [answered] */
	PV_CMD_WATCH,
	PV_CMD_WAITER_CLOSE, /* a: waiter: pv_waiter_execute_close */
	PV_CMD_INFO,         /* handle, p: struct pv_info * [answered] */
	PV_CMD_CONFIGURE,    /* p: struct pv_tcp_config * [answered] */
	PV_CMD_RESET,        /* all connections and tables [answered] */
	PV_CMD_STOP,         /* a: time by which to have flushed, ns */
	/* handle of a request, a: enum pv_verdict, b: enum pv_reason, p: struct pv_offer * or NULL;
	   [answered] with an offer */
	PV_CMD_DECIDE,
	/* handle, p: struct pv_request_facts *, a: struct pv_offer * [answered] */
	PV_CMD_REQUEST_READ,
	PV_CMD_OFFER_READ, /* handle, a: enum pv_offer_kind, p: struct pv_offer * [answered] */
	PV_CMD_OFFER_SEND, /* handle, p: struct pv_offer * [answered] */
	/* p: struct pv_service *, start or stop a built-in service or the generator (a: it polls
	 * the ports from now on) [answered] */
	PV_CMD_SERVICE,
	PV_CMD_CONDITION, /* handle of a listener, p: struct pv_condition *, or NULL [answered] */
	PV_CMD_SOURCE,    /* p: struct pv_addr[2], the peer's and, answered, ours [answered] */
	PV_CMD_KINDS
};

/* An answer that a caller waits for: counts workers down. In the caller's memory. */
struct pv_answer {
	_Atomic uint32_t pending; /* workers still to answer */
	_Atomic int32_t error;    /* first error, -errno */
	int waiter;               /* rung when pending reaches 0; -1: none (step mode) */
	uint32_t pad;
};

/* 64 bytes. */
struct pv_command {
	uint64_t kind; /* enum pv_command_kind */
	uint64_t handle;
	uint64_t a, b, c;
	void *p;
	struct pv_answer *answer; /* NULL: nobody waits */
	uint64_t turn;            /* the ring's */
};

static_assert(sizeof(struct pv_command) == 64, "a command is one cache line");

struct pv_bridge;
struct pv_ctx;

/* Control plane, any thread: queues for one worker and rings its doorbell if it sleeps. -EAGAIN:
 * ring full (the caller yields and tries again); -ESHUTDOWN: the engine stops. */
int pv_command_put(struct pv_bridge *bridge, uint8_t worker, const struct pv_command *command);
/* The same for a burst; yields while the ring is full (pv_bridge_set_yield). 0: all are in. */
int pv_command_put_all(struct pv_bridge *bridge, uint8_t worker, const struct pv_command *commands,
		uint32_t n);
/* Worker: takes up to n. */
uint32_t pv_command_take(
		struct pv_bridge *bridge, uint8_t worker, struct pv_command *out, uint32_t n);
/* Worker, before it sleeps and after it has armed its doorbell: is there something to take? */
bool pv_command_waiting(struct pv_bridge *bridge, uint8_t worker);
/* Worker: gives the answer (no-op without one). The waiter's doorbell rings at pv_bridge_flush. The
 * answer must not be touched afterwards. */
void pv_command_answer(struct pv_ctx *ctx, const struct pv_command *command, int error);

#endif
