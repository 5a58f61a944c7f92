#!/bin/sh
# Makes authority.pem, server.pem and server.key anew. The key of the authority is thrown away.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: > "$work/index.txt"
echo 01 > "$work/serial"
for name in authority server; do
    openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$work/$name.key"
    openssl req -new -config openssl.cnf -key "$work/$name.key" -subj "/CN=miniclaw test $name" -out "$work/$name.csr"
done
sed "s|^dir = .*|dir = $work|" openssl.cnf > "$work/ca.cnf"
sign() {
    name=$1; shift
    openssl ca -batch -notext -config "$work/ca.cnf" -keyfile "$work/authority.key" \
        -startdate 20200101000000Z -enddate 21200101000000Z -extensions "$name" -in "$work/$name.csr" -out "$name.pem" "$@"
}
sign authority -selfsign -rand_serial
sign server -cert authority.pem
cp "$work/server.key" server.key
