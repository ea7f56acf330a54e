/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/handover.h"

#include <stdlib.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "api/pv_api.h"
#include "base/packet.h"

#define ENTRIES 2048

struct pv_handover {
	uint16_t n;
	uint16_t pad[3];
	struct rte_ring *ring[PV_MAX_WORKERS];
};

static struct rte_ring *
new_ring(void)
{
	ssize_t size = rte_ring_get_memsize(ENTRIES);
	struct rte_ring *ring;

	if (size < 0)
		return NULL;
	ring = aligned_alloc(PV_CACHE_LINE, RTE_ALIGN_CEIL((size_t)size, (size_t)PV_CACHE_LINE));
	if (ring != NULL && rte_ring_init(ring, "pv_handover", ENTRIES, RING_F_SC_DEQ) != 0) {
		free(ring);
		ring = NULL;
	}
	return ring;
}

struct pv_handover *
pv_handover_new(uint16_t n)
{
	struct pv_handover *handover = calloc(1, sizeof(*handover));

	if (handover == NULL)
		return NULL;
	for (; handover->n < n; handover->n++) {
		handover->ring[handover->n] = new_ring();
		if (handover->ring[handover->n] == NULL) {
			pv_handover_free(handover);
			return NULL;
		}
	}
	return handover;
}

void
pv_handover_free(struct pv_handover *handover)
{
	if (handover == NULL)
		return;
	for (uint16_t i = 0; i < handover->n; i++) {
		struct rte_mbuf *frame;

		while (pv_handover_take(handover, (uint8_t)i, &frame, 1) == 1)
			rte_pktmbuf_free(frame);
		free(handover->ring[i]);
	}
	free(handover);
}

bool
pv_handover_put(struct pv_handover *handover, uint8_t to, uint16_t port, struct rte_mbuf *frame)
{
	frame->port = port;
	return rte_ring_mp_enqueue(handover->ring[to], frame) == 0;
}

uint32_t
pv_handover_take(struct pv_handover *handover, uint8_t worker, struct rte_mbuf **frames, uint32_t n)
{
	return rte_ring_sc_dequeue_burst(handover->ring[worker], (void **)frames, n, NULL);
}

bool
pv_handover_waiting(const struct pv_handover *handover, uint8_t worker)
{
	return !rte_ring_empty(handover->ring[worker]);
}
