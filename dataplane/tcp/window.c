/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receive window: what the buffer takes, opened in steps that are worth a segment (RFC
 * 9293 3.8.6.2.2), its right edge never moved left, also not by the rounding of the scale (RFC
 * 7323 2.4), and the buffer's growth with what the path and the application carry.
 */
#include "tcp/established.h"

#define UNSCALED_MAX 65535u

/*
 * By how much the stream takes more than the buffer: a window that is kept open must be told
 * rounded up, again with each ACK, and a buffer's worth of full segments shall not be refused for
 * that.
 */
static uint32_t
spare(const struct pv_pcb *pcb)
{
	uint64_t unit = UINT64_C(1) << pcb->rcv_wscale, half = pcb->rcv_buffer / 2 + unit;
	uint64_t bytes = unit + pcb->rcv_buffer / pcb->rcv_mss * unit;

	if (unit == 1)
		return 1;
	return (uint32_t)(bytes < half ? bytes : half);
}

static uint32_t
advertised(const struct pv_pcb *pcb)
{
	return pv_seq_gt(pcb->rcv_adv, pcb->rcv_nxt) ? pcb->rcv_adv - pcb->rcv_nxt : 0;
}

/* What still fits into `size` bytes. */
static uint32_t
free_space(const struct pv_pcb *pcb, uint32_t size)
{
	uint64_t used = pv_stream_waiting(&pcb->data->shared->rx);

	return used < size ? size - (uint32_t)used : 0;
}

/* The least by which the edge moves. */
static uint32_t
step_of(const struct pv_pcb *pcb, uint32_t window)
{
	uint32_t mss = pcb->rcv_mss, half = pcb->rcv_buffer / 2;

	if (window >= 2 * mss)
		mss *= 2;
	return mss < half ? mss : half;
}

uint16_t
pv_window_field(struct pv_pcb *pcb)
{
	uint32_t scale = pcb->rcv_wscale, round = (1u << scale) - 1;
	uint32_t window = advertised(pcb), old = window, field;
	uint32_t space = pcb->data != NULL ? free_space(pcb, pcb->rcv_buffer) : window;
	uint32_t step = pcb->rcv_mss < pcb->rcv_buffer / 2 ? pcb->rcv_mss : pcb->rcv_buffer / 2;

	if (space >= window + step)
		window = space;
	if (window > UNSCALED_MAX << scale)
		window = UNSCALED_MAX << scale;
	if (window > old) {
		field = window >> scale;
		if (field << scale < old)
			field = (old + round) >> scale;
	} else {
		field = (window + round) >> scale;
		if (pcb->data != NULL &&
				field << scale > free_space(pcb, pcb->rcv_buffer + spare(pcb)))
			field = window >> scale;
	}
	if (field > UNSCALED_MAX)
		field = UNSCALED_MAX;
	if (pv_seq_gt(pcb->rcv_nxt + (field << scale), pcb->rcv_adv))
		pcb->rcv_adv = pcb->rcv_nxt + (field << scale);
	return (uint16_t)field;
}

void
pv_window_watch(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	uint32_t window = advertised(pcb), step = step_of(pcb, window);

	if (window >= pcb->rcv_buffer / 2 || (pcb->flags & PV_PCB_FIN_RECEIVED) != 0)
		return;
	if (pv_stream_ask(ctx->bridge, &pcb->data->shared->rx, window + step + spare(pcb)))
		pv_ack_now(ctx, pcb);
}

void
pv_window_set_buffer(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t bytes)
{
	uint32_t most = UNSCALED_MAX << pcb->rcv_wscale;

	pcb->rcv_buffer = bytes < most ? bytes : most;
	pv_stream_set_limit(ctx->bridge, &pcb->data->shared->rx, pcb->rcv_buffer + spare(pcb));
}

/*
 * Dynamic right-sizing: a round is the time in which one window of data came. If that was about one
 * round-trip time, the window may have held the sender back, and if the application has taken it
 * meanwhile, the buffer doubles.
 */
void
pv_window_tune(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p)
{
	struct pv_conn_data *d = pcb->data;
	uint64_t round = ctx->now - d->tune_at, rtt = round;
	uint64_t taken = __atomic_load_n(&d->shared->rx.taken, __ATOMIC_RELAXED);
	uint32_t window = advertised(pcb);

	if ((pcb->flags & PV_PCB_TIMESTAMPS) != 0 && p->tsecr != 0)
		rtt = (pv_conn_tsval(ctx, pcb) - p->tsecr) * PV_MS;
	/* Without timestamps only the handshake, and what we sent, tell it from a slow sender. */
	if (d->rtt.min != 0 && d->rtt.min < rtt)
		rtt = d->rtt.min;
	if (rtt < PV_MS)
		rtt = PV_MS;
	if (d->rcv_rtt == 0 || rtt < d->rcv_rtt)
		d->rcv_rtt = rtt;
	if (d->tune_at != 0 && round <= 4 * d->rcv_rtt && pcb->rcv_buffer < d->tune_max &&
			taken - d->tune_taken >= pcb->rcv_buffer / 4) {
		uint32_t more = pcb->rcv_buffer > d->tune_max / 2 ? d->tune_max :
								    2 * pcb->rcv_buffer;

		pv_window_set_buffer(ctx, pcb, more);
	}
	d->tune_at = ctx->now;
	d->tune_taken = taken;
	d->tune_seq = pcb->rcv_nxt + window;
}

uint8_t
pv_window_scale(const struct pv_tcp_config *config, uint32_t buffer)
{
	uint32_t most = config->recv_buffer_max > buffer ? config->recv_buffer_max : buffer;
	uint8_t scale = 0;

	while (scale < PV_TCP_WSCALE_MAX && most > UNSCALED_MAX << scale)
		scale++;
	return scale;
}
