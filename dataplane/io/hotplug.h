/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IO_HOTPLUG_H
#define PV_IO_HOTPLUG_H

/*
 * A DPDK device that comes and goes with the engine, named by PCI address or vdev string. Called
 * by the thread that starts and stops the engine.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_dev.h>

#include "base/types.h"

/* What a packet socket says that it takes, and what its ring is made for unless it is told. */
#define PV_PACKET_SOCKET_MTU 1500

struct pv_hotplug {
	char name[RTE_DEV_NAME_MAX_LEN]; /* what DPDK knows it by */
	bool is_virtual, is_tap, is_packet_socket;
	bool attached; /* here, so that it is ours to remove */
};

struct pv_hotplug pv_hotplug_named(const char *device);
/* Sets *ethdev to the device's number, or leaves PV_NO_ETHDEV there. -errno; -EBUSY with a line in
 * err: another engine of this process has it. */
int pv_hotplug_attach(struct pv_hotplug *plug, const struct pv_port_config *config,
		uint16_t *ethdev, char *err, size_t err_cap);
/* Stops it if it is started, and removes it if it was attached here. */
void pv_hotplug_detach(const struct pv_hotplug *plug, uint16_t ethdev, bool started);
/* Bytes of a frame, but for its link header, that a packet buffer for this port has room for. */
uint16_t pv_hotplug_frame(const struct pv_port_config *config);

#endif
