/*
 * settings.c: the lines of `conf`, and the files of keys that they name.
 * SPDX-License-Identifier: Apache-2.0 OR MIT
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/crypto.h>
#include "example.h"

enum { FILE_MAX = 1 << 20 };

/*
 * Decimal, 0x…, or octal; all of the text, no sign, from 0 to max. strtoul() alone would take "-1", "12 apples" and "".
 */
static int
number(const char *text, unsigned long max, unsigned long *out)
{
	char *end;

	errno = 0;
	*out = strtoul(text, &end, 0);
	return *text >= '0' && *text <= '9' && !*end && !errno && *out <= max ? 0 : -1;
}

/*
 * A whole file of secrets into locked memory, with a zero behind it. Nobody else may be able to read it; it is asked of the open file,
 * for what the name stands for can change in between.
 */
static char *
secret_file(const char *path, size_t *len, char *why, size_t why_cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char *text = NULL;
	struct stat st;
	ssize_t n = -1;

	if (fd < 0 || fstat(fd, &st) < 0) {
		snprintf(why, why_cap, "%s: %s", path, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		snprintf(why, why_cap, "%s: it is no file, or too long", path);
	} else if (st.st_mode & 077) {
		snprintf(why, why_cap, "%s: others can read it, and it holds keys: chmod 600", path);
	} else if (!(text = OPENSSL_secure_zalloc((size_t)st.st_size + 1))) {
		snprintf(why, why_cap, "%s: no locked memory is left", path);
	} else {
		n = read(fd, text, (size_t)st.st_size);
		if (n != st.st_size)
			snprintf(why, why_cap, "%s: %s", path, n < 0 ? strerror(errno) : "it shrank while it was read");
	}
	if (fd >= 0)
		close(fd);
	if (text && n != st.st_size) {
		OPENSSL_secure_clear_free(text, (size_t)st.st_size + 1);
		return NULL;
	}
	*len = text ? (size_t)n : 0;
	return text;
}

static int
digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int
hex_key(const char *text, uint8_t out[KEY])
{
	for (size_t i = 0; i < KEY; i++) {
		const int high = digit(text[2 * i]), low = high < 0 ? -1 : digit(text[2 * i + 1]);
		if (low < 0)
			return -1;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return text[2 * KEY] ? -1 : 0;
}

/* The file of the key: 32 hexadecimal digits and the end of the line. */
static int
take_key(struct settings *s, const char *path, char *why, size_t why_cap)
{
	size_t len;
	char *text = secret_file(path, &len, why, why_cap);

	if (!text)
		return -1;
	text[strcspn(text, "\r\n")] = '\0';
	s->has_key = hex_key(text, s->key) == 0;
	OPENSSL_secure_clear_free(text, len + 1);
	return s->has_key ? 0 : REFUSE(1, "%s: a key is %d hexadecimal digits", path, 2 * KEY);
}

/* The file of cards: a line each, "NUMBER KEY"; lines that begin with # are remarks. */
static int
take_cards(struct settings *s, const char *path, char *why, size_t why_cap)
{
	size_t len;
	char *text = secret_file(path, &len, why, why_cap), *rest = text, *line;
	unsigned long v;
	int rc = 0;

	if (!text)
		return -1;
	if (!s->cards)
		s->cards = OPENSSL_secure_zalloc(CARDS_MAX * sizeof(*s->cards));
	if (!s->cards)
		rc = REFUSE(1, "no locked memory is left for the cards");
	for (unsigned k = 1; rc == 0 && (line = strsep(&rest, "\n")) != NULL; k++) {
		char *key = strchr(line, ' ');
		if (!*line || *line == '#')
			continue;
		if (key)
			*key++ = '\0';
		if (s->ncards == CARDS_MAX)
			rc = REFUSE(1, "%s:%u: more than %d cards", path, k, CARDS_MAX);
		else if (!key || number(line, UINT32_MAX, &v) < 0 || hex_key(key, s->cards[s->ncards].key) < 0)
			rc = REFUSE(1, "%s:%u: a card is NUMBER KEY, %d hexadecimal digits", path, k, 2 * KEY);	/* and not the line itself: it has a key in it */
		else
			s->cards[s->ncards++].number = (uint32_t)v;
	}
	OPENSSL_secure_clear_free(text, len + 1);
	return rc;
}

/* "7" or "1-99" */
static int
take_range(struct settings *s, char *value)
{
	char *dash = strchr(value, '-');
	unsigned long first, last;

	if (dash)
		*dash++ = '\0';
	if (s->nranges == RANGES_MAX || number(value, UINT16_MAX, &first) < 0 || number(dash ? dash : value, UINT16_MAX, &last) < 0 || last < first)
		return -1;
	s->ecm_ids[s->nranges++] = (struct range){ (uint16_t)first, (uint16_t)last };
	return 0;
}

static int
set(struct settings *s, char *line, char *why, size_t why_cap)
{
	char *value = strchr(line, '=');
	unsigned long v = 0;
	int rc = -1;

	if (!value)
		return REFUSE(1, "%s: a setting is KEY=VALUE", line);
	*value++ = '\0';
	if (strcmp(line, "key") == 0)
		return take_key(s, value, why, why_cap);	/* these two say themselves what is wrong */
	if (strcmp(line, "cards") == 0)
		return take_cards(s, value, why, why_cap);
	if (strcmp(line, "super_cas_id") == 0) {
		rc = s->ncas == CAS_MAX ? -1 : number(value, UINT32_MAX, &v);
		if (rc == 0)
			s->cas[s->ncas++] = (uint32_t)v;
	} else if (strcmp(line, "ecm_id") == 0) {
		rc = take_range(s, value);
	} else if (strcmp(line, "section_TSpkt_flag") == 0) {
		rc = number(value, 1, &v);
		s->section_TSpkt_flag = (uint8_t)v;
	} else if (strcmp(line, "max_streams") == 0) {
		rc = number(value, UINT16_MAX, &v);
		s->max_streams = (uint16_t)v;
	} else if (strcmp(line, "threads") == 0) {
		rc = number(value, THREADS_MAX, &v);
		s->threads = (unsigned)v;
	} else if (strcmp(line, "delay") == 0) {
		rc = number(value, 10000, &v);
		s->delay_ms = (unsigned)v;
	} else {
		return REFUSE(1, "there is no setting %s", line);	/* a slip of the operator's must not pass in silence */
	}
	return rc == 0 ? 0 : REFUSE(1, "setting %s: %s is no value for it", line, value);
}

int
settings_read(struct settings *s, const char *conf, char *why, size_t why_cap)
{
	char *lines = strdup(conf), *rest = lines, *line;
	int rc = lines ? 0 : REFUSE(1, "out of memory");

	s->threads = 1;
	while (rc == 0 && (line = strsep(&rest, "\n")) != NULL)
		if (*line)
			rc = set(s, line, why, why_cap);
	free(lines);
	if (rc == 0 && !s->has_key)
		rc = REFUSE(1, "setting key, the file of the key, is missing");
	return rc < 0 ? -1 : 0;
}

void
settings_free(struct settings *s)
{
	OPENSSL_secure_clear_free(s->cards, CARDS_MAX * sizeof(*s->cards));
	OPENSSL_cleanse(s->key, sizeof(s->key));
}

bool
settings_serve(const struct settings *s, uint32_t super_cas_id)
{
	for (size_t k = 0; k < s->ncas; k++)
		if (s->cas[k] == super_cas_id)
			return true;
	return s->ncas == 0;
}

bool
settings_know(const struct settings *s, uint16_t ecm_id)
{
	for (size_t k = 0; k < s->nranges; k++)
		if (ecm_id >= s->ecm_ids[k].first && ecm_id <= s->ecm_ids[k].last)
			return true;
	return s->nranges == 0;
}
