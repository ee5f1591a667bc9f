/*
 * lib/conf.h: a YAML file read under schema rows. One row per key says type, place in the struct, default, range and meaning;
 * reading, defaults, printing and the manual's list of keys walk the same rows. Every fault of a file is found in one run and
 * said as "FILE:LINE:COLUMN: sentence".
 *
 * Bounds: files up to 4 MiB; a million nodes visited (so that aliases cannot multiply); depth is that of the schema. In a
 * tcp://[::1]:2000 the brackets need no quotes, not even within [ ], although YAML would have it so.
 */
#ifndef GW_CONF_H
#define GW_CONF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "lib/err.h"

enum gw_conf_type {	/* what is written          the member's type */
	GW_CONF_BOOL,		/* true, false (yes no on off)  bool */
	GW_CONF_UINT,		/* 17, 0x0001                   an integer of 1, 2, 4 or 8 bytes */
	GW_CONF_INT,		/* -2000                        int64_t */
	GW_CONF_DURATION,	/* 10s 500ms 1.5s 2min 1h       an unsigned integer, ms */
	GW_CONF_RATE,		/* 64kbit/s 1Mbit/s             an unsigned integer, bit/s */
	GW_CONF_SIZE,		/* 512 KiB, 1MB                 an unsigned integer, bytes */
	GW_CONF_TEXT,		/* any text; with `words` one of these      char * */
	GW_CONF_NAME,		/* letters, digits, . _ -; at most 64       char * */
	GW_CONF_PATH,		/* relative to the file's directory         char *, absolute */
	GW_CONF_ENUM,		/* one of `words`, by number                an integer of 1 to 8 bytes */
	GW_CONF_ADDR,		/* tcp://HOST:PORT …            struct gw_addr */
	GW_CONF_OCTETS,		/* 0x0102000f                   uint8_t *, with `count` the size_t beside it */
	GW_CONF_SECRET,		/* the same; never shown        struct gw_secret */
	GW_CONF_REF,		/* a name in the list `ref`, see there      const void * to its element */
	GW_CONF_ADDRS,		/* one address or a list        struct gw_addr *, with `count` */
	GW_CONF_NUMBERS,	/* one number or a list         uint16_t *, with `count` */
	GW_CONF_REFS,		/* one name or a list           const void **, with `count` */
	GW_CONF_SET,		/* one of `words` or a list     an unsigned integer: their values or-ed */
	GW_CONF_MAP,		/* { KEY: VALUE, … }            char *: "KEY=VALUE\n…", "" if none */
	GW_CONF_OBJECT,		/* a mapping                    the struct itself, by `sub` */
	GW_CONF_LIST,		/* [ mapping, … ]               an array of `sub`s, with `count` */
	GW_CONF_NAMED,		/* { NAME: mapping, … }         the same; the name goes to sub->name */
};
enum {	/* flags */
	GW_CONF_NEED = 1,	/* must be given; a list must not be empty */
	GW_CONF_HEX = 2,	/* printed as 0x… in the member's width */
	GW_CONF_KEYS = 4,	/* PATH: a file of keys that exists and is private (gw_secret_file_ok) */
	GW_CONF_READABLE = 8,	/* PATH: a file that can be read */
	GW_CONF_OR_NAME = 16,	/* PATH: a word without '/' stays as it is */
	GW_CONF_SOCKETS = 32,	/* PATH: a directory, also written unix:///… or unix:RELATIVE; short enough for the sockets in it */
	GW_CONF_PORT_0 = 64,	/* ADDR: the kernel may pick the port */
};

struct gw_conf_word { const char *word; int64_t value; };
struct gw_conf_schema;
struct gw_conf_row {
	const char *key;
	enum gw_conf_type type;
	size_t offset, size;	/* of the member: GW_CONF_AT() */
	size_t count;		/* offset of the size_t that counts elements or octets */
	size_t has;		/* offset of a bool that says that it was given; 0: there is none */
	const char *dflt;	/* as it would be written; NULL: zero, or what check() fills in */
	int64_t min, max;	/* inclusive, of numbers in the member's unit, of each number, of octets; 0, 0: what fits */
	unsigned flags;
	int schemes;		/* ADDR, ADDRS: as in gw_addr_parse */
	const struct gw_conf_word *words; size_t nwords;
	const struct gw_conf_schema *sub;
	const char *ref;	/* REF, REFS: a LIST or NAMED row of the innermost object around that has one, at last of the root */
	const char *meaning;	/* one sentence for the manual */
};
#define GW_CONF_AT(tag, member) offsetof(struct tag, member), sizeof(((struct tag *)0)->member)

struct gw_conf;			/* a file while it is read */
struct gw_place { int line, column; };	/* from 1; 0, 0: nowhere */
struct gw_conf_schema {
	const struct gw_conf_row *rows; size_t n;
	size_t size;		/* of the struct */
	const char *noun;	/* "stream": for sentences */
	size_t name;		/* offset of the char * that names an element; with `named`. Two with one name are refused. */
	bool named;
	size_t at;		/* offset of two ints, line and column, that get the object's place; with `placed` */
	bool placed;
	/* After the whole file was read and its references resolved; inner objects first. It runs on faulty objects, too: what could
	 * not be read is NULL or 0. Fills defaults that hang on other values, says faults with gw_conf_fail. May be NULL. */
	void (*check)(struct gw_conf *, void *object);
};

/* One scalar as it would stand in a file, for an option of a command line: UINT, INT, DURATION, RATE, SIZE, BOOL or ENUM. 0, or -1 with why. */
int gw_conf_value(const struct gw_conf_row *, void *object, const char *text, struct gw_err *);

/* Who hears every fault, a line each, in the order of the file. */
struct gw_conf_listener { void (*say)(void *self, const char *line); void *self; };
/* Reads a file into *out (zeroed here). 0, or -1 with as many faults in *err as fit, a line each, and *out freed. listener may be NULL. */
int gw_conf_load(const struct gw_conf_schema *, const char *path, void *out, const struct gw_conf_listener *, struct gw_err *);
/* The same from memory; path is for the faults and for relative paths. The text is cleansed (it may hold keys), not freed. */
int gw_conf_load_text(const struct gw_conf_schema *, const char *path, char *text, size_t len, void *out,
    const struct gw_conf_listener *, struct gw_err *);
/* Frees what the members own, not the object itself. Quiet on zeroed memory. */
void gw_conf_free(const struct gw_conf_schema *, void *object);
/* YAML that reads back as an equal object. Secrets are left out. */
void gw_conf_print(const struct gw_conf_schema *, const void *object, FILE *);
/* The rows as an mdoc list. */
void gw_conf_print_mdoc(const struct gw_conf_schema *, FILE *);

/* For check(). member: the address of a member (or object) of what is being read; the fault stands at its value, or at the smallest object
 * around it when it was not given. */
void gw_conf_fail(struct gw_conf *, const void *member, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
bool gw_conf_given(const struct gw_conf *, const void *member);	/* it stands in the file */
bool gw_conf_good(const struct gw_conf *, const void *member);	/* and was understood */
/* A default that hangs on other values: a TEXT, NAME or PATH member gets a copy. */
void gw_conf_text(struct gw_conf *, char **member, const char *text);
/* Faults those whose text is another's: "two WHAT TEXT; the other is in line 12". Entries with an empty text do not count. */
struct gw_conf_key { char text[400]; const void *member; };
void gw_conf_unique(struct gw_conf *, struct gw_conf_key *, size_t n, const char *what);
#endif
