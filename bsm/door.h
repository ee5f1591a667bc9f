/*
 * bsm/door.h: one request at a door of the BSM and its answer, as its engines see them: no sockets, no clock, no types of the HTTP server. The
 * shell fills the one from lib/httpd.h and sends the other once the store's flush has answered GW_WON (door_unavailable() in its place
 * when it has not): one commit serves many requests.
 */
#ifndef BSM_DOOR_H
#define BSM_DOOR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct door_request {		/* lent for the call */
	const char *method, *path, *query, *uri;	/* as in lib/httpd.h; query "": none */
	const char *content_type;			/* lower case, without parameters; "": none */
	/* headers; NULL: not there */
	const char *authorization, *user_agent, *registered_address, *idempotency_key;
	const uint8_t *body; size_t body_len;
	const struct sockaddr *peer;			/* NULL: unknown */
	int64_t now_us;					/* UTC */
};
/* Names of the headers that the shell has to hand on, NULL-terminated: authorization, user-agent, x-registered-address, idempotency-key. */
extern const char *const door_headers[];
extern const char door_json[];	/* application/json */

enum { DOOR_HEADERS = 3, DOOR_HEADER = 1700 };
struct door_answer {		/* filled whole by an engine; then door_answer_free() */
	unsigned status;
	const char *type;	/* static; NULL: no body */
	char *body; size_t len;	/* heap */
	bool at_once;		/* it says nothing of the store: it need not wait for the flush */
	const char *headers[DOOR_HEADERS + 1];	/* "name: value", NULL-terminated: what struct gw_answer wants */
	char text[DOOR_HEADERS][DOOR_HEADER];
};
void door_answer_init(struct door_answer *);
void door_answer_free(struct door_answer *);	/* the body; quiet when there is none */
/* A copy of text, or the heap string itself, becomes the body. -1: no memory (take: text was NULL); the answer is 500 without a body. */
int door_answer_text(struct door_answer *, unsigned status, const char *type, const char *text);
int door_answer_take(struct door_answer *, unsigned status, const char *type, char *text);
/* One more header; false: no room. */
bool door_answer_header(struct door_answer *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/*
 * 503 with Retry-After: the store could not keep what the answer would have said. What is in the answer is freed first; in place of JSON there
 * is an error of simulgate-bsm-api(7).
 */
void door_unavailable(struct door_answer *);
#endif
