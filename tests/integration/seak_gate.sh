#!/usr/bin/env bash
# tests/integration/seak_gate.sh: the gate for STKMs that somebody else makes (mode C): our SCS, a bridge that is its ECMG and the BSD/A, behind it by XML another
# bridge with our ECMG. Its STKMs name a SEAK that nobody has delivered, and are held back; curl, as the BSM that makes SEAKs, delivers it, and they go.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=calib.sh
. "$here/calib.sh"
# shellcheck source=brlib.sh
. "$here/brlib.sh"
need curl xmllint openssl
plan 9

authority ca
certificate ca hub DNS:hub.example IP:127.0.0.1
certificate ca back DNS:back.example IP:127.0.0.1
certificate ca hand DNS:hand.example
certificate ca mute DNS:mute.example IP:127.0.0.1
ports hub back face drm nobody mute
install -m 600 "$top_srcdir/examples/keys/drm.yaml" "$dir/drm.yaml"
# service KMS ECM_ID: at the far end the ECM_id of the service's own stream is another one, of no use there
service() {
	printf '  - { id: news, scrambling: srtp, crypto_period: 2s, global_service_id: "urn:test:news", stkm: [{ kms: %s, ecm_id: %s }],
' "$1" "$2"
	printf '      media: [{ name: av, in: "udp://239.255.0.1:5004", out: "udp://239.255.1.1:5004" }] }
'
}
common() { printf 'head_end: %s\nstate: state-%s\nplayout: unix://%s/run-%s\n' "$1" "$1" "$dir" "$1"; }
cat >"$dir/hub.yaml" <<EOF
$(common hub)
kms: { far: { super_cas_id: 0x00010001, ecmg: tcp://127.0.0.1:$face, max_comp_time: 500, delay_start: -300, delay_stop: -300 } }
services:
$(service far 1)
bridge:
$(bridge_entry hub hub.example bsda "$hub")
    peers:
      back: { id: back.example, roles: bsm, url: "https://127.0.0.1:$back" }
      hand: { id: hand.example, roles: bsm }
      dead: { id: dead.example, roles: bsm, url: "https://127.0.0.1:$nobody" }
      mute: { id: mute.example, roles: bsm, url: "https://127.0.0.1:$mute", timeout: 6s }
    ecmg: [{ kms: far, peer: back }]
    seak: [{ service: news, generator: hand, others: [back, dead, mute], wait: 60s }]
EOF
cat >"$dir/back.yaml" <<EOF
$(common back)
kms: { drm: { super_cas_id: 0x00010001, ecmg: tcp://127.0.0.1:$drm, plugin: drm, keys: drm.yaml } }
services:
$(service drm 101)
bridge:
$(bridge_entry back back.example bsm "$back")
    peers: { hub: { id: hub.example, roles: bsda, url: "https://127.0.0.1:$hub" } }
    stkm: [{ kms: drm, peer: hub, service: news, ecm_id: 1 }]
    seak: [{ service: news, bsda: hub }]
EOF
# It takes all that it is sent, and answers nothing.
cat >"$dir/mute.py" <<'EOF'
import socketserver, ssl, sys
class Listener(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            with tls.wrap_socket(self.request, server_side=True) as s:
                while s.recv(4096):
                    pass
        except OSError:
            pass
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
port, base = sys.argv[1:]
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(base + ".pem", base + ".key")
Server(("127.0.0.1", int(port)), Listener).serve_forever()
EOF
start mute "$PYTHON" "$dir/mute.py" "$mute" "$dir/mute"
sg drm ecmg --config "$dir/back.yaml" --kms drm --status "unix://$dir/drm.sock"
bridge_on back "$dir/back.yaml"
bridge_on hub "$dir/hub.yaml"
await_port 15 "$mute" || bail "the mute BSM listens"
await_log 30 back event=ready && await_log 30 hub event=ready || bail "the bridges are ready"
sg scs scs --config "$dir/hub.yaml" --status "unix://$dir/scs.sock"

check "STKMs under a SEAK that nobody has delivered are held back" await_log 30 scs 'event=ecmg_error .*error=0x8013' 2
check "… and no crypto-period begins" same "$(value "$dir/scs.sock" "u['released']")" 0
check "another SEAK is delivered" gives 0 deliver urn:test:news 98 "$(octets cd)"
check "… and a BSM that takes it without an answer is out of reach after one attempt" \
	await_log 30 hub 'event=seak .*cid_extension=98 peer=mute.example .*is out of reach'
check "and another is delivered" gives 0 deliver urn:test:news 99 "$(octets ab)"
refusals=$(grep -c 'error=0x8013' "$dir/log/scs")
check "… which does not help" await_log 30 scs 'error=0x8013' $((refusals + 2))
check "the one that they name is delivered" gives 0 deliver urn:test:news 7 "$(octets ab)"
check "and they go on air" await_status 30 "$dir/scs.sock" "u['released'] >= 2"
# It opened before the first attempt to deliver to one of them had its end, six seconds long or ten.
first() { grep -E 'event=seak .*cid_extension=99 .*(gate open|is out of reach)' "$dir/log/hub" | head -n 1 | grep 'gate open'; }
check "neither the BSM that is not there nor the one that does not answer, which is known by now, held it up" first
