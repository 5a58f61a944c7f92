#!/usr/bin/env python3
"""A channel of two files: each line of INBOX, {"id":…, "chat":…, "sender":…, "text":…}, is a message; replies are
appended to OUTBOX. In the configuration: "settings": {"command": ["python3", "/…/files.py"],
"options": {"inbox": "/…/inbox", "outbox": "/…/outbox"}}. The protocol: docs/exec-protocol.md."""
import json, sys, threading, time
mutex = threading.Lock()

def say(kind, **line):
    with mutex:
        print(json.dumps({"type": kind, **line}), flush=True)

def follow(path, done):  # The gateway keeps the cursor, here a number of lines, together with the messages.
    number, line = 0, ""
    with open(path) as inbox:
        while True:
            line += inbox.readline()
            if line.endswith("\n"):
                number += 1
                if number > done:
                    say("message", **json.loads(line), cursor=str(number))
                line = ""
            else:
                time.sleep(0.05)

for line in map(json.loads, sys.stdin):  # It ends when the gateway does.
    if line["type"] == "start":
        inbox, follower, outbox = line["options"]["inbox"], None, open(line["options"]["outbox"], "a+")
        outbox.seek(0)
        known = {json.loads(reply)["key"] for reply in outbox}
        say("ready", account="files")
    elif line["type"] == "receive" and not follower:  # It comes again after every pause.
        follower = threading.Thread(target=follow, args=(inbox, int(line["cursor"] or 0)), daemon=True)
        follower.start()
    elif line["type"] == "send":
        key = line["idempotency_key"]
        if key not in known:  # Where the answer got lost the message comes again, with its key.
            print(json.dumps({"key": key, "chat": line["chat"]["id"], "text": line["text"]}), file=outbox, flush=True)
            known.add(key)
        say("sent", id=line["id"], ids=[key])
