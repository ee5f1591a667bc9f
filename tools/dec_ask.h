/*
 * tools/dec_ask.h: requests of a connection that wait for their answers. Found by their stream, however many there are; the older half is forgotten
 * when DEC_ASKED of them have had no answer. No I/O.
 */
#ifndef TOOLS_DEC_ASK_H
#define TOOLS_DEC_ASK_H
#include <stddef.h>
#include <stdint.h>

enum { DEC_ASKED = 1024 };
struct dec_request {
	uint64_t frame; int64_t at_ns;
	int64_t stream;			/* -1: of none */
	int64_t key;			/* what its answer repeats; -1: nothing */
	uint16_t answer;		/* message_type of that */
	uint8_t side;			/* who asked */
};
struct dec_ask;				/* NULL: there are none */
/* Appends a request, which is not remembered where there is no memory. How many octets more are held now. */
size_t dec_ask_add(struct dec_ask **, const struct dec_request *);
/*
 * Takes out the oldest request of that side and stream with that answer and key, answer 0: whatever it asked. 1, and *out is it; 0: there is none.
 */
int dec_ask_take(struct dec_ask *, int side, int64_t stream, uint16_t answer, int64_t key, struct dec_request *out);
void dec_ask_free(struct dec_ask *);
#endif
