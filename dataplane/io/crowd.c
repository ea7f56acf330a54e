/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/crowd.h"

#include <stdbool.h>

#include <rte_mbuf.h>

#include "base/check.h"
#include "base/packet.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/tcp_hdr.h"

#define LET_IN 4u /* SYNs of a burst */

/* Where TCP's header begins, in a packet that no option or extension stands before; 0: in no other.
 */
static uint32_t
tcp_at(const uint8_t *p, const struct pv_eth *eth)
{
	const uint8_t *ip = p + eth->hdr_len;

	if (eth->type == PV_ETHERTYPE_IP6 && ip[6] == PV_PROTO_TCP)
		return eth->hdr_len + PV_IP6_HDR_LEN;
	if (eth->type == PV_ETHERTYPE_IP4 && ip[0] == 0x45 && ip[9] == PV_PROTO_TCP &&
			(pv_ld16(ip + 6) & PV_HTON16(0x3fff)) == 0)
		return eth->hdr_len + PV_IP4_HDR_LEN;
	return 0;
}

static bool
is_syn(const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	struct pv_eth eth;
	uint32_t at;

	if (pv_eth_parse(p, m->data_len, &eth) != PV_ETH_OK ||
			m->data_len < eth.hdr_len + PV_IP4_HDR_LEN + PV_TCP_HDR_LEN)
		return false;
	at = tcp_at(p, &eth);
	return at != 0 && m->data_len >= at + PV_TCP_HDR_LEN &&
	       (p[at + 13] & (PV_TCP_SYN | PV_TCP_ACK | PV_TCP_RST | PV_TCP_FIN)) == PV_TCP_SYN;
}

uint32_t
pv_crowd_thin(struct rte_mbuf **frames, uint32_t n)
{
	struct rte_mbuf *out[PV_BURST];
	uint32_t left = 0, n_out = 0, syns = 0;

	for (uint32_t i = 0; i < n; i++)
		pv_prefetch(rte_pktmbuf_mtod(frames[i], const void *));
	for (uint32_t i = 0; i < n; i++) {
		if (is_syn(frames[i]) && syns++ >= LET_IN)
			out[n_out++] = frames[i];
		else
			frames[left++] = frames[i];
	}
	if (n_out != 0)
		rte_pktmbuf_free_bulk(out, n_out);
	return left;
}
