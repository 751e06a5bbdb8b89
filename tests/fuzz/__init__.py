"""Coverage-guided fuzzing of what reads untrusted bytes; needs atheris (``pip install atheris``)."""
