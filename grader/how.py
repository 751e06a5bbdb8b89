"""TEMPORARY STAND-IN: overwrite this file."""


class How:
    def __init__(self, *a):
        pass

    def must_not(self, *a):
        pass

    def must(self, *a):
        pass

    def loops(self, **k):
        pass

    def indexing_only(self):
        pass

    def only_builtins(self):
        pass


def tampering(cells):
    return []


def reachable_names(name, cells):
    return set()


def globals_read(name, cells):
    return set()
