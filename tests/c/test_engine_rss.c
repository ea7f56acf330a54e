/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device with receive-side scaling is told, so that it finds the worker that owns a
 * connection: with it, the table and pv_tcp_owner (test_owner.c) agree. */
#define ALLOW_EXPERIMENTAL_API /* rte_eth_dev_conf_get */

#include <stdio.h>
#include <string.h>

#include <rte_ethdev.h>

#include "engine_rig.h"
#include "tap.h"

#define TABLE   128
#define WORKERS 3

static void
check_key(uint16_t port)
{
	struct rte_eth_conf conf;
	const uint8_t *key;
	uint32_t wrong = 0;

	CHECK_EQ(rte_eth_dev_conf_get(port, &conf), 0, "the device tells its configuration");
	CHECK_EQ(conf.rxmode.mq_mode, RTE_ETH_MQ_RX_RSS, "it spreads what it receives");
	CHECK(conf.rx_adv_conf.rss_conf.rss_hf & RTE_ETH_RSS_NONFRAG_IPV4_TCP,
			"by TCP's ports, too");
	CHECK_EQ(conf.rx_adv_conf.rss_conf.rss_key_len, 40, "with a whole key");
	key = conf.rx_adv_conf.rss_conf.rss_key;
	for (size_t i = 0; i < 40; i++)
		wrong += key[i] != (i % 2 == 0 ? 0x6d : 0x5a);
	CHECK_EQ(wrong, 0, "under which both directions hash alike, and which is still there");
}

static void
check_table(uint16_t port)
{
	struct rte_eth_rss_reta_entry64 table[TABLE / RTE_ETH_RETA_GROUP_SIZE];
	uint32_t wrong = 0;

	memset(table, 0xff, sizeof(table));
	CHECK_EQ(rte_eth_dev_rss_reta_query(port, table, TABLE), 0, "it tells its table");
	for (unsigned int i = 0; i < TABLE; i++)
		wrong += table[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] !=
			 i % WORKERS;
	CHECK_EQ(wrong, 0, "entry i is worker i % n");
}

int
main(void)
{
	static struct pv_config config;
	struct rte_eth_dev_info info;
	struct pv_engine *engine;
	uint16_t port;

	engine_eal();
	engine_config(&config, WORKERS);
	snprintf(config.port[0].device, sizeof(config.port[0].device), "net_null0,no-rx=1");
	engine = engine_start(&config);
	CHECK_EQ(rte_eth_dev_get_port_by_name("net_null0", &port), 0, "the device is there");
	CHECK_EQ(rte_eth_dev_info_get(port, &info), 0, "and says what it can");
	CHECK_EQ(info.reta_size, TABLE, "it has a redirection table");
	CHECK_EQ(info.nb_rx_queues, WORKERS, "and a queue for each worker");
	check_key(port);
	check_table(port);
	engine_stop(engine);
	return tap_done();
}
