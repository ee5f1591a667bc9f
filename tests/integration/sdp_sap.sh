#!/usr/bin/env bash
# tests/integration/sdp_sap.sh: session descriptions as tshark and GStreamer read them, printed, and announced by SAP: what a reload and the
# end of the scrambler do to announcements; roll-over counters for those who join late.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need tshark "$CC" pkg-config
need_pkg gstreamer-1.0 gstreamer-sdp-1.0
ports p_sap p_in p_out p_stkm
net=239.255.$((RANDOM % 254 + 1))
mkdir "$dir/heard" "$dir/run"
conf=$dir/headend.yaml
begin() {
	cat >"$conf.new" <<-END
	head_end: judge
	state: state
	playout: unix://$dir/run
	session: { owner: judge, origin: 192.0.2.10 }
	scrambler: { sap: "udp://$net.200:$p_sap?interface=lo", sap_interval: 1s }
	kms: { drm: { super_cas_id: 0x00010001, ecmg: tcp://127.0.0.1:9, service_provider: bsm1.example } }
	services:
	END
}
# service NUMBER ID TITLE
service() {
	cat >>"$conf.new" <<-END
	  - id: $2
	    title: $3
	    scrambling: srtp
	    rcc: 50
	    media: [{ name: av, in: "udp://$net.$1:$p_in?interface=lo", out: "udp://$net.$1:$p_out?interface=lo&ttl=7", type: h264, fmtp: "packetization-mode=1; profile-level-id=42C00D" }]
	    stkm: [{ kms: drm, ecm_id: $1, out: "udp://$net.$1:$p_stkm?interface=lo&ttl=7", base_cid: $2@example, srv_cid_ext: 7 }]
	END
}
sdp() { "$(program "")" sdp "$conf" --service "$@"; }
said() { logged watch "^$1 title=$2 " "${3:-1}"; }
count() { grep -c "^$1 title=$2 " "$dir/log/watch"; }

plan 22
begin && service 1 news News && service 2 film Film && mv "$conf.new" "$conf"
touch -d @1795257000.5 "$conf"
sdp news >"$dir/news.sdp"
check "a session description is printed" same "$(head -3 "$dir/news.sdp" | tail -2 | cut -d' ' -f1,3- | tr -d '\r' | paste -sd' ')" \
	"o=judge 4004245800 IN IP4 192.0.2.10 s=News"
# shellcheck disable=SC2046 # flags are words
"$CC" -O1 -o "$dir/gst_sdp" "$here/gst_sdp.c" $(pkg-config --cflags --libs gstreamer-1.0 gstreamer-sdp-1.0) >"$dir/log/cc" 2>&1 ||
	bail "GStreamer's parser compiles"
GST_REGISTRY=$dir/gst-registry.bin "$dir/gst_sdp" "$dir/news.sdp" >"$dir/gst" 2>"$dir/log/gst"
check "GStreamer reads it" grep -q '^session News' "$dir/gst"
check "and finds SRTP video" grep -Eq "^medium video $p_out RTP/SAVP 96 .*encoding-name=\(string\)H264.*profile-level-id" "$dir/gst"
check "and the key stream" grep -q "^medium application $p_stkm UDP vnd.oma.bcast.stkm" "$dir/gst"

start watch "$PYTHON" "$here/sap_watch.py" "$net.200:$p_sap" "$dir/sap.pcap" "$dir/heard"
await_log 15 watch watching
sg scrambler scrambler --config "$conf"
check "every service is announced" await 15 "announcements" said announce News
check "the other, too" await 15 "announcements" said announce Film
check "what is announced is what is printed" cmp "$dir/heard/News" "$dir/news.sdp"
check "it is announced again" await 15 "a second time" said announce News 2
check "nothing was deleted" same "$(grep -c '^delete' "$dir/log/watch")" 0

begin && service 1 news Tidings && service 2 film Film && service 3 sport Sport && mv "$conf.new" "$conf"
n=$(count announce Film)
sig HUP scrambler
check "a new service is announced" await 15 "Sport" said announce Sport
check "a changed one is deleted" await 15 "its end" said delete News
check "and announced as it is now" await 15 "Tidings" said announce Tidings
check "as it is printed" cmp "$dir/heard/Tidings" <(sdp news)
check "one that stays goes on" await 15 "Film" said announce Film $((n + 2))
begin && service 1 news Tidings && service 3 sport Sport && mv "$conf.new" "$conf"
sig HUP scrambler
check "one that is taken out is deleted" await 15 "the end of Film" said delete Film

stop scrambler 15
check "with the scrambler all end" await 15 "the last" said delete Sport
check "each version that was announced is deleted once" same "$(sed -n 's/^announce .*\(hash=[0-9]*\).*/\1/p' "$dir/log/watch" | sort -u)" \
	"$(sed -n 's/^delete .*\(hash=[0-9]*\).*/\1/p' "$dir/log/watch" | sort)"
stop watch 15
tshark -r "$dir/sap.pcap" -d "udp.port==$p_sap,sap" -T fields -e sap.flags.t -e sdp.session_name -e sdp.owner -e _ws.malformed -e _ws.expert.message \
	>"$dir/fields" 2>>"$dir/log/tshark"
column() { cut -f"$1" "$dir/fields" | grep -v '^$'; }
check "tshark reads every packet" same "$(column 1 | wc -l)" "$(grep -Ec '^(announce|delete)' "$dir/log/watch")"
check "with titles and origins" same "$(column 2 | sort -u | paste -sd' ') $(column 3 | grep -c '^judge ')" "Film News Sport Tidings $(column 1 | wc -l)"
# It wants a number as format of every fmtp; a key stream's is a media subtype, as RFC 4566 has it for UDP.
check "and finds no fault but the format of key streams" same "$(column 5 | tr , '\n' | sort | uniq -c | awk '{ $1 = $1; print }')" \
	"$(grep -c '^announce' "$dir/log/watch") Invalid media format"

check "without a scrambler nobody knows roll-over counters" same "$(sdp news --roc 2>"$dir/log/roc"; echo $?)" 69
# a scrambler's door with a source whose sequence numbers went round three times
start status "$PYTHON" -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(1)
c = s.accept()[0]
c.recv(4096)
j = b"""{"media": [{"service": "film", "medium": "av", "ssrcs": [{"ssrc": "00000001", "roc": 9}]},
    {"service": "news", "medium": "av", "ssrcs": [{"ssrc": "12345678", "roc": 3}, {"ssrc": "00000007", "roc": 0}]}]}"""
c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(j) + j)' "$dir/run/scrambler.status.sock"
await 15 "the door" test -S "$dir/run/scrambler.status.sock"
check "a scrambler knows them" same "$(sdp news --roc 2>>"$dir/log/roc" | grep X- | tr -d '\r' | paste -sd' ')" \
	"a=X-simulgate-roc:305419896 3 a=X-simulgate-roc:7 0"
