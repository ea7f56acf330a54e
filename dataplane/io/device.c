/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/device.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mempool.h>

#include "base/check.h"
#include "io/driver_log.h"
#include "io/hotplug.h"
#include "io/refusal.h"

#define DESCRIPTORS_MIN 64
#define DESCRIPTORS_MAX 1024
/* As pv_tcp_owner spreads tuples. */
#define OWNERS 128
/* What the device is given to cut: an IP packet with its headers stays below 64 KiB. */
#define TSO_MAX 65000
/* What the tap driver signals with. */
#define TAP_SIGNAL (SIGRTMIN + 1)
/* Devices take keys of one of these lengths; they read it again when they are started. One byte
 * pair repeated makes the Toeplitz hash of both directions of a flow the same. */
#define RSS_KEY_MIN 40
#define RSS_KEY_MAX 64

struct pv_device {
	struct pv_hotplug plug;
	int wake_fd[PV_MAX_WORKERS]; /* by queue; -1: none */
	bool prepare;                /* frames go through rte_eth_tx_prepare: offloads are on */
};

/* ---- set up ---------------------------------------------------------------------------------- */

static void
choose_mac(struct pv_port *port, const struct pv_port_config *config)
{
	static const uint8_t none[6];
	struct rte_ether_addr addr;

	if (memcmp(config->mac, none, sizeof(none)) != 0)
		return;
	/* On one of the kernel's interfaces its MAC stays the kernel's: frames to ours are nobody
	 * else's then. Random, so that two processes on one bridge do not share one. */
	if (port->device->plug.is_virtual) {
		if (getrandom(port->facts.mac + 3, 3, 0) != 3)
			port->facts.mac[5] ^= (uint8_t)getpid();
	} else if (rte_eth_macaddr_get(port->ethdev, &addr) == 0) {
		memcpy(port->facts.mac, addr.addr_bytes, sizeof(port->facts.mac));
	}
}

static void
choose_offloads(struct rte_eth_conf *conf, const struct rte_eth_dev_info *info,
		const struct pv_port_config *c)
{
	const uint64_t rx = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
	const uint64_t tx = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
			    (c->segmentation_offload ? RTE_ETH_TX_OFFLOAD_TCP_TSO : 0);

	conf->txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS & info->tx_offload_capa;
	if (!c->checksum_offload)
		return;
	conf->rxmode.offloads |= rx & info->rx_offload_capa;
	conf->txmode.offloads |= tx & info->tx_offload_capa;
	if (c->receive_offload && (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_TCP_LRO) != 0) {
		conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TCP_LRO |
					 (RTE_ETH_RX_OFFLOAD_SCATTER & info->rx_offload_capa);
		conf->rxmode.max_lro_pkt_size = info->max_lro_pkt_size;
	}
}

static void
choose_rss(struct rte_eth_conf *conf, const struct rte_eth_dev_info *info)
{
	static uint8_t key[RSS_KEY_MAX];
	uint8_t len = info->hash_key_size != 0 ? info->hash_key_size :
						 RSS_KEY_MIN; /* 0: not said */
	const uint64_t flows = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP;

	if ((info->flow_type_rss_offloads & flows) == 0 || len < RSS_KEY_MIN || len > RSS_KEY_MAX)
		return;
	for (size_t i = 0; i < RSS_KEY_MAX; i++)
		key[i] = i % 2 == 0 ? 0x6d : 0x5a;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf.rss_key = key;
	conf->rx_adv_conf.rss_conf.rss_key_len = len;
	conf->rx_adv_conf.rss_conf.rss_hf = flows & info->flow_type_rss_offloads;
}

/* With rx interrupts where the driver has them: it is asked with and without. */
static int
configure(struct pv_port *port, struct rte_eth_conf *conf)
{
	conf->intr_conf.rxq = 1;
	if (rte_eth_dev_configure(port->ethdev, port->n_rx, port->n_tx, conf) == 0)
		return 0;
	conf->intr_conf.rxq = 0;
	return rte_eth_dev_configure(port->ethdev, port->n_rx, port->n_tx, conf);
}

/* Each way at most a quarter of a worker's packet buffers lies in the device. */
static uint16_t
descriptors(const struct rte_mempool *pool)
{
	uint16_t n = DESCRIPTORS_MIN;

	while (n < DESCRIPTORS_MAX && n * 2U <= pool->size / 4)
		n = (uint16_t)(n * 2);
	return n;
}

static int
set_up_queues(struct pv_port *port, const struct rte_eth_conf *conf,
		const struct rte_eth_dev_info *info, struct rte_mempool *const *pools)
{
	uint16_t n_rx = descriptors(pools[0]), n_tx = n_rx;
	struct rte_eth_rxconf rx = info->default_rxconf;
	struct rte_eth_txconf tx = info->default_txconf;
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(port->ethdev, &n_rx, &n_tx);

	rx.offloads = conf->rxmode.offloads;
	tx.offloads = conf->txmode.offloads;
	for (uint16_t q = 0; q < port->n_rx && rc == 0; q++)
		rc = rte_eth_rx_queue_setup(port->ethdev, q, n_rx, 0, &rx, pools[q]);
	for (uint16_t q = 0; q < port->n_tx && rc == 0; q++)
		rc = rte_eth_tx_queue_setup(port->ethdev, q, n_tx, 0, &tx);
	port->crowded = (uint16_t)(n_rx / 4 * 3);
	return rc;
}

static uint16_t
queues(uint16_t workers, uint16_t wanted, uint16_t most)
{
	uint16_t n = wanted != 0 && wanted < workers ? wanted : workers;

	return n < most ? n : most;
}

/* The device's table sends a connection to the worker that owns it. Where this fails, frames come
 * in at the wrong one and are handed over. */
static void
set_redirection(const struct pv_port *port, const struct rte_eth_dev_info *info)
{
	struct rte_eth_rss_reta_entry64 table[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE];

	if (port->n_rx < 2 || info->reta_size == 0 || info->reta_size > RTE_ETH_RSS_RETA_SIZE_512)
		return;
	memset(table, 0, sizeof(table));
	for (uint16_t i = 0; i < info->reta_size; i++) {
		struct rte_eth_rss_reta_entry64 *group = &table[i / RTE_ETH_RETA_GROUP_SIZE];

		group->mask = UINT64_MAX;
		group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = (uint16_t)(i % OWNERS % port->n_rx);
	}
	rte_eth_dev_rss_reta_update(port->ethdev, table, info->reta_size);
}

static void
note_offloads(struct pv_port *port, uint64_t rx, uint64_t tx)
{
	const uint64_t cutting = RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS;

	if ((rx & RTE_ETH_RX_OFFLOAD_TCP_LRO) != 0)
		port->coalesce = 0;
	port->facts.tx_ip_checksum = (tx & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
	port->facts.tx_tcp_checksum = (tx & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0;
	/* A tap's driver counts the link header to the MTU when it cuts, so that no full segment
	 * passes it. */
	if (port->facts.tx_tcp_checksum && (tx & cutting) == cutting && !port->device->plug.is_tap)
		port->facts.tso = TSO_MAX;
	port->device->prepare = port->facts.tx_tcp_checksum != 0;
}

static int
set_up(struct pv_port *port, const struct pv_config *config, struct rte_mempool *const *pools)
{
	const struct pv_port_config *c = &config->port[port->index];
	struct rte_eth_conf conf = { .rxmode.mtu = c->mtu };
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(port->ethdev, &info);

	if (rc != 0)
		return rc;
	/* Packet sockets say that they take 1,500 bytes, whatever their ring is made for. */
	if (port->device->plug.is_packet_socket && conf.rxmode.mtu > PV_PACKET_SOCKET_MTU)
		conf.rxmode.mtu = PV_PACKET_SOCKET_MTU;
	port->n_rx = queues(config->n_worker, c->queues, info.max_rx_queues);
	port->n_tx = queues(config->n_worker, c->queues, info.max_tx_queues);
	choose_offloads(&conf, &info, c);
	if (port->n_rx > 1)
		choose_rss(&conf, &info);
	rc = configure(port, &conf);
	if (rc == 0)
		rc = set_up_queues(port, &conf, &info, pools);
	if (rc != 0)
		return rc;
	rte_eth_dev_set_mtu(port->ethdev, c->mtu); /* refused where it can't be changed */
	note_offloads(port, conf.rxmode.offloads, conf.txmode.offloads);
	return 0;
}

/* A descriptor of a tap that signals the process, whichever thread that hits. */
static bool
signals_process(int fd)
{
	char path[64], target[32] = "";
	struct f_owner_ex owner;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, target, sizeof(target) - 1) < 0 || strcmp(target, "/dev/net/tun") != 0)
		return false;
	return fcntl(fd, F_GETSIG) != 0 && fcntl(fd, F_GETOWN_EX, &owner) == 0 &&
	       owner.type == F_OWNER_PID;
}

/* Until its worker is there, no thread is to be signalled. The driver keeps its descriptors to
 * itself until it is started, and then it is too late. */
static void
quieten(const struct pv_port *port)
{
	DIR *dir = port->device->plug.is_tap ? opendir("/proc/self/fd") : NULL;
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (signals_process(atoi(entry->d_name)))
			fcntl(atoi(entry->d_name), F_SETOWN, 0);
	if (dir != NULL)
		closedir(dir);
}

static int
start(struct pv_port *port)
{
	struct rte_eth_dev_info info;
	int rc;

	quieten(port);
	rc = rte_eth_dev_start(port->ethdev);
	if (rc != 0)
		return rc;
	port->started = 1;
	for (uint16_t q = 0; q < port->n_rx; q++) /* asked once: drivers without complain */
		port->device->wake_fd[q] = rte_eth_dev_rx_intr_ctl_q_get_fd(port->ethdev, q);
	if (rte_eth_dev_info_get(port->ethdev, &info) == 0)
		set_redirection(port, &info);
	/* Our MAC is not always the device's; where this is refused, it takes every frame anyway.
	 */
	rte_eth_promiscuous_enable(port->ethdev);
	rte_eth_allmulticast_enable(port->ethdev);
	return 0;
}

static int
find_and_start(struct pv_port *port, const struct pv_config *config,
		struct rte_mempool *const *pools, char *err, size_t cap)
{
	const struct pv_port_config *c = &config->port[port->index];
	int rc = pv_hotplug_attach(&port->device->plug, c, &port->ethdev, err, cap);

	if (rc != 0)
		return rc;
	choose_mac(port, c);
	rc = set_up(port, config, pools);
	return rc != 0 ? rc : start(port);
}

int
pv_device_open(struct pv_port *port, const struct pv_config *config,
		struct rte_mempool *const *pools, char *err, size_t err_cap)
{
	const struct pv_port_config *c = &config->port[port->index];
	int rc = pv_refusal(c, err, err_cap);
	FILE *log;

	if (rc != 0)
		return rc;
	port->device = calloc(1, sizeof(*port->device));
	if (port->device == NULL)
		return -ENOMEM;
	port->device->plug = pv_hotplug_named(c->device);
	err[0] = '\0';
	log = pv_driver_log_listen();
	rc = find_and_start(port, config, pools, err, err_cap);
	rte_openlog_stream(log);
	if (rc != 0 && err[0] == '\0')
		pv_driver_log_explain(err, err_cap, port->device->plug.name, rc);
	if (rc != 0)
		pv_device_close(port);
	return rc;
}

void
pv_device_close(struct pv_port *port)
{
	if (port->device == NULL)
		return;
	pv_hotplug_detach(&port->device->plug, port->ethdev, port->started);
	free(port->device);
	port->device = NULL;
	port->started = 0;
	port->ethdev = PV_NO_ETHDEV;
}

uint16_t
pv_device_send(struct pv_port *port, uint16_t queue, struct rte_mbuf **frames, uint16_t n)
{
	uint16_t ready = n;

	if (port->device->prepare)
		ready = rte_eth_tx_prepare(port->ethdev, queue, frames, n);
	if (pv_unlikely(ready == 0 && n > 0)) {
		rte_pktmbuf_free(frames[0]); /* one that the driver never takes must not stop the
						others */
		return 1;
	}
	n = ready;
	return rte_eth_tx_burst(port->ethdev, queue, frames, n);
}

/* ---- wake-ups -------------------------------------------------------------------------------- */

int
pv_device_wake_fd(struct pv_port *port, uint16_t queue)
{
	return port->device != NULL ? port->device->wake_fd[queue] : -1;
}

int
pv_device_wake_arm(struct pv_port *port, uint16_t queue, int on)
{
	if (port->device == NULL)
		return -ENOTSUP;
	/* A tap's descriptor is the queue itself: it needs no arming. */
	if (port->device->plug.is_tap)
		return 0;
	return on ? rte_eth_dev_rx_intr_enable(port->ethdev, queue) :
		    rte_eth_dev_rx_intr_disable(port->ethdev, queue);
}

int
pv_device_adopt(struct pv_port *port, uint16_t queue)
{
	struct f_owner_ex owner = { .type = F_OWNER_TID, .pid = (pid_t)syscall(SYS_gettid) };
	int fd;

	if (port->device == NULL || !port->device->plug.is_tap || queue >= port->n_rx)
		return 0;
	fd = pv_device_wake_fd(port, queue);
	if (fd >= 0)
		fcntl(fd, F_SETOWN_EX, &owner);
	/* For what arrived before: the driver looks only after a signal. */
	pthread_kill(pthread_self(), TAP_SIGNAL);
	return TAP_SIGNAL;
}
