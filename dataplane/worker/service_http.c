/* SPDX-License-Identifier: BSD-3-Clause */
/* GET /N answers with N bytes, PUT and POST with the count of what came; connections are kept
 * alive. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "worker/http.h"
#include "worker/service_conn.h"

/* Byte i of a body is i % PERIOD, so that nothing out of place goes unseen. */
#define PERIOD 251
#define STEPS  8 /* heads and bodies of one connection before others have their turn */

static enum pv_service_state
blocked(int64_t rc)
{
	if (rc == -EAGAIN)
		return PV_SERVICE_WAITS;
	return rc == 0 ? PV_SERVICE_ENDS : PV_SERVICE_FAILS;
}

static enum pv_service_state
answered(struct pv_service_conn *conn)
{
	conn->phase = PV_HTTP_HEAD;
	return conn->close ? PV_SERVICE_ENDS : PV_SERVICE_MORE;
}

/* The head of the answer, and its body where that is short: all of it or, while the buffer is full,
 * nothing. */
static enum pv_service_state
reply(struct pv_ctx *ctx, struct pv_service_conn *conn, uint16_t status, uint64_t length,
		const char *body)
{
	char text[PV_HTTP_REPLY_MAX + 256];
	size_t n = pv_http_reply(text, status, length, !conn->close), body_len = strlen(body);
	int64_t sent;

	memcpy(text + n, body, body_len);
	sent = pv_service_give(ctx, conn, text, n + body_len, PV_IO_WHOLE);
	if (sent != (int64_t)(n + body_len))
		return sent == -EAGAIN ? PV_SERVICE_WAITS : PV_SERVICE_FAILS;
	return PV_SERVICE_MORE;
}

static enum pv_service_state
take_body(struct pv_ctx *ctx, struct pv_service_conn *conn, uint8_t *scratch)
{
	enum pv_service_state state;
	char text[32];

	for (uint64_t done = 0; conn->left > 0;) {
		size_t len = conn->left < PV_SERVICE_PIECE ? (size_t)conn->left : PV_SERVICE_PIECE;
		int64_t got;

		if (done >= PV_SERVICE_SHARE)
			return PV_SERVICE_MORE;
		got = pv_service_take(ctx, conn, scratch, len, 0);
		if (got <= 0)
			return blocked(got);
		conn->left -= (uint64_t)got;
		done += (uint64_t)got;
	}
	snprintf(text, sizeof(text), "%llu\n", (unsigned long long)conn->length);
	state = reply(ctx, conn, 200, strlen(text), text);
	return state == PV_SERVICE_MORE ? answered(conn) : state;
}

static enum pv_service_state
give_body(struct pv_ctx *ctx, struct pv_service_conn *conn, uint8_t *scratch)
{
	for (uint64_t done = 0; conn->left > 0;) {
		size_t len = conn->left < PV_SERVICE_PIECE ? (size_t)conn->left : PV_SERVICE_PIECE;
		uint64_t from = conn->length - conn->left;
		int64_t sent;

		if (done >= PV_SERVICE_SHARE)
			return PV_SERVICE_MORE;
		for (size_t i = 0; i < len; i++)
			scratch[i] = (uint8_t)((from + i) % PERIOD);
		sent = pv_service_give(ctx, conn, scratch, len, 0);
		if (sent <= 0)
			return blocked(sent);
		conn->left -= (uint64_t)sent;
		done += (uint64_t)sent;
	}
	return answered(conn);
}

static enum pv_service_state
answer_get(struct pv_ctx *ctx, struct pv_service_conn *conn, const struct pv_http_request *request)
{
	bool body = request->method == PV_HTTP_GET && request->status == 200;
	enum pv_service_state state = reply(ctx, conn, request->status, request->wanted,
			body && request->greeting ? pv_http_greeting : "");

	if (state != PV_SERVICE_MORE || !body || request->greeting)
		return state == PV_SERVICE_MORE ? answered(conn) : state;
	conn->phase = PV_HTTP_GIVE;
	conn->left = conn->length = request->wanted;
	return PV_SERVICE_MORE;
}

static enum pv_service_state
answer_put(struct pv_ctx *ctx, struct pv_service_conn *conn, const struct pv_http_request *request)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	size_t len = request->expects ? sizeof(go_on) - 1 : 0;
	int64_t sent = len > 0 ? pv_service_give(ctx, conn, go_on, len, PV_IO_WHOLE) : 0;

	if (sent != (int64_t)len)
		return sent == -EAGAIN ? PV_SERVICE_WAITS : PV_SERVICE_FAILS;
	conn->phase = PV_HTTP_TAKE;
	conn->left = conn->length = request->length;
	return PV_SERVICE_MORE;
}

/* The head stays in the stream until the answer to it has begun. */
static enum pv_service_state
take_head(struct pv_ctx *ctx, struct pv_service_conn *conn, uint8_t *scratch)
{
	int64_t got = pv_service_take(ctx, conn, scratch, PV_HTTP_HEAD_MAX, PV_IO_PEEK);
	struct pv_http_request request;
	enum pv_service_state state;
	bool put;

	if (got <= 0)
		return blocked(got);
	if (!pv_http_parse((const char *)scratch, (size_t)got, &request))
		return PV_SERVICE_WAITS;
	put = request.method == PV_HTTP_PUT && request.status == 200;
	conn->close = !request.keep_alive || (!put && request.length > 0);
	state = put ? answer_put(ctx, conn, &request) : answer_get(ctx, conn, &request);
	if (state == PV_SERVICE_MORE || state == PV_SERVICE_ENDS)
		pv_service_take(ctx, conn, scratch, request.head_len, 0);
	return state;
}

enum pv_service_state
pv_service_http(struct pv_ctx *ctx, struct pv_service_conn *conn, uint8_t *scratch)
{
	enum pv_service_state state = PV_SERVICE_MORE;

	for (unsigned int i = 0; i < STEPS && state == PV_SERVICE_MORE; i++) {
		if (conn->phase == PV_HTTP_TAKE)
			state = take_body(ctx, conn, scratch);
		else if (conn->phase == PV_HTTP_GIVE)
			state = give_body(ctx, conn, scratch);
		else
			state = take_head(ctx, conn, scratch);
	}
	return state;
}
