#!/usr/bin/env bash
# tests/integration/bridge_program.sh: simulgate-bridge as a process: its options, who starts it, /status and /metrics, a reload, a full house, hostile peers, its end.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need curl
plan 27
export SIMULGATE_SCHEMAS=$top_srcdir/bridge
ports p_front p_back p_ecmg
write() {	# [PEER]
	cat >"$dir/b.yaml" <<-EOT
	state: state
	playout: unix://$dir/run
	services:
	  - { id: tv1, scrambling: none, global_service_id: "urn:oma:bcast:iauth:x-test:service:tv1" }
	bridge:
	  front:
	    roles: [bsda, bsa]
	    plain: true
	    listen: tcp://127.0.0.1:$p_front
	    peers:
	      bsm1: { id: bsm1.operator.example, roles: bsm }
	      back: { roles: bsm, url: "http://127.0.0.1:$p_back" }
	${1:-}
	  back:
	    id: ${2:-back}
	    roles: bsm
	    plain: true
	    listen: tcp://127.0.0.1:$p_back
	    peers: { front: { roles: [bsda, bsa], url: "http://127.0.0.1:$p_front" } }
	EOT
}
write
conf=$dir/b.yaml
bridge=$(program bridge)
front=$(program "")
status_of() { local status=0; within 15 "$@" >"$dir/out" 2>"$dir/refused" || status=$?; echo "$status"; }
check "--help" same "$(status_of "$bridge" --help)" 0
check "of several bridges one has to be named" same "$(status_of "$bridge" --config "$conf")" 64
check "an unknown one is refused" same "$(status_of "$bridge" --config "$conf" --bridge other)" 78
check "with the file's name" grep -q 'b.yaml: no bridge of the name other' "$dir/refused"
check "--check-config says what would run" same "$(status_of "$bridge" --config "$conf" --bridge front --check-config)" 0
check "… whom it knows" grep -q '^peer back id=back identity=back roles=bsm url=http' "$dir/out"
check "… and starts nothing" test ! -e "$dir/state"
check "no schemas, no start" same "$(status_of "$bridge" --config "$conf" --bridge front --schemas /nowhere)" 69
sed 's/^    plain: true//' "$conf" >"$dir/bad.yaml"
check "a file that would send keys in clear is refused" same "$(status_of "$bridge" --config "$dir/bad.yaml" --bridge front)" 78
check "… with the place" grep -q 'bad.yaml:9:13: tcp:// needs plain: true' "$dir/refused"
sed "s/bsm1.operator.example/$(printf 'x%.0s' {1..129})/" "$conf" >"$dir/bad.yaml"
status_of "$bridge" --config "$dir/bad.yaml" --bridge front >/dev/null
check "so is an id that is too long to be kept" grep -q 'bad.yaml:11:19: id: it has 1 to 128 characters' "$dir/refused"

start run "$front" run "$conf"
check "simulgate run starts one for each" await_log 30 run '^ready'
url=http://127.0.0.1:$p_front
check "it serves" same "$(curl -sS --noproxy '*' --max-time 15 "$url/bcast/health")" ok
sed 's/destination="[^"]*"/destination="front"/' "$top_srcdir/tests/data/sp4/samples/tag07-stkm-delivery.xml" >"$dir/doc"
told() { curl -sS --noproxy '*' --max-time 15 -H 'Content-Type: text/xml' --data-binary "@$dir/doc" "$url/bcast/sp4"; }
check "a message is answered" grep -q 'tag="8"' <(told)
check "/status" await_status 15 "$dir/run/bridge-front.status.sock" '[p["received"] for p in s["exchanges"]["peers"] if p["name"] == "bsm1"] == [1]'
metric() { grep -q '^simulgate_bridge_received_total{peer="bsm1"} 1$' <("$PYTHON" "$here/probe.py" get "$dir/run/bridge-front.status.sock" /metrics); }
check "/metrics" metric
check "simulgate status shows both" same "$(within 15 "$front" status --config "$conf" | grep -c '^bridge ')" 2
check "simulgate check-config asks them" same "$(status_of "$front" check-config "$conf")" 0
write '      new: { roles: bsm }'
kill -HUP "$(value "$dir/run/bridge-front.status.sock" 's["pid"]')"
check "SIGHUP: a new peer" await_status 15 "$dir/run/bridge-front.status.sock" 'len(s["exchanges"]["peers"]) == 3'
write '      new: { roles: bsm }' other
kill -HUP "$(value "$dir/run/bridge-back.status.sock" 's["pid"]')"
check "… and what takes a restart is refused, with the place" await_log 15 run 'event=reload_refused .*id of bridge back has changed'
# All places are taken by clients that keep their connections for later.
cat >"$dir/crowd.py" <<'EOF'
import http.client, resource, sys
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
document = open(sys.argv[2]).read()
def ask(c, method, path, body=None):
    c.request(method, path, body, {"Content-Type": "text/xml"} if body else {})
    r = c.getresponse()
    said = r.read().decode()
    assert r.status == 200, (r.status, said)
    return said
clients = [http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60) for _ in range(1024)]
for c in clients:
    ask(c, "GET", "/bcast/health")
one_more = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
assert 'tag="8"' in ask(one_more, "POST", "/bcast/sp4", document)
EOF
check "1024 idle clients: one makes room for another" "$PYTHON" "$dir/crowd.py" "$p_front" "$dir/doc"
check "… and that is told" await_log 15 run 'event=refused .*idle, and its place was needed'
verdicts "$PYTHON" "$here/bridge_hostile.py" "$p_front" "$top_srcdir/tests/data/sp4/samples"
check "SIGTERM ends them" stop run 30
