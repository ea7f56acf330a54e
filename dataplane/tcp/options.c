/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of one connection, changed while it lives. */
#include <errno.h>

#include "bridge/urgent.h"
#include "tcp/established.h"

#define BUFFER_MIN 2048u
#define BUFFER_MAX (1u << 30)

static void
set_flag(struct pv_pcb *pcb, uint32_t flag, bool on)
{
	if (on)
		pcb->flags |= flag;
	else
		pcb->flags &= ~flag;
}

/* The window only grows: what was advertised stays. */
static int
set_recv_buffer(struct pv_ctx *ctx, struct pv_pcb *pcb, uint64_t value)
{
	if (value > BUFFER_MAX)
		return -EINVAL;
	pv_window_set_buffer(ctx, pcb, value < BUFFER_MIN ? BUFFER_MIN : (uint32_t)value);
	pcb->data->tune_max = pcb->rcv_buffer;
	pcb->flags |= PV_PCB_RECV_FIXED;
	pv_window_watch(ctx, pcb);
	return 0;
}

static int
set_congestion(struct pv_ctx *ctx, struct pv_pcb *pcb, uint64_t value)
{
	if (value > PV_CC_DCTCP)
		return -EINVAL;
	pcb->data->cc = pv_cc_of((uint32_t)value);
	pcb->data->cc->start(ctx, pcb);
	return 0;
}

static int
set_maxseg(struct pv_pcb *pcb, uint64_t value)
{
	if (value < PV_MSS_FLOOR || value > UINT16_MAX)
		return -EINVAL;
	if (pcb->snd_mss > value)
		pcb->snd_mss = (uint16_t)value;
	if (pcb->data->mss_most > value)
		pcb->data->mss_most = (uint16_t)value;
	return 0;
}

static int
set_keepalive(struct pv_ctx *ctx, struct pv_pcb *pcb, int option, uint64_t value)
{
	struct pv_conn_data *d = pcb->data;

	if (option == PV_OPT_KEEPALIVE)
		set_flag(pcb, PV_PCB_KEEPALIVE, value != 0);
	else if (value == 0 || value > UINT32_MAX)
		return -EINVAL;
	else if (option == PV_OPT_KEEPALIVE_IDLE)
		d->keepalive_idle = value * PV_MS;
	else if (option == PV_OPT_KEEPALIVE_INTERVAL)
		d->keepalive_interval = value * PV_MS;
	else
		d->keepalive_count = (uint32_t)value;
	if ((pcb->flags & PV_PCB_CONNECTING) != 0)
		return 0; /* the timer is in use until the verdict comes */
	if ((pcb->flags & PV_PCB_KEEPALIVE) != 0 && pcb->state >= PV_ESTABLISHED)
		pv_keepalive_start(ctx, pcb);
	else
		pv_conn_timer_clear(d, PV_CONN_KEEPALIVE);
	return 0;
}

static int
set(struct pv_ctx *ctx, struct pv_pcb *pcb, int option, uint64_t value)
{
	struct pv_conn_data *d = pcb->data;

	switch ((enum pv_option)option) {
	case PV_OPT_NODELAY:
		set_flag(pcb, PV_PCB_NODELAY, value != 0);
		pv_conn_pend(ctx, pcb);
		return 0;
	case PV_OPT_KEEPALIVE:
	case PV_OPT_KEEPALIVE_IDLE:
	case PV_OPT_KEEPALIVE_INTERVAL:
	case PV_OPT_KEEPALIVE_COUNT:
		return set_keepalive(ctx, pcb, option, value);
	case PV_OPT_USER_TIMEOUT:
		/* What is too long to be told is for ever. */
		d->user_timeout = value > UINT64_MAX / PV_MS ? UINT64_MAX : value * PV_MS;
		return 0;
	case PV_OPT_MAXSEG:
		return set_maxseg(pcb, value);
	case PV_OPT_RECV_BUFFER:
		return set_recv_buffer(ctx, pcb, value);
	case PV_OPT_SEND_BUFFER:
		if (value > BUFFER_MAX)
			return -EINVAL;
		pcb->snd_buffer = value < BUFFER_MIN ? BUFFER_MIN : (uint32_t)value;
		pv_stream_set_limit(ctx->bridge, &d->shared->tx, pcb->snd_buffer);
		return 0;
	case PV_OPT_TTL:
		if (value == 0 || value > UINT8_MAX)
			return -EINVAL;
		pcb->ttl = (uint8_t)value;
		return 0;
	case PV_OPT_TOS:
		if (value > UINT8_MAX)
			return -EINVAL;
		pcb->tos = (uint8_t)(value & ~3u);
		return 0;
	case PV_OPT_CONGESTION:
		return set_congestion(ctx, pcb, value);
	case PV_OPT_OOB_INLINE:
		pv_urgent_set_inline(ctx->bridge, &d->shared->rx, value != 0);
		return 0;
	case PV_OPT_RATE:
		d->pace_rate = value;
		d->pace_next = 0;
		pv_conn_pend(ctx, pcb);
		return 0;
	}
	return -EINVAL;
}

int
pv_tcp_option(struct pv_ctx *ctx, uint64_t handle, int option, uint64_t value)
{
	struct pv_pcb *pcb = pv_pcb_of(ctx, handle);

	if (pcb == NULL)
		return -ENOTCONN;
	if (pv_conn_data_get(ctx, pcb) == NULL)
		return -ENOBUFS;
	pv_conn_assert_valid(pcb);
	return set(ctx, pcb, option, value);
}
