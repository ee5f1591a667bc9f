/* lib/conf_int.h: what lib/conf*.c share; nobody else includes it */
#ifndef GW_CONF_INT_H
#define GW_CONF_INT_H
#include <limits.h>
#include <yaml.h>
#include "lib/conf.h"

enum { WHY = 360, NAME_LEN = 64, SHOWN = 60 };	/* a sentence; a name; how much of a wrong value a sentence shows */

struct fault { struct gw_place at; size_t nth; char text[WHY]; };
struct given { const void *member; struct gw_place at; bool bad; };
struct object { const struct gw_conf_schema *schema; char *p; struct gw_place at; };
/* in: the list that the name is looked for in, and the object that has it */
struct ref { const struct gw_conf_row *row, *in; char *member, *object; const char *name; struct gw_place at; };
struct around { const struct gw_conf_schema *schema; char *object; const struct around *outer; };
struct vec { void *p; size_t n, cap; };

struct gw_conf {
	const char *file;
	char dir[PATH_MAX];
	yaml_document_t doc;
	const struct gw_conf_schema *root;
	char *out;
	struct fault *faults;
	size_t nfaults, unsaid, visits;
	struct given *given; size_t ngiven, given_cap;	/* a hash table by address */
	struct vec objects, refs;
	const struct around *around;	/* the objects that are being read, the innermost first */
	bool nomem;
};

/* What a type is: composite ones have no read; print writes what read reads. */
struct gw_conf_kind {
	/* Fills the member from the text, or says why not. */
	bool (*read)(struct gw_conf *, const struct gw_conf_row *, void *member, const char *text, char why[WHY]);
	void (*print)(const struct gw_conf_row *, const char *obj, FILE *);
	const char *noun;
};
extern const struct gw_conf_kind gw_conf_kinds[];	/* by enum gw_conf_type */

/* Zeroed, or of a growing vector; NULL sets c->nomem. */
void *gw_conf_alloc(struct gw_conf *, size_t n, size_t size);
void *gw_conf_push(struct gw_conf *, struct vec *, size_t size);
bool gw_conf_set_text(struct gw_conf *, void *member, const char *);	/* true */
bool gw_conf_is_name(const char *, char why[WHY]);
/* "; did you mean X?" or "; known are A, B, C" from the names that at(of, i) gives. */
const char *gw_conf_hint(const char *word, const char *(*at)(const void *of, size_t i), const void *of, size_t n, char out[WHY]);
const char *gw_conf_word_at(const void *words, size_t i);
const struct gw_conf_row *gw_conf_find_row(const struct gw_conf_schema *, const char *key);
/* The list that a reference means, and in *object whose it is. */
const struct gw_conf_row *gw_conf_find_list(const struct around *, const char *key, char **object);
int64_t gw_conf_load_int(const void *member, size_t size);
void gw_conf_store(void *member, size_t size, int64_t);
void gw_conf_number_text(const struct gw_conf_row *, int64_t, char *out, size_t cap);
void gw_conf_print_word(const char *, FILE *);
#endif
