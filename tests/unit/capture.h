/*
 * tests/unit/capture.h: the SimulCrypt messages of a capture file (Ethernet, IPv4). TCP is taken as it came: bytes sent again are
 * passed over, a gap fails the test, and so does a connection that ends within a message.
 */
#ifndef TESTS_CAPTURE_H
#define TESTS_CAPTURE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CAP_FLOWS = 32, CAP_MESSAGES = 512 };
struct cap_message {
	size_t flow;			/* which connection, or which sender of datagrams */
	bool from_server, udp;
	const uint8_t *p; size_t len;	/* header included */
};
struct cap_flow {
	uint16_t client, server;	/* ports */
	bool udp;
	struct cap_half { uint32_t next; bool open, fin; uint8_t *p; size_t len, taken; } half[2];	/* [from_server] */
};
struct capture {
	struct cap_flow flow[CAP_FLOWS]; size_t nflows;
	struct cap_message message[CAP_MESSAGES]; size_t nmessages;	/* in the order in which they were complete */
};

/* A file below tests/data; kept until the next one is read. */
const struct capture *capture_read(const char *rel);
/* The next message of a session from *at on, which moves behind it; NULL at its end: a connection and the datagrams to its server's port. */
const struct cap_message *capture_next(const struct capture *, size_t flow, size_t *at);
#endif
