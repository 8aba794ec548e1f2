"""Accuracy at every thinking budget from one generation: what was asked, the verdicts, the numbers, the page."""
