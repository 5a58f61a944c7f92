"""A small Bot API and the person behind it: says each of its lines, waits for the answer, and shows how it grew. A line
that begins with `[picture]` or `[file]` comes with one."""

import base64
import json
import queue
import re
import sys
import threading
import time
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, token, *lines = sys.argv[1:]
ADA = {"id": 42, "is_bot": False, "first_name": "Ada"}
CHAT = {"id": 42, "type": "private", "first_name": "Ada"}
BOT = {"id": 123456, "is_bot": True, "first_name": "Bot", "username": "smollm2_bot"}
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)
FILES = {"picture": PICTURE, "file": b"The meeting is on Monday."}
ATTACHED = {
    "picture": {"photo": [{"file_id": "picture", "file_unique_id": "p", "width": 1, "height": 1}]},
    "file": {"document": {"file_id": "file", "file_unique_id": "f", "file_name": "note.txt", "mime_type": "text/plain"}},
}
waiting = queue.Queue()
connected = threading.Event()
changed = threading.Condition()
# Every form that each message had, by its number.
messages = {}


def poll(asked):
    connected.set()
    try:
        return [waiting.get(timeout=float(asked.get("timeout", 0)))]
    except queue.Empty:
        return []


def post(asked):
    number = int(asked.get("message_id") or 1000 + len(messages))
    forms = messages.setdefault(number, [])
    if forms and forms[-1] == asked["text"]:
        return None
    forms.append(asked["text"])
    changed.notify_all()
    return {"message_id": number, "date": int(time.time()), "chat": CHAT, "from": BOT, "text": asked["text"]}


METHODS = {
    "getMe": lambda asked: BOT,
    "getWebhookInfo": lambda asked: {"url": "", "has_custom_certificate": False, "pending_update_count": 0},
    "getUpdates": poll,
    "getFile": lambda asked: {"file_id": asked["file_id"], "file_unique_id": "u", "file_path": asked["file_id"]},
    "sendMessage": post,
    "editMessageText": post,
}


class BotApi(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path.startswith("/file/"):
            self.reply(200, "application/octet-stream", FILES[self.path.rsplit("/", 1)[-1]])
            return
        method = self.path.rsplit("/", 1)[-1]
        # What the person sees was answered for, or an end of this program would leave the gateway in doubt.
        with nullcontext() if method == "getUpdates" else changed:
            self.answer(method, body)

    do_GET = do_POST

    def answer(self, method, body):
        result = METHODS.get(method, lambda asked: True)(json.loads(body or b"{}"))
        if result is None:
            answer = {"ok": False, "error_code": 400, "description": "Bad Request: message is not modified"}
        else:
            answer = {"ok": True, "result": result}
        self.reply(200 if answer["ok"] else 400, "application/json", json.dumps(answer).encode())

    def reply(self, status, kind, body):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def say(number, line):
    text, _, expected = line.partition(" => ")
    print(f"Ada: {text}", flush=True)
    known = set(messages)
    message = {"message_id": number, "date": int(time.time()), "chat": CHAT, "from": ADA}
    if attached := re.match(r"\[(picture|file)\] ", text):
        message |= {"caption": text[attached.end() :], **ATTACHED[attached[1]]}
    else:
        message["text"] = text
    waiting.put({"update_id": number, "message": message})
    end = time.monotonic() + 300
    with changed:
        # An answer that is still being written ends with an ellipsis.
        while not (forms := [forms for known_as, forms in messages.items() if known_as not in known]) or forms[-1][-1].endswith("…"):
            if not changed.wait(end - time.monotonic()):
                sys.exit(f"no answer to `{text}`")
    grown = ", ".join(str(len(form)) for form in forms[0])
    print(f"bot: {forms[0][-1]}".replace("\n", "\n     "))
    if len(forms[0]) > 1:
        print(f"     (grew in one message: {grown} characters)", flush=True)
    if len(forms) > 1:
        sys.exit(f"`{text}` was answered {len(forms)} times: {forms}")
    if not re.search(expected, forms[0][-1], re.IGNORECASE):
        sys.exit(f"expected `{expected}` in the answer to `{text}`")


ThreadingHTTPServer.daemon_threads = True
threading.Thread(target=ThreadingHTTPServer(("127.0.0.1", int(port)), BotApi).serve_forever, daemon=True).start()
if not connected.wait(60):
    sys.exit("the gateway did not come")
# What a gateway before this one heard has other numbers.
for number, line in enumerate(lines, start=int(time.time())):
    say(number, line)
if not any(len(forms) > 1 for forms in messages.values()):
    sys.exit("no answer was shown while it was written")
