/* terminal/terminal.h: the program: a lab receiver of one service, of either profile */
#ifndef TERM_TERMINAL_H
#define TERM_TERMINAL_H
#include <jansson.h>
#include <stdio.h>
#include <uv.h>
#include "lib/addr.h"
#include "lib/args.h"
#include "lib/headend.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/ops.h"
#include "lib/udp.h"
#include "proto/bcro.h"
#include "terminal/es.h"
#include "terminal/misbehave.h"
#include "terminal/phone.h"
#include "terminal/receiver.h"

struct term_esp;		/* where ESP comes */
struct term_air;		/* a device that gets its long-term keys on air */
struct term_card;		/* the long-term keys and what must be remembered with them */
struct term_unit;
/* Where the clear packets of a medium go: neither, either or both. */
struct term_out { int fd; FILE *file; char *path; struct es *es; };
struct term_out_conf {
	struct gw_addr to; size_t offset;	/* scheme 0: no UDP; offset: of the medium among the terminal's */
	const char *file, *suffix;		/* NULL: no file; "-": stdout. Suffix: of one of several media */
	enum gw_media_type type; const char *fmtp;
};
struct term_medium {
	struct term_unit *unit; size_t index;
	char *name;
	int in_fd; uv_poll_t poll;
	int rtcp_fd; uv_poll_t rtcp_poll;	/* at the next port; -1: it has none, or it comes with the media */
	struct term_out out;
};
struct term_unit {
	struct terminal *app;
	bool esp; uint16_t index;	/* its packets are ESP; the number in its SPIs */
	char *id, *kms;
	struct term_card *card;
	struct receiver *receiver;
	int stkm_fd; uv_poll_t poll;		/* -1: they are fetched from the BSM */
	struct term_medium *media; size_t nmedia;
	struct receiver_counts said;	/* what the log knows */
};
struct terminal {
	uv_loop_t loop;
	struct gw_args args;
	const char *name; unsigned seconds;
	struct gw_addr to; const char *write;	/* of the command line, in place of the file's */
	struct term_unit *units; size_t nunits;
	struct term_esp *esp;		/* a list; NULL: none */
	struct term_air *air;		/* NULL: the long-term keys are in the key file, or */
	struct term_phone *phone;	/* with its card; NULL: it has none */
	struct term_misbehave misbehave;	/* of the phone */
	struct gw_life life;
	uv_timer_t second, end; bool ticking, stopping;
	struct gw_ops *ops;
	struct gw_rate rate;
};

struct drm_key;
struct term_air_kind { uint64_t accepted, repeats, refused[BCRO_NREASONS]; };
struct term_air_counts { bool registered; size_t rights; struct term_air_kind registration, bcro; };	/* registered, rights: now */

/* conf.c: the entry of that name, refused with file and place when its service cannot be received. NULL: with *err. */
const struct he_terminal *term_conf(const struct headend *, const char *name, struct gw_err *);
/* The key stream of a unit that a profile opens: the lowest ECM_id of its KMSs (bcast-scrambling-and-sdp 7.3). NULL: none. */
const struct he_stkm *term_conf_stkm(const struct he_unit *, bool smartcard);

enum gw_media_type term_type(const struct he_medium *);
bool term_to_stdout(const struct terminal *);	/* media, and then nothing else */
/* Can the media be written where the terminal wants them? 0, or -1 with *err. */
int term_conf_out(const struct headend *, const struct he_terminal *, const struct terminal *, struct gw_err *);
/* Has it the card that what was asked for is about? 0, or -1 with *err. */
int term_conf_phone(const struct he_terminal *, const struct terminal *, struct gw_err *);

/*
 * Where the long-term keys of a terminal's KMSs are on air: their ltkm entries, into a list of he->nltkm places that the caller
 * frees. 0, or -1 with *err when there are none.
 */
int term_conf_ltkm(const struct headend *, const struct he_terminal *, const struct he_ltkm ***list, size_t *n, struct gw_err *);

/* air.c: *out is NULL when the key file holds the keys itself. 0, or -1 with *err. */
int term_air_new(struct terminal *, const struct he_terminal *, struct term_air **out, struct gw_err *);
int term_air_open(struct term_air *, const struct he_ltkm *const *, size_t n, struct gw_err *);
void term_air_drain(struct term_air *);		/* what has come; quiet on NULL, as are close, second and free */
void term_air_take(struct term_air *, const void *msg, size_t len, int64_t utc_s);
void term_air_close(struct term_air *);
void term_air_second(struct term_air *);
void term_air_free(struct term_air *);
struct drm_key *const *term_air_keys(const struct term_air *, size_t *n);
void term_air_counts(const struct term_air *, struct term_air_counts *);

/* card.c: opens STKMs with the keys of a key file, or those that come on air or to a phone; the `self` of term_card_receive */
struct term_card *term_card_new(const struct terminal *, const struct he_terminal *, struct gw_err *);
void term_card_free(struct term_card *);
receiver_open term_card_receive;

/* out.c: after a failure, too, it is closed. */
int term_out_open(struct term_out *, const struct term_out_conf *, struct gw_err *);
/* A clear packet; lent until term_out_flush, which sends all that was added. Packets of a protection's own making come by the sink. */
void term_out_add(struct term_out *, const struct gw_pk *);
struct gw_sink *term_out_sink(struct term_out *);	/* good until the next one is asked for */
void term_out_flush(void);
void term_out_second(struct term_out *);
void term_out_close(struct term_out *);		/* quiet when it is closed */

/* esp.c: where ESP for a medium comes; media of one host share it. Raw sockets, or UDP (RFC 3948), as the service has it. */
int term_esp_open(struct terminal *, struct term_medium *, const struct he_service *, const struct he_medium *, struct gw_err *);
void term_esp_close(struct terminal *);
void term_esp_free(struct terminal *);

/* unit.c */
void term_unit_stkm(struct term_unit *, const void *msg, size_t len);	/* one that came */
void term_unit_drain(struct term_unit *);	/* STKMs that have come: a key is there before the packets it opens */
void term_port(struct gw_addr *, uint16_t port);	/* another port of the same host */
int term_watch(struct terminal *, uv_poll_t *, int fd, uv_poll_cb, void *data, struct gw_err *);
void term_unwatch(uv_poll_t *, int *fd);	/* closes both; quiet on -1 */
/* he: where ltkm entries are looked up. */
int term_units_open(struct terminal *, const struct headend *he, const struct he_terminal *, struct gw_err *);
void term_units_close(struct terminal *);	/* handles; the counts stay until term_units_free */
void term_units_free(struct terminal *);
void term_units_second(struct terminal *);
void term_counts(const struct terminal *, struct receiver_counts *);

/* status.c */
const char *term_reason(enum rx_reason);	/* a word: bad_mac */
json_t *term_status(void *self);
void term_collect(void *self, struct gw_samples *);
void term_summary(const struct terminal *, FILE *);	/* a line */
#endif
