/* tests/integration/gst_sdp.c: GStreamer's session description parser reads a file; a line for each medium, with the caps it would give */
#include <gst/gst.h>
#include <gst/sdp/gstsdpmessage.h>
#include <stdio.h>
#include <stdlib.h>

static void
say(const GstSDPMedia *m)
{
	for (guint i = 0; i < gst_sdp_media_formats_len(m); i++) {
		int pt = atoi(gst_sdp_media_get_format(m, i));
		GstCaps *caps = pt > 0 ? gst_sdp_media_get_caps_from_media(m, pt) : NULL;
		char *text = caps ? gst_caps_to_string(caps) : NULL;

		printf("medium %s %u %s %s %s\n", gst_sdp_media_get_media(m), gst_sdp_media_get_port(m), gst_sdp_media_get_proto(m),
		    gst_sdp_media_get_format(m, i), text ? text : "-");
		g_free(text);
		if (caps)
			gst_caps_unref(caps);
	}
}

int
main(int argc, char **argv)
{
	GstSDPMessage *sdp;
	gchar *text;
	gsize len;

	gst_init(&argc, &argv);
	if (argc < 2 || !g_file_get_contents(argv[1], &text, &len, NULL) || gst_sdp_message_new(&sdp) != GST_SDP_OK ||
	    gst_sdp_message_parse_buffer((const guint8 *)text, (guint)len, sdp) != GST_SDP_OK)
		return 1;
	printf("session %s\n", gst_sdp_message_get_session_name(sdp));
	for (guint i = 0; i < gst_sdp_message_medias_len(sdp); i++)
		say(gst_sdp_message_get_media(sdp, i));
	gst_sdp_message_free(sdp);
	g_free(text);
	return 0;
}
