"""Runs the cells on standard input, a JSON list, with no wall around them."""

import json
import sys

from IPython.core.interactiveshell import InteractiveShell

if __name__ == "__main__":
    shell = InteractiveShell.instance(history_enabled=False)
    for cell in json.load(sys.stdin):
        shell.run_cell(cell)
