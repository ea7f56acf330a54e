/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receive window: what the buffer takes, opened in steps that are worth a segment (RFC
 * 9293 3.8.6.2.2), its right edge never moved left, also not by the rounding of the scale (RFC
 * 7323 2.4), and the buffer's growth with what the path and the application carry.
 */
#include "tcp/established.h"

#define UNSCALED_MAX 65535u

static uint32_t
advertised(const struct pv_pcb *pcb)
{
	return pv_seq_gt(pcb->rcv_adv, pcb->rcv_nxt) ? pcb->rcv_adv - pcb->rcv_nxt : 0;
}

static uint32_t
free_space(const struct pv_pcb *pcb)
{
	uint64_t used = pv_stream_waiting(&pcb->data->shared->rx);

	return used < pcb->rcv_buffer ? pcb->rcv_buffer - (uint32_t)used : 0;
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
	uint32_t space = pcb->data != NULL ? free_space(pcb) : window;
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
		if (field << scale > space + round)
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
	uint32_t spare = 1u << pcb->rcv_wscale; /* by which the stream's limit exceeds the buffer */

	if (window >= pcb->rcv_buffer / 2 || (pcb->flags & PV_PCB_FIN_RECEIVED) != 0)
		return;
	if (pv_stream_ask(ctx->bridge, &pcb->data->shared->rx, window + step + spare))
		pv_ack_now(ctx, pcb);
}

void
pv_window_set_buffer(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t bytes)
{
	uint32_t most = UNSCALED_MAX << pcb->rcv_wscale;

	pcb->rcv_buffer = bytes < most ? bytes : most;
	pv_stream_set_limit(ctx->bridge, &pcb->data->shared->rx,
			pcb->rcv_buffer + (1u << pcb->rcv_wscale));
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
	uint64_t round = ctx->now - d->tune_at, taken = d->shared->rx.taken, rtt = round;
	uint32_t window = advertised(pcb);

	if ((pcb->flags & PV_PCB_TIMESTAMPS) != 0 && p->tsecr != 0)
		rtt = (pv_conn_tsval(ctx, pcb) - p->tsecr) * PV_MS;
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
