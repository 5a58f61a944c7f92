"""Makes an OCI bundle's config.json of an image's configuration, as Docker with compose.yaml or Kubernetes would:
read-only root, no capability, no new privileges, the default seccomp profile of container engines.

bundle.py IMAGE.json SECCOMP.json ROOT [HOST:CONTAINER:ro|rw …] [NAME=VALUE …] < `runc spec`'s file > config.json
"""

import json
import sys

image = json.load(open(sys.argv[1]))["OCIv1"]["config"]
profile = json.load(open(sys.argv[2]))
spec = json.load(sys.stdin)

# Where no capability is held, on x86-64 or arm64.
syscalls = []
for rule in profile["syscalls"]:
    includes = rule.get("includes") or {}
    arches = includes.get("arches") or []
    if includes.get("caps") or (arches and not {"amd64", "arm64"} & set(arches)):
        continue
    kept = {"names": rule["names"], "action": rule["action"]}
    if rule.get("args"):
        kept["args"] = rule["args"]
    if rule["action"] == "SCMP_ACT_ERRNO" and rule.get("errnoRet"):
        kept["errnoRet"] = rule["errnoRet"]
    syscalls.append(kept)
seccomp = {"defaultAction": profile["defaultAction"], "syscalls": syscalls}
if profile.get("defaultErrnoRet"):
    seccomp["defaultErrnoRet"] = profile["defaultErrnoRet"]

uid, gid = (int(number) for number in image["User"].split(":"))
process = spec["process"]
process["terminal"] = False
process["user"] = {"uid": uid, "gid": gid}
process["args"] = image["Entrypoint"] + image["Cmd"]
process["env"] = image["Env"] + [further for further in sys.argv[4:] if "=" in further]
process["cwd"] = image.get("WorkingDir") or "/"
process["noNewPrivileges"] = True
process["capabilities"] = {name: [] for name in ("bounding", "effective", "permitted", "ambient")}
process["rlimits"] = []
spec["root"] = {"path": sys.argv[3], "readonly": True}
spec["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "noexec", "size=64m"]})
for mount in sys.argv[4:]:
    if "=" not in mount:
        host, container, mode = mount.split(":")
        spec["mounts"].append({"destination": container, "type": "bind", "source": host, "options": ["rbind", mode]})
spec["linux"]["seccomp"] = seccomp
spec["linux"]["resources"] = {"pids": {"limit": 512}, "memory": {"limit": 1 << 30}}
json.dump(spec, sys.stdout)
