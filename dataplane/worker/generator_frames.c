/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/generator_frames.h"

#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/tcp_opt.h"

static const uint8_t clients6[12] = { 0x20, 0x01, 0x00, 0x02 };
static const uint8_t flood6[12] = { 0x20, 0x01, 0x00, 0x02, 0, 0, 0, 0x0f };

enum {
	CLIENT_MSS = 1460,
	CLIENT_MSS6 = 1440,
	CLIENT_WSCALE = 7,
	SYN_WINDOW = 64240,
	ACK_WINDOW = 502
};

static size_t
options(uint8_t *out, bool syn, bool is_v4)
{
	struct pv_tcp_opts o = { .present = PV_TCP_OPT_TS };

	if (!syn)
		return pv_tcp_opt_build(out, &o);
	o.present |= PV_TCP_OPT_MSS | PV_TCP_OPT_WSCALE | PV_TCP_OPT_SACKOK;
	o.mss = is_v4 ? CLIENT_MSS : CLIENT_MSS6;
	o.wscale = CLIENT_WSCALE;
	return pv_tcp_opt_build_syn(out, &o, PV_TCP_ORDER_LINUX);
}

static void
ip_header(struct pv_frame *frame, const struct pv_addr *server, uint16_t tcp_len, bool flood)
{
	uint8_t *ip = frame->bytes + PV_ETH_HDR_LEN;

	if (frame->is_v4) {
		ip[0] = 0x45;
		pv_st16be(ip + 2, (uint16_t)(PV_IP4_HDR_LEN + tcp_len));
		pv_st16be(ip + 6, PV_IP4_DF);
		ip[8] = 64;
		ip[9] = PV_PROTO_TCP;
		memcpy(ip + 16, server->b + 12, 4);
		frame->ip_sum = pv_csum_part(ip, PV_IP4_HDR_LEN);
		frame->tcp_sum = pv_csum_pseudo4(0, pv_addr_v4(server), PV_PROTO_TCP, tcp_len);
	} else {
		ip[0] = 0x60;
		pv_st16be(ip + 4, tcp_len);
		ip[6] = PV_PROTO_TCP;
		ip[7] = 64;
		memcpy(ip + 8, flood ? flood6 : clients6, sizeof(clients6));
		memcpy(ip + 24, server->b, sizeof(server->b));
		frame->tcp_sum = pv_csum_pseudo6(ip + 8, ip + 24, PV_PROTO_TCP, tcp_len);
	}
}

void
pv_frame_init(struct pv_frame *frame, const struct pv_generator_params *params,
		const uint8_t *our_mac, bool syn, bool flood)
{
	uint8_t opts[PV_TCP_OPTIONS_MAX], *tcp;
	size_t n;

	memset(frame, 0, sizeof(*frame));
	frame->is_v4 = pv_addr_is_v4(&params->server);
	frame->l4 = frame->is_v4 ? PV_ETH_HDR_LEN + PV_IP4_HDR_LEN :
				   PV_ETH_HDR_LEN + PV_IP6_HDR_LEN;
	frame->host = frame->is_v4 ? PV_ETH_HDR_LEN + 12 : PV_ETH_HDR_LEN + 8 + 12;
	frame->peer_host = frame->is_v4 ? PV_ETH_HDR_LEN + 16 : PV_ETH_HDR_LEN + 24 + 12;
	frame->stamps = (uint16_t)(frame->l4 + (syn ? 28 : 24));
	n = options(opts, syn, frame->is_v4);
	frame->len = (uint16_t)(frame->l4 + PV_TCP_HDR_LEN + n);
	memcpy(frame->bytes, params->server_mac, PV_ETH_ADDR_LEN);
	memcpy(frame->bytes + PV_ETH_ADDR_LEN, our_mac, PV_ETH_ADDR_LEN);
	pv_st16be(frame->bytes + 12, frame->is_v4 ? PV_ETHERTYPE_IP4 : PV_ETHERTYPE_IP6);
	ip_header(frame, &params->server, (uint16_t)(PV_TCP_HDR_LEN + n), flood);
	tcp = frame->bytes + frame->l4;
	pv_st16be(tcp + 2, params->server_port);
	tcp[12] = (uint8_t)((PV_TCP_HDR_LEN + n) / 4 << 4);
	pv_st16be(tcp + 14, syn ? SYN_WINDOW : ACK_WINDOW);
	memcpy(tcp + PV_TCP_HDR_LEN, opts, n);
	frame->tcp_sum += pv_csum_part(tcp, PV_TCP_HDR_LEN + n);
}
