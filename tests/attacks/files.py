"""Submissions that are not what a notebook file should be: each function makes one at ``target``."""
