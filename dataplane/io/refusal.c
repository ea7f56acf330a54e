/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/refusal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/types.h"

void
pv_device_argument(const char *device, const char *key, char *value, size_t cap)
{
	size_t n = strlen(key);

	value[0] = '\0';
	for (const char *p = strchr(device, ','); p != NULL; p = strchr(p, ',')) {
		p++;
		if (strncmp(p, key, n) == 0 && p[n] == '=') {
			snprintf(value, cap, "%.*s", (int)strcspn(p + n + 1, ","), p + n + 1);
			return;
		}
	}
}

/* Root is neither needed nor, in a container, enough. */
static bool
has_capability(unsigned int capability)
{
	FILE *status = fopen("/proc/self/status", "re");
	unsigned long long effective = 0;
	char line[256];

	while (status != NULL && fgets(line, sizeof(line), status) != NULL)
		if (sscanf(line, "CapEff: %llx", &effective) == 1)
			break;
	if (status != NULL)
		fclose(status);
	return (effective >> capability & 1) != 0;
}

static bool
starts_with(const char *text, const char *head)
{
	return strncmp(text, head, strlen(head)) == 0;
}

static int
tap_refusal(const char *name, char *err, size_t cap)
{
	if (access("/dev/net/tun", F_OK) != 0) {
		snprintf(err, cap, "/dev/net/tun is missing: as root, modprobe tun");
		return -ENODEV;
	}
	if (access("/dev/net/tun", R_OK | W_OK) != 0 || !has_capability(CAP_NET_ADMIN)) {
		snprintf(err, cap, "a tap needs root, or CAP_NET_ADMIN and access to /dev/net/tun");
		return -EACCES;
	}
	if (name[0] != '\0' && if_nametoindex(name) != 0) {
		snprintf(err, cap,
				"the interface %s exists already, another process may use it: take "
				"another name, "
				"or ip link delete %s",
				name, name);
		return -EBUSY;
	}
	return 0;
}

static int
interface_refusal(const char *name, char *err, size_t cap)
{
	if (name[0] == '\0') {
		snprintf(err, cap, "the device needs the name of an interface: iface=NAME");
		return -EINVAL;
	}
	if (if_nametoindex(name) == 0) {
		snprintf(err, cap, "there is no interface %s here: ip link shows those there are",
				name);
		return -ENODEV;
	}
	if (!has_capability(CAP_NET_RAW)) {
		snprintf(err, cap, "a packet socket on %s needs root, or CAP_NET_RAW", name);
		return -EACCES;
	}
	return 0;
}

static bool
is_ours(const struct pv_port_config *port, const struct sockaddr *sa)
{
	struct pv_addr addr = { .b = { 0 } };

	if (sa == NULL)
		return false;
	if (sa->sa_family == AF_INET)
		addr = pv_addr_from_v4(
				((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr);
	else if (sa->sa_family == AF_INET6)
		memcpy(addr.b, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr,
				sizeof(addr.b));
	else
		return false;
	for (uint16_t i = 0; i < port->n_address; i++)
		if (pv_addr_equal(&port->address[i].addr, &addr))
			return true;
	return false;
}

/* Whoever answers first with the kernel's RST would end every handshake of ours. */
static int
address_refusal(const struct pv_port_config *port, char *err, size_t cap)
{
	struct ifaddrs *all, *held = NULL;

	if (getifaddrs(&all) != 0)
		return 0;
	for (struct ifaddrs *a = all; a != NULL && held == NULL; a = a->ifa_next)
		if (is_ours(port, a->ifa_addr))
			held = a;
	if (held != NULL)
		snprintf(err, cap,
				"the kernel holds an address of this port on %s and would reset "
				"its "
				"connections: ip address flush dev %s, or give the port another "
				"address",
				held->ifa_name, held->ifa_name);
	freeifaddrs(all);
	return held != NULL ? -EADDRINUSE : 0;
}

int
pv_refusal(const struct pv_port_config *port, char *err, size_t err_cap)
{
	char name[IFNAMSIZ];
	int rc = 0;

	pv_device_argument(port->device, "iface", name, sizeof(name));
	if (starts_with(port->device, "net_tap")) {
		rc = tap_refusal(name, err, err_cap);
	} else if (starts_with(port->device, "net_af_packet") ||
			starts_with(port->device, "net_af_xdp")) {
		rc = interface_refusal(name, err, err_cap);
	} else if (starts_with(port->device, "net_pcap")) {
		if (name[0] == '\0')
			pv_device_argument(port->device, "rx_iface_in", name, sizeof(name));
		if (name[0] == '\0')
			return 0; /* files */
		rc = interface_refusal(name, err, err_cap);
	} else {
		return 0;
	}
	return rc != 0 ? rc : address_refusal(port, err, err_cap);
}
