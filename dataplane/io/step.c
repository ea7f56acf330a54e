/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/step.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <rte_mbuf.h>

/* A frame that was sent. */
struct frame {
	STAILQ_ENTRY(frame) link;
	uint64_t when;
	uint32_t len;
	uint8_t data[];
};

/* A frame that will be received. */
struct arrival {
	STAILQ_ENTRY(arrival) link;
	struct rte_mbuf *mbuf;
};

struct pv_step_port {
	struct rte_mempool *pool;
	STAILQ_HEAD(, arrival) in;
	STAILQ_HEAD(, frame) out;
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
	STAILQ_INIT(&step->in);
	STAILQ_INIT(&step->out);
	port->step = step;
	port->n_rx = port->n_tx = 1;
	port->started = 1;
	return 0;
}

void
pv_step_close(struct pv_port *port)
{
	struct pv_step_port *step = port->step;
	struct arrival *a;
	struct frame *f;

	if (step == NULL)
		return;
	while ((a = STAILQ_FIRST(&step->in)) != NULL) {
		STAILQ_REMOVE_HEAD(&step->in, link);
		rte_pktmbuf_free(a->mbuf);
		free(a);
	}
	while ((f = STAILQ_FIRST(&step->out)) != NULL) {
		STAILQ_REMOVE_HEAD(&step->out, link);
		free(f);
	}
	free(step);
	port->step = NULL;
}

int
pv_step_inject(struct pv_port *port, const void *data, size_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(port->step->pool);
	struct arrival *a = malloc(sizeof(*a));
	char *room;

	if (m == NULL || a == NULL) {
		rte_pktmbuf_free(m);
		free(a);
		return -ENOBUFS;
	}
	room = len <= UINT16_MAX ? rte_pktmbuf_append(m, (uint16_t)len) : NULL;
	if (room == NULL) {
		rte_pktmbuf_free(m);
		free(a);
		return -EMSGSIZE;
	}
	memcpy(room, data, len);
	a->mbuf = m;
	STAILQ_INSERT_TAIL(&port->step->in, a, link);
	return 0;
}

int
pv_step_collect(struct pv_port *port, void *buf, size_t cap, uint64_t *when_ns)
{
	struct frame *f = STAILQ_FIRST(&port->step->out);
	int len;

	if (f == NULL)
		return 0;
	if (f->len > cap)
		return -ENOSPC;
	STAILQ_REMOVE_HEAD(&port->step->out, link);
	memcpy(buf, f->data, f->len);
	*when_ns = f->when;
	len = (int)f->len;
	free(f);
	return len;
}

uint16_t
pv_step_receive(struct pv_port *port, struct rte_mbuf **frames, uint16_t n)
{
	struct pv_step_port *step = port->step;
	struct arrival *a;
	uint16_t got = 0;

	while (got < n && (a = STAILQ_FIRST(&step->in)) != NULL) {
		STAILQ_REMOVE_HEAD(&step->in, link);
		frames[got++] = a->mbuf;
		free(a);
	}
	return got;
}

static void
copy_out(const struct rte_mbuf *m, uint8_t *to)
{
	for (; m != NULL; m = m->next) {
		memcpy(to, rte_pktmbuf_mtod(m, const void *), m->data_len);
		to += m->data_len;
	}
}

uint16_t
pv_step_send(struct pv_port *port, struct rte_mbuf **frames, uint16_t n, uint64_t now)
{
	for (uint16_t i = 0; i < n; i++) {
		struct frame *f = malloc(sizeof(*f) + frames[i]->pkt_len);

		if (f == NULL)
			return i;
		f->when = now;
		f->len = frames[i]->pkt_len;
		copy_out(frames[i], f->data);
		STAILQ_INSERT_TAIL(&port->step->out, f, link);
		rte_pktmbuf_free(frames[i]);
	}
	return n;
}
