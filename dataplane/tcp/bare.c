/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/bare.h"

#include <rte_mbuf.h>

#include "ip/ip.h"

void
pv_bare_send(struct pv_ctx *ctx, const struct pv_bare *bare)
{
	const struct pv_tuple *tuple = bare->tuple;
	const uint8_t hdr_len = (uint8_t)(PV_TCP_HDR_LEN + bare->options_len);
	const struct pv_tcp_hdr hdr = {
		.sport = tuple->local_port,
		.dport = tuple->peer_port,
		.seq = bare->seq,
		.ack = bare->ack,
		.flags = bare->flags,
		.wnd = bare->window,
		.hdr_len = hdr_len,
	};
	const struct pv_ip_send how = {
		.local = tuple->local,
		.peer = tuple->peer,
		.protocol = PV_PROTO_TCP,
		.tos = bare->tos,
		.ttl = ctx->tcp_config.ttl,
	};
	struct rte_mbuf *m = rte_pktmbuf_alloc(ctx->mbufs);
	uint8_t *p;

	if (pv_unlikely(m == NULL)) {
		pv_count(&ctx->counters, PV_C_NO_MBUF);
		return;
	}
	p = rte_pktmbuf_mtod(m, uint8_t *);
	m->data_len = (uint16_t)(hdr_len + bare->data_len);
	m->pkt_len = m->data_len;
	pv_tcp_build(p, &hdr);
	memcpy(p + PV_TCP_HDR_LEN, bare->options, bare->options_len);
	if (bare->data_len != 0)
		memcpy(p + hdr_len, bare->data, bare->data_len);
	pv_count(&ctx->counters, PV_C_TCP_SEGMENTS_SENT);
	pv_ip_send(ctx, m, &how);
}
