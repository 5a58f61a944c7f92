"""Asks a Prometheus that scrapes a gateway what the dashboard and the rules ask: prometheus.py ADDRESS DASHBOARD.json

Every expression must be understood and find something, but for those of what went wrong, of which there is nothing; every rule must be well."""

import json
import re
import sys
import urllib.parse
import urllib.request

address, dashboard = sys.argv[1:]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# Where it stands for nothing that a gateway has which does nothing wrong.
EMPTY = {"miniclaw_channel_progress_age_seconds"}


def get(path, **query):
    try:
        answer = opener.open(f"http://{address}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=10)
    except urllib.error.HTTPError as error:
        answer = error
    return json.load(answer)


def expressions(part):
    if isinstance(part, dict):
        yield from ([part["expr"]] if "expr" in part else [])
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from expressions(inner)


wrong = []
variables = {"$job": ".*", "$instance": ".*", "$__interval": "1m", "$__rate_interval": "1m"}
asked = 0
for expression in expressions(json.load(open(dashboard))):
    for name, value in variables.items():
        expression = expression.replace(name, value)
    asked += 1
    answer = get("query", query=expression)
    if answer["status"] != "success":
        wrong.append(f"{expression}: {answer['error']}")
    elif not answer["data"]["result"] and not EMPTY & set(re.findall(r"\w+", expression)) and "changes(" not in expression:
        wrong.append(f"{expression}: finds nothing")
rules = [rule for group in get("rules")["data"]["groups"] for rule in group["rules"]]
wrong += [f"rule {rule['name']}: {rule['lastError']}" for rule in rules if rule["health"] != "ok"]
wrong += [f"rule {rule['name']} speaks of a gateway that is well" for rule in rules if rule["state"] != "inactive"]
if not asked or not rules:
    wrong.append("there is nothing to ask")
print("\n".join(wrong) or f"{asked} expressions, {len(rules)} rules")
sys.exit(bool(wrong))
