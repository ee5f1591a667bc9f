/* lib/headend_int.h: what lib/headend*.c share; nobody else includes it */
#ifndef GW_HEADEND_INT_H
#define GW_HEADEND_INT_H
#include "lib/conf.h"
#include "lib/headend.h"

/* The file as it stands: streams hang on services and media; he_unit is what follows. */
struct raw_medium {
	struct he_medium m;
	struct he_stkm *stkm; size_t nstkm;
	struct { bool set; uint16_t v; } index;
};
struct raw_service {
	struct he_service s;		/* first: a reference to the one is one to the other */
	struct raw_medium *media; size_t nmedia;
	struct he_stkm *stkm; size_t nstkm;
	struct { bool set; uint16_t v; } index;
	bool cw_length_given;
	bool loss_confirmed;
};
struct full {
	struct headend h;
	struct raw_service *services; size_t nservices;
};

#define ROWS(a) (a), sizeof(a) / sizeof((a)[0])
#define WORDS(a) .words = (a), .nwords = sizeof(a) / sizeof((a)[0])
#define LIST(tag, p, n) GW_CONF_AT(tag, p), .count = offsetof(struct tag, n)
#define GIVEN(tag, m) GW_CONF_AT(tag, m.v), .has = offsetof(struct tag, m.set)
#define NAMED(tag, m) .name = offsetof(struct tag, m), .named = true
#define PLACED(tag, m) .placed = true, .at = offsetof(struct tag, m)

/* ---- faults that several parts of the file may have ---- */

/* What goes into a line or a field where some characters would end it. no: those. */
void he_check_word(struct gw_conf *, char *const *member, const char *key, const char *no);
/* Things that hang together: all of them, or none. */
struct he_part { const void *member; const char *key; bool there; };
void he_check_parts(struct gw_conf *, const void *whole, const char *key, bool there, const struct he_part *, size_t n);
/* Keys of all things that must differ in the whole file. */
struct he_keys { struct gw_conf_key *k; size_t n; };
/* An address, whatever its reach; none if there is none. */
void he_add_addr(struct he_keys *, const struct gw_addr *);

/* ---- lib/headend_bridge.c ---- */
extern const struct gw_conf_schema he_bridge_schema;
/* What hangs on more than one bridge, or on other parts of the file; fills in defaults. */
void he_bridge_check_all(struct gw_conf *, struct full *);
/* The services of struct headend in place of the file's. */
void he_bridge_services(struct full *);
#endif
