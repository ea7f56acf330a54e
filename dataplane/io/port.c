/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/port.h"

#include <string.h>

#include <rte_ethdev.h>

#include "io/device.h"
#include "io/ring.h"
#include "io/step.h"

void
pv_port_default_mac(uint16_t index, uint8_t mac[6])
{
	const uint8_t local[6] = { 0x02, 'p', 'v', 0, (uint8_t)(index >> 8), (uint8_t)index };

	memcpy(mac, local, sizeof(local));
}

static void
set_facts(struct pv_port *port, const struct pv_port_config *config)
{
	static const uint8_t none[6];

	port->facts.mtu = config->mtu;
	if (memcmp(config->mac, none, sizeof(none)) != 0)
		memcpy(port->facts.mac, config->mac, sizeof(port->facts.mac));
	else
		pv_port_default_mac(port->index, port->facts.mac);
}

int
pv_port_open(struct pv_port *port, uint16_t index, const struct pv_config *config,
		struct rte_mempool *const *pools, char *err, size_t err_cap)
{
	const struct pv_port_config *c = &config->port[index];

	*port = (struct pv_port){ .index = index, .ethdev = PV_NO_ETHDEV, .far = PV_NO_ETHDEV };
	set_facts(port, c);
	port->coalesce = c->receive_offload;
	if (config->step) {
		port->kind = PV_PORT_STEP;
		if (c->segmentation_offload) {
			port->facts.tso = PV_STEP_TSO;
			port->facts.tx_tcp_checksum = 1;
		}
		return pv_step_open(port, pools[0], err, err_cap);
	}
	if (strcmp(c->device, "ring") == 0 || strncmp(c->device, "ring:", 5) == 0) {
		port->kind = PV_PORT_RING;
		return pv_ring_open(port, c->device, config->n_worker, pools, err, err_cap);
	}
	port->kind = PV_PORT_DEVICE;
	return pv_device_open(port, config, pools, err, err_cap);
}

void
pv_port_close(struct pv_port *port)
{
	switch ((enum pv_port_kind)port->kind) {
	case PV_PORT_STEP:
		pv_step_close(port);
		break;
	case PV_PORT_RING:
		pv_ring_close(port);
		break;
	case PV_PORT_DEVICE:
		pv_device_close(port);
		break;
	}
}

uint16_t
pv_port_receive(struct pv_port *port, uint16_t queue, struct rte_mbuf **frames, uint16_t n)
{
	if (port->kind == PV_PORT_STEP)
		return pv_step_receive(port, frames, n);
	return rte_eth_rx_burst(port->ethdev, queue, frames, n);
}

bool
pv_port_crowded(const struct pv_port *port, uint16_t queue)
{
	if (port->crowded == 0)
		return false;
	if (port->kind == PV_PORT_RING)
		return pv_ring_waiting(port, queue) >= port->crowded;
	return rte_eth_rx_descriptor_status(port->ethdev, queue, port->crowded) ==
	       RTE_ETH_RX_DESC_DONE;
}

uint16_t
pv_port_send(struct pv_port *port, uint16_t queue, struct rte_mbuf **frames, uint16_t n,
		uint64_t now)
{
	if (port->kind == PV_PORT_STEP)
		return pv_step_send(port, frames, n, now);
	if (port->kind == PV_PORT_DEVICE)
		return pv_device_send(port, queue, frames, n);
	return rte_eth_tx_burst(port->ethdev, queue, frames, n);
}
