/* SPDX-License-Identifier: BSD-3-Clause */
/* Heads of requests and answers. */
#include <string.h>

#include "tap.h"
#include "worker/http.h"

static struct pv_http_request r;

static bool
parse(const char *text)
{
	return pv_http_parse(text, strlen(text), &r);
}

static void
test_requests(void)
{
	CHECK(parse("GET /1000 HTTP/1.1\r\nHost: x\r\n\r\nrest") && r.method == PV_HTTP_GET &&
					r.wanted == 1000 && r.status == 200 && r.keep_alive &&
					r.head_len == 31,
			"a GET is read to its empty line");
	CHECK(parse("GET / HTTP/1.0\r\n\r\n") && r.greeting && !r.keep_alive, "1.0 closes");
	CHECK(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") && r.keep_alive,
			"unless it is asked not to");
	CHECK(parse("GET /5 HTTP/1.1\r\nCONNECTION:close\r\n\r\n") && !r.keep_alive,
			"1.1 closes when asked");
	CHECK(parse("HEAD /7 HTTP/1.1\r\n\r\n") && r.method == PV_HTTP_HEAD_ONLY && r.wanted == 7,
			"HEAD");
	CHECK(parse("PUT /x HTTP/1.1\r\nContent-Length: 104857600\r\nExpect: "
		    "100-continue\r\n\r\n") &&
					r.method == PV_HTTP_PUT && r.length == 104857600 &&
					r.expects,
			"PUT with its length");
	CHECK(parse("POST / HTTP/1.1\r\ncontent-length:  3 \r\n\r\n") && r.length == 3 &&
					!r.expects,
			"POST");
	CHECK(!parse("GET / HTTP/1.1\r\nHost: x\r\n"), "an unfinished head is waited for");
}

static void
test_refusals(void)
{
	static char long_head[PV_HTTP_HEAD_MAX + 1];

	CHECK(parse("GET /nothing HTTP/1.1\r\n\r\n") && r.status == 404 && r.keep_alive, "404");
	CHECK(parse("GET /99999999999999999999 HTTP/1.1\r\n\r\n") && r.status == 404,
			"a number too large");
	CHECK(parse("BREW / HTTP/1.1\r\n\r\n") && r.status == 405 && !r.keep_alive, "405");
	CHECK(parse("hello\r\n\r\n") && r.status == 400 && !r.keep_alive, "no HTTP");
	CHECK(parse("GET /\r\n\r\n") && r.status == 400, "HTTP/0.9");
	CHECK(parse("PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n") && r.status == 400,
			"a length that is none");
	CHECK(parse("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n") && r.status == 411,
			"chunks");
	CHECK(parse("\r\n\r\n") && r.status == 400, "an empty line");
	memset(long_head, 'a', PV_HTTP_HEAD_MAX);
	CHECK(parse(long_head) && r.status == 431 && !r.keep_alive &&
					r.head_len == PV_HTTP_HEAD_MAX,
			"a head without end");
}

int
main(void)
{
	char text[PV_HTTP_REPLY_MAX];
	size_t n = pv_http_reply(text, 431, UINT64_MAX, true);

	test_requests();
	test_refusals();
	CHECK(n < sizeof(text) && strstr(text, "431 Request Header Fields Too Large\r\n") != NULL &&
					strcmp(text + n - 4, "\r\n\r\n") == 0,
			"the longest answer fits");
	return tap_done();
}
