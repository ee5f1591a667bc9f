#!/usr/bin/env bash
# tests/integration/smpp.sh: the BSM's short messages to an SMSC that is not ours (npm's smpp), which delivers them to a phone: submit_sm single and in
# parts, data_sm, refusals, an SMSC that is away; tshark reads every SMPP and WSP message of the run.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=bsmlib.sh
. "$here/bsmlib.sh"
need node dumpcap tshark text2pcap
modules=${SIMULGATE_NPM:-$top_srcdir/build/npm}/node_modules
[ -d "$modules/smpp" ] || missing "npm's smpp"
bsm_headend 2s
ports p_smsc
sed -i "s|sms: sms, api|smpp: tcp://127.0.0.1:$p_smsc, smpp_system_id: bsm, smpp_password: keys/smpp, smpp_source: \"4000\", api|" "$conf"
(umask 077 && echo secret >"$dir/keys/smpp")
# An identity so short that its pull fits one short message.
sed -i 's/^subscribers:$/&\n  fritz: { provision: keys, btid: f@bsf, msisdn: "4913", smk: 0xSS, srk: 0xSS, lifetime: 30d }/
	s/SS/465b5ce8b199b49faa5f0a2ee238a6bc465b5ce8b199b49faa5f0a2ee238a6bc/g' "$dir/keys/subscribers.yaml"
plan 25
capture=$dir/smpp.pcap
start dumpcap dumpcap -q -P -i lo -w "$capture" -f "tcp port $p_smsc"
await 15 "the capture" test -s "$capture" || { grep -qi permi "$dir/log/dumpcap" && missing "permission to capture"; bail "dumpcap captures"; }

smsc() {
	start smsc node "$here/smsc.js" "$modules" "$p_smsc" "$dir"
	await 15 "the SMSC" listening "$p_smsc" || bail "the SMSC listens" "$(cat "$dir/log/smsc")"
}
# got EXPRESSION: of l, all that the SMSC has said
got() { "$PYTHON" -c 'import json, sys; l = [json.loads(x) for x in open(sys.argv[1]) if x[0] == "{"]; s = [x for x in l if x.get("pdu") in ("submit_sm", "data_sm")]
t = [x for x in s if not x["status"]]; sys.exit(not eval(sys.argv[2]))' "$dir/log/smsc" "$1"; }
hears() { await "${2:-15}" "$1" got "$1"; }
sms() { await_status "${2:-15}" "$dir/bsm.sock" "$1"; }

smsc
rise bsm
await_status 15 "$dir/bsm.sock" 'len(s["services"]) == 1' >/dev/null || bail "the BSM makes its store"
check "it binds, as version 3.4" hears 'l[1]["pdu"] == "bind_transmitter" and l[1]["right"] and l[1]["version"] == 0x34'
check "and says so" sms 's["sms"]["state"] == "bound"'
check "it answers enquire_link" hears '[x for x in l if x.get("pdu") == "enquire_link_resp" and x["status"] == 0]'
check "the subscribers are provisioned" know

# -- one short message
check "a trigger message to fritz" kms trigger fritz
check "is one submit_sm to his number" hears 'len(s) == 1 and s[0]["pdu"] == "submit_sm" and s[0]["to"] == "4913" and s[0]["from"] == "4000"'
check "binary, to the port of WAP pushes" got 's[0]["esm_class"] == 0x40 and s[0]["data_coding"] == 4 and s[0]["udh"] == "05040b8423f0" and (s[0]["ton"], s[0]["npi"]) == (1, 1)'
check "a push of application/mikey to bcast.ua" got 's[0]["message"][2:12] == "0603d2af93"'

# -- in parts, and a phone reads them
rise alice
check "alice bootstraps and registers" registered alice
check "a trigger message to her" kms trigger alice
check "comes in two parts of one reference" hears 'len(s) == 3 and [x["udh"][12:16] + x["udh"][18:] for x in s[1:]] == ["00030201", "00030202"] and s[1]["udh"][16:18] == s[2]["udh"][16:18]'
check "her phone reads it" await_status 15 "$dir/alice.sock" "s['phone']['pulls']['sms'] == 1"

# -- put off, refused, away
printf '%d\n' 0x14 0x58 0x14 >"$dir/answers"
kms trigger fritz >/dev/null
check "what is put off is tried again until it is taken" hears '[x["status"] for x in s[3:]] == [0x14, 0x58, 0x14, 0]' 20
echo 11 >"$dir/answers"
kms trigger fritz >/dev/null
check "what is refused for good is over" sms 's["sms"]["refused"] == 1'
kill9 smsc
check "an SMSC that is gone is noticed" sms 's["sms"]["state"] != "bound"'
kms trigger fritz >/dev/null
sms 's["sms"]["waiting"] == 1' >/dev/null
smsc
check "and gets its message when it is back" hears 'len(t) == 5' 20

# -- data_sm: the SMSC makes the parts
sed -i 's/smpp_source:/smpp_submit: data_sm, &/' "$conf"
check "the BSM unbinds" stop bsm 15
check "in words" hears 'l[-1]["pdu"] == "unbind"'
rise bsm
await_status 15 "$dir/bsm.sock" 's["sms"]["state"] == "bound"' >/dev/null
kms trigger alice >/dev/null
check "data_sm with both ports" hears 't[-1]["pdu"] == "data_sm" and (t[-1]["source_port"], t[-1]["destination_port"]) == (9200, 2948) and t[-1]["esm_class"] == 0'
check "her phone reads that, too" await_status 15 "$dir/alice.sock" "s['phone']['pulls']['sms'] == 2"
stop bsm 15

# -- what was on the wire
"$PYTHON" - "$p_smsc" <<'END'
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1]))).sendall(b"\0\0\0\x17\x80\0\0\0\0\0\0\0\0\0\0\0the-end")
except OSError:
    pass
END
await 15 "the end of the capture" grep -aq the-end "$capture"
stop dumpcap 15
ours='smpp && !(tcp.payload contains "the-end")'
judge() { tshark -r "$capture" -d "tcp.port==$p_smsc,smpp" -Y "$@" 2>>"$dir/log/tshark"; }
check "tshark finds nothing malformed in it" same "$(judge "$ours && (_ws.malformed || _ws.expert.severity >= 6291456)" | head -n 5)" ""
names=$(judge "$ours" -T fields -e smpp.command_id | tr ',' '\n' | sort -u | tr '\n' ' ')
want="0x00000002 0x00000004 0x00000006 0x00000015 0x00000103 0x80000002 0x80000004 0x80000006 0x80000015 0x80000103 "
check "and knows every PDU: bind, submit_sm, data_sm, enquire_link, unbind and their answers" same "$names" "$want"
# It puts parts together. What is in data_sm is octets to it: they go by UDP, as WSP does where there is no SMS.
"$PYTHON" -c 'import json, sys
for line in open(sys.argv[1]):
    x = json.loads(line)
    if x.get("pdu") == "data_sm":
        print("0", " ".join(x["message"][i:i + 2] for i in range(0, len(x["message"]), 2)))' "$dir/log/smsc" >"$dir/payload"
text2pcap -q -u 9200,2948 "$dir/payload" "$dir/wsp.pcap" >>"$dir/log/tshark" 2>&1
{
	judge wsp -V
	tshark -r "$dir/wsp.pcap" -d udp.port==2948,wsp -V 2>>"$dir/log/tshark"
} >"$dir/pushes"
# pushes PATTERN: how many have it
pushes() { grep -c "$1" "$dir/pushes"; }
seen=$(sed -n 's/^    Transaction ID: 0x//p' "$dir/pushes" | sort -u | tr '\n' ' ')
sent=$(grep -v '"udh":"05040b8423f00003..0202"' "$dir/log/smsc" | sed -n 's/.*"message":"\(..\)06.*/\1/p' | sort -u | tr '\n' ' ')
check "every push that the SMSC got is one to tshark" same "$seen" "$sent"
check "of application/mikey to bcast.ua, all of them" same "$(pushes '^    Content-Type: .*identifier 0x52') $(pushes 'X-Wap-Application-Id: .*identifier 0x13')" \
	"$(pushes 'PDU Type: Push (0x06)') $(pushes 'PDU Type: Push (0x06)')"
quiet() { ! grep -rqw secret "$dir/log"; }
check "no password in any log" quiet
