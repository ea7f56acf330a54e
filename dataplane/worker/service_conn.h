/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WORKER_SERVICE_CONN_H
#define PV_WORKER_SERVICE_CONN_H

/*
 * A connection that a service has, and the functions by which services handle it. Each works until
 * it would have to wait, or has done its share of a turn.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"

/* Bytes moved for one connection before others have their turn. */
#define PV_SERVICE_SHARE (256 * 1024)
#define PV_SERVICE_PIECE 16384

enum pv_http_phase { PV_HTTP_HEAD, PV_HTTP_TAKE, PV_HTTP_GIVE };

struct pv_service_conn {
	uint64_t handle; /* 0: free */
	uint8_t kind;    /* enum pv_service_kind */
	uint8_t again;   /* on the list of those to be looked at in the next turn */
	uint8_t phase;   /* enum pv_http_phase */
	uint8_t close;   /* HTTP: not kept alive after this answer */
	uint8_t adopted; /* it was the application's */
	uint8_t asked;   /* ASK: a question is under way */
	uint32_t next;   /* of that list, index + 1 */
	uint32_t size;   /* ASK: of a question */
	uint64_t left;   /* HTTP: bytes of the body still to come or to go; ASK: of the answer */
	uint64_t length; /* of the whole body */
	uint64_t since;  /* ASK: TSC at the question */
};

/* What became of a connection. */
enum pv_service_state {
	PV_SERVICE_WAITS, /* for something to happen */
	PV_SERVICE_MORE,  /* has had its share */
	PV_SERVICE_ENDS,  /* everything has been said: closed with a FIN */
	PV_SERVICE_FAILS, /* reset */
};

/* Scratch of the worker's, PV_SERVICE_PIECE bytes. */
enum pv_service_state pv_service_echo(
		struct pv_ctx *ctx, struct pv_service_conn *conn, uint8_t *scratch);
enum pv_service_state pv_service_discard(
		struct pv_ctx *ctx, struct pv_service_conn *conn, uint8_t *scratch);
enum pv_service_state pv_service_http(
		struct pv_ctx *ctx, struct pv_service_conn *conn, uint8_t *scratch);

enum pv_service_state pv_service_source(
		struct pv_ctx *ctx, struct pv_service_conn *conn, uint8_t *scratch);
enum pv_service_state pv_service_ask(
		struct pv_ctx *ctx, struct pv_service_conn *conn, uint8_t *scratch);

/* A question of pv_service_ask was answered in so many TSC cycles. */
void pv_service_answered(struct pv_ctx *ctx, uint64_t cycles);
/* As pv_recv and pv_send of one buffer. */
int64_t pv_service_take(struct pv_ctx *ctx, const struct pv_service_conn *conn, void *data,
		size_t len, uint32_t flags);
int64_t pv_service_give(struct pv_ctx *ctx, const struct pv_service_conn *conn, const void *data,
		size_t len, uint32_t flags);
/* Bytes that give would take over now. */
uint64_t pv_service_room(struct pv_ctx *ctx, const struct pv_service_conn *conn);

#endif
