"""How fast grading is.

``python -m benchmarks.batch`` measures, ``python -m benchmarks.profile`` says where time goes.
"""
