"""Set-up shared by all tests: fixed seeds, no network, one thread per test process."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("ARCHDSL_DEBUG", "1")  # every model graph is verified between the stages
os.environ.setdefault("OMP_NUM_THREADS", "1")  # pytest runs one process per core already

from hypothesis import HealthCheck, settings

# No clock decides whether a test passes, and every run draws the same examples;
# `make fuzz` draws new ones.
settings.register_profile(
    "fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "fuzz", settings.get_profile("fixed"), derandomize=False, max_examples=2000
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))
