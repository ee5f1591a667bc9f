#!/usr/bin/env bash
# tests/integration/scrub.sh: simulgate scrub as its user meets it: keys, what is kept, other traffic, pcapng, broken captures, pipes, exit statuses.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
plan 49
for bin in "$SIMULGATE_LIBEXEC/tools" "$SIMULGATE_LIBEXEC"; do [ ! -x "$bin/simulgate-scrub" ] || break; done
captures=$top_srcdir/tests/data/captures
ecmg=$captures/third-party-ecmg-scs.pcap
mux=$captures/third-party-emmg-mux-udp.pcap
out=$dir/out.pcap
(umask 077; echo "the key of this test, and of no other" >"$dir/key")
scrub() { "$bin/simulgate-scrub" "$@" 2>>"$dir/log/scrub"; }
status() { scrub "$@" >"$dir/said.scrub"; echo $?; }
decode() { "$bin/simulgate-decode" "$@" 2>>"$dir/log/decode"; }
summary() { decode --summary "$1"; }
sum() { cksum <"$1"; }

check "a capture is scrubbed" same "$(status --key "$dir/key" "$ecmg" "$out")" 0
check "nobody else may read it" same "$(stat -c %a "$out")" 600
check "what was replaced is said" grep -q '^keys  *31 replaced: CP_CW_combination 31' "$dir/said.scrub"
check "decode counts the same" same "$(summary "$out")" "$(summary "$ecmg")"
for what in "$ecmg" "$out"; do decode --json --secrets "$what" >"$dir/${what##*/}.json"; done
verdicts "$PYTHON" "$here/scrub_judge.py" "by itself" "$ecmg" "$dir/${ecmg##*/}.json" "$out" "$dir/out.pcap.json"
# rule, severity, session, side, frame, message, parameter, count: what is found, but for the values that it is said with
findings() {
	"$bin/simulgate-lint" --json "$1" 2>>"$dir/log/lint" | "$PYTHON" -c 'import json, sys
for f in json.load(sys.stdin)["findings"]:
    print(*(f[k] for k in ("rule", "severity", "session", "side", "frame", "message", "parameter", "count")))'
}
check "lint finds something" test -n "$(findings "$ecmg")"
check "and afterwards the same" same "$(findings "$out")" "$(findings "$ecmg")"
check "diff finds nothing but access criteria" within 60 "$bin/simulgate-diff" --ignore access_criteria "$ecmg" "$out"
status --key "$dir/key" "$ecmg" "$dir/again.pcap" >/dev/null
check "the same key: the same capture" same "$(sum "$dir/again.pcap")" "$(sum "$out")"
status "$ecmg" "$dir/random.pcap" >/dev/null
check "no key: another" test "$(sum "$dir/random.pcap")" != "$(sum "$out")"
check "a key file that is not there is made" same "$(status --key "$dir/new.key" "$ecmg" "$dir/new1.pcap")" 0
check "for its owner alone" same "$(stat -c %a "$dir/new.key")" 600
status --key "$dir/new.key" "$ecmg" "$dir/new2.pcap" >/dev/null
check "and serves again" same "$(sum "$dir/new1.pcap")" "$(sum "$dir/new2.pcap")"
chmod 644 "$dir/new.key"
check "but not when others may read it: status 78" same "$(status --key "$dir/new.key" "$ecmg" "$dir/new3.pcap")" 78
check "standard input" same "$(scrub --key "$dir/key" - "$dir/pipe.pcap" < <(cat "$ecmg") >/dev/null; sum "$dir/pipe.pcap")" "$(sum "$out")"
mkdir "$dir/all"
check "several into a directory" same "$(status --key "$dir/key" "$ecmg" "$mux" "$dir/all")" 0
check "each as by itself" same "$(sum "$dir/all/${ecmg##*/}")" "$(sum "$out")"
ids() { decode --json "$1" | grep -o '"name":"\(Super_CAS_id\|client_id\)","length":4,"value":[0-9]*' | sed 's/.*://' | sort -u; }
check "an id has one pseudonym in all of them" same "$(ids "$dir/all/${ecmg##*/}")" "$(ids "$dir/all/${mux##*/}")"

# what is kept, what is listed
status --keep ids,addresses,ac "$ecmg" "$dir/kept.pcap" >/dev/null
plain() { decode --json "$1" | grep -v '"message":"ECM_response"' | cksum; }
check "ids, addresses and access criteria can be kept" same "$(plain "$dir/kept.pcap")" "$(plain "$ecmg")"
words() { decode --json --secrets --message CW_provision "$1" | grep -o '"cp":[0-9]*,"value":"[0-9a-f]*"' | sort -u; }
check "keys are not" same "$(comm -12 <(words "$ecmg") <(words "$dir/kept.pcap"))" ""
check "nor can they be: status 64" same "$(status --keep keys "$ecmg" "$dir/kept.pcap")" 64
check "a list writes nothing" same "$(status --list --key "$dir/key" "$ecmg"; find "$dir" -maxdepth 1 -name "*.pcap" | wc -l)" $'0\n7'
check "and shows pseudonyms" grep -Eq '^ids +Super_CAS_id +0x4adc0001 -> 0x' "$dir/said.scrub"
check "those of the capture" grep -q "$(ids "$out" | xargs printf '0x%08x')" "$dir/said.scrub"
status --ports "$ecmg" "$dir/ports.pcap" >/dev/null
check "ports, if asked for" same "$(summary "$dir/ports.pcap"; decode "$dir/ports.pcap" | grep -c ':2222[0-9]')" "$(summary "$ecmg")"$'\n'0

# other traffic, and pcapng with what must not get out
"$PYTHON" - "$ecmg" "$dir" <<'EOF'
import struct, sys
name, target = sys.argv[1:]
data = open(name, "rb").read()
frames, at = [], 24
while at < len(data):
    s, us, n, wire = struct.unpack("<IIII", data[at:at + 16])
    frames.append((s, us, data[at + 16:at + 16 + n]))
    at += 16 + n
ip = lambda proto, rest: bytes.fromhex("4500") + struct.pack(">H", 20 + len(rest)) + bytes.fromhex("0001000040") + bytes([proto]) + b"\0\0" + bytes([10, 1, 2, 3, 10, 9, 8, 7]) + rest
mac = bytes.fromhex("00163e112233" "00163e445566")
http = b"GET /private HTTP/1.1\r\nHost: secret.example\r\n\r\n"
tcp = struct.pack(">HHIIHHHH", 40000, 80, 1, 1, 0x5018, 1000, 0, 0)
others = [mac + b"\x08\x00" + ip(6, tcp + http), mac + b"\x08\x06" + bytes.fromhex("0001080006040001") + mac[6:] + bytes([10, 1, 2, 3]) + bytes(6) + bytes([10, 9, 8, 7]),
          mac + b"\x08\x00" + ip(17, struct.pack(">HHHH", 5000, 53, 8 + 17, 0) + b"secret.example.. ")]
frames[3:3] = [(frames[3][0], frames[3][1], f) for f in others]
with open(f"{target}/mixed.pcap", "wb") as w:
    w.write(data[:24])
    for s, us, f in frames:
        w.write(struct.pack("<IIII", s, us, len(f), len(f)) + f)
for order in "<>":
    def block(kind, body):
        body += bytes(-len(body) % 4)
        return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)
    def options(*pairs):
        return b"".join(struct.pack(order + "HH", c, len(v)) + v + bytes(-len(v) % 4) for c, v in pairs) + bytes(4)
    with open(f"{target}/mixed{'le' if order == '<' else 'be'}.pcapng", "wb") as w:
        w.write(block(0x0a0d0d0a, struct.pack(order + "IHHq", 0x1a2b3c4d, 1, 0, -1) + options((1, b"secret comment"), (2, b"secret machine"))))
        w.write(block(1, struct.pack(order + "HHI", 1, 0, 0) + options((2, b"secret0"), (9, b"\x09"), (3, b"secret description"))))
        w.write(block(4, struct.pack(order + "HH", 1, 12) + b"\x0a\1\2\3secret\0\0" + bytes(4)))
        w.write(block(10, struct.pack(order + "II", 0x544c534b, 24) + b"CLIENT_RANDOM secret key"))
        for s, us, f in frames:
            t = s * 10 ** 9 + us * 1000 + 7
            w.write(block(6, struct.pack(order + "IIIII", 0, t >> 32, t & 0xffffffff, len(f), len(f)) + f + bytes(-len(f) % 4) + options((1, b"secret frame"), (2, struct.pack(order + "I", 1)))))
        w.write(block(5, struct.pack(order + "III", 0, 0, 0) + options((4, struct.pack(order + "Q", len(frames))), (1, b"secret statistics"))))
EOF
for kind in mixed.pcap mixedle.pcapng mixedbe.pcapng; do
	status --key "$dir/key" "$dir/$kind" "$dir/out-$kind" >/dev/null
	check "$kind: decode counts the same" same "$(summary "$dir/out-$kind")" "$(summary "$dir/$kind")"
	check "$kind: nothing of other traffic or comments is left" same "$(grep -acE 'secret|private' "$dir/out-$kind")" 0
	check "$kind: which is said" grep -q 'blanked: 64 octets of TCP and UDP' "$dir/said.scrub"
done
need_no_more() { status --key "$dir/key" --drop-other "$dir/$1" "$dir/only-$1" >/dev/null; summary "$dir/only-$1" | head -1; }
check "other traffic can be left out" same "$(need_no_more mixedle.pcapng)" "$(summary "$ecmg" | head -1)"
check "which a pipe cannot: status 64" same "$(status --drop-other - "$dir/piped.pcap" < <(cat "$ecmg"))" 64

# broken captures
head -c 9000 "$ecmg" >"$dir/short.pcap"
check "a capture that breaks off: status 1" same "$(status "$dir/short.pcap" "$dir/out-short.pcap")" 1
check "with what was before" same "$(summary "$dir/out-short.pcap")" "$(summary "$dir/short.pcap")"
echo "no capture, but longer than the header of one is" >"$dir/text.pcap"
check "no capture: status 78, and nothing written" same "$(status "$dir/text.pcap" "$dir/none.pcap"; ls "$dir"/none.pcap* 2>/dev/null)" 78
# a capture that does not end, ended by a signal
mkfifo "$dir/pipe"
"$bin/simulgate-scrub" "$dir/pipe" "$dir/ended.pcap" >>"$dir/log/ended" 2>&1 &
pid[ended]=$!
exec 7>"$dir/pipe"
cat "$ecmg" >&7
read_all() { [ "$(awk '/^rchar/ { print $2 }' "/proc/${pid[ended]}/io")" -gt "$(stat -c %s "$ecmg")" ]; }
await 30 "the pipe to be read" read_all
kill -INT "${pid[ended]}"
exec 7>&-
wait "${pid[ended]}"
check "a signal: status 1, and what was before" same "$?/$(summary "$dir/ended.pcap" | head -1)" "1/$(summary "$ecmg" | head -1)"
unset 'pid[ended]'
check "which is said" grep -q ': interrupted: .* has the first 148 frames' "$dir/log/ended"
check "onto itself: status 64" same "$(status "$dir/short.pcap" "$dir/short.pcap")" 64
check "onto a pipe: status 64" same "$(status "$ecmg" -)" 64
check "in the place of one: status 64" same "$(status "$ecmg" "$dir/pipe")" 64
check "which is there yet" test -p "$dir/pipe"
check "two of one name into a directory: status 64" same "$(status "$ecmg" "$dir/all/${ecmg##*/}" "$dir/all")" 64
