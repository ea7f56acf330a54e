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
#include <stdint.h>

#include "base/types.h"

enum pv_command_kind {
	PV_CMD_LISTEN = 1, /* p: struct pv_listener_shared *, installed on this worker; answered */
	PV_CMD_LISTEN_UPDATE, /* handle, a: backlog, b: paused; answered */
	PV_CMD_LISTEN_CLOSE,  /* handle; answered */
	PV_CMD_CONNECT, /* handle: slot reserved by the control plane, p: struct pv_connect_params
			   copy in the record pool */
	PV_CMD_SEND,    /* handle: bytes or FIN wait in the tx stream */
	PV_CMD_WINDOW,  /* handle: the reader has taken bytes that may open the window */
	PV_CMD_SHUTDOWN_RECEIVE, /* handle */
	PV_CMD_CLOSE,            /* handle, a: enum pv_close_how; the control plane has let go */
	PV_CMD_OPTION,           /* handle, a: enum pv_option, b: value */
	PV_CMD_WATCH, /* handle, a: waiter number, b: mask | flags << 32, c: cookie; answered only
			 when p is set */
	PV_CMD_WAITER_CLOSE, /* a: waiter number; answered */
	PV_CMD_INFO,         /* handle, p: struct pv_info *; answered */
	PV_CMD_CONFIGURE,    /* p: struct pv_tcp_config *; answered */
	PV_CMD_RESET,        /* all connections and tables; answered */
	PV_CMD_STOP,         /* a: time by which to have flushed, ns */
	PV_CMD_DECIDE,       /* handle of a held request, a: verdict, b: reason */
	PV_CMD_URGENT,       /* handle, a: stream position of the octet after the urgent byte */
	PV_CMD_SERVICE,      /* p: struct pv_service *, start or stop a built-in service or the
				generator; answered */
	PV_CMD_KINDS
};

/* An answer that a caller waits for: counts workers down. On the caller's stack or in Python's
 * memory. */
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
	uint64_t pad;
};

static_assert(sizeof(struct pv_command) == 64, "a command is one cache line");

struct pv_bridge;

/* Control plane: queues for one worker and rings its doorbell if it sleeps. -EAGAIN: ring full (the
 * caller yields and tries again). */
int pv_command_put(struct pv_bridge *bridge, uint8_t worker, const struct pv_command *command);
/* Worker: takes up to n. */
uint32_t pv_command_take(
		struct pv_bridge *bridge, uint8_t worker, struct pv_command *out, uint32_t n);
/* Worker: gives the answer (no-op without one). */
void pv_command_answer(struct pv_bridge *bridge, const struct pv_command *command, int error);

#endif
