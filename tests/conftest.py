"""No test reaches for the network or spins for work: set before anything imports torch or a Hugging Face library."""

import os

from hypothesis import settings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"

# Threads that spin starve the other test process and every engine: forty small training steps took a minute.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A machine that does other work is no reason to fail.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
