/* SPDX-License-Identifier: BSD-3-Clause */
/* The client's side of benchmarks: as much as goes, or one question after the other. */
#include <errno.h>

#include <rte_cycles.h>

#include "base/check.h"
#include "worker/service_conn.h"

/* What comes from the peer is thrown away. */
static enum pv_service_state
take_all(struct pv_ctx *ctx, struct pv_service_conn *conn, uint8_t *scratch)
{
	enum pv_service_state state = pv_service_discard(ctx, conn, scratch);

	return state == PV_SERVICE_MORE ? PV_SERVICE_WAITS : state;
}

enum pv_service_state
pv_service_source(struct pv_ctx *ctx, struct pv_service_conn *conn, uint8_t *scratch)
{
	enum pv_service_state state = take_all(ctx, conn, scratch);

	for (uint64_t done = 0; done < PV_SERVICE_SHARE && state == PV_SERVICE_WAITS;) {
		int64_t sent = pv_service_give(ctx, conn, scratch, PV_SERVICE_PIECE, 0);

		if (sent == -EAGAIN || sent == -ENOBUFS || sent == -ENOTCONN)
			return PV_SERVICE_WAITS;
		if (sent < 0)
			return PV_SERVICE_FAILS;
		done += (uint64_t)sent;
	}
	return state == PV_SERVICE_WAITS ? PV_SERVICE_MORE : state;
}

/* Where a question does not fit the buffer at once, its rest follows. */
static enum pv_service_state
question(struct pv_ctx *ctx, struct pv_service_conn *conn, uint8_t *scratch)
{
	int64_t sent;

	if (conn->length == 0)
		conn->since = rte_rdtsc();
	while (conn->length < conn->size) {
		size_t len = conn->size - conn->length;

		sent = pv_service_give(ctx, conn, scratch,
				len < PV_SERVICE_PIECE ? len : PV_SERVICE_PIECE, 0);
		if (sent == -EAGAIN || sent == -ENOTCONN)
			return PV_SERVICE_WAITS;
		if (sent < 0)
			return PV_SERVICE_FAILS;
		conn->length += (uint64_t)sent;
	}
	conn->asked = 1;
	conn->left = conn->size;
	return PV_SERVICE_MORE;
}

enum pv_service_state
pv_service_ask(struct pv_ctx *ctx, struct pv_service_conn *conn, uint8_t *scratch)
{
	if (conn->size == 0)
		return PV_SERVICE_FAILS;
	while (conn->asked) {
		size_t len = conn->left < PV_SERVICE_PIECE ? (size_t)conn->left : PV_SERVICE_PIECE;
		int64_t got = pv_service_take(ctx, conn, scratch, len, 0);

		if (got == -EAGAIN)
			return PV_SERVICE_WAITS;
		if (got <= 0)
			return got == 0 ? PV_SERVICE_ENDS : PV_SERVICE_FAILS;
		conn->left -= (uint64_t)got;
		if (conn->left == 0) {
			pv_service_answered(ctx, rte_rdtsc() - conn->since);
			conn->asked = 0;
			conn->length = 0;
		}
	}
	return question(ctx, conn, scratch) == PV_SERVICE_FAILS ? PV_SERVICE_FAILS :
								  PV_SERVICE_WAITS;
}
