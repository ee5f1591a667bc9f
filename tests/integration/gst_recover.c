/*
 * tests/integration/gst_recover.c: GStreamer's srtpdec as a receiver. Compiled inside the test run.
 *
 * gst_recover GROUP PORT KEYS OUT COUNT: KEYS has a line "MKI KEY" (hexadecimal; key and salt, 30 octets) for each crypto-period.
 * request-key is answered with the key of the packet at hand and the one after it, as a terminal has them from an STKM. Recovered
 * RTP packets go to OUT, each behind its length (2 octets), until there are COUNT or nothing comes for ten seconds.
 */
#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 4096, KEY = 30, MKI = 2, TAG = 10, HEADER = 12 };

struct recover {
	struct { guint8 mki[MKI], key[KEY]; } keys[KEYS]; size_t nkeys;
	GstElement *dec;
	guint16 seq;			/* of the packet at hand */
	guint8 mki[MKI];		/* and its key */
	guint8 first[MKI], second[MKI];	/* the keys given out */
	guint roc, asked, changes;
	gboolean any, given;
};

static void
die(const char *what)
{
	fprintf(stderr, "gst_recover: %s\n", what);
	exit(1);
}

static void
unhex(const char *hex, guint8 *out, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned v;
		if (sscanf(hex + 2 * i, "%2x", &v) != 1)
			die("bad key file");
		out[i] = (guint8)v;
	}
}

static void
read_keys(struct recover *r, const char *name)
{
	FILE *f = fopen(name, "r");
	char mki[16], key[128];

	if (!f)
		die("no key file");
	for (; r->nkeys < KEYS && fscanf(f, "%15s %127s", mki, key) == 2; r->nkeys++) {
		if (strlen(mki) != 2 * MKI || strlen(key) != 2 * KEY)
			die("bad key file");
		unhex(mki, r->keys[r->nkeys].mki, MKI);
		unhex(key, r->keys[r->nkeys].key, KEY);
	}
	fclose(f);
}

static int
find(const struct recover *r, const guint8 *mki)
{
	for (size_t i = 0; i < r->nkeys; i++)
		if (memcmp(r->keys[i].mki, mki, MKI) == 0)
			return (int)i;
	return -1;
}

static GstBuffer *
buffer_of(const void *p, size_t len)
{
	GstBuffer *b = gst_buffer_new_allocate(NULL, len, NULL);

	gst_buffer_fill(b, 0, p, len);
	return b;
}

static GstCaps *
on_request_key(GstElement *dec, guint ssrc, gpointer self)
{
	struct recover *r = self;
	int i = find(r, r->mki);

	(void)dec;
	if (i < 0)
		die("a packet names a key that the head-end never drew");
	if ((size_t)i + 1 >= r->nkeys)
		die("the key file is too short");
	GstBuffer *key = buffer_of(r->keys[i].key, KEY), *key2 = buffer_of(r->keys[i + 1].key, KEY);
	GstBuffer *mki = buffer_of(r->keys[i].mki, MKI), *mki2 = buffer_of(r->keys[i + 1].mki, MKI);
	GstCaps *caps = gst_caps_new_simple("application/x-srtp",
	    "ssrc", G_TYPE_UINT, ssrc, "roc", G_TYPE_UINT, r->roc,
	    "srtp-cipher", G_TYPE_STRING, "aes-128-icm", "srtp-auth", G_TYPE_STRING, "hmac-sha1-80",
	    "srtcp-cipher", G_TYPE_STRING, "aes-128-icm", "srtcp-auth", G_TYPE_STRING, "hmac-sha1-80",
	    "srtp-key", GST_TYPE_BUFFER, key, "mki", GST_TYPE_BUFFER, mki,
	    "srtp-key2", GST_TYPE_BUFFER, key2, "mki2", GST_TYPE_BUFFER, mki2, NULL);

	gst_buffer_unref(key);
	gst_buffer_unref(key2);
	gst_buffer_unref(mki);
	gst_buffer_unref(mki2);
	memcpy(r->first, r->keys[i].mki, MKI);
	memcpy(r->second, r->keys[i + 1].mki, MKI);
	r->given = TRUE;
	r->asked++;
	return caps;
}

/* Before srtpdec: which key a packet names. */
static GstPadProbeReturn
on_packet(GstPad *pad, GstPadProbeInfo *info, gpointer self)
{
	struct recover *r = self;
	GstBuffer *b = GST_PAD_PROBE_INFO_BUFFER(info);
	guint8 head[HEADER], mki[MKI];
	gsize len = gst_buffer_get_size(b);
	guint16 seq;

	(void)pad;
	if (len < HEADER + MKI + TAG || gst_buffer_extract(b, 0, head, HEADER) != HEADER ||
	    gst_buffer_extract(b, len - TAG - MKI, mki, MKI) != MKI)
		die("a packet is too short for SRTP with MKI");
	seq = (guint16)(head[2] << 8 | head[3]);
	if (r->any && seq < r->seq && r->seq - seq > 0x8000)
		r->roc++;
	r->seq = seq;
	if (r->any && memcmp(mki, r->mki, MKI) != 0)
		r->changes++;
	memcpy(r->mki, mki, MKI);
	r->any = TRUE;
	if (r->given && memcmp(mki, r->first, MKI) != 0 && memcmp(mki, r->second, MKI) != 0) {
		r->given = FALSE;	/* srtpdec knows two keys at a time: have it ask again */
		g_signal_emit_by_name(r->dec, "remove-key", (guint)head[8] << 24 | (guint)head[9] << 16 | (guint)head[10] << 8 | head[11]);
	}
	return GST_PAD_PROBE_OK;
}

static void
save(FILE *f, GstSample *sample)
{
	GstMapInfo map;
	GstBuffer *b = gst_sample_get_buffer(sample);

	if (!gst_buffer_map(b, &map, GST_MAP_READ) || map.size > 0xffff)
		die("no packet");
	fputc((int)(map.size >> 8), f);
	fputc((int)(map.size & 0xff), f);
	if (fwrite(map.data, 1, map.size, f) != map.size)
		die("cannot write");
	gst_buffer_unmap(b, &map);
	gst_sample_unref(sample);
}

int
main(int argc, char **argv)
{
	static struct recover r;
	gchar *text;
	GError *err = NULL;

	gst_init(&argc, &argv);
	if (argc != 6)
		die("usage: gst_recover GROUP PORT KEYS OUT COUNT");
	read_keys(&r, argv[3]);
	text = g_strdup_printf("udpsrc address=%s port=%s multicast-iface=lo buffer-size=4000000 caps=application/x-srtp,media=video,clock-rate=90000,encoding-name=MP2T,payload=33 "
	    "! srtpdec name=dec ! appsink name=out sync=false max-buffers=0", argv[1], argv[2]);
	GstElement *pipe = gst_parse_launch(text, &err);
	if (!pipe)
		die(err->message);
	r.dec = gst_bin_get_by_name(GST_BIN(pipe), "dec");
	GstElement *out = gst_bin_get_by_name(GST_BIN(pipe), "out");
	GstPad *pad = gst_element_get_static_pad(r.dec, "rtp_sink");
	gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_packet, &r, NULL);
	g_signal_connect(r.dec, "request-key", G_CALLBACK(on_request_key), &r);
	if (gst_element_set_state(pipe, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
		die("the pipeline does not start");

	FILE *f = fopen(argv[4], "wb");
	if (!f)
		die("cannot write");
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("playing\n");
	int n = 0, count = atoi(argv[5]);
	for (; n < count; n++) {
		GstSample *s = gst_app_sink_try_pull_sample(GST_APP_SINK(out), 10 * GST_SECOND);
		if (!s)
			break;
		save(f, s);
	}
	fclose(f);
	gst_element_set_state(pipe, GST_STATE_NULL);
	printf("packets=%d key_changes=%u keys_requested=%u\n", n, r.changes, r.asked);
	gst_object_unref(pad);
	gst_object_unref(out);
	gst_object_unref(r.dec);
	gst_object_unref(pipe);
	g_free(text);
	return n == count ? 0 : 1;
}
