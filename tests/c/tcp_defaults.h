/* SPDX-License-Identifier: BSD-3-Clause */
/* [tcp] of the tests' engines where a test does not say otherwise: every switch that is on by
 * default, times in ms as users have them, small buffers. */
#ifndef PV_TESTS_TCP_DEFAULTS_H
#define PV_TESTS_TCP_DEFAULTS_H

#include "api/pv_api.h"

static inline struct pv_tcp_config
tcp_defaults(void)
{
	return (struct pv_tcp_config){
		.sack = 1,
		.timestamps = 1,
		.window_scale = 1,
		.delayed_ack = 1,
		.nagle = 1,
		.slow_start_after_idle = 1,
		.rack = 1,
		.tlp = 1,
		.f_rto = 1,
		.limited_transmit = 1,
		.prr = 1,
		.undo = 1,
		.ttl = 64,
		.backlog_overflow = PV_OVERFLOW_RESET,
		.initial_window = 10,
		.rto_min = 200,
		.rto_initial = 1000,
		.rto_max = 120000,
		.delayed_ack_time = 40,
		.syn_retries = 6,
		.syn_ack_retries = 5,
		.data_retries = 15,
		.time_wait = 60000,
		.fin_wait_2 = 60000,
		.keepalive_idle = 7200000,
		.keepalive_interval = 75000,
		.keepalive_count = 9,
		.challenge_ack_limit = 1000,
		.invalid_ack_limit = 500,
		.reset_limit = 1000,
		.recv_buffer = 65536,
		.recv_buffer_max = 4 << 20,
		.send_buffer = 65536,
		.send_buffer_max = 4 << 20,
		.epoch = 64,
	};
}

#endif
