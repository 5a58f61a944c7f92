"""Logs into the web chat by a link of `miniclaw web`, says something and waits for the answer: chat.py LINK [TEXT]"""

import json
import re
import sys
import time
import urllib.parse
import urllib.request
import uuid

link = urllib.parse.urlsplit(re.search(r"http://\S+/login\?token=\S+", sys.argv[1]).group())
text = sys.argv[2] if len(sys.argv) > 2 else "hello"
origin = f"{link.scheme}://{link.netloc}"
cookie = ""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)


def ask(path, body=None, kind="application/json"):
    headers = {"Origin": origin, "Content-Type": kind, **({"Cookie": cookie} if cookie else {})}
    try:
        return opener.open(urllib.request.Request(origin + path, data=body, headers=headers), timeout=10)
    except urllib.error.HTTPError as answer:
        if answer.code == 303:
            return answer
        raise SystemExit(f"{path}: {answer.code} {answer.read(300)!r}")


token = urllib.parse.parse_qs(link.query)["token"][0]
login = ask("/api/login", urllib.parse.urlencode({"token": token}).encode(), "application/x-www-form-urlencoded")
cookie = login.headers["Set-Cookie"].split(";")[0]
messages = f"/api/chats/c-{uuid.uuid4()}/messages"
ask(messages, json.dumps({"id": str(uuid.uuid4()), "text": text}).encode())
deadline = time.monotonic() + 15
while time.monotonic() < deadline:
    answers = [m["text"] for m in json.load(ask(messages + "?after=0"))["messages"] if m["role"] == "agent"]
    if any(text in answer for answer in answers):
        print(answers[-1])
        sys.exit(0)
    time.sleep(0.2)
sys.exit("no answer came")
