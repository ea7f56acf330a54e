/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole engines through pv_api.h, as the control plane has them, and clients that are
 * frames: 10.9.0.<host> with MAC 02:00:00:00:00:<host>. Port 0 of an engine is 10.9.0.2/24 and
 * fd09::2/64.
 */
#ifndef PV_TESTS_ENGINE_RIG_H
#define PV_TESTS_ENGINE_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/pv_api.h"
#include "wire/tcp_hdr.h"

void engine_eal(void); /* once a process */
void engine_config(struct pv_config *config, uint16_t workers);
/* Ends the test program when it fails. */
struct pv_engine *engine_start(const struct pv_config *config);
void engine_stop(struct pv_engine *engine);
uint64_t engine_count(struct pv_engine *engine, const char *counter);
/* All frames ended in one counter each. */
bool engine_accounts(struct pv_engine *engine);
uint64_t engine_listen(struct pv_engine *engine, uint16_t port, uint32_t backlog);

/* A client's connection, seen from the client. */
struct client {
	uint8_t host;
	uint16_t port, server_port;
	uint32_t seq, ack; /* next to be sent, next expected */
};

/* A frame with one segment; returns its length. Advances client->seq. */
size_t client_segment(
		struct client *client, uint8_t *frame, uint8_t flags, const void *data, size_t len);
/* Reads a frame for this client: its header, and where the data is; false: not for him. Advances
 * client->ack. */
bool client_take(struct client *client, const uint8_t *frame, size_t n, struct pv_tcp_hdr *header,
		const uint8_t **data, size_t *len);
/* An ARP request of the host for 10.9.0.2. */
size_t client_arp(uint8_t host, uint8_t *frame);

#endif
