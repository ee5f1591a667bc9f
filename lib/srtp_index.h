/*
 * lib/srtp_index.h: the 48-bit packet indices of SRTP's sources (RFC 3711 3.3.1): ROC and sequence number, per SSRC. They do not
 * start again with a new master key, and none is used twice under one key, whatever a source does:
 *   - a repeated sequence number, or one more than 63 behind the highest, is dropped;
 *   - two packets in a row that follow one another but lie outside that window are a restarted source (RFC 3550 A.1): the
 *     ROC rises until the index lies ahead of all used ones. The first of the two is lost; a receiver finds the new ROC by
 *     authentication, or RFC 4771 tells it.
 * Marks are what outlives the process; the rest is found anew. Verdicts are those of lib/transform.h. No I/O, no clock.
 */
#ifndef GW_SRTP_INDEX_H
#define GW_SRTP_INDEX_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GW_SRTP_WINDOW = 64, GW_SRTP_MEDIAN = 1 << 15, GW_SRTP_SOURCES_MAX = 4096, GW_SRTP_NAME = 8 };

/* Which indices of a source are spent. Plain data without pointers: it may lie in a mapped file. Zeroed: free. */
struct gw_srtp_mark {
	uint32_t ssrc, used;		/* used: 0 free */
	uint64_t highest, window;	/* bit n of window: highest - n is spent */
	uint8_t key[GW_SRTP_NAME];	/* names the key last used, without showing it */
};
struct gw_srtp_run {			/* how a source behaves; zeroed at first */
	bool inherited;			/* its mark is of an earlier process, and it has sent nothing since */
	bool jumped;			/* the last packet lay outside the window… */
	uint16_t follows;		/* …and this would follow it */
};

/* The index nearest to the highest (RFC 3711 appendix A); libsrtp2 does the same, so a receiver's guess is this one. */
uint64_t gw_srtp_guess(uint64_t highest, uint16_t seq);
/* GW_XF_OK: it may be used; GW_XF_REPEAT: it was; GW_XF_RESTART: nobody knows any more. */
int gw_srtp_classify(const struct gw_srtp_mark *, uint64_t index);
void gw_srtp_spend(struct gw_srtp_mark *, uint64_t index);
/*
 * The index of the source's next packet, or the verdict that drops it: GW_XF_REPEAT, GW_XF_RESTART, GW_XF_EXHAUSTED (2^48 are
 * spent). Nothing is spent yet. unused: the key in force has protected nothing of this source in any process.
 */
int gw_srtp_follow(struct gw_srtp_run *, struct gw_srtp_mark *, bool unused, uint16_t seq, uint64_t *index);

/* Sources of a sender by SSRC. Another thread may read what is atomic. */
struct gw_srtp_source {
	_Atomic uint32_t ssrc;
	uint32_t input;			/* where it came from, under that key */
	_Atomic uint64_t key;		/* number of the key it sent under last; 0: none of this process */
	struct gw_srtp_run run;
	bool taken;
};
struct gw_srtp_table {
	struct gw_srtp_mark *marks; struct gw_srtp_source *sources; size_t n;
	size_t last;			/* found last time: most media have one source */
	uint16_t *slot; unsigned shift; uint32_t factor;	/* open addressing, at most half full; place + 1 */
	uint64_t key, before;		/* keys seen last */
	size_t untaken, hand;		/* where to look for a place */
};
/*
 * marks: n (1..GW_SRTP_SOURCES_MAX) of them, lent until _fini; zeroed, or as an earlier process left them. seed: a random number,
 * so that nobody can choose SSRCs that make look-ups slow. -1: no memory.
 */
int gw_srtp_table_init(struct gw_srtp_table *, struct gw_srtp_mark *marks, size_t n, uint32_t seed);
void gw_srtp_table_fini(struct gw_srtp_table *);
/*
 * The source's place, 0..n-1, at need taken from a source that has sent nothing under this key (key: its number, not 0; name: its
 * name in marks), if possible from one that was quiet under the key before, too. n: the table is full. O(1), spread over a key's life.
 */
size_t gw_srtp_table_find(struct gw_srtp_table *, uint64_t key, const uint8_t name[GW_SRTP_NAME], uint32_t ssrc);
#endif
