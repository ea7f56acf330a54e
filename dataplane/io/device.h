/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IO_DEVICE_H
#define PV_IO_DEVICE_H

/*
 * A port on a real or virtual DPDK device: named by PCI address or vdev string, attached by hotplug
 * so that it comes and goes with the engine, set up with as many queues as there are workers and it
 * has, and with the offloads that both sides want.
 */

#include <stddef.h>
#include <stdint.h>

#include "io/port.h"

/* port->facts.mac holds the configured or default address on entry. -errno with one line in err:
 * unknown device or driver, missing rights, in use elsewhere, the kernel holds our address there.
 */
int pv_device_open(struct pv_port *port, const struct pv_config *config,
		struct rte_mempool *const *pools, char *err, size_t err_cap);
void pv_device_close(struct pv_port *port);
uint16_t pv_device_send(struct pv_port *port, uint16_t queue, struct rte_mbuf **frames, uint16_t n);
/* A descriptor that becomes readable when frames arrive on a queue (rx interrupt); -1: none. */
int pv_device_wake_fd(struct pv_port *port, uint16_t queue);
/* Arms and disarms it around a sleep; -ENOTSUP without. */
int pv_device_wake_arm(struct pv_port *port, uint16_t queue, int on);
/* The calling thread is the queue's worker from now on. net_tap signals the arrival of packets: the
 * signal goes to this thread alone, which must let it in. Returns its number; 0: there is none. */
int pv_device_adopt(struct pv_port *port, uint16_t queue);

#endif
