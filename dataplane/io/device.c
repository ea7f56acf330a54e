/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/device.h"

#include <errno.h>
#include <stdio.h>

int
pv_device_open(struct pv_port *port, const struct pv_config *config,
		struct rte_mempool *const *pools, char *err, size_t err_cap)
{
	(void)pools;
	snprintf(err, err_cap, "port %u: no such device: %s", port->index,
			config->port[port->index].device);
	return -ENODEV;
}

void
pv_device_close(struct pv_port *port)
{
	port->device = NULL;
}

int
pv_device_interrupts(struct pv_port *port, uint16_t queue, int *fds, int n)
{
	(void)port;
	(void)queue;
	(void)fds;
	(void)n;
	return 0;
}

int
pv_device_interrupt_arm(struct pv_port *port, uint16_t queue, int on)
{
	(void)port;
	(void)queue;
	(void)on;
	return -ENOTSUP;
}

int
pv_device_signal(const struct pv_port *port)
{
	(void)port;
	return 0;
}
