#!/bin/sh
# Makes the component. Arguments go to componentize-py.
set -eu
cd "$(dirname "$0")"
# Bindings for an editor would be taken for the program's own.
rm -rf wit_world componentize_py_types.py componentize_py_runtime.pyi componentize_py_async_support poll_loop.py
.venv/bin/componentize-py -d wit -w transform componentize component --stub-wasi -o {{name}}.wasm
