"""How fast grading is.

``python -m benchmarks.batch`` measures, ``python -m benchmarks.load`` grades a large class with attackers in it,
``python -m benchmarks.profile`` says where time goes.
"""
