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
/* Descriptors that become readable when frames arrive on a queue (rx interrupts): up to n; 0: the
 * device has none. */
int pv_device_interrupts(struct pv_port *port, uint16_t queue, int *fds, int n);
/* Arms and disarms them around a sleep; -ENOTSUP without. */
int pv_device_interrupt_arm(struct pv_port *port, uint16_t queue, int on);
/* net_tap signals the process for each packet: its worker lets the signal in, all others keep it
 * blocked. */
int pv_device_signal(const struct pv_port *port); /* signal number, 0: none */

#endif
