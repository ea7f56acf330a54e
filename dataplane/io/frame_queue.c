/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/frame_queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define FRAMES_MAX 1000000
#define CAP_MIN    4096

struct header {
	uint64_t when;
	uint32_t len;
	uint32_t space; /* header and data, a multiple of 8 */
};

void
pv_frame_queue_fini(struct pv_frame_queue *queue)
{
	free(queue->bytes);
	*queue = (struct pv_frame_queue){ 0 };
}

/* Room for `space` more bytes behind tail, by moving down or by growing. */
static int
make_room(struct pv_frame_queue *queue, size_t space)
{
	size_t used = queue->tail - queue->head, cap = queue->cap < CAP_MIN ? CAP_MIN : queue->cap;
	uint8_t *bytes;

	if (queue->cap - queue->tail >= space)
		return 0;
	if (queue->cap - used >= space && used <= queue->cap / 2) {
		memmove(queue->bytes, queue->bytes + queue->head, used);
		queue->head = 0;
		queue->tail = used;
		return 0;
	}
	while (cap < used + space)
		cap *= 2;
	if (cap == queue->cap)
		cap *= 2;
	bytes = malloc(cap);
	if (bytes == NULL)
		return -1;
	if (used != 0)
		memcpy(bytes, queue->bytes + queue->head, used);
	free(queue->bytes);
	*queue = (struct pv_frame_queue){ bytes, 0, used, cap, queue->n, 0 };
	return 0;
}

uint8_t *
pv_frame_queue_put(struct pv_frame_queue *queue, uint32_t len, uint64_t when)
{
	struct header header = { when, len, (uint32_t)((sizeof(header) + len + 7) & ~(size_t)7) };
	uint8_t *p;

	if (queue->n == FRAMES_MAX || make_room(queue, header.space) != 0)
		return NULL;
	p = queue->bytes + queue->tail;
	memcpy(p, &header, sizeof(header));
	queue->tail += header.space;
	queue->n++;
	return p + sizeof(header);
}

static struct header
oldest(const struct pv_frame_queue *queue)
{
	struct header header;

	memcpy(&header, queue->bytes + queue->head, sizeof(header));
	return header;
}

int
pv_frame_queue_peek(const struct pv_frame_queue *queue, struct pv_frame_view *out)
{
	struct header header;

	if (queue->n == 0)
		return 0;
	header = oldest(queue);
	*out = (struct pv_frame_view){
		.data = queue->bytes + queue->head + sizeof(header),
		.len = header.len,
		.when = header.when,
	};
	return 1;
}

void
pv_frame_queue_drop(struct pv_frame_queue *queue)
{
	PV_ASSERT(queue->n > 0);
	queue->head += oldest(queue).space;
	if (--queue->n == 0)
		queue->head = queue->tail = 0;
}
