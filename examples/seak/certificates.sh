#!/bin/sh
# examples/seak/certificates.sh: a certification authority for this example, and a certificate for each bridge, in certificates/ beside it
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p certificates
cd certificates
new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
# shellcheck disable=SC2086
openssl req -x509 $new -days 365 -subj "/CN=seak example" -keyout ca.key -out ca.pem 2>/dev/null
for name in hub bsm1 bsm2 bsm3; do
	echo "subjectAltName=DNS:$name.example,IP:127.0.0.1" >san
	# shellcheck disable=SC2086
	openssl req $new -subj "/CN=$name" -keyout $name.key -out $name.csr 2>/dev/null
	openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 -extfile san -out $name.pem 2>/dev/null
done
rm -f san ./*.csr
