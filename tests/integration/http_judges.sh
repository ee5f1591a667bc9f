#!/usr/bin/env bash
# tests/integration/http_judges.sh: curl and openssl agree with our HTTP server: bodies of all kinds, old clients, TLS, certificates of clients, new
# certificates without a restart; Python's client takes the place of one that is idle.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need curl openssl
plan 21

# serve NAME SCHEME [ARG ...]: its port in $port
serve() {
	start "$1" "$top_builddir/tests/integration/httpd_run" "$2://127.0.0.1:0" "${@:3}"
	await 15 "a port" grep -q ^port "$dir/log/$1" || bail "the server listens"
	port=$(awk '/^port/ { print $2 }' "$dir/log/$1")
}
# It may offer HTTP/2, which we do not speak.
ask() { curl -sS --noproxy '*' --max-time 10 -o "$dir/reply" -w '%{http_code} %{http_version}' "$@"; }
echoed() { same "$(ask "${@:2}")" "200 1.1" && cmp "$dir/reply" "$1"; }

head -c 60000 /dev/urandom >"$dir/body"
printf hello >"$dir/hello"
: >"$dir/empty"
serve plain tcp
url=http://127.0.0.1:$port
check "a body" echoed "$dir/body" --data-binary "@$dir/body" "$url/"
check "… in chunks" echoed "$dir/body" -H 'Transfer-Encoding: chunked' --data-binary "@$dir/body" "$url/"
check "… with 100-continue" echoed "$dir/body" -H 'Expect: 100-continue' --expect100-timeout 9 --data-binary "@$dir/body" "$url/"
check "… that is answered later" echoed "$dir/hello" --data-binary "@$dir/hello" "$url/later"
check "a body that is too long" same "$(ask -H 'Expect: 100-continue' --expect100-timeout 9 --data-binary @<(head -c 70000 /dev/zero) "$url/")" "413 1.1"
check "… also when it is sent at once" same "$(ask -H Expect: --data-binary @<(head -c 200000 /dev/zero) "$url/")" "413 1.1"
check "HTTP/1.0" same "$(ask -0 --data-binary "@$dir/hello" "$url/")" "200 1.1"
check "HEAD" grep -q '^Content-Length: 8388608' <(curl -sS --noproxy '*' --max-time 10 -I "$url/big")
check "8 MiB" same "$(ask "$url/big") $(stat -c %s "$dir/reply")" "200 1.1 8388608"
kept() { curl -sS --noproxy '*' --max-time 10 "$url/1" "$url/2" "$url/3" -v 2>&1 | grep -c 'Re-using existing connection'; }
check "one connection for three requests" same "$(kept)" 2

# an authority for servers and clients, and a client of another
authority() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" -keyout "$dir/$1.key" -out "$dir/$1.pem"
}
certificate() {		# CA NAME
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$dir/$2.key" -out "$dir/$2.csr" &&
		openssl x509 -req -in "$dir/$2.csr" -CA "$dir/$1.pem" -CAkey "$dir/$1.key" -CAcreateserial -days 2 -out "$dir/$2.pem" \
		-extfile <(echo 'subjectAltName=IP:127.0.0.1')
}
{ authority ours && authority theirs && certificate ours server && certificate ours bsm && certificate theirs stranger; } >"$dir/log/openssl" 2>&1 ||
	bail "certificates are made"
serve mutual tls "$dir/server.pem" "$dir/server.key" "$dir/ours.pem"
url=https://127.0.0.1:$port
as() { echo --cacert "$dir/ours.pem" --cert "$dir/$1.pem" --key "$dir/$1.key"; }
# shellcheck disable=SC2046
check "a client with a certificate" echoed "$dir/hello" $(as bsm) --data-binary "@$dir/hello" "$url/"
check "… whose name is known" grep -q '^request POST / 5 CN = bsm$' "$dir/log/mutual"
# shellcheck disable=SC2046
check "one of another authority gets nothing" same "$(ask $(as stranger) "$url/")" "000 0"
# Under TLS 1.3 the handshake ends for the client before the server has seen that there is no certificate: only a request tells.
anonymous() {
	local said
	said=$({ printf 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'; sleep 1; } | within 30 openssl s_client -quiet -connect "127.0.0.1:$port" -CAfile "$dir/ours.pem" 2>&1)
	[[ $said != *HTTP/1.1* ]] || { echo "$said"; return 1; }
}
check "nor does one without" anonymous
tls11() { ! openssl s_client -tls1_1 -cipher ALL:@SECLEVEL=0 -connect "127.0.0.1:$port" </dev/null; }
check "TLS 1.1 is not spoken" tls11
plain_at_tls() {
	local n
	n=$(grep -c '^refused 0 TLS' "$dir/log/mutual")
	(printf 'GET / HTTP/1.1\r\nHost: a\r\n\r\n' >"/dev/tcp/127.0.0.1/$port") || :	# it may be closed between two lines
	await_log 15 mutual '^refused 0 TLS' $((n + 1))
}
check "nor plain HTTP, and that is told" plain_at_tls
renewed() {
	certificate ours server >>"$dir/log/openssl" 2>&1 || return
	sig HUP mutual
	await_log 15 mutual '^reload done' || return
	openssl s_client -connect "127.0.0.1:$port" -cert "$dir/bsm.pem" -key "$dir/bsm.key" </dev/null 2>/dev/null | openssl x509 -noout -serial >"$dir/shown"
	same "$(cat "$dir/shown")" "$(openssl x509 -noout -serial -in "$dir/server.pem")"
}
check "a new certificate without a restart" renewed
check "SIGTERM ends it" stop mutual

# a full server: four places
HTTPD_CLIENTS=4 serve few tls "$dir/server.pem" "$dir/server.key" "$dir/ours.pem"
cat >"$dir/crowd.py" <<'EOF'
import http.client, socket, ssl, sys, time
what, port, base = sys.argv[1], int(sys.argv[2]), sys.argv[3]
tls = ssl.create_default_context(cafile=base + "/ours.pem")
tls.load_cert_chain(base + "/bsm.pem", base + "/bsm.key")
def ask(c):
    c.request("GET", "/one")
    r = c.getresponse()
    r.read()
    return r.status
def client():
    return http.client.HTTPSConnection("127.0.0.1", port, context=tls, timeout=30)
def gone(c):
    try:
        return c.sock.recv(1) == b""
    except (ssl.SSLEOFError, ConnectionResetError):
        return True
if what == "idle":
    clients = [client() for _ in range(4)]
    assert [ask(c) for c in clients] == [200] * 4
    assert ask(clients[0]) == 200
    one_more = client()
    assert ask(one_more) == 200
    assert gone(clients[1])
    assert [ask(c) for c in (clients[0], clients[2], clients[3], one_more)] == [200] * 4
else:
    mute = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
    said, end = 503, time.time() + 30
    while said == 503 and time.time() < end:
        time.sleep(0.1)
        said = ask(client())
    assert said == 200, said
EOF
crowd() { "$PYTHON" "$dir/crowd.py" "$1" "$port" "$dir"; }
check "it is full: the client that was idle longest makes room, the others stay" crowd idle
check "… and that is told" await_log 15 few '^refused 0 idle, and its place was needed$'
check "clients that do not even begin TLS make room" crowd mute
