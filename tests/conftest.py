"""No test reaches for the network: set before anything imports a Hugging Face library."""

import os

from hypothesis import settings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"

# A machine that does other work is no reason to fail.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
