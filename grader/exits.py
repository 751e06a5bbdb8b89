"""The exit codes of all commands."""

OK, NOT_RUN, UNUSABLE = 0, 1, 2
