/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IO_FRAME_QUEUE_H
#define PV_IO_FRAME_QUEUE_H

/* Frames as bytes, with their time, first in first out, in memory that grows. One thread at a time.
 */

#include <stddef.h>
#include <stdint.h>

struct pv_frame_queue {
	uint8_t *bytes;
	size_t head, tail, cap;
	uint32_t n; /* frames */
	uint32_t pad;
};

/* A frame at the head; its bytes are valid until the next call. */
struct pv_frame_view {
	const uint8_t *data;
	uint32_t len;
	uint32_t pad;
	uint64_t when; /* ns */
};

void pv_frame_queue_fini(struct pv_frame_queue *queue); /* empty and without memory */
/* Room for a frame of len bytes at the tail, for the caller to fill in; NULL: no memory, or over
 * the bound of a million frames. */
uint8_t *pv_frame_queue_put(struct pv_frame_queue *queue, uint32_t len, uint64_t when);
/* 1: *out is the oldest frame; 0: none. */
int pv_frame_queue_peek(const struct pv_frame_queue *queue, struct pv_frame_view *out);
void pv_frame_queue_drop(struct pv_frame_queue *queue); /* the oldest; there must be one */

#endif
