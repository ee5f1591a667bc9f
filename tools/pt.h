/*
 * tools/pt.h: simulgate plugin-test. The parent never loads the plugin: each test is a child that does, and writes what it finds into memory
 * that both share, so that a crash, a hang or an exit() costs that test alone, and is a finding with the call that did it.
 */
#ifndef TOOLS_PT_H
#define TOOLS_PT_H
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kms/kms-plugin.h"
#include "lib/err.h"
#include "tools/hist.h"

/* ---- what may be found: id, how grave, section of simulgate-kms-plugin(3), the rule */
enum pt_gravity { PT_G_NOTE, PT_G_WARNING, PT_G_ERROR, PT_GRAVITIES };
#define PT_RULES(X) \
	X(OBJECT, "object", ERROR, "THE SHARED OBJECT", "a shared object for this machine") \
	X(SYMBOLS, "symbols", ERROR, "THE SHARED OBJECT", "kms_plugin_entry is the only exported symbol") \
	X(UNDEFINED, "undefined", ERROR, "THE SHARED OBJECT", "no symbol is undefined") \
	X(LOAD, "load", ERROR, "THE SHARED OBJECT", "it can be loaded") \
	X(ENTRY, "entry", ERROR, "THE SHARED OBJECT", "kms_plugin_entry() gives the plugin, the same each time") \
	X(CONSTRUCTORS, "constructors", WARNING, "THE SHARED OBJECT", "no constructors: loading runs no code") \
	X(TEXTREL, "textrel", WARNING, "THE SHARED OBJECT", "no text relocations (compile with -fPIC)") \
	X(EXECSTACK, "execstack", WARNING, "THE SHARED OBJECT", "no executable stack") \
	X(ABI, "abi", ERROR, "VERSIONS", "abi is KMS_PLUGIN_ABI") \
	X(SIZE, "size", ERROR, "VERSIONS", "size is sizeof(struct kms_plugin)") \
	X(NEWER, "newer-host", ERROR, "VERSIONS", "a host of a later version, whose structs are longer, is no other host") \
	X(MEMBERS, "members", ERROR, "THE PLUGIN", "name, version, calling, open, channel, ecm and close are there") \
	X(NAME, "name", WARNING, "THE PLUGIN", "name and version are short words, good in a log line") \
	X(OPEN, "open", ERROR, "OPENING AND CLOSING", "open() accepts the settings given") \
	X(SETTINGS, "settings", ERROR, "OPENING AND CLOSING", "an unknown or malformed setting is refused") \
	X(LEAK, "leak", ERROR, "OPENING AND CLOSING", "close() gives back what open() and its calls took") \
	X(STATES, "states", ERROR, "OPENING AND CLOSING", "states are independent of each other") \
	X(RESTART, "restart", WARNING, "OPENING AND CLOSING", "a new state answers a request as the one before it did") \
	X(CRASH, "crash", ERROR, "CALLS", "no call crashes") \
	X(HANG, "hang", ERROR, "CALLS", "every call returns") \
	X(EXIT, "exit", ERROR, "CALLS", "no call ends the process") \
	X(OVERREAD, "overread", ERROR, "CALLS", "nothing is read beyond what is lent") \
	X(OVERWRITE, "overwrite", ERROR, "CALLS", "nothing is written beyond cap and why_cap, nor into what is lent const") \
	X(KEPT, "kept-pointer", ERROR, "CALLS", "no pointer is kept beyond its call") \
	X(PROCESS, "process", ERROR, "CALLS", "signals, umask, locale, directory and environment are left alone") \
	X(DESCRIPTORS, "descriptors", ERROR, "CALLS", "no descriptor is left behind") \
	X(THREADS, "threads", ERROR, "THREADS", "no thread is left behind by close()") \
	X(SIGMASK, "thread-signals", WARNING, "THREADS", "the plugin's threads block all signals") \
	X(BLOCKS, "blocks", WARNING, "THREADS", "a call on the event loop takes no time worth mentioning") \
	X(PARALLEL, "parallel", ERROR, "THREADS", "states of a KMS_WORKER plugin work in parallel, and answer alike") \
	X(CHANNEL, "channel", ERROR, "CHANNELS", "some Super_CAS_id is served") \
	X(STATUS_VALUES, "channel-values", ERROR, "CHANNELS", "channel_status is possible") \
	X(STATUS_DOUBT, "channel-doubt", WARNING, "CHANNELS", "channel_status is plausible") \
	X(STATUS_SAME, "channel-same", ERROR, "CHANNELS", "channel() asked again says the same") \
	X(ANY_CAS, "any-super-cas-id", NOTE, "CHANNELS", "Super_CAS_ids that are not served are refused") \
	X(UNKNOWN_CAS, "unknown-super-cas-id", ERROR, "CHANNELS", "the refusal of a Super_CAS_id is -0x0005") \
	X(STREAM, "stream", ERROR, "STREAMS", "some ECM_id is welcome") \
	X(UNKNOWN_ECM_ID, "unknown-ecm-id", ERROR, "STREAMS", "the refusal of an ECM_id is -0x0012") \
	X(ECM, "ecm", ERROR, "ECMS", "a request of each kind that is served gets an ECM") \
	X(WINDOW, "window", ERROR, "ECMS", "every CP_number gets its ECM, 65535 and 0 as well") \
	X(LENGTH, "length", ERROR, "ECMS", "an ECM is no longer than cap") \
	X(SMALL, "small-cap", ERROR, "ECMS", "an ECM that does not fit cap is refused") \
	X(EMPTY, "empty-ecm", NOTE, "ECMS", "an ECM that is empty is not broadcast") \
	X(SAME, "same", ERROR, "ECMS", "the same request gives the same octets") \
	X(DIFFERENT, "different", ERROR, "ECMS", "another control word gives another ECM") \
	X(FORM, "form", ERROR, "ECMS", "an ECM is what section_TSpkt_flag says") \
	X(CRC, "crc", ERROR, "ECMS", "a section with section_syntax_indicator ends in its CRC_32") \
	X(TABLE_ID, "table-id", WARNING, "ECMS", "table_id toggles between 0x80 and 0x81 from CP to CP") \
	X(LATE, "late", ERROR, "LIMITS", "99 of 100 answers take no longer than max_comp_time") \
	X(LATEST, "latest", WARNING, "LIMITS", "no answer takes longer than max_comp_time") \
	X(MEMORY, "memory", ERROR, "LIMITS", "memory does not grow with the crypto-periods") \
	X(LTKM_MEMORY, "ltkm-memory", WARNING, "LIMITS", "memory does not grow with the rounds of EMMs") \
	X(MEMORY_DOUBT, "memory-doubt", WARNING, "LIMITS", "memory does not grow with the first 65536 CP_numbers, or stops to (--seconds)") \
	X(KEYS_END, "keys-end", WARNING, "LIMITS", "a year of crypto-periods gets its ECMs") \
	X(STATUS, "error-status", ERROR, "ERRORS", "an error is -error_status of TS 103 197, or above 0x8000") \
	X(SENTENCE, "sentence", ERROR, "ERRORS", "an error comes with its reason: one line of text") \
	X(LATER, "later", ERROR, "LATER ANSWERS", "KMS_LATER is for KMS_ASYNC plugins") \
	X(ONCE, "answer-once", ERROR, "LATER ANSWERS", "one answer to each handle that KMS_LATER was returned for") \
	X(MISSING, "answer-missing", ERROR, "LATER ANSWERS", "the answer comes") \
	X(AFTER_CLOSE, "answer-after-close", ERROR, "LATER ANSWERS", "no answer after close()") \
	X(ANSWER, "answer-values", ERROR, "LATER ANSWERS", "an answer has an ECM of a possible length, or -error_status") \
	X(LTKM, "ltkm", ERROR, "EMMS AND LTKMS", "a datagram of each number, then 0") \
	X(LTKM_FORM, "ltkm-form", ERROR, "EMMS AND LTKMS", "a datagram is what section_TSpkt_flag says") \
	X(LTKM_NONE, "ltkm-none", NOTE, "EMMS AND LTKMS", "there is something to send") \
	X(CLEAR, "cw-in-ecm", ERROR, "SECRETS", "no 8 octets of a control word are in its ECM") \
	X(CW_LOG, "cw-in-log", ERROR, "SECRETS", "no control word gets into a log text, a reason or an output") \
	X(CW_LEFT, "cw-left", WARNING, "SECRETS", "copies of control words are cleansed") \
	X(OUTPUT, "output", WARNING, "SECRETS", "what there is to say goes to host->log, not to stdout or stderr")
#define PT_X(name, id, gravity, section, rule) PT_R_##name,
enum pt_rule_id { PT_RULES(PT_X) PT_NRULES };
#undef PT_X
struct pt_rule { const char *id; enum pt_gravity gravity; const char *section, *rule; };
extern const struct pt_rule pt_rules[PT_NRULES];

enum { PT_FINDINGS = 200, PT_TEXT = 400, PT_CALL = 160, PT_IDS = 8, PT_SETTINGS = 8192 };
struct pt_finding { enum pt_rule_id rule; unsigned test; unsigned times; char what[PT_TEXT], call[PT_CALL]; };

/* A request that a child makes; CWs are made out of `seed` and the CP's number, so that nobody has to keep them. */
struct pt_ask {
	uint32_t super_cas_id, seed;
	uint16_t ecm_id, cp, duration_100ms;
	bool has_protection, has_criteria;
	uint8_t protection, authenticated;
	size_t cw_len, key_id_len, criteria_len;
	const uint8_t *criteria;		/* of the command line, or static */
	size_t cap, why_cap;			/* 0: as the hosts have them */
};

struct pt_options {
	const char *plugin;
	char settings[PT_SETTINGS];		/* "KEY=VALUE\n" each */
	uint32_t cas[PT_IDS]; size_t ncas;
	uint16_t ecm[PT_IDS]; size_t necm;
	uint8_t *criteria; size_t criteria_len;	/* NULL: none */
	double seconds, patience;		/* of the year; that a call may take */
	bool json;
};

/* What parent and children share. Facts that a test finds are there for those after it. */
struct pt_shared {
	struct pt_options opt;
	unsigned test;
	_Atomic unsigned nfindings; unsigned lost;
	struct pt_finding finding[PT_FINDINGS];
	_Atomic int64_t since_ns;		/* of the call below; 0: none is on its way */
	char call[PT_CALL];
	char said[PT_TEXT];			/* what the test says of itself when all is well */
	bool skipped, done, signals_told;
	struct { _Atomic int sig; const void *address, *pc, *base; bool write, known; char text[PT_TEXT]; enum pt_rule_id rule; } fault;

	/* facts */
	bool loaded, opens, has_channel, has_stream, has_ecm, has_ltkm;
	char name[64], version[64];
	uint32_t calling, abi, size;
	uint32_t cas; uint16_t ecm[PT_IDS]; size_t necm;
	struct kms_channel channel;
	struct pt_ask base;			/* it gets an ECM */
	size_t ecm_len;
	uint64_t year_done, year_refused; double year_s; int64_t grown_bytes;
	struct hist took_ns;			/* of the year's requests */
};
extern struct pt_shared *pt;

void pt_find(enum pt_rule_id, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void pt_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));	/* of a test that has nothing to complain of */
void pt_skip(const char *why);
void pt_calling(const char *fmt, ...) __attribute__((format(printf, 1, 2)));	/* what is called now, in case it does not return */
void pt_called(void);
int64_t pt_now_ns(void);
size_t pt_threads(void);

void pt_judge_signals(void);		/* of the threads that there are now, and were not when the test began; told once */

/* ---- pt_elf.c: the file, without running any of it */
struct pt_elf { char exported[8][64]; size_t nexported; size_t constructors; bool textrel, execstack; };	/* nexported: in all; the first 8 are kept */
/* Native ELF shared objects only. 0, or -1 with why; bounded and total, whatever the octets are. */
int pt_elf_read(const uint8_t *p, size_t len, struct pt_elf *, char *why, size_t cap);

/* ---- pt_guard.c: memory that is lent for a call */
enum pt_lending { PT_CONST, PT_OUT };
void pt_guard_init(void);
/* `len` octets (copied from `from`, else filled) that end where a page ends, with nothing after it. Aligned as a struct wants it when len is a multiple of 8. */
void *pt_lend(const char *name, enum pt_lending, const void *from, size_t len);
void pt_withdraw(void *p);		/* no longer there for anybody; a finding when the octets before it were written */
/* Whether an address is in or beside something lent, now or before; what to say of it. */
bool pt_guard_judge(const void *address, bool is_write, bool known, enum pt_rule_id *rule, char *text, size_t cap);

/* ---- pt_host.c: the host that a child is */
struct pt_kms { void *state; void *face; bool open; size_t longer; };	/* longer: octets more than this version's structs have */
struct pt_got {
	int rc;				/* octets of ecm, or -error_status; the answer's, when it came later */
	bool later, missing;
	int64_t call_ns, took_ns;
	char why[256];
	uint8_t ecm[KMS_ECM_MAX];
};
extern const struct kms_plugin *pt_plugin;
int pt_host_load(void);			/* 0, or -1 with findings */
void pt_host_judge(void);		/* what the entry point gave; the facts of it */
bool pt_text_reveals(const char *text, size_t len);	/* a control word of the latest requests, as octets or in hexadecimal */
bool pt_has_ltkm(void);
int pt_open(struct pt_kms *, const char *settings, char *why, size_t cap);	/* as the plugin says */
int pt_open_given(struct pt_kms *);	/* with the settings of the command line; 0, or -1 with a finding */
void pt_close(struct pt_kms *);
int pt_channel(struct pt_kms *, uint32_t super_cas_id, struct kms_channel *, char *why, size_t cap);
int pt_stream(struct pt_kms *, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t cap);
/* One request with guards around everything, its answer waited for, and judged by all that holds for every answer. */
struct pt_got *pt_ecm(struct pt_kms *, const struct pt_ask *);	/* the same storage each time */
int pt_ltkm(struct pt_kms *, const struct kms_ltkm *, uint32_t index, uint8_t *out, size_t cap, char *why, size_t why_cap);
/* Without waiting: the handle, to be waited for; *now: the answer has come at once. `quick`: memory that is lent again and again. */
uint64_t pt_send(struct pt_kms *, const struct pt_ask *, bool quick, struct pt_got *now);
size_t pt_owed(void);			/* answers that are still to come */
bool pt_await(size_t owed, double seconds);	/* until so many are owed at most */
struct pt_late { uint64_t answers, refused; char why[256]; };
struct pt_late pt_late(void);		/* of those that came later, so far */
void pt_cw(const struct pt_ask *, uint16_t cp, uint8_t *out);	/* cw_len octets */
bool pt_reveals(const struct pt_ask *, const uint8_t *p, size_t len);	/* 8 octets of one of its CWs are there */
const char *pt_datagram_fault(uint8_t section_TSpkt_flag, const uint8_t *p, size_t len);	/* NULL: it is well formed */
int64_t pt_memory(void);		/* octets that are allocated now */
bool pt_sanitized(void);		/* freed memory stays with the process for a while */
void pt_warm(void);			/* our own memory is all there before that of the process is looked at */

/* ---- pt_scan.c */
void pt_scan_add(const struct pt_ask *);	/* the control word of its CP is looked for */
size_t pt_scan(char *where, size_t cap);	/* how often they are found in the process's memory */

/* ---- pt_tests.c */
enum { PT_LOADED = 1, PT_OPENS = 2, PT_SERVES = 4, PT_MAKES = 8, PT_LTKMS = 16, PT_LATE = 32, PT_WORKERS = 64, PT_STREAMS = 128 };	/* what a test needs to be worth running */
struct pt_test { const char *name, *title; void (*run)(void); unsigned needs; };
extern const struct pt_test pt_tests[];
extern const size_t pt_ntests;

/* ---- pt_child.c: what surrounds a test in its child */
void pt_child(const struct pt_test *, int out_fd) __attribute__((noreturn));

/* ---- pt_report.c */
void pt_report_begin(void);
void pt_report_test(unsigned test, double seconds);
void pt_report_progress(bool end);	/* on a terminal */
int pt_report_end(double seconds);	/* the exit status */
#endif
