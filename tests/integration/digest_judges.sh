#!/usr/bin/env bash
# tests/integration/digest_judges.sh: curl and Python's urllib agree with our server side of HTTP Digest, body or none, awkward names, a nonce that
# has expired, several requests under one nonce. curl's auth-int covers requests without a body only.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need curl "$PYTHON"
plan 14
btid=I1U8vpY3qJ0hiuZNrke/NQ==@bsf.mnc001.mcc001.pub.3gppnetwork.org
srk=tbmXD86T6VvM30k/fRjcdV7bocFbvbpgTlrkE6AAbjE=
realm=3GPP-bootstrapping@bsm.example.net

# serve NAME USER PASSWORD REALM: its address in $url
serve() {
	start "$1" "$top_builddir/tests/integration/digest_server" "$2" "$3" "$4"
	await 15 "a port" grep -q ^port "$dir/log/$1" || bail "the server listens"
	url=http://127.0.0.1:$(awk '/^port/ { print $2 }' "$dir/log/$1")
}
ask() { curl -sS --max-time 10 --digest -o "$dir/reply" -w '%{http_code} ' "$@"; }
# agrees PATH [CURL ARGUMENT ...]
agrees() { same "$(ask -u "$btid:$srk" "$url$1" "${@:2}")" "200 " && same "$(cat "$dir/reply")" agreed; }
said() { tail -n "$1" "$dir/log/plain" | tr '\n' ',' ; }

serve plain "$btid" "$srk" "$realm"
check "curl GETs with auth" agrees /auth
check "curl POSTs with auth" agrees /auth --data-binary '<a>b</a>'
check "curl GETs with auth-int" agrees /auth-int
check "… which it chose" same "$(said 1)" "GET /auth-int right nc 00000001,"
check "curl chooses where it may" agrees /both
check "curl begins again when its nonce has expired" agrees /stale
check "… and was told so" same "$(said 3)" "GET /stale none,GET /stale stale,GET /stale right nc 00000001,"
check "a wrong password is none" same "$(ask -u "$btid:${srk%=}" "$url/auth")" "401 "
check "… for that reason" same "$(said 1)" "GET /auth wrong,"
check "another user is none" same "$(ask -u "x$btid:$srk" "$url/auth")" "401 "
check "urllib GETs and POSTs with auth" "$PYTHON" -c '
import sys, urllib.request
url, realm, user, password = sys.argv[1:]
auth = urllib.request.HTTPDigestAuthHandler()
auth.add_password(realm, url, user, password)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), auth)
assert opener.open(url + "/auth", timeout=10).read() == b"agreed\n"
assert opener.open(url + "/auth", b"<a>b</a>", timeout=10).read() == b"agreed\n"
for k in range(3):
    assert opener.open(url + "/count", timeout=10).read() == b"agreed\n"
' "$url" "$realm" "$btid" "$srk"
check "… and counts its requests under a nonce as we do" same "$(grep '/count right' "$dir/log/plain" | tr '\n' ',')" \
	"GET /count right nc 00000001,GET /count right nc 00000002,GET /count right nc 00000003,"
serve awkward 'a "b" \c, d=é' 'p:"\w' 'of "this" \ realm'
check "curl and we quote alike" same "$(ask -u 'a "b" \c, d=é:p:"\w' "$url/auth")" "200 "
check "… with a body, too" same "$(ask -u 'a "b" \c, d=é:p:"\w' "$url/auth" -d x)" "200 "
