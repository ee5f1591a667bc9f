/* bridge/sp4_int.h: the tables of the messages, for what walks them */
#ifndef BRIDGE_SP4_INT_H
#define BRIDGE_SP4_INT_H
#include "bridge/sp4.h"

enum sp4_place { SP4_ATTRIBUTE, SP4_CHILD, SP4_EXTENSION };
enum sp4_type { SP4_INT, SP4_STRING, SP4_URI, SP4_HEX, SP4_WORD, SP4_BOOL, SP4_NEST };
enum {
	SP4_FULL = 1,		/* not in the short form */
	SP4_FULL_ONE = 2,	/* and required in the full one */
	SP4_SECRET = 4,
	SP4_FILLED = 8,		/* empty is a semantic error, whatever the schema says */
	SP4_SEND = 16,		/* always sent, not always received */
	SP4_NTP = 32,
};

/* One attribute or element of a message, or of an extension element. */
struct sp4_row {
	const char *name;
	enum sp4_place place;
	enum sp4_type type;
	const char *kind;	/* of the schema: "unsignedInt" */
	unsigned least, most;	/* cardinality; most > 1: an array */
	unsigned flags;
	size_t at, count;	/* offsets of the value and, of what is repeated or nested, of how many there are; count 0: one that is there or not */
	size_t stride;		/* of an array */
	int64_t lo, hi;		/* numbers: the value; texts: characters; octets: how many; hi 0: no limit but the document's */
	int64_t absent;		/* a number that is not there */
	const char *const *words; size_t nwords;
	const struct sp4_row *rows; size_t nrows;	/* of SP4_NEST */
	size_t needs;		/* offset + 1 of the text without which this may not stand */
	uint32_t tags;		/* bits: the tags that have a use for it; 0: all */
	const char *clause;
};
struct sp4_message {
	const char *root;
	uint32_t tags;		/* bits */
	enum sp4_kind kind;
	const struct sp4_row *rows; size_t nrows;
};
/* A rule between rows: what is wrong, or NULL. */
struct sp4_check { uint32_t tags; const char *(*wrong)(const struct sp4_msg *); const char *element, *clause; };

#define SP4_BIT(tag) (UINT32_C(1) << (tag))
extern const char sp4_space[], sp4_ext_space[];
extern const struct sp4_message sp4_messages[];
extern const size_t sp4_nmessages;
extern const struct sp4_row sp4_extensions[];
extern const size_t sp4_nextensions;
extern const struct sp4_check sp4_checks[];
extern const size_t sp4_nchecks;

const struct sp4_message *sp4_message_of(int64_t tag);
bool sp4_text_there(const void *base, size_t offset);
size_t sp4_count(const struct sp4_row *, const void *base);	/* how many there are */
/* Against the rules of the row, as a phrase; NULL: fine. *semantic: the schema would take it. value points at one, not at an array. */
const char *sp4_wrong(const struct sp4_row *, const void *value, bool *semantic);
/* Rules between rows and about the form: NULL: none broken. */
const char *sp4_wrong_whole(const struct sp4_message *, const struct sp4_msg *, const char **element, const char **clause);
#endif
