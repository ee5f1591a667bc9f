/* tools/dec_out.h: messages as text: a line each, every field, JSON, or a ladder; filters; and what is counted of them. No I/O but through write. */
#ifndef TOOLS_DEC_OUT_H
#define TOOLS_DEC_OUT_H
#include <stdbool.h>
#include <stdint.h>
#include "tools/dec_net.h"
#include "tools/dec_read.h"

enum dec_mode { DEC_LINES, DEC_FIELDS, DEC_JSON, DEC_LADDER, DEC_SUMMARY };
struct dec_filter {
	const char *peer;		/* ADDRESS, ADDRESS:PORT or :PORT, of either end; NULL: all */
	const char *message;		/* its name */
	int64_t channel, stream;	/* -1: all */
	bool errors;			/* only what is wrong: refusals, faults, gaps */
};
struct dec_out_conf {
	enum dec_mode mode;
	bool secrets, colour;
	unsigned width;			/* columns; 0: lines are not cut */
	struct dec_filter filter;
	void (*write)(void *self, const char *p, size_t len);
	void *self;
};
struct dec_out;
struct dec_out *dec_out_new(const struct dec_out_conf *);	/* NULL: no memory */
void dec_out_free(struct dec_out *);
struct dec_msg_user dec_out_sink(struct dec_out *);
/* For dec_read.datagram, with self the dec_out: what is on air of OMA BCAST is shown, too; other datagrams are passed over. */
void dec_out_air(void *self, const struct dec_segment *, uint64_t frame, int64_t at_ns);
/* Times are shown from this one on; before the first message. */
void dec_out_begin(struct dec_out *, int64_t at_ns);
uint64_t dec_out_messages(const struct dec_out *);
void dec_out_summary(struct dec_out *, const struct dec_counts *);
void dec_out_flush(struct dec_out *);
#endif
