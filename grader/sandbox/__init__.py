"""The wall. ``zygote``, ``worker`` and ``confine`` are the untrusted side; ``client`` is the trusted end of it.

Nothing on the untrusted side imports any other part of the grader: what a forked worker's memory holds is the
sandbox, the libraries and the student's own notebook.
"""
