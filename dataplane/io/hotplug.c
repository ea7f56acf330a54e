/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/hotplug.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include <rte_alarm.h>
#include <rte_ethdev.h>

#include "io/port.h"

#define ETH_HEADER    14
#define PACKET_HEADER 32
#define PAGE          4096

/* ---- kinds ----------------------------------------------------------------------------------- */

static bool
is_virtual(const char *device)
{
	return strncmp(device, "net_", 4) == 0 || strncmp(device, "virtio_user", 11) == 0;
}

static bool
is_packet_socket(const char *device)
{
	return strncmp(device, "net_af_packet", 13) == 0;
}

/* The frames of a packet socket's ring are whole pages here, each with a header of its own: the
 * driver counts on it that blocks have no rest. */
static uint32_t
socket_frame(uint16_t mtu)
{
	return ((uint32_t)mtu + ETH_HEADER + PACKET_HEADER + PAGE - 1) / PAGE * PAGE;
}

uint16_t
pv_hotplug_frame(const struct pv_port_config *config)
{
	if (is_packet_socket(config->device) && config->mtu > PV_PACKET_SOCKET_MTU)
		return (uint16_t)(socket_frame(config->mtu) - PACKET_HEADER);
	return config->mtu;
}

static void
add_frame_size(char *arguments, size_t cap, uint16_t mtu)
{
	size_t len = strlen(arguments);

	if (mtu > PV_PACKET_SOCKET_MTU && strstr(arguments, "framesz=") == NULL)
		snprintf(arguments + len, cap - len, ",framesz=%u,blocksz=%u", socket_frame(mtu),
				socket_frame(mtu));
}

struct pv_hotplug
pv_hotplug_named(const char *device)
{
	struct pv_hotplug plug = {
		.is_virtual = is_virtual(device),
		.is_tap = strncmp(device, "net_tap", 7) == 0,
		.is_packet_socket = is_packet_socket(device),
	};

	snprintf(plug.name, sizeof(plug.name), "%.*s", (int)strcspn(device, ","), device);
	return plug;
}

/* ---- attach ---------------------------------------------------------------------------------- */

static int
attach(const struct pv_hotplug *plug, const struct pv_port_config *config)
{
	const char *comma = strchr(config->device, ',');
	char arguments[sizeof(config->device) + 40];

	if (!plug->is_virtual)
		return rte_dev_probe(config->device);
	snprintf(arguments, sizeof(arguments), "%s", comma != NULL ? comma + 1 : "");
	if (plug->is_packet_socket)
		add_frame_size(arguments, sizeof(arguments), config->mtu);
	return rte_eal_hotplug_add("vdev", plug->name, arguments);
}

int
pv_hotplug_attach(struct pv_hotplug *plug, const struct pv_port_config *config, uint16_t *ethdev,
		char *err, size_t err_cap)
{
	int rc;

	if (rte_eth_dev_get_port_by_name(plug->name, ethdev) == 0) {
		*ethdev = PV_NO_ETHDEV;
		snprintf(err, err_cap, "%s is in use by another engine of this process",
				plug->name);
		return -EBUSY;
	}
	rc = attach(plug, config);
	plug->attached = rc == 0;
	return rc != 0 ? rc : rte_eth_dev_get_port_by_name(plug->name, ethdev);
}

/* ---- detach ---------------------------------------------------------------------------------- */

static void
stop_and_remove(const struct pv_hotplug *plug, uint16_t ethdev, bool started)
{
	struct rte_eth_dev_info info;
	int rc = ethdev != PV_NO_ETHDEV ? rte_eth_dev_info_get(ethdev, &info) : -ENODEV;

	if (started)
		rte_eth_dev_stop(ethdev);
	if (!plug->attached)
		return;
	if (ethdev != PV_NO_ETHDEV)
		rte_eth_dev_close(ethdev);
	if (rc == 0)
		rte_dev_remove(info.device);
}

struct closing {
	const struct pv_hotplug *plug;
	uint16_t ethdev;
	bool started;
	sem_t done;
};

static void
stop_and_remove_in_turn(void *arg)
{
	struct closing *closing = arg;

	stop_and_remove(closing->plug, closing->ethdev, closing->started);
	sem_post(&closing->done);
}

/* Between two callbacks of the drivers: one that hears just then that its peer left would free the
 * same memory once more (net_memif does). */
void
pv_hotplug_detach(const struct pv_hotplug *plug, uint16_t ethdev, bool started)
{
	struct closing closing = { .plug = plug, .ethdev = ethdev, .started = started };

	sem_init(&closing.done, 0, 0);
	if (rte_eal_alarm_set(1, stop_and_remove_in_turn, &closing) != 0)
		stop_and_remove_in_turn(&closing);
	while (sem_wait(&closing.done) != 0)
		; /* a signal */
	sem_destroy(&closing.done);
}
