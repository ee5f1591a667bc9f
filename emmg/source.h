/*
 * emmg/source.h: where a stream's datagrams come from. A file: of concatenated sections, of TS packets (seven a datagram, as far as they
 * go), or of one message; a directory: one message a file, in the order of their names. Or the plugin: a carousel, asked anew each time round.
 */
#ifndef EMMG_SOURCE_H
#define EMMG_SOURCE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "emmg/plugin.h"

enum { EMMG_DATAGRAM_MAX = 65500 };	/* fits a data_provision by TCP of any version */

struct emmg_source;
/* Reads and checks all of it. NULL with FILE: offset N: sentence. loop: it begins again at its end. */
struct emmg_source *emmg_source_file(const char *path, uint8_t format, bool loop, struct gw_err *);
struct emmg_source *emmg_source_plugin(struct emmg_plugin *, const struct kms_ltkm *, struct gw_err *);
void emmg_source_free(struct emmg_source *);
/* ready: there is something to take, or `next` has changed, after emmg_source_peek() had found nothing. */
void emmg_source_listen(struct emmg_source *, void (*ready)(void *self), void *self);

/* Octets of the next datagram. 0: there is none now; at `next` there may be, or `ready` is called, or it has ended. */
size_t emmg_source_peek(struct emmg_source *, int64_t now_us);
void emmg_source_take(struct emmg_source *, uint8_t *out);	/* after peek: into so many octets */
int64_t emmg_source_next(const struct emmg_source *);	/* INT64_MAX: not by time */
bool emmg_source_ended(const struct emmg_source *);
size_t emmg_source_size(const struct emmg_source *);	/* datagrams in a round; 0: a plugin's, which only it knows */
uint64_t emmg_source_skipped(const struct emmg_source *);	/* that the plugin gave and that could not be sent, or refused */
uint64_t emmg_source_rounds(const struct emmg_source *);
#endif
