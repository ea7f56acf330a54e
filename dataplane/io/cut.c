/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/cut.h"

#include <string.h>

#include "wire/byteorder.h"
#include "wire/csum.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/tcp_hdr.h"

#define SEQ_OFFSET   4
#define FLAGS_OFFSET 13

static uint64_t
finish_ip4(uint8_t *ip, uint32_t header, uint32_t tcp_len)
{
	pv_st16(ip + 2, pv_hton16((uint16_t)(header + tcp_len)));
	pv_st16(ip + 10, 0);
	pv_st16(ip + 10, pv_csum(ip, header));
	return pv_csum_pseudo4(pv_ld32(ip + 12), pv_ld32(ip + 16), PV_PROTO_TCP, (uint16_t)tcp_len);
}

static uint64_t
finish_ip6(uint8_t *ip, uint32_t tcp_len)
{
	pv_st16(ip + 4, pv_hton16((uint16_t)tcp_len));
	return pv_csum_pseudo6(ip + 8, ip + 24, PV_PROTO_TCP, tcp_len);
}

uint32_t
pv_cut_next(struct pv_cut *cut, uint8_t *out)
{
	uint32_t headers = (uint32_t)cut->l2 + cut->l3 + cut->l4, all = cut->len - headers;
	uint32_t left = all - cut->done, len = cut->mss != 0 && left > cut->mss ? cut->mss : left;
	uint8_t *ip = out + cut->l2, *tcp = ip + cut->l3;
	uint64_t sum;

	if (cut->done > all || (left == 0 && cut->done != 0))
		return 0;
	memcpy(out, cut->frame, headers);
	memcpy(out + headers, cut->frame + headers + cut->done, len);
	pv_st32(tcp + SEQ_OFFSET, pv_hton32(pv_ld32be(tcp + SEQ_OFFSET) + cut->done));
	if (cut->done != 0)
		tcp[FLAGS_OFFSET] &= (uint8_t)~PV_TCP_CWR;
	if (len < left)
		tcp[FLAGS_OFFSET] &= (uint8_t)~(PV_TCP_FIN | PV_TCP_PSH);
	sum = ip[0] >> 4 == 4 ? finish_ip4(ip, cut->l3, cut->l4 + len) :
				finish_ip6(ip, cut->l4 + len);
	pv_st16(tcp + PV_TCP_CSUM_OFFSET, 0);
	pv_st16(tcp + PV_TCP_CSUM_OFFSET, pv_csum_finish(sum + pv_csum_part(tcp, cut->l4 + len)));
	cut->done += len != 0 ? len : 1;
	return headers + len;
}
