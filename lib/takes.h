/*
 * lib/takes.h: the common shapes of an option's take function (lib/args.h), one line each: take_NAME reads the value into a member of the
 * program's own struct, which is its `self`. What has more to say has a function of its own.
 */
#ifndef GW_TAKES_H
#define GW_TAKES_H
#include "lib/addr.h"
#include "lib/conf.h"

#define GW_TAKE_BODY(name, ...) static int take_##name(void *self, const char *value, struct gw_err *err) { __VA_ARGS__ }
/* A number, duration, rate, size or word, as in a file: kind is an enum gw_conf_type; ...: .min, .max, .words of the row. */
#define GW_TAKE(name, kind, tag, member, ...) GW_TAKE_BODY(name, \
	static const struct gw_conf_row row = { .type = kind, GW_CONF_AT(tag, member), __VA_ARGS__ }; \
	return gw_conf_value(&row, self, value, err);)
#define GW_TAKE_FLAG(name, tag, member) GW_TAKE_BODY(name, (void)value; (void)err; ((struct tag *)self)->member = true; return 0;)
#define GW_TAKE_ADDR(name, tag, member, schemes) GW_TAKE_BODY(name, return gw_addr_parse(value, schemes, &((struct tag *)self)->member, err);)
/* The word itself, which lives as long as the command line. */
#define GW_TAKE_TEXT(name, tag, member) GW_TAKE_BODY(name, (void)err; ((struct tag *)self)->member = value; return 0;)
#endif
