#!/usr/bin/env bash
# tests/integration/bridge_xs_mux.sh: simulgate-bridge as an XML BSD/A with a SimulCrypt MUX behind it: curl is the BSM, with documents that were written by
# hand; simulgate-mux puts what they hold on air, tshark reads what goes to it. The bridge and the mux are killed in the middle.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=calib.sh
. "$here/calib.sh"
# shellcheck source=xslib.sh
. "$here/xslib.sh"
need curl xmllint openssl tshark dumpcap

plan 26
authority ca
certificate ca bsda DNS:bsda.operator.example IP:127.0.0.1
certificate ca bsm1 DNS:bsm1.operator.example
certificate ca bsm2 DNS:bsm2.operator.example
certificate ca far DNS:far.operator.example
certificate ca other DNS:other.operator.example
ports port_bridge mux udp air reg nobody
cat >"$dir/headend.yaml" <<EOF
head_end: judge
state: state
playout: unix://$dir/run
kms: { drm: { super_cas_id: 0x00010001, ecmg: "tcp://127.0.0.1:$nobody" } }
services:
  - { id: tv2, scrambling: none, global_service_id: "urn:test:tv2" }
  - { id: tv1, scrambling: none, global_service_id: "urn:oma:bcast:iauth:x-test:service:tv1" }
bridge:
  front:
    id: bsda.operator.example
    roles: [bsda, bsm]
    listen: tls://127.0.0.1:$port_bridge
    certificate: bsda.pem
    private_key: bsda.key
    ca: ca.pem
    peers:
      bsm1: { id: bsm1.operator.example, roles: bsm }
      bsm2: { id: bsm2.operator.example, roles: bsm }
      far: { id: far.operator.example, roles: bsda }
      other: { id: other.operator.example, roles: bsda }
    stkm:
      - { kms: drm, peer: far, service: tv1, ecm_id: 1 }
      - { kms: drm, peer: other, service: tv2, ecm_id: 2 }
    mux:
      - { peer: bsm1, service: tv1, client_id: 0x00010009, data_id: 2, to: "tcp://127.0.0.1:$mux", bandwidth: 64kbit/s }
      - { peer: bsm1, service: tv1, client_id: 0x00010009, data_id: 4, to: "tcp://127.0.0.1:$mux" }
      - { peer: bsm1, service: tv1, client_id: 0x00010009, data_id: 3, to: "tcp://127.0.0.1:$mux", to_udp: "udp://127.0.0.1:$udp", registration: true }
EOF
# hear NAME PORT: the datagrams that come to a port, in hexadecimal, a line each
hear() {
	start "$1" "$PYTHON" -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    print(s.recv(65536).hex().upper(), flush=True)' "$2"
	await_log 15 "$1" listening
}
hear air "$air"
hear reg "$reg"
capture=$dir/mux.pcap
start dumpcap dumpcap -q -P -i lo -w "$capture" -f "port $mux or port $udp"
await 20 "the capture" test -s "$capture" || { grep -qi permi "$dir/log/dumpcap" && missing "permission to capture"; bail "dumpcap captures"; }
mux_on() {
	sg mux mux --listen "tcp://127.0.0.1:$mux" --udp "udp://127.0.0.1:$udp" --map "0x00010009/2=udp://127.0.0.1:$air" --map "0x00010009/4=udp://127.0.0.1:$air" --map "0x00010009/3=udp://127.0.0.1:$reg"
	await_port 15 "$mux"
}
bridge_on() { sg bridge bridge --config "$dir/headend.yaml" --schemas "$schemas" --status "unix://$dir/bridge.sock"; }
all_up() { await_status 30 "$dir/bridge.sock" "len(s['xs']['mux']) == 3 and all(m['up'] for m in s['xs']['mux'])" >/dev/null; }
mux_on || bail "the mux listens"
bridge_on
all_up || bail "the streams are set up"

# delivery TAG ID DATA [CONTEXT]: from $who for $service, in the window $from .. $to
# more NAME SEEN: three lines and more since then
more() { [ "$(grep -c . "$dir/log/$1")" -gt $(($2 + 3)) ]; }
who=bsm1 service=urn:oma:bcast:iauth:x-test:service:tv1 from=-10 to=3600
delivery() {
	{
		printf '<LTKMorRegDelivery xmlns="urn:oma:xml:bcast:spcp:backend:1.0" xmlns:e="urn:bcast-headend:xml:sp4ext:1.0" tag="%s" version="1"' "$1"
		printf ' messageID="%s" destination="bsda.operator.example" source="%s.operator.example">' "$2" "$who"
		printf '<GlobalServiceID>%s</GlobalServiceID><Data>%s</Data>' "$service" "$3"
		[ -z "$from" ] || printf '<DistributionStart>%s</DistributionStart>' "$(ntp "$from")"
		[ -z "$to" ] || printf '<DistributionEnd>%s</DistributionEnd>' "$(ntp "$to")"
		printf '%s</LTKMorRegDelivery>\n' "${4:-}"
	} >"$dir/$2.sent"
}
deliver() { local status=$1 reason=$2; shift 2; delivery "$@"; answers "$status" "$who" "$dir/$2.sent" "$2" "$reason"; }
often='<e:DistributionContext dataId="2" repetitionMs="300" bandwidthKbps="32"/>'

check "an LTKM is taken" deliver 0 '' 11 one 0200AA0102030405 "$often"
check "confirmed by tag 12 with its messageID" same "$(of one 'concat(/*/@tag, " ", /*/@messageID)')" "12 one"
check "and is on air again and again" await_log 15 air '^0200AA0102030405$' 3
check "two in one message, too" deliver 0 '' 11 more "0200BB01</Data><Data>0200CC0102" '<e:DistributionContext repetitionMs="300"/>'
check "are on air" await_log 15 air '^0200BB01$' 2
check "one as the other" await_log 15 air '^0200CC0102$' 2
check "a registration object goes its own way, by UDP" deliver 0 '' 15 object 3C726567303E '<e:DistributionContext dataId="3" repetitionMs="300"/>'
check "and there it is" await_log 15 reg '^3C726567303E$' 3
check "another stream's data_id leads there" deliver 0 '' 11 fourth 0200EE01 '<e:DistributionContext dataId="4"/>'
check "nobody's data_id" deliver 21 dataId 11 wrong 0200DD '<e:DistributionContext dataId="9"/>'
from=-20 to=-10
check "a window that is over" deliver 21 DistributionEnd 11 past 0200DD "$often"
from=-10 to=''
check "one without an end" deliver 17 DistributionEnd 11 endless 0200DD "$often"
to=3600 who=bsm2
check "a BSM that has no such stream" deliver 5 'not for this peer' 11 stranger 0200DD "$often"
who=bsm1 service=urn:test:nowhere
check "a service that nobody has" deliver 15 GlobalServiceID 11 nowhere 0200DD "$often"
service=urn:oma:bcast:iauth:x-test:service:tv1
# ask STATUS WHO TAG ID [REASON]: for $service, what is good in the next minute
ask() {
	{
		printf '<LTKMorRegRequest xmlns="urn:oma:xml:bcast:spcp:backend:1.0" tag="%s" version="1" messageID="%s"' "$3" "$4"
		printf ' destination="bsda.operator.example" source="%s.operator.example"><GlobalServiceID>%s</GlobalServiceID>' "$2" "$service"
		printf '<DistributionStart>%s</DistributionStart><DistributionEnd>%s</DistributionEnd></LTKMorRegRequest>\n' "$(ntp 0)" "$(ntp 60)"
	} >"$dir/$4.sent"
	answers "$1" "$2" "$dir/$4.sent" "$4" "${5:-}"
}
check "a BSD/A whose service it is asks for LTKMs" ask 0 far 9 ask
check "is told of which stream, how often and how fast they come" same "$(for n in dataId repetitionMs bandwidthKbps; do of ask "string(//@$n)"; echo; done | xargs)" "2 10000 64"
check "gets all that both streams have" same "$(for n in 1 2 3 4 5; do of ask "string(/*/*[local-name()='Data'][$n])"; echo; done | sort | xargs)" "0200AA0102030405 0200BB01 0200CC0102 0200EE01"
check "one that has another service does not get them" ask 5 other 9 theirs 'for this peer'
check "nor its registration objects" ask 5 other 13 register 'for this peer'
service=urn:test:tv2
check "and where nobody gives any, there are none to ask for" ask 15 other 9 none GlobalServiceID
service=urn:oma:bcast:iauth:x-test:service:tv1

kill9 bridge
seen=$(grep -c . "$dir/log/air")
bridge_on
all_up || bail "the streams are set up after a restart"
check "the bridge killed and started again: it goes on by itself" await 15 "more on air" more air "$seen"
check "the same document again has the same answer" same "$(cp "$dir/one.xml" "$dir/first.xml"; post bsm1 "$dir/one.sent" one; cat "$dir/one.xml")" "$(cat "$dir/first.xml")"
kill9 mux
mux_on || bail "the mux listens again"
seen=$(grep -c . "$dir/log/air")
check "the mux killed and started again: so it does" await 30 "more on air" more air "$seen"
stop dumpcap 15
fields() { tshark -2 -r "$capture" -d "tcp.port==$mux,simulcrypt" -d "udp.port==$udp,simulcrypt" "$@" 2>>"$dir/log/tshark"; }
check "tshark reads data_provisions by TCP and UDP" same "$(fields -Y 'simulcrypt.message.type == 0x0211' -T fields -e frame.protocols |
	grep -oE ':(tcp|udp):' | sort -u | xargs)" ":tcp: :udp:"
check "and nothing malformed" same "$(fields -Y _ws.malformed)" ""
check "SIGTERM ends the bridge in order" stop bridge 15
