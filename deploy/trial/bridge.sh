#!/bin/sh
# A chat for the scripts beside: somebody says hello once, and what they get as an answer goes to the log.
while read -r line; do
    id=$(expr "$line" : '{"type":"send","id":\([0-9]*\)')
    case $line in
        *'"type":"start"'*) echo '{"type":"ready","account":"trial","name":"trial"}' ;;
        *'"type":"receive"'*) echo '{"type":"message","id":"1","chat":"trial","sender":"42","text":"hello from the trial"}' ;;
        *'"type":"send"'*)
            echo "{\"type\":\"sent\",\"id\":$id,\"ids\":[\"$id\"]}"
            echo "answer: $line" >&2 ;;
        *'"type":"stop"'*) exit 0 ;;
    esac
done
