"""How fast grading is.

``python -m benchmarks`` measures everything and compares; ``python -m benchmarks.profile`` says where time goes.
``python -m benchmarks.scale`` grades ten thousand, ``python -m benchmarks.load`` a large class with attackers in it,
and ``python -m benchmarks.gradebook`` writes a thousand into nbgrader's gradebook, and kills that half way.
"""
