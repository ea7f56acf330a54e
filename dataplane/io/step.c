/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/step.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "io/cut.h"
#include "io/frame_queue.h"

#define FRAME_MAX 65535

struct pv_step_port {
	struct rte_mempool *pool;
	struct pv_frame_queue in, out;
	pv_step_sent_fn sent; /* somebody else who wants to know; NULL: nobody */
	void *sent_arg;
	bool discard; /* not for pv_step_collect */
	uint8_t frame[FRAME_MAX], piece[FRAME_MAX];
};

int
pv_step_open(struct pv_port *port, struct rte_mempool *pool, char *err, size_t err_cap)
{
	struct pv_step_port *step = calloc(1, sizeof(*step));

	if (step == NULL) {
		snprintf(err, err_cap, "no memory for a step-mode port");
		return -ENOMEM;
	}
	step->pool = pool;
	port->step = step;
	port->n_rx = 1;
	port->n_tx = PV_MAX_WORKERS;
	port->started = 1;
	return 0;
}

void
pv_step_close(struct pv_port *port)
{
	if (port->step == NULL)
		return;
	pv_step_clear(port);
	free(port->step);
	port->step = NULL;
}

void
pv_step_clear(struct pv_port *port)
{
	pv_frame_queue_fini(&port->step->in);
	pv_frame_queue_fini(&port->step->out);
}

bool
pv_step_waiting(const struct pv_port *port)
{
	return port->step->in.n != 0;
}

int
pv_step_inject(struct pv_port *port, const void *data, size_t len)
{
	uint8_t *p;

	if (len > FRAME_MAX)
		return -EMSGSIZE;
	p = pv_frame_queue_put(&port->step->in, (uint32_t)len, 0);
	if (p == NULL)
		return -ENOBUFS;
	memcpy(p, data, len);
	return 0;
}

int
pv_step_collect(struct pv_port *port, void *buf, size_t cap, uint64_t *when_ns)
{
	struct pv_frame_view frame;

	if (!pv_frame_queue_peek(&port->step->out, &frame))
		return 0;
	if (frame.len > cap)
		return -ENOSPC;
	memcpy(buf, frame.data, frame.len);
	*when_ns = frame.when;
	pv_frame_queue_drop(&port->step->out);
	return (int)frame.len;
}

/* A frame larger than a buffer becomes a chain, as from a device with scattered receive. */
static struct rte_mbuf *
to_mbuf(struct rte_mempool *pool, const struct pv_frame_view *frame)
{
	struct rte_mbuf *first = rte_pktmbuf_alloc(pool), *m = first;
	uint32_t done = 0;

	while (m != NULL) {
		uint16_t room = rte_pktmbuf_tailroom(m);
		uint32_t left = frame->len - done;
		uint16_t len = left < room ? (uint16_t)left : room;

		memcpy(rte_pktmbuf_mtod(m, void *), frame->data + done, len);
		m->data_len = len;
		first->pkt_len = done += len;
		if (done == frame->len)
			return first;
		m->next = rte_pktmbuf_alloc(pool);
		m = m->next;
		first->nb_segs++;
	}
	if (first != NULL) {
		first->nb_segs--;
		rte_pktmbuf_free(first);
	}
	return NULL;
}

/* Without a free buffer frames wait, as they would in a device. */
uint16_t
pv_step_receive(struct pv_port *port, struct rte_mbuf **frames, uint16_t n)
{
	struct pv_step_port *step = port->step;
	struct pv_frame_view frame;
	uint16_t got = 0;

	while (got < n && pv_frame_queue_peek(&step->in, &frame)) {
		frames[got] = to_mbuf(step->pool, &frame);
		if (frames[got] == NULL)
			break;
		pv_frame_queue_drop(&step->in);
		got++;
	}
	return got;
}

void
pv_step_join(struct pv_port *port, pv_step_sent_fn sent, void *arg, bool keep)
{
	port->step->sent = sent;
	port->step->sent_arg = arg;
	port->step->discard = sent != NULL && !keep;
}

static void
copy_out(uint8_t *p, const struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next) {
		memcpy(p, rte_pktmbuf_mtod(m, const void *), m->data_len);
		p += m->data_len;
	}
}

/* False: no memory. */
static bool
send_bytes(struct pv_step_port *step, const uint8_t *frame, uint32_t len, uint64_t now)
{
	uint8_t *p = step->discard ? NULL : pv_frame_queue_put(&step->out, len, now);

	if (!step->discard && p == NULL)
		return false;
	if (p != NULL)
		memcpy(p, frame, len);
	if (step->sent != NULL)
		step->sent(step->sent_arg, frame, len, now);
	return true;
}

static bool
send_one(struct pv_step_port *step, const struct rte_mbuf *m, uint64_t now)
{
	struct pv_cut cut = {
		.frame = step->frame,
		.len = m->pkt_len,
		.l2 = m->l2_len,
		.l3 = m->l3_len,
		.l4 = m->l4_len,
		.mss = (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0 ? m->tso_segsz : 0,
	};
	uint32_t len;

	if (m->pkt_len > FRAME_MAX)
		return false;
	copy_out(step->frame, m);
	if ((m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM) == 0)
		return send_bytes(step, step->frame, m->pkt_len, now);
	while ((len = pv_cut_next(&cut, step->piece)) != 0)
		if (!send_bytes(step, step->piece, len, now))
			return false;
	return true;
}

uint16_t
pv_step_send(struct pv_port *port, struct rte_mbuf **frames, uint16_t n, uint64_t now)
{
	for (uint16_t i = 0; i < n; i++) {
		if (!send_one(port->step, frames[i], now))
			return i;
		rte_pktmbuf_free(frames[i]);
	}
	return n;
}
