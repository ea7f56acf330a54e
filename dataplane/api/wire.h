/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_API_WIRE_H
#define PV_API_WIRE_H

/* Emulated wires: what is common to those of step mode (bytes, moved by the caller) and live ones
 * (packet buffers, moved by a thread). */

#include <pthread.h>
#include <stdatomic.h>

#include "api/engine.h"
#include "io/wire.h"

struct pv_wire_end {
	struct pv_wire *wire;
	struct pv_engine *engine; /* NULL: unplugged */
	uint16_t port;
	struct pv_wire_way way; /* what this end sends */
};

struct pv_wire {
	struct pv_wire_end end[2];
	pthread_mutex_t lock; /* of a live wire: its thread against everybody else */
	pthread_t thread;
	_Atomic bool stop;
	bool live;
};

/* An engine stops: its wires forget it. */
void pv_wire_unplug(struct pv_engine *engine);

/* Live (wire_live.c). 0 or -errno. */
int pv_wire_live_start(struct pv_wire *wire);
void pv_wire_live_stop(struct pv_wire *wire);

#endif
