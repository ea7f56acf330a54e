/* SPDX-License-Identifier: BSD-3-Clause */
/* Active open (RFC 9293 3.5, 3.10.7.3): ports, the SYN and its repetition, the answers to it,
 * simultaneous open. */
#include <errno.h>
#include <rte_common.h>
#include <rte_mbuf.h>

#include "ip/ip.h"
#include "tcp/offer.h"

/* Ephemeral ports: wide, but above those that services like to have (RFC 6056 3.2). */
enum { PORT_FIRST = 10240, PORTS = 65536 - PORT_FIRST };

#define RTO_AFTER_LOST_SYN (3 * PV_SECOND) /* RFC 6298 5.7 */

static uint16_t
default_mss(bool is_v4)
{
	return is_v4 ? 536 : 1220;
}

/* Our MSS option: the interface's MTU without fixed headers (RFC 6691 2). */
static uint16_t
own_mss(struct pv_ctx *ctx, const struct pv_pcb *pcb)
{
	const struct pv_path *path = pv_ip_path(ctx, &pcb->tuple.peer);
	uint32_t mss = (path != NULL ? path->mtu : 1500u) - (pcb->is_v4 ? 40u : 60u);

	if (ctx->tcp_config.mss_clamp != 0 && mss > ctx->tcp_config.mss_clamp)
		mss = ctx->tcp_config.mss_clamp;
	return (uint16_t)mss;
}

static void
syn_options(struct pv_ctx *ctx, const struct pv_pcb *pcb, struct pv_tcp_opts *o)
{
	o->present = PV_TCP_OPT_MSS;
	o->mss = own_mss(ctx, pcb);
	if (pcb->flags & PV_PCB_SACK)
		o->present |= PV_TCP_OPT_SACKOK;
	if (pcb->flags & PV_PCB_WSCALE) {
		o->present |= PV_TCP_OPT_WSCALE;
		o->wscale = pcb->rcv_wscale;
	}
	if (pcb->flags & PV_PCB_TIMESTAMPS) {
		o->present |= PV_TCP_OPT_TS;
		o->tsval = pv_conn_tsval(ctx, pcb);
		o->tsecr = pcb->state == PV_SYN_RECEIVED ? pcb->ts_recent : 0;
	}
}

/* SYN in SYN-SENT, SYN-ACK in SYN-RECEIVED. */
void
pv_connect_send_syn(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	bool ack = pcb->state == PV_SYN_RECEIVED;
	uint32_t window = pcb->rcv_buffer > 65535 ? 65535 : pcb->rcv_buffer;
	struct pv_ip_send how = {
		.local = pcb->tuple.local,
		.peer = pcb->tuple.peer,
		.protocol = PV_PROTO_TCP,
		.tos = pcb->tos,
		.ttl = pcb->ttl,
	};
	struct pv_tcp_hdr h = {
		.sport = pcb->tuple.local_port,
		.dport = pcb->tuple.peer_port,
		.seq = pcb->iss,
		.ack = ack ? pcb->rcv_nxt : 0,
		.wnd = (uint16_t)window,
		.flags = PV_TCP_SYN | (ack ? PV_TCP_ACK : 0),
	};
	const struct pv_block *block = NULL;
	struct pv_tcp_opts o = { 0 };
	struct rte_mbuf *m = rte_pktmbuf_alloc(ctx->mbufs);
	uint8_t *p;

	if (m == NULL) {
		pv_count(&ctx->counters, PV_C_NO_MBUF);
		return;
	}
	/* RFC 3168 6.1.1.1: what gets no answer may be the marks' fault. */
	if ((pcb->flags & PV_PCB_ECN) != 0 && pcb->data->backoff < 2)
		h.flags |= ack ? PV_TCP_ECE : PV_TCP_ECE | PV_TCP_CWR;
	p = rte_pktmbuf_mtod(m, uint8_t *);
	syn_options(ctx, pcb, &o);
	if (pv_unlikely((pcb->flags & PV_PCB_EXCHANGE) != 0))
		block = pv_offer_syn(pcb, &o);
	h.hdr_len = (uint8_t)(PV_TCP_HDR_LEN +
			      pv_tcp_opt_build_syn(p + PV_TCP_HDR_LEN, &o,
					      (enum pv_tcp_order)ctx->tcp_config.option_order));
	pv_tcp_build(p, &h);
	m->data_len = h.hdr_len;
	if (block != NULL) {
		memcpy(p + h.hdr_len, block->bytes, block->len);
		m->data_len = (uint16_t)(m->data_len + block->len);
	}
	m->pkt_len = m->data_len;
	pcb->data->last_sent = ctx->now;
	pcb->data->stats.segs_out++;
	pv_count(&ctx->counters, PV_C_TCP_SEGMENTS_SENT);
	pv_ip_send(ctx, m, &how);
	if (ack)
		pv_ack_sent(pcb);
}

/* What a new connection is called, and where its numbers begin. */
struct name {
	struct pv_tuple tuple;
	uint32_t iss;
};

/* With `reuse` also after one that is in TIME-WAIT. */
static bool
is_free(struct pv_ctx *ctx, struct name *name, bool reuse)
{
	if (!pv_flow_exists(ctx, &name->tuple)) {
		name->iss = pv_isn_active(ctx, &name->tuple);
		return true;
	}
	return reuse && pv_time_wait_reuse(ctx, &name->tuple, &name->iss);
}

/* RFC 6056 3.3.1: from a start that nobody can guess on, the first one that is free and whose
 * answer comes to this worker.
 */
static int
choose_port(struct pv_ctx *ctx, struct name *name)
{
	uint32_t start = pv_rng_below(&ctx->rng, PORTS);

	for (uint32_t i = 0; i < 2 * PORTS; i++) {
		name->tuple.local_port = (uint16_t)(PORT_FIRST + (start + i) % PORTS);
		if (pv_tcp_owner(ctx, &name->tuple) == ctx->worker &&
				is_free(ctx, name, i >= PORTS))
			return 0;
	}
	return -EADDRINUSE;
}

static int
make_name(struct pv_ctx *ctx, const struct pv_connect_params *params, struct name *name)
{
	struct pv_addr local = params->local;

	name->tuple = (struct pv_tuple){
		.peer = params->peer,
		.local_port = params->local_port,
		.peer_port = params->peer_port,
	};
	if (params->peer_port == 0 || !pv_ip_is_unicast(ctx, &params->peer))
		return -EADDRNOTAVAIL;
	if (pv_addr_is_any(&local)) {
		if (!pv_ip_source(ctx, &params->peer, &local))
			return -ENETUNREACH;
	} else if (!pv_ip_is_local(ctx, &local)) {
		return -EADDRNOTAVAIL;
	}
	if (pv_ip_path(ctx, &params->peer) == NULL)
		return -ENETUNREACH;
	name->tuple.local = local;
	if (name->tuple.local_port == 0)
		return choose_port(ctx, name);
	if (pv_tcp_owner(ctx, &name->tuple) != ctx->worker)
		return -EXDEV;
	return is_free(ctx, name, true) ? 0 : -EADDRINUSE;
}

static void
offer(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_connect_params *params)
{
	const struct pv_tcp_config *config = &ctx->tcp_config;
	bool timestamps = params->timestamps != 0 ? params->timestamps == 1 : config->timestamps;

	pcb->flags |= PV_PCB_ACTIVE | (config->sack ? PV_PCB_SACK : 0) |
		      (timestamps ? PV_PCB_TIMESTAMPS : 0) |
		      (config->window_scale ? PV_PCB_WSCALE : 0) |
		      (config->ecn || config->congestion == PV_CC_DCTCP ? PV_PCB_ECN : 0) |
		      (config->nagle ? 0 : PV_PCB_NODELAY);
	pcb->snd_una = pcb->iss;
	pcb->snd_nxt = pcb->iss + 1;
	pcb->ts_offset = pv_ts_offset(ctx, &pcb->tuple);
	pcb->rcv_buffer = params->recv_buffer != 0 ? params->recv_buffer : config->recv_buffer;
	if (params->recv_buffer != 0)
		pcb->flags |= PV_PCB_RECV_FIXED;
	pcb->snd_buffer = params->send_buffer;
	pcb->rcv_wscale = config->window_scale ? pv_window_scale(config, pcb->rcv_buffer) : 0;
	pcb->ttl = params->ttl != 0 ? params->ttl : config->ttl;
	pcb->tos = params->tos != 0 ? params->tos & 0xfc : (uint8_t)(config->dscp << 2);
	pcb->listener = 0xffff;
	pcb->rcv_mss = own_mss(ctx, pcb);
	pcb->snd_mss = default_mss(pcb->is_v4);
}

/* The connect is over, without a connection. */
static void
report_failure(struct pv_ctx *ctx, uint64_t handle, int error)
{
	struct pv_status *status = &pv_slot_at(ctx, pv_handle_index(handle))->status;

	__atomic_store_n(&status->error, error, __ATOMIC_RELEASE);
	pv_report(ctx, status, handle, PV_READY_CONNECT | PV_READY_ERROR, 0,
			PV_READY_CONNECT | PV_READY_ERROR);
	pv_slot_release(ctx, pv_handle_index(handle), PV_SLOT_TCP);
}

int
pv_tcp_connect(struct pv_ctx *ctx, uint64_t handle, struct pv_connect_params *params)
{
	struct name name;
	struct pv_pcb *pcb;
	int error = make_name(ctx, params, &name);

	if (error != 0) {
		report_failure(ctx, handle, error);
		return error;
	}
	params->local = name.tuple.local;
	params->local_port = name.tuple.local_port;
	pcb = pv_pcb_adopt(ctx, handle, &name.tuple, pv_flow_hash(ctx, &name.tuple));
	if (pv_never(ctx, pcb == NULL))
		return -ENOBUFS;
	pcb->state = PV_SYN_SENT;
	pcb->iss = name.iss;
	offer(ctx, pcb, params);
	if (params->offer != NULL)
		error = pv_offer_connect(ctx, pcb, params->offer);
	if (error == 0)
		error = pv_conn_data_get(ctx, pcb) == NULL ? -ENOBUFS : pv_flow_insert(ctx, pcb);
	if (error != 0) {
		pv_conn_destroy(ctx, pcb, error, false);
		return error;
	}
	pv_conn_set_state(ctx, pcb, PV_SYN_SENT);
	pv_count(&ctx->counters, PV_C_TCP_CONNECTS);
	pcb->data->stalled_since = ctx->now;
	pcb->data->syn_retries =
			(uint8_t)(params->syn_retries != 0 ? params->syn_retries - 1u :
							     pcb->data->config->syn_retries);
	if (params->rto_initial != 0)
		pcb->data->rtt.rto = params->rto_initial * PV_MS;
	pv_connect_send_syn(ctx, pcb);
	pv_conn_timer_set(ctx, pcb, PV_CONN_RETRANSMIT, ctx->now + pcb->data->rtt.rto);
	return 0;
}

static uint32_t
retries_of(const struct pv_pcb *pcb)
{
	const struct pv_conn_data *d = pcb->data;

	return pcb->flags & PV_PCB_ACTIVE ? d->syn_retries : d->config->syn_ack_retries;
}

/* No answer to the SYN, or to the SYN-ACK of a simultaneous open. */
bool
pv_connect_fired(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;

	if (d->backoff >= retries_of(pcb)) {
		pv_conn_destroy(ctx, pcb, d->soft_error != 0 ? d->soft_error : -ETIMEDOUT,
				pcb->state == PV_SYN_SENT);
		return false;
	}
	d->backoff++;
	d->stats.syns_resent++;
	pcb->flags |= PV_PCB_SYN_LOST;
	pv_rtt_back_off(&d->rtt, d->config->rto_max * PV_MS);
	pv_count(&ctx->counters, PV_C_TCP_RETRANSMITTED);
	pv_connect_send_syn(ctx, pcb);
	pv_rto_try_after(ctx, pcb, d->rtt.rto);
	return true;
}

/* What the peer's SYN says. */
static void
take_syn(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p)
{
	uint32_t mss = (p->options & PV_TCP_OPT_MSS) != 0 ? p->mss : default_mss(pcb->is_v4);

	pcb->irs = p->seq;
	pcb->rcv_nxt = p->seq + 1;
	pcb->last_ack_sent = pcb->rcv_nxt;
	pcb->rcv_adv = pcb->rcv_nxt + (pcb->rcv_buffer > 65535 ? 65535 : pcb->rcv_buffer);
	if ((p->options & PV_TCP_OPT_SACKOK) == 0)
		pcb->flags &= ~(uint32_t)PV_PCB_SACK;
	if ((p->options & PV_TCP_OPT_TS) == 0) {
		pcb->flags &= ~(uint32_t)PV_PCB_TIMESTAMPS;
	} else if ((pcb->flags & PV_PCB_TIMESTAMPS) != 0) {
		pcb->ts_recent = p->tsval;
		pcb->ts_recent_ms = pv_ms(ctx->now);
	}
	if ((p->options & PV_TCP_OPT_WSCALE) == 0 || (pcb->flags & PV_PCB_WSCALE) == 0) {
		pcb->flags &= ~(uint32_t)PV_PCB_WSCALE;
		pcb->rcv_wscale = 0;
	} else {
		pcb->snd_wscale = p->wscale;
	}
	pcb->snd_mss = (uint16_t)pv_pmtu_snd_mss(ctx, pcb, mss);
	pcb->snd_wnd = pcb->max_wnd = p->window;
	pcb->snd_wl1 = p->seq;
	pcb->snd_wl2 = p->ack;
}

void
pv_connect_first_rtt(const struct pv_pcb *pcb, const struct pv_tcp_config *config, uint64_t now,
		struct pv_rtt *out)
{
	uint64_t rtt = pcb->syn_rtt_us * UINT64_C(1000);

	out->rto = config->rto_initial * PV_MS;
	if ((pcb->flags & PV_PCB_SYN_LOST) != 0 && out->rto < RTO_AFTER_LOST_SYN)
		out->rto = RTO_AFTER_LOST_SYN;
	if (rtt == 0)
		return;
	pv_rtt_minimum(out, rtt, now);
	pv_rtt_smooth(out, rtt);
	pv_rtt_set_rto(out, config->rto_min * PV_MS, config->rto_max * PV_MS);
}

/* Called once the connection is established, and when an idle one gets its data. */
void
pv_connect_established(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;

	if (pcb->rcv_buffer == 0)
		pcb->rcv_buffer = d->config->recv_buffer;
	d->snd_limit = pcb->snd_buffer != 0 ? pcb->snd_buffer : d->config->send_buffer;
	pv_stream_set_limit(ctx->bridge, &d->shared->tx, d->snd_limit);
	pv_window_set_buffer(ctx, pcb, pcb->rcv_buffer);
	d->tune_max = (pcb->flags & PV_PCB_RECV_FIXED) != 0 ? pcb->rcv_buffer :
							      d->config->recv_buffer_max;
	d->tune_seq = pcb->rcv_nxt;
	d->peer_mss = (uint16_t)RTE_MIN(default_mss(pcb->is_v4), pcb->rcv_mss);
	d->mss_most = pcb->snd_mss;
	d->backoff = 0;
	d->stalled_since = 0;
	pv_connect_first_rtt(pcb, d->config, ctx->now, &d->rtt);
	d->cwnd = pv_cc_initial_window(pcb, d->config);
	d->ssthresh = PV_SSTHRESH_FIRST;
	d->cc->start(ctx, pcb);
	d->limited_end = d->rtt_mark = d->small_end = pcb->snd_una;
	d->recover = pcb->snd_una - 1;
	d->cwr_end = pcb->snd_una - 1;
	d->undo_una = d->tlp_end = pcb->snd_una;
	d->rack_end = d->rack_fack = d->rack_dsack_end = pcb->snd_una;
	if (pcb->established_ns == 0)
		pcb->established_ns = ctx->now;
	if ((pcb->flags & (PV_PCB_KEEPALIVE | PV_PCB_CONNECTING)) == PV_PCB_KEEPALIVE)
		pv_keepalive_start(ctx, pcb);
}

void
pv_connect_report(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_status *status = &pcb->data->shared->status;
	uint32_t set = PV_READY_WRITE;

	if ((pcb->flags & PV_PCB_ACTIVE) != 0)
		set |= PV_READY_CONNECT;
	__atomic_store_n(&status->writes, status->writes + 1, __ATOMIC_RELAXED);
	pv_conn_report(ctx, pcb, set, 0, set);
}

void
pv_connect_done(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	pv_conn_timer_clear(pcb->data, PV_CONN_RETRANSMIT);
	pv_conn_set_state(ctx, pcb, PV_ESTABLISHED);
	pv_connect_established(ctx, pcb);
	pv_count(&ctx->counters, PV_C_TCP_ESTABLISHED);
	if (pv_unlikely((pcb->flags & PV_PCB_CONNECTING) != 0))
		pv_offer_fired(ctx, pcb);
	else
		pv_connect_report(ctx, pcb);
	if ((pcb->flags & PV_PCB_FIN_QUEUED) != 0)
		pv_conn_set_state(ctx, pcb, PV_FIN_WAIT_1);
	else if (pv_stream_finished(&pcb->data->shared->tx))
		pv_conn_fin_queued(ctx, pcb);
	pv_conn_pend(ctx, pcb);
}

/* SYN without ACK: simultaneous open. */
enum pv_counter
pv_connect_crossed(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *p)
{
	take_syn(ctx, pcb, p);
	if ((p->flags & (PV_TCP_ECE | PV_TCP_CWR)) != (PV_TCP_ECE | PV_TCP_CWR))
		pcb->flags &= ~(uint32_t)PV_PCB_ECN;
	pv_conn_set_state(ctx, pcb, PV_SYN_RECEIVED);
	pv_connect_send_syn(ctx, pcb);
	if ((p->options & PV_TCP_OPT_HS) == 0)
		pv_text_hold(ctx, pcb, p);
	return PV_C_TCP_SYN_SENT;
}

enum pv_counter
pv_connect_answered(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *p, uint32_t block_len)
{
	struct pv_conn_data *d = pcb->data;
	uint64_t rtt = (ctx->now - d->last_sent) / 1000;

	take_syn(ctx, pcb, p);
	if ((p->flags & (PV_TCP_ECE | PV_TCP_CWR)) != PV_TCP_ECE)
		pcb->flags &= ~(uint32_t)PV_PCB_ECN;
	pcb->rcv_nxt += block_len;
	pcb->snd_una = pcb->snd_nxt = p->ack;
	if ((pcb->flags & PV_PCB_SYN_LOST) == 0)
		pcb->syn_rtt_us = rtt == 0 ? 1 : (uint32_t)rtt;
	pv_connect_done(ctx, pcb);
	pv_ack_now(ctx, pcb);
	d->last_received = ctx->now;
	d->stats.segs_in++;
	/* What came with it is the connection's first data. */
	p->seq += 1 + block_len;
	p->flags &= (uint8_t)~PV_TCP_SYN;
	if (p->payload_len != 0)
		pv_text(ctx, pcb, p);
	if ((p->flags & PV_TCP_FIN) != 0)
		pv_text_fin(ctx, pcb, p);
	return PV_C_TCP_SYN_SENT;
}

/* A RST that fits our SYN. It may be meant for the bits that offered ECN (RFC 3168 6.1.1.1). */
enum pv_counter
pv_connect_refused(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p)
{
	int error = -ECONNREFUSED;

	if ((pcb->flags & PV_PCB_ECN) != 0) {
		pcb->flags &= ~(uint32_t)PV_PCB_ECN;
		pcb->flags |= PV_PCB_SYN_LOST;
		pv_connect_send_syn(ctx, pcb);
		return PV_C_TCP_SYN_SENT;
	}
	if ((pcb->flags & PV_PCB_EXCHANGE) != 0)
		error = pv_offer_reset(ctx, pcb, p, error);
	pv_conn_destroy(ctx, pcb, error, false);
	return PV_C_TCP_RST;
}

/* RFC 9293 3.10.7.3. */
enum pv_counter
pv_connect_segment(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *p)
{
	bool acceptable = (p->flags & PV_TCP_ACK) != 0 && p->ack == pcb->snd_nxt;

	if (pv_unlikely((pcb->flags & PV_PCB_EXCHANGE) != 0 && pcb->data->exchange->syn != NULL))
		return pv_offer_answered(ctx, pcb, p);
	if ((p->flags & PV_TCP_ACK) != 0 && !acceptable) {
		if ((p->flags & PV_TCP_RST) == 0)
			pv_reset_reply(ctx, p);
		return PV_C_TCP_SYN_SENT_BAD;
	}
	if ((p->flags & PV_TCP_RST) != 0) {
		if (!acceptable)
			return PV_C_TCP_SYN_SENT_BAD;
		return pv_connect_refused(ctx, pcb, p);
	}
	if ((p->flags & PV_TCP_SYN) == 0)
		return PV_C_TCP_SYN_SENT_BAD;
	return acceptable ? pv_connect_answered(ctx, pcb, p, 0) : pv_connect_crossed(ctx, pcb, p);
}
